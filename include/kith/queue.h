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
 *    again at once, time after time, it is kept, until a getter has waited in a get for a second.
 *
 * A queue is inherited: made before the processes that use it are started, and used on when the process that made it is
 * gone. Or it has a name, or is handed on as a descriptor: see kith/memory.h.
 */
#ifndef KITH_QUEUE_H
#define KITH_QUEUE_H

#include <kith/base.h>
#include <kith/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A queue. The handle belongs to the process; the queue to all that have it. */
typedef struct kith_queue kith_queue;

/** The longest message, in bytes: 16 GiB. */
#define KITH_QUEUE_MESSAGE_MAX ((uint64_t)1 << 34)

/** The most messages that a queue holds, bounded or not. */
#define KITH_QUEUE_ITEMS_MAX (((uint64_t)1 << 30) - 1)

/** Bounds, and what the queue keeps account of; all zero is the default. Without any bound, put never waits: it fails
 *  with -ENOSPC at 64 GiB or KITH_QUEUE_ITEMS_MAX messages, whichever comes first, and, for a queue that has a name,
 *  when /dev/shm is full. Otherwise, where memory ends before that, the kernel may kill a process rather than let put
 *  fail with -ENOMEM: so bound a queue whose getters may lag behind. */
typedef struct kith_queue_options {
    uint64_t max_items; /**< messages, at most KITH_QUEUE_ITEMS_MAX; 0: no bound */
    uint64_t max_bytes; /**< bytes: a message counts its size rounded up to a multiple of 8, plus 8; 0: no bound */
    /** A message that was got stays in the queue's memory, and counts for its bounds, until its getter says
     *  kith_queue_task_done. When the getter, which is the thread that got it, ends first, the message is got once
     *  more, before all others. Who gets it is told by kith_queue_deliveries that it is not the first. At most
     *  KITH_QUEUE_GETTERS_MAX living threads may have unfinished messages, or wait for one, at the same time. */
    int redeliver;
    /** With redeliver: a message that was delivered so often and never finished is poison, and is not delivered again:
     *  see kith_queue_set_poison. 0: there is no such limit; at most KITH_QUEUE_DELIVERIES_MAX. */
    unsigned max_deliveries;
} kith_queue_options;

#define KITH_QUEUE_GETTERS_MAX 120
#define KITH_QUEUE_DELIVERIES_MAX 200

/** Makes an empty queue.
 *  @param queue    receives it; free it with kith_queue_free
 *  @param options  its bounds; NULL for none
 *  @return 0; -EINVAL when queue is NULL, max_items exceeds KITH_QUEUE_ITEMS_MAX, max_bytes is not 0 and less than 8
 *          (no message fits), or max_deliveries is too large or given without redeliver; -ENOMEM; -EMFILE or -ENFILE
 *          when no file descriptor is left (a queue has one); -EFBIG when the file size limit (ulimit -f) forbids its
 *          memory; -ENOTSUP when the C library registers no robust list, or, with redeliver, the kernel has no
 *          futex_waitv (Linux 5.16) */
KITH_API KITH_MUST_USE int kith_queue_new(kith_queue **queue, const kith_queue_options *options);

/** Makes or opens a queue that has a name: see kith/memory.h.
 *  @param options  for a queue that is made; one that is there keeps its own
 *  @return as kith_queue_new, and what kith_open says */
KITH_API KITH_MUST_USE int kith_queue_open(kith_queue **queue, const char *name, kith_open how,
                                           const kith_queue_options *options);

/** Takes a queue's name away. Those who have it open keep it, and it goes with the last of them.
 *  @return 0; -ENOENT; -EACCES; -EINVAL when this is no name, or not that of a queue */
KITH_API int kith_queue_unlink(const char *name);

/** A descriptor that stands for the queue, to be handed to another process: see kith/memory.h. It is the queue's own:
 *  do not close it. It tells nothing to poll: see kith_queue_fd.
 *  @return the descriptor; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_share_fd(const kith_queue *queue);

/** Makes a handle of a queue that a descriptor stands for. The descriptor stays the caller's.
 *  @return 0; -EINVAL when queue is NULL or it is no queue's; KITH_ELAYOUT; -EBADF, -EMFILE, -ENOMEM; -ENOTSUP */
