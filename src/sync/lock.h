/* The lock inside: for those that have one of their own, or give one up and take it back. */
#ifndef KITH_SRC_SYNC_LOCK_H
#define KITH_SRC_SYNC_LOCK_H

#include <kith/sync.h>

#include "sync/handle.h"
#include "sync/owned.h"

enum { LOCK_SEEKERS = 48 };

/** The lock as it lies in shared memory; all zero is one that is free and not recursive. */
struct lock_shared {
    _Alignas(CACHE_LINE) struct owned_word owned;
    uint32_t recursive; /* never changes */
    /* Those who look for deadlocks while they wait: each a word owned by one of them (deadlock.h). */
    _Alignas(CACHE_LINE) struct robust_word seekers[LOCK_SEEKERS];
};

/** A process's handle of a lock. One that is a part of another object has no object of its own. */
struct kith_lock {
    struct object object;
    struct lock_shared *shared;
    struct kith_lock *next, **link; /* among all of this process: deadlock.c */
};

/** Makes a handle for a lock that is a part of another object. Undo it with lock_detach. */
void lock_attach(struct kith_lock *lock, struct lock_shared *shared);

/** Undoes lock_attach. The calling thread releases the lock first when it owns it. */
void lock_detach(struct kith_lock *lock);

/** The owner gives the lock up, however often it has acquired it. @return what it needs for lock_take_back */
uint32_t lock_give_up(struct os_thread *self, struct lock_shared *shared);

/** Acquires the lock again, for as long as it takes. @return 0 or KITH_EOWNERDEAD */
int lock_take_back(struct os_thread *self, struct lock_shared *shared, uint32_t again);

#endif
