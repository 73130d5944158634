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
 *  - All who use an object must be in one PID namespace, and see the same /dev/shm when they open it by name.
 *
 * Descriptors. kith_..._share_fd gives a descriptor that stands for the object; sent over a Unix socket
 * (kith_connection_send_fd), or left open over an exec, it becomes a handle of another process by kith_..._from_fd. The
 * object lives as long as any process has a handle or a descriptor of it.
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
 *  for a second; -ENOTSUP when /dev/shm is no tmpfs. */
typedef enum kith_open {
    KITH_OPEN = 1,          /**< it must be there; what else the call says about it (bounds, values) is not used */
    KITH_CREATE = 2,        /**< it must not be there, or be stale */
    KITH_OPEN_OR_CREATE = 3 /**< it is made when it is not there */
} kith_open;

#ifdef __cplusplus
}
#endif

#endif