KITH_API KITH_MUST_USE int kith_queue_from_fd(kith_queue **queue, int fd);

/* KITH_AT_ONCE is for putting and getting (kith_queue_put, put_many, reserve; get, get_bytes, get_many, peek, take;
 * put_value and get_value of kith/codec.h). It does not hand over poison either: then it is -EAGAIN, too. KITH_EFULL
 * and KITH_EEMPTY it says where they are certain. */

/** Puts one message at the queue's tail.
 *
 *  Waits while the queue is full. When it returns 0 the message is in shared memory: it outlives this process.
 *  Putters that wait are let in when there is room for the largest message among theirs, so that small ones do not
 *  starve it; if that takes longer than a second, a small one may come first.
 *
 *  @param queue    an open queue
 *  @param data     the message; copied, still the caller's afterwards. May be NULL when size is 0
 *  @param size     its length in bytes, 0 to KITH_QUEUE_MESSAGE_MAX
 *  @param timeout  how long to wait for room
 *  @return 0; KITH_EFULL when there was no room in time; -EMSGSIZE when this queue can never hold so much; KITH_ECLOSED
 *          after kith_queue_close or kith_queue_shut; -EINTR when a signal handler ran while waiting (one installed
 *          with SA_RESTART only if there is a timeout); -ENOMEM, -ENOSPC or -EFBIG when memory for it can't be had;
 *          -EBUSY when another putter kept the queue for a second past the timeout (it is stopped, or copies
 *          gigabytes); -EDEADLK when this thread has reserved room here and neither committed nor cancelled it; -EINVAL
 *          when queue is NULL, data is NULL and size is not 0, the size is negative seen as ptrdiff_t, or the timeout
 *          is negative. Whatever it is but 0: nothing was put */
KITH_API KITH_MUST_USE int kith_queue_put(kith_queue *queue, const void *data, size_t size, kith_timeout timeout);

/** A message of the caller's. */
typedef struct kith_message {
    const void *data; /**< may be NULL when size is 0 */
    size_t size;      /**< in bytes */
} kith_message;

/** Puts many messages, in their order and with none of another putter between them as long as they find room. They cost
 *  less than one by one: other processes see them a run at a time.
 *
 *  @param messages  count of them; copied
 *  @param count     how many, at least 1
 *  @param timeout   how long to wait for room, all together
 *  @return how many were put, the first ones of them: all but where the time was over or something else failed after
 *          the first; or a code of kith_queue_put when none was. A message that can never be put is found
 *          before any is put */
KITH_API KITH_MUST_USE int kith_queue_put_many(kith_queue *queue, const kith_message *messages, unsigned count,
                                               kith_timeout timeout);

/** Gives room for one message at the queue's tail, to be written in place: nothing is copied.
 *
 *  This thread is the only putter until it calls kith_queue_commit or kith_queue_cancel: other putters wait meanwhile,
 *  so be quick. When it dies first, the reservation is gone and nothing was put.
 *
 *  @param size  what is needed, in bytes; kith_queue_commit may take less
 *  @param data  receives the address of size bytes, aligned to 8; what they hold is undefined
 *  @return 0 or a code of kith_queue_put */
KITH_API KITH_MUST_USE int kith_queue_reserve(kith_queue *queue, size_t size, void **data, kith_timeout timeout);

