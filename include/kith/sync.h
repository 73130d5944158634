/* kith/sync.h: locks and semaphores that processes share.
 *
 * They live in anonymous shared memory: a child inherits those that its parent made before it was started, and the
 * kernel frees one when the last process that has it freed it or ended. Nothing is left behind by kill -9.
 *
 * They are futex words on the kernel's list of robust futexes: when a process dies, in whatever way, the kernel itself
 * marks what it owned and wakes a waiter. An uncontended acquire and release are no system call.
 */
#ifndef KITH_SYNC_H
#define KITH_SYNC_H

#include <kith/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lock
 * ------------------------------------------------------------------------------------------------------------ */

/** A mutual exclusion lock, owned by one thread of one process. Not recursive. A child made by fork owns nothing. */
typedef struct kith_lock kith_lock;

/** Makes a lock that nobody owns.
 *  @param lock  receives it; free it with kith_lock_free
 *  @return 0; -EINVAL when lock is NULL; -ENOMEM; -ENOTSUP when the C library registers no robust list for this thread
 *  */
KITH_API KITH_MUST_USE int kith_lock_new(kith_lock **lock);

/** Acquires the lock, waiting while another thread or process owns it.
 *
 *  KITH_EOWNERDEAD means acquired: the owner before ended without releasing, so what the lock protects may be half
 *  done. Repair it if need be, and release as always; the lock itself is whole, and the next owner gets 0.
 *
 *  @param lock     a lock
 *  @param timeout  how long to wait
 *  @return 0 or KITH_EOWNERDEAD: this thread owns it now. -ETIMEDOUT: another owned it all that time (with KITH_NOWAIT:
 *          now). -EDEADLK: this thread owns it already and would wait for itself. -EINTR: a signal handler ran while
 *          waiting (one installed with SA_RESTART only if there is a timeout). -EINVAL: lock is NULL or the timeout is
 *          negative */
KITH_API KITH_MUST_USE int kith_lock_acquire(kith_lock *lock, kith_timeout timeout);

/** Releases the lock and lets one waiter have it.
 *  @return 0; -EPERM when this thread does not own it (a child does not own what its parent acquired before the fork);
 *          -EINVAL when lock is NULL */
KITH_API int kith_lock_release(kith_lock *lock);

/** Gives this process's handle back; other processes keep theirs. NULL is fine. The calling thread releases the lock
 *  first when it owns it; no other thread of this process may own it or wait for it. */
KITH_API void kith_lock_free(kith_lock *lock);

/* ---- semaphore
 * ------------------------------------------------------------------------------------------------------- */

/** A counting semaphore: a number of units, taken and given back by any thread of any process. */
typedef struct kith_semaphore kith_semaphore;

/** Options of a semaphore; all zero is the default. */
typedef struct kith_semaphore_options {
    /** The units have owners: the thread that acquired one has it until that thread releases it. When it ends first,
     *  the kernel gives the unit back, and who gets it is told by KITH_EOWNERDEAD. At most KITH_SEMAPHORE_OWNED_MAX
     *  units. Without this a unit is a mere number, and one that a dead process had taken is gone. */
    int owned;
} kith_semaphore_options;

/** The largest value of a semaphore, and of one whose units have owners. */
#define KITH_SEMAPHORE_MAX 0x7fffffff
#define KITH_SEMAPHORE_OWNED_MAX 120

/** Makes a semaphore.
 *  @param semaphore  receives it; free it with kith_semaphore_free
 *  @param value      its units at the start, 0 to KITH_SEMAPHORE_MAX; with owners, 1 to KITH_SEMAPHORE_OWNED_MAX
 *  @param options    NULL for the defaults
 *  @return 0; -EINVAL; -ENOMEM; -ENOTSUP as for kith_lock_new */
KITH_API KITH_MUST_USE int kith_semaphore_new(kith_semaphore **semaphore, unsigned value,
                                              const kith_semaphore_options *options);

/** Takes one unit, waiting while there is none.
 *
 *  A process that dies while it waits takes nothing with it. A process that dies after this returned 0 keeps the unit
 *  for ever, unless the units have owners: then the next one to acquire it gets KITH_EOWNERDEAD, which means acquired.
 *
 *  @return 0 or KITH_EOWNERDEAD: a unit was taken. -ETIMEDOUT: there was none in time. -EINTR, -EINVAL as for
 *          kith_lock_acquire */
KITH_API KITH_MUST_USE int kith_semaphore_acquire(kith_semaphore *semaphore, kith_timeout timeout);

/** Gives one unit back, and wakes one waiter.
 *  @return 0; -EOVERFLOW when it would pass KITH_SEMAPHORE_MAX; -EPERM when the units have owners and this thread has
 *          none; -EINVAL when semaphore is NULL */
KITH_API int kith_semaphore_release(kith_semaphore *semaphore);

/** The units free at this instant; another process may change that at once.
 *  @return the number; -EINVAL when semaphore is NULL */
KITH_API int kith_semaphore_value(const kith_semaphore *semaphore);

/** Gives this process's handle back; other processes keep theirs. NULL is fine. No thread of this process may wait for
 *  it or own units of it. */
KITH_API void kith_semaphore_free(kith_semaphore *semaphore);

#ifdef __cplusplus
}
#endif

#endif
