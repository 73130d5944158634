/* The lock inside: for those that have one of their own, or give one up and take it back. */
#ifndef KITH_SRC_SYNC_LOCK_H
#define KITH_SRC_SYNC_LOCK_H

#include <kith/sync.h>

#include "sync/handle.h"
#include "sync/lent.h"
#include "sync/owned.h"

/** The lock as it lies in shared memory; all zero is one that is free and has no options. */
struct lock_shared {
    _Alignas(CACHE_LINE) struct owned_word owned; /* of one that anyone releases, only the word, as lent.h has it */
    uint32_t recursive;                           /* this and the next never change */
    uint32_t anyone_releases;
};

/** Those who look for deadlocks while they wait for a lock: each a word owned by one of them (deadlock.h). */
struct lock_seekers {
    _Alignas(CACHE_LINE) struct robust_word words[48];
};

/** A process's handle of a lock. One that is a part of another object has no object of its own. */
struct kith_lock {
    struct object object;
    struct lock_shared *shared;
    struct lock_seekers *seekers; /* NULL: the lock takes no part in finding deadlocks */
    struct lent_look look;
    struct kith_lock *next, **link; /* among all of this process that have seekers: deadlock.c */
};

/** Makes a handle for a lock that is a part of another object. Undo it with lock_detach. */
void lock_attach(struct kith_lock *lock, struct lock_shared *shared, struct lock_seekers *seekers);

/** Undoes lock_attach. The calling thread releases the lock first when it owns it. */
void lock_detach(struct kith_lock *lock);

/** Whether the calling thread owns the lock, or its process, where that is the owner. */
bool lock_is_mine(struct os_thread *self, const struct kith_lock *lock);

/** The owner gives the lock up, however often it has acquired it. @return what it needs for lock_take_back */
uint32_t lock_give_up(struct os_thread *self, struct kith_lock *lock);

/** Acquires the lock again, for as long as it takes. @return 0 or KITH_EOWNERDEAD */
int lock_take_back(struct os_thread *self, struct kith_lock *lock, uint32_t again);

#endif