/** Puts what was written in the room that this thread has reserved. From here on that memory is not its own.
 *  @param size  the message's length in bytes, at most what was reserved
 *  @return 0; -EMSGSIZE when size is more than was reserved: the reservation stays; -EPERM when this thread has
 *          reserved nothing here; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API KITH_MUST_USE int kith_queue_commit(kith_queue *queue, size_t size);

/** Gives up what this thread has reserved. @return 0; -EPERM, KITH_ECLOSED, -EINVAL as for kith_queue_commit */
KITH_API int kith_queue_cancel(kith_queue *queue);

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
 *          after kith_queue_close, and after kith_queue_shut when all is drained; -EINTR as for kith_queue_put; -ENOMEM
 *          when the memory that holds the message can't be mapped (it stays in the queue); -EBUSY when another getter
 *          kept the queue for a second past the timeout; -EDEADLK when this thread has peeked and not released; -EAGAIN
 *          when, with redeliver, KITH_QUEUE_GETTERS_MAX other threads have unfinished messages or wait for one; -EINVAL
 *          when queue or size is NULL, buffer is NULL and capacity is not 0, or the timeout is negative */
KITH_API KITH_MUST_USE int kith_queue_get(kith_queue *queue, void *buffer, size_t capacity, size_t *size,
                                          kith_timeout timeout);

/** Takes the message at the queue's head into memory that it allocates: for messages whose length is not known before.
 *  @param message  receives the message; the caller frees it with kith_bytes_free
 *  @return as kith_queue_get, without -EMSGSIZE; -ENOMEM also when the message's memory can't be allocated: it stays in
 *          the queue */
KITH_API KITH_MUST_USE int kith_queue_get_bytes(kith_queue *queue, kith_bytes *message, kith_timeout timeout);

/** Takes as many messages as are there, up to count: waits for the first, and for no other.
 *
 *  @param buffer    receives them one behind the other, each at a multiple of 8 bytes
 *  @param capacity  the buffer's length in bytes; the first message that does not fit stays in the queue, with all
 *  behind it
 *  @param sizes     receives the length of each in bytes
 *  @param count     the most to take, at least 1
 *  @return how many were taken, 1 or more; -EMSGSIZE when not even the first fits (sizes[0] tells what it needs); or
 *          another code of kith_queue_get */
KITH_API KITH_MUST_USE int kith_queue_get_many(kith_queue *queue, void *buffer, size_t capacity, size_t *sizes,
                                               unsigned count, kith_timeout timeout);

/** Shows the message at the queue's head where it lies: nothing is copied.
 *
 *  This thread is the only getter until it calls kith_queue_release: other getters wait meanwhile. When it dies first,
 *  the message is still there.
 *
 *  @param data  receives the message's address, aligned to 8. It may be written to by nobody
 *  @param size  receives its length in bytes
 *  @return 0 or a code of kith_queue_get */
KITH_API KITH_MUST_USE int kith_queue_peek(kith_queue *queue, const void **data, size_t *size, kith_timeout timeout);

/** Ends a peek.
 *  @param take  not 0: the message is taken from the queue. 0: it stays at the head, for whoever comes next
 *  @return 0; -EPERM when this thread has not peeked, or, with redeliver and take, has closed another handle of the
 *          queue since, which gives up what it has: the peek ends, and the message stays; KITH_ECLOSED; -EINVAL when
 *          queue is NULL */
KITH_API int kith_queue_release(kith_queue *queue, int take);

/** Takes the message at the queue's head where it lies, of a queue that redelivers: nothing is copied, and other getters
 *  go on meanwhile. From then on this process holds it, until any of its threads says kith_queue_finish: so long the
 *  message stays at its address as it is, whichever threads end. When the process ends first, it is got by another.
 *
 *  Room is given back from the oldest message on: behind one that is held long, those that came later keep theirs, too,
 *  which counts for the bounds. Closing the handle gives up what is held through it: it is got by others, and is at no
 *  address here any more.
 *
 *  The first call through a handle starts a thread in this process, which sleeps until the handle is closed: by it the
 *  kernel knows whether the process lives. For KITH_QUEUE_GETTERS_MAX a handle by which messages are held counts as one
 *  thread. kith_queue_task_done and kith_queue_deliveries are about messages that were got otherwise.
 *
 *  @param data  receives the message's address, aligned to 8. It may be written to by nobody
 *  @param size  receives its length in bytes
 *  @return 0 or a code of kith_queue_get; -EPERM when the queue does not redeliver; -EAGAIN also when no thread can be
 *          started; -ENOMEM also when there is none to note what is held: it stays in the queue */
