/* kith/memory.h: how shared objects are found by processes that are no relatives, and bare shared memory.
 *
 * Names. Queues, locks, semaphores, conditions, events, barriers, arrays and heaps are anonymous when they are made by
 * kith_..._new: they live in memory that goes with the last process that has them, so kill -9 leaves nothing behind.
 * Made by kith_..._open they have a name, which stays until kith_..._unlink, and which any process of the same user can
 * open.
 *
 *  - Only the same user opens an object: it is made with mode 0600, and one that belongs to another user, or that
 *    others may open, is refused with -EACCES.
 *  - An object that no process has open any more is stale: all who had it closed it, ended or were killed. KITH_CREATE
 *    replaces it. Otherwise a queue (an array, a heap) is taken over with what it holds, and a lock (a semaphore, a
 *    condition, an event, a barrier) starts anew, for there is nobody left to whom its state would mean anything.
 *  - One that another version of kith made, laid out differently, is refused with KITH_ELAYOUT; when it is stale,
 *    KITH_CREATE and KITH_OPEN_OR_CREATE replace it.
 *  - kith_..._unlink opens the object for a moment, to see what it is. So it can fail with -EMFILE or -ENFILE, too.
 *  - All who use an object must be in one PID namespace, and see the same /dev/shm when they open it by name.
 *
 * Descriptors. kith_..._share_fd gives the descriptor that stands for the object, and is its own; sent over a Unix
 * socket (kith_connection_send_fd), or left open over an exec, it becomes a handle of another process by
 * kith_..._from_fd. The object lives as long as any process has a handle or a descriptor of it.
 */
#ifndef KITH_MEMORY_H
#define KITH_MEMORY_H

#include <kith/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The longest name of an object, in bytes. A name has no '/'. */
#define KITH_NAME_MAX 200

/** What to do about a name. Each kith_..._open returns, beside what kith_..._new does: -ENOENT when there is no such
 *  object; -EEXIST when there is and it should not be; -EACCES when it is not to be trusted (see above); -EINVAL when
 *  the name is no name, or of something else; KITH_ELAYOUT; -EBUSY when a process that is opening it has been stopped
 *  for a second; -ENOTSUP when /dev/shm is no tmpfs, or /proc is not there. */
typedef enum kith_open {
    KITH_OPEN = 1,          /**< it must be there; what else the call says about it (bounds, values) is not used */
    KITH_CREATE = 2,        /**< it must not be there, or be stale */
    KITH_OPEN_OR_CREATE = 3 /**< it is made when it is not there */
} kith_open;

/* ---- segment ---- */

/** Bare shared memory, as CPython's multiprocessing.shared_memory.SharedMemory: so many bytes, and nothing else in it.
 *
 *  A named one is the file /dev/shm/NAME, so CPython (3.8 and later) attaches to what kith made and kith to what
 *  CPython made, each under the same name. It shows nobody who uses it, so one that a dead program left is not
 *  recognised: it stays until kith_segment_unlink. (kith's other objects are known by their headers, and taken over.)
 *  To unlink is once for all: those who have it keep it, others find it no more.
 *
 *  CPython before 3.13 unlinks every segment that a program of its attached to when that program ends, also those that
 *  others made: its resource tracker takes them for forgotten. There, call
 *  multiprocessing.resource_tracker.unregister("/" + name, "shared_memory") after attaching; from 3.13 on, attach with
 *  track=False.
 *
 *  A segment is backed by real memory when kith makes it: there is -ENOSPC or -ENOMEM then, and not SIGBUS later.
 *  (More than the machine has is refused. For what it has but others use, the kernel does as it does when any program
 *  fills its memory: it may kill a process. Named ones end at the size of /dev/shm, with -ENOSPC.)
 *  CPython only reserves a length: when /dev/shm is full, the first touch of a page of its segment raises SIGBUS in
 *  whoever touches it. So does any access to a part that another program cuts off the file. */
typedef struct kith_segment kith_segment;

/** Makes an anonymous segment, all zero.
 *  @param segment  receives it; free it with kith_segment_free
 *  @param size     in bytes, 1 or more
 *  @return 0; -EINVAL when segment is NULL, size is 0 or negative seen as ptrdiff_t; -ENOMEM or -ENOSPC when there is
 *          not so much memory; -EFBIG when the file size limit (ulimit -f) forbids it; -EMFILE or -ENFILE when no file
 *          descriptor is left (a segment has one) */
KITH_API KITH_MUST_USE int kith_segment_new(kith_segment **segment, size_t size);

/** Makes or opens a segment that has a name. A new one, all zero, appears under its name at one instant, as a whole.
 *  @param segment  receives it; free it with kith_segment_free. Its name stays until kith_segment_unlink
 *  @param name     1 to KITH_NAME_MAX bytes without '/', but for one at the start, which is left off; names that begin
 *                  with "kith." are those of other objects, and refused. NULL with KITH_CREATE: makes one up as CPython
 *                  does, "psm_" and eight hexadecimal digits; kith_segment_name tells it
 *  @param how      KITH_CREATE fails when the name is taken, whether anybody uses it or not
 *  @param size     of a new one, in bytes, 1 or more. For one that is found it is not used: see kith_segment_size
 *  @return 0, or as kith_segment_new and kith_open say; -EBUSY also when another program has begun to make it, and did
 *          not say how long it is to be for a second. -EINVAL also when the name is that of no file */
KITH_API KITH_MUST_USE int kith_segment_open(kith_segment **segment, const char *name, kith_open how, size_t size);

/** Takes a segment's name away.
 *  @return 0; -ENOENT when there is none of that name; -EACCES when it belongs to another user, or others may open it;
 *          -EINVAL when the name is no name */
KITH_API int kith_segment_unlink(const char *name);

/** The descriptor that stands for the segment, closed on exec. It is the segment's own: do not close it.
 *  @return the descriptor; -EINVAL when segment is NULL */
KITH_API int kith_segment_share_fd(const kith_segment *segment);

/** Takes the segment that a descriptor stands for: one of kith_segment_share_fd, or of any file of memory. It is as
 *  long as the file is now, and has no name here.
 *  @param segment  receives it; free it with kith_segment_free
 *  @param fd       opened for reading and writing. It stays the caller's
 *  @return 0; -EBADF when it is not open; -EINVAL when it is no file or an empty one, or segment is NULL; -EACCES when
 *          it may not be written; -EMFILE, -ENOMEM */
KITH_API KITH_MUST_USE int kith_segment_from_fd(kith_segment **segment, int fd);

/** The segment's first byte, at the start of a page. At another address in each process; the same in a child made by
 *  fork. @return NULL when segment is NULL */
KITH_API void *kith_segment_data(const kith_segment *segment);

/** @return its size in bytes, as asked for; 0 when segment is NULL */
KITH_API size_t kith_segment_size(const kith_segment *segment);

/** @return the name under which this handle was opened, without a leading '/'; it lives as long as the handle. NULL
 *          when it has none */
KITH_API const char *kith_segment_name(const kith_segment *segment);

/** Gives this process's handle back: its memory is at no address here any more. Others keep theirs, and the name stays.
 *  NULL is fine. */
KITH_API void kith_segment_free(kith_segment *segment);

#ifdef __cplusplus
}
#endif

#endif
