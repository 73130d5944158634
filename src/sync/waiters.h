/* Threads that wait for somebody's word, the longest waiting first: a table of them in shared memory.
 *
 * Each waiter has an entry, whose robust word it owns for as long as it waits. Who notifies it marks the word; the mark
 * is for the waiter, and it is on this very word that it sleeps, so nobody else can take it away. When a waiter dies,
 * the kernel takes its id off the word and leaves the mark:
 *
 *     waiting    id                        notified    id | WAITER_NOTIFIED
 *     leaving    id | WAITER_LEAVING       free        0
 *     died       ROBUST_DIED               died after it was notified    ROBUST_DIED | WAITER_NOTIFIED
 *
 * So nobody who is dead is ever counted, and a notification that a dead one took with it can be found. One that dies
 * while it leaves looks like one that died waiting; but one that was notified has taken its note off by then, so it
 * can be told that this one waited for nothing any more.
 *
 * The bell makes somebody look. It is a word that nobody ever owns; each waiter sleeps on it, too, and has it in its
 * thread's slot (os/robust.h). When a waiter dies, or a notifier, which also has it there, the kernel wakes one that
 * sleeps on the bell, and that one looks at the table. If it dies before it has done what there is to do, the bell
 * rings for the next.
 *
 * The bell's value can't change, for the kernel only rings a word that has no owner's bits, and it changes none of
 * them. So a death between a waiter's look at the table and its sleep rings in vain if nobody else sleeps. Nor does the
 * bell ring for one that dies while it has another word in its slot: a lock that it is just acquiring. Therefore
 * nobody sleeps for longer than a second without a look. Everything else is told at once.
 *
 * All who join must exclude one another, by a lock that the caller has; so must those who notify, if they have
 * different things to tell. The rest may happen at any time. */
#ifndef KITH_SRC_SYNC_WAITERS_H
#define KITH_SRC_SYNC_WAITERS_H

#include "base/deadline.h"
#include "memory/object.h"
#include "sync/awake.h"
#include "sync/word.h"

/** The most that can wait at a time; and for how many of them there is memory from the beginning. */
enum { WAITERS_MAX = 4096, WAITERS_FIRST = 16 };

#define WAITER_NOTIFIED ROBUST_WAITERS /* the one bit that outlives its owner */
#define WAITER_LEAVING ROBUST_DIED

/** An entry. A line of its own: what its owner and its notifier do concerns nobody else. */
struct waiter {
    _Alignas(CACHE_LINE) struct robust_word word;
    _Atomic uint32_t note;    /* what kind of waiter it is; stored by itself before it joins, and 0 as it leaves */
    _Atomic uint32_t verdict; /* what it is told; stored by its notifier before the word is marked */
    _Atomic uint64_t ticket;  /* the lower, the longer it has waited; as the note */
};
_Static_assert(sizeof(struct waiter) == CACHE_LINE, "entries lie one behind another, each on its line");

/** In shared memory, at the end of an object; the table is right behind. All zero is a table of nobody. */
struct waiters_shared {
    _Alignas(CACHE_LINE) struct robust_word bell; /* always 0 */
    uint64_t tickets;                             /* drawn so far. This and the next two are written by who joins */
    _Atomic uint32_t high;                        /* from this entry on, nobody waits */
    uint32_t backed;                              /* entries that have memory, beyond the first */
};

/** A process's view of a table. */
struct waiters {
    struct waiters_shared *shared;
    struct waiter *table;
    void *memory; /* the object once more, with all of the table; behind its end there is nothing yet */
    size_t size;
    int file;
    struct experience experience; /* of waiting awake */
};

/** How much memory of an object the waiters have at first, in bytes: behind what is theirs of the object's struct. */
#define WAITERS_FOOTPRINT (WAITERS_FIRST * sizeof(struct waiter))

/** Opens the table of an object; word_can_wait_any has been asked. @param shared where it is in the object's memory
 *  @return 0 or -ENOMEM with the detail */
int waiters_open(struct waiters *waiters, const struct object *object, const struct waiters_shared *shared);
void waiters_close(struct waiters *waiters);

/** Makes the table one of nobody again. When there is nobody. */
void waiters_restart(struct waiters_shared *shared);

/** From now on, for as long as it waits or notifies, this thread's slot holds the bell, but for moments. */
static inline void waiters_hold_bell(struct os_thread *self, const struct waiters *waiters)
{
    robust_pending(self, &waiters->shared->bell);
}

/** Joins those who wait. Slot: the bell. @return 0; -EAGAIN, when there are too many; -ENOMEM, -ENOSPC, -EFBIG */
int waiters_join(struct os_thread *self, struct waiters *waiters, uint32_t note, struct waiter **me);

/** What waiters_sleep returns when the table is to be looked at. */
enum { WAITERS_LOOK = 1 };

/** What kith_on_interruption says, for another wait that keeps its place: to be asked once a second, and when a handler
 *  has run. @param woken  -EINTR when one has. @return 0: go on waiting; -EINTR */
int waiters_on_interruption(int woken);

/** Sleeps. Slot: the bell. What kith_on_interruption says decides whether a signal handler ends it.
 *  @return 0: notified. WAITERS_LOOK: somebody may have died; look at the table, and call again. -ETIMEDOUT, -EINTR */
int waiters_sleep(struct os_thread *self, struct waiters *waiters, struct waiter *me, deadline until);

/** Ends the waiting of one that was notified. Slot: the bell, afterwards, too. */
void waiters_leave(struct os_thread *self, struct waiters *waiters, struct waiter *me);

/** Ends the waiting unless it has been notified. Slot: the bell, afterwards, too. @return whether it has ended */
bool waiters_give_up(struct os_thread *self, struct waiters *waiters, struct waiter *me);

/** Notifies the longest waiting ones. Slot: the bell. @return how many, at most count */
unsigned waiters_notify(struct waiters *waiters, unsigned count);

/** Passes on the notifications that dead ones took with them, and frees the entries of the dead. Slot: the bell,
 *  afterwards, too. For those to whom it does not matter which waiter it is.
 *  @param rung  by WAITERS_LOOK: also wakes those whose notifier may have died before it did so */
void waiters_heal(struct os_thread *self, struct waiters *waiters, bool rung);

/** How many entries of the table are to be looked at. */
static inline uint32_t waiters_high(const struct waiters *waiters)
{
    /* acquire: pairs with the store of waiters_join. */
    return atomic_load_explicit(&waiters->shared->high, memory_order_acquire);
}

/** The state of an entry's word. */
static inline uint32_t waiter_state(const struct waiter *waiter)
{
    return atomic_load_explicit(&waiter->word.value, memory_order_acquire);
}

/** Whether there is a live thread that waits, and has not been notified, when the entry has this state. */
static inline bool waiter_waits(uint32_t state)
{
    return state & ROBUST_OWNER && !(state & ~ROBUST_OWNER);
}

/** How many wait, and have not been notified. */
unsigned waiters_waiting(const struct waiters *waiters);

/** Notifies a waiter. Slot: the bell. @return false when it no longer waited */
bool waiter_call(struct waiter *waiter, uint32_t verdict);

/** Wakes a waiter whose notifier may have died before it did so. */
void waiter_call_again(struct waiter *waiter);

#endif