KITH_API KITH_MUST_USE int kith_queue_take(kith_queue *queue, const void **data, size_t *size, kith_timeout timeout);

/** Finishes a message that kith_queue_take gave through this handle, in whatever order, from any thread of the process:
 *  it is done, as kith_queue_task_done has it, and is at no address here any more. It waits for nobody: if another is
 *  in the middle of getting, that one gives the room back.
 *  @param data  as kith_queue_take gave it
 *  @return 0; -EPERM when this process holds no message there: it has finished it, or its parent holds it;
 *          KITH_ECLOSED; -EINVAL when queue or data is NULL */
KITH_API int kith_queue_finish(kith_queue *queue, const void *data);

/* ---- joining: each message that is put is unfinished until somebody who got it says that it is done ---- */

/** Says that a message which was got is done with; with redeliver, the one that this thread has had longest, and none
 *  that kith_queue_take gave. (Where the thread has messages of dead getters among its own, that is right as long as it
 *  has not got 8,191 others meanwhile.) With redeliver it waits while another getter peeks.
 *  @return 0; -EPERM when more would be done than were got (with redeliver: than this thread got); with redeliver,
 *          -EDEADLK when this thread has peeked, and -ENOMEM when the message's memory can't be mapped; KITH_ECLOSED;
 *          -EINVAL when queue is NULL */
KITH_API int kith_queue_task_done(kith_queue *queue);

/** Waits until, at some instant, every message that has been put is done: those put before the call, and those that
 *  were put meanwhile.
 *  @return 0; -ETIMEDOUT; -EINTR, KITH_ECLOSED; -EINVAL when queue is NULL or the timeout negative */
KITH_API KITH_MUST_USE int kith_queue_join(kith_queue *queue, kith_timeout timeout);

/** How often the message that this thread got last, from this queue, has been delivered: 1, or more when it comes from
 *  a getter that died. @return the number; -EPERM when this thread has no unfinished message or the queue does not
 *  redeliver; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_deliveries(const kith_queue *queue);

/** What is called for a poisonous message, by the thread that would have got it, inside its call of kith_queue_get. It
 *  may use other objects, but not this queue. When the process dies in it, it is called again by another. */
typedef void kith_queue_poison(void *context, const void *data, size_t size, unsigned deliveries);

/** Says what this process does with poison that it comes upon (max_deliveries). Without a function it is dropped, with
 *  a warning in the log. It counts as done in any case. Say it before other threads get through this handle.
 *  @param function  NULL for none; kith_queue_park to keep it
 *  @return 0; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_set_poison(kith_queue *queue, kith_queue_poison *function, void *context);

/** A kith_queue_poison: puts the message into another queue, which should be unbounded.
 *  @param context  that queue's kith_queue */
KITH_API void kith_queue_park(void *context, const void *data, size_t size, unsigned deliveries);

/* ---- looking, and ending ---- */

/** A descriptor for poll, select and epoll, of this process: readable while there is a message to get, or the queue is
 *  shut. So it is when the call returns. From then on what is put makes it readable within moments, and a get through
 *  this handle that takes the last message, or finds none, makes it unreadable. That another handle took the last one
 *  it does not hear: so call this again before each poll, which makes it right once more and is cheap; or get with
 *  KITH_NOWAIT until that says KITH_EEMPTY. Other processes may be quicker than who was told in any case.
 *
 *  The first call starts a thread in this process that waits; putters do not pay for it. After a fork the child asks
 *  for one of its own.
 *  @return the descriptor, the same each time, which is the queue's: do not read or close it; -EMFILE, -ENFILE,
 *          -ENOMEM; -EAGAIN when no thread can be started; -ENOTSUP as for kith_queue_new; KITH_ECLOSED; -EINVAL when
 *          queue is NULL */
KITH_API KITH_MUST_USE int kith_queue_fd(kith_queue *queue);

