/* kith/queue.h: a first-in first-out queue of byte messages in shared memory.
 *
 * What it promises:
 *  - When put returns 0, the message is in shared memory. It outlives the process that put it.
 *  - kill -9 of any process at any instant wedges nobody and corrupts nothing. It loses at most the call that this
 *    process was in: a put that did not return may have happened or not; a get that did not return may have taken its
 *    message.
 *  - Messages of one putter keep their order. Any number of processes and threads may put and get at the same time.
 *  - Bounded by items, by bytes, by both, or not at all.
 *  - While both sides are busy, a message costs no system call. Who waits sleeps in the kernel.
 *  - Memory follows what is queued, and goes back to the system as the queue drains. Only where it would be asked for
 *    again at once, time after time, it is kept, until a getter has waited for a second.
 *  - Nothing named: the memory dies with the last process that has the queue.
 *
 * A queue is made before the processes that use it are started; they inherit it, and go on using it when the process
 * that made it is gone.
 */
#ifndef KITH_QUEUE_H
#define KITH_QUEUE_H

#include <kith/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A queue. The handle belongs to the process; the queue to all that have it. */
typedef struct kith_queue kith_queue;

/** The longest message, in bytes: 16 GiB. */
#define KITH_QUEUE_MESSAGE_MAX ((uint64_t)1 << 34)

/** The most messages that a queue holds, bounded or not. */
#define KITH_QUEUE_ITEMS_MAX (((uint64_t)1 << 30) - 1)

/** Bounds; zero means no bound. Without any bound, put never waits: it fails with -ENOMEM when memory ends, and with
 *  -ENOSPC at 64 GiB or KITH_QUEUE_ITEMS_MAX messages, whichever comes first. */
typedef struct kith_queue_options {
    uint64_t max_items; /**< messages, at most KITH_QUEUE_ITEMS_MAX */
    uint64_t max_bytes; /**< bytes: a message counts its size rounded up to a multiple of 8, plus 8 */
} kith_queue_options;

/** Makes an empty queue.
 *  @param queue    receives it; free it with kith_queue_free
 *  @param options  its bounds; NULL for none
 *  @return 0; -EINVAL when queue is NULL, max_items exceeds KITH_QUEUE_ITEMS_MAX, or max_bytes is not 0 and less than 8
 *          (no message fits); -ENOMEM; -EMFILE or -ENFILE when no file descriptor is left (a queue has one); -EFBIG
 *          when the file size limit (ulimit -f) forbids its memory; -ENOTSUP when the C library registers no robust
 *          list */
KITH_API KITH_MUST_USE int kith_queue_new(kith_queue **queue, const kith_queue_options *options);

/** Puts one message at the queue's tail.
 *
 *  Waits while the queue is full. When it returns 0 the message is in shared memory: it outlives this process.
 *  Putters that wait are let in when there is room for the largest message among theirs, so that small ones do not
 *  starve it.
 *
 *  @param queue    an open queue
 *  @param data     the message; copied, still the caller's afterwards. May be NULL when size is 0
 *  @param size     its length in bytes, 0 to KITH_QUEUE_MESSAGE_MAX
 *  @param timeout  how long to wait for room
 *  @return 0; KITH_EFULL when there was no room in time; -EMSGSIZE when this queue can never hold so much; KITH_ECLOSED
 *          after kith_queue_close; -EINTR when a signal handler ran while waiting (one installed with SA_RESTART only
 *          if there is a timeout); -ENOMEM, -ENOSPC or -EFBIG when memory for it can't be had; -EBUSY when another
 *          putter kept the queue for a second past the timeout (it is stopped, or copies gigabytes); -EINVAL when queue
 *          is NULL, data is NULL and size is not 0, the size is negative seen as ptrdiff_t, or the timeout is negative.
 *          Whatever it is but 0: nothing was put */
KITH_API KITH_MUST_USE int kith_queue_put(kith_queue *queue, const void *data, size_t size, kith_timeout timeout);

/** Takes the message at the queue's head and copies it to a buffer of the caller's.
 *
 *  Waits while the queue is empty. A message that does not fit stays in the queue.
 *
 *  @param queue     an open queue
 *  @param buffer    receives the message. May be NULL when capacity is 0
 *  @param capacity  the buffer's length in bytes
 *  @param size      receives the message's length in bytes; also with -EMSGSIZE, where it tells what is needed
 *  @param timeout   how long to wait for a message
 *  @return 0; KITH_EEMPTY when there was none in time; -EMSGSIZE when the message is longer than capacity; KITH_ECLOSED
 *          after kith_queue_close; -EINTR as for kith_queue_put; -ENOMEM when the memory that holds the message can't
 *          be mapped (it stays in the queue); -EBUSY when another getter kept the queue for a second past the timeout;
 *          -EINVAL when queue or size is NULL, buffer is NULL and capacity is not 0, or the timeout is negative */
KITH_API KITH_MUST_USE int kith_queue_get(kith_queue *queue, void *buffer, size_t capacity, size_t *size,
                                          kith_timeout timeout);

/** Takes the message at the queue's head into memory that it allocates: for messages whose length is not known before.
 *  @param message  receives the message; the caller frees it with kith_bytes_free
 *  @return as kith_queue_get, without -EMSGSIZE; -ENOMEM also when the message's memory can't be allocated: it stays in
 *          the queue */
KITH_API KITH_MUST_USE int kith_queue_get_bytes(kith_queue *queue, kith_bytes *message, kith_timeout timeout);

/** How many messages are queued at one instant of the call.
 *  @return the number, 0 to KITH_QUEUE_ITEMS_MAX; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_qsize(const kith_queue *queue);

/** @return 1 when nothing is queued at one instant of the call, else 0; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_empty(const kith_queue *queue);

/** @return 1 when max_items messages are queued or not even an empty message fits max_bytes, at one instant of the
 *          call, else 0 (always, without bounds); KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_full(const kith_queue *queue);

/** Ends this process's use of the queue and gives its mappings and its file descriptor back. Calls on this handle
 *  return KITH_ECLOSED from now on; what is queued stays for the other processes. No other thread may be in a call on
 *  this handle.
 *  @return 0, also when it is closed already; -EINVAL when queue is NULL */
KITH_API int kith_queue_close(kith_queue *queue);

/** Closes the queue if need be and frees the handle. NULL is fine. */
KITH_API void kith_queue_free(kith_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
