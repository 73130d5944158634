/* Finding deadlocks of locks, for those who ask for it.
 *
 * A thread that has waited for a lock for a while says so in the lock itself, as one of its seekers. Then it looks who
 * owns the lock, which lock that one seeks, who owns that ..., among the locks of this process; if it comes back to
 * itself, none of them will ever go on. Whoever is the last to close the circle sees it. It looks again and again, ever
 * less often, for one that the last could not see, having no handles of all its locks.
 *
 * A seeker is a robust word on its thread's list: one that dies seeks no more. */
#ifndef KITH_SRC_SYNC_DEADLOCK_H
#define KITH_SRC_SYNC_DEADLOCK_H

#include "sync/lock.h"

/** -1: the environment has not been asked yet. Else whether deadlocks are to be found. */
extern _Atomic int deadlock_mode;

int deadlock_ask_environment(void);

/** Whether this process looks for deadlocks. */
static inline bool deadlock_detected(void)
{
    int mode = atomic_load_explicit(&deadlock_mode, memory_order_relaxed);
    return mode < 0 ? deadlock_ask_environment() : mode;
}

/** As word_acquire_slowly, and looks for deadlocks meanwhile.
 *  @param seeker  NULL at first; when it isn't afterwards, call deadlock_seek_no_more when the slot is free
 *  @return -EDEADLK, too, when there is one, with the detail */
int deadlock_acquire(struct os_thread *self, struct kith_lock *lock, deadline until, struct robust_word **seeker);

/** This thread seeks the lock no more. Leaves the slot empty. */
void deadlock_seek_no_more(struct os_thread *self, struct robust_word *seeker);

/** Notes a lock with seekers that this process has; strikes it out. */
void deadlock_add(struct kith_lock *lock);
void deadlock_remove(struct kith_lock *lock);

#endif