/** How many messages are queued at one instant of the call. With redeliver, those that somebody got do not count.
 *  @return the number, 0 to KITH_QUEUE_ITEMS_MAX; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_qsize(const kith_queue *queue);

/** @return 1 when nothing is queued at one instant of the call, else 0, with redeliver also while there is what a dead
 *          getter had; KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_empty(const kith_queue *queue);

/** @return 1 when max_items messages are queued or not even an empty message fits max_bytes, at one instant of the
 *          call, else 0 (always, without bounds); KITH_ECLOSED; -EINVAL when queue is NULL */
KITH_API int kith_queue_full(const kith_queue *queue);

/** What kith_queue_walk calls for a message, which it may read until it returns. It must not use the queue.
 *  @return 0: go on; any other number ends the walk */
typedef int kith_queue_visit(void *context, const void *data, size_t size);

/** Shows all messages that are queued, from the head to the tail, and takes none: they are those of one instant, near
 *  the beginning of the call. With redeliver also those that somebody got and has not finished. Putters go on
 *  meanwhile, getters wait: so be quick. When this thread dies in the middle, nothing has happened.
 *  @return 0; what visit returned that was not 0; -EDEADLK when this thread has peeked; -EBUSY when a getter kept the
 *          queue for a second (it is stopped, or peeks); -ENOMEM when the memory that holds a message can't be mapped;
 *          KITH_ECLOSED; -EINVAL when queue or visit is NULL */
KITH_API KITH_MUST_USE int kith_queue_walk(kith_queue *queue, kith_queue_visit *visit, void *context);

/** What has happened on a queue since it was made, by all processes. */
typedef struct kith_queue_stats {
    uint64_t puts;       /**< messages that were put */
    uint64_t gets;       /**< messages that were got; with redeliver: that were done */
    uint64_t put_waits;  /**< how often a putter went to sleep because there was no room */
    uint64_t get_waits;  /**< how often a getter went to sleep because there was no message */
    uint64_t items;      /**< messages queued now */
    uint64_t bytes;      /**< bytes queued now, as max_bytes counts them */
    uint64_t unfinished; /**< messages put and not yet done, for kith_queue_join */
    uint64_t items_high; /**< the most messages queued at once, and */
    uint64_t
        bytes_high;  /**< the most bytes: as seen when a side looked at the other's position, which it does when it runs
                               out of room or of messages; so a short peak may be missed */
    uint64_t memory; /**< bytes of memory that the queue has now */
    uint64_t redelivered; /**< deliveries that were not a message's first */
    uint64_t poisoned;    /**< messages that were delivered max_deliveries times and given up */
    int shut;             /**< 1 after kith_queue_shut */
} kith_queue_stats;

/** @param stats  receives them, each as of some instant of the call
 *  @return 0; KITH_ECLOSED; -EINVAL when queue or stats is NULL */
KITH_API int kith_queue_get_stats(const kith_queue *queue, kith_queue_stats *stats);

/** Ends putting, for all processes and for ever: puts return KITH_ECLOSED, also those that wait; getters drain what is
 *  queued and get KITH_ECLOSED then. With redeliver that is when all is done, for what somebody has may come once more:
 *  say kith_queue_task_done before the next get, or that one waits for this thread's own.
 *  @return 0, also when it is shut already; -EDEADLK when this thread has reserved room here; -EBUSY when a putter kept
 *          the queue for a second (it is stopped); KITH_ECLOSED when this handle was closed; -EINVAL when queue is
 *          NULL */
KITH_API int kith_queue_shut(kith_queue *queue);

/** Ends this process's use of the queue and gives its mappings and its descriptors back. Calls on this handle return
 *  KITH_ECLOSED from now on; what is queued stays for the other processes. No other thread may be in a call on this
 *  handle. What this thread has reserved or peeked through this
 *  handle is given up first; with redeliver, what it has not finished, through whatever handle, is got by others. While
 *  another thread of this process has reserved, peeked or unfinished messages, the memory stays mapped and the
 *  descriptor open.
 *  @return 0, also when it is closed already; -EINVAL when queue is NULL */
KITH_API int kith_queue_close(kith_queue *queue);

/** Closes the queue if need be and frees the handle. NULL is fine. */
KITH_API void kith_queue_free(kith_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
