/* A monitor: a robust word that guards a condition (sync/word.h), for those who notify far more often than anybody
 * sleeps.
 *
 * It adds a hint, so that a notifier need not read the busy word, and puts the word on the thread's list while a thread
 * is inside, so that the slot is free for the monitor that it notifies. One stands on either side of a queue. */
#ifndef KITH_SRC_SYNC_MONITOR_H
#define KITH_SRC_SYNC_MONITOR_H

#include "sync/word.h"

struct monitor {
    _Alignas(CACHE_LINE) struct robust_word word;
    /* On a line of its own that seldom changes. Written by those inside: 1 before they leave anybody asleep, 0 when
     * they enter and nobody waits. */
    _Alignas(CACHE_LINE) _Atomic uint32_t asleep;
};

/** Enters: waits for the lock. Leaves the word in the slot and on the list.
 *  @return 0 or KITH_EOWNERDEAD: inside. -ETIMEDOUT, -EINTR, -EAGAIN, -EDEADLK: not inside, and the slot is empty */
static inline int monitor_enter(struct os_thread *self, struct monitor *monitor, deadline until);

/** After the deadline: as word_acquire_late. @return as monitor_enter; -ETIMEDOUT: look whether it is still worth it,
 *  and try again; -EBUSY: patience is over */
int monitor_enter_late(struct os_thread *self, struct monitor *monitor, deadline *patience);

/** From inside: stays for as long as the caller likes, with other robust words coming and going meanwhile, and the slot
 *  empty. Call monitor_resume before anything else here. */
static inline void monitor_stay(struct os_thread *self, struct monitor *monitor);

/** Ends monitor_stay: inside as after monitor_enter. */
static inline void monitor_resume(struct os_thread *self, struct monitor *monitor);

/** Whether this thread is inside, between its calls: it called monitor_stay. */
static inline bool monitor_has(const struct os_thread *self, const struct monitor *monitor)
{
    return (atomic_load_explicit(&monitor->word.value, memory_order_relaxed) & ROBUST_OWNER) == self->id;
}

/** Leaves if nobody waits. The word stays in the slot. @return false when somebody waits: still inside. Decide by the
 *  condition, and call monitor_pass or monitor_leave_asleep */
static inline bool monitor_leave(struct os_thread *self, struct monitor *monitor);

/** After monitor_leave said false: the condition holds. Leaves and wakes one waiter. The word stays in the slot. */
static inline void monitor_pass(struct monitor *monitor)
{
    word_pass(&monitor->word);
}

/** After monitor_leave said false: the condition does not hold. Leaves, with all who wait asleep. The word stays in the
 *  slot. If the condition can become true from outside, look at it again now, and call monitor_notify if it holds. */
void monitor_leave_asleep(struct monitor *monitor);

/** From inside, to wait for the condition: leaves, with all others asleep. Look at the condition again, and call
 *  word_sleep if it does not hold: then enter, come what may. The word is in the slot. */
void monitor_retire(struct os_thread *self, struct monitor *monitor);

/** Wakes a waiter, if one sleeps: the condition has just become true, by a sequentially consistent store. The word is
 *  in the slot. */
static inline void monitor_notify(struct monitor *monitor);

/* ---- the short ways, inline ---- */

int monitor_enter_slowly(struct os_thread *self, struct monitor *monitor, deadline until);

static inline int monitor_enter(struct os_thread *self, struct monitor *monitor, deadline until)
{
    robust_pending(self, &monitor->word);
    if (unlikely(!word_try_acquire(self, &monitor->word)))
        return monitor_enter_slowly(self, monitor, until);
    if (unlikely(atomic_load_explicit(&monitor->asleep, memory_order_relaxed)))
        atomic_store_explicit(&monitor->asleep, 0, memory_order_relaxed);
    robust_push(self, &monitor->word);
    return 0;
}

static inline void monitor_stay(struct os_thread *self, struct monitor *monitor)
{
    robust_pending(self, &monitor->word);
    robust_pop(self, &monitor->word);
    robust_link(self, &monitor->word);
    robust_pending(self, NULL);
}

static inline void monitor_resume(struct os_thread *self, struct monitor *monitor)
{
    robust_pending(self, &monitor->word);
    robust_unlink(self, &monitor->word);
    robust_push(self, &monitor->word);
}

static inline bool monitor_leave(struct os_thread *self, struct monitor *monitor)
{
    robust_pending(self, &monitor->word);
    robust_pop(self, &monitor->word);
    return likely(word_try_release(self, &monitor->word));
}

static inline void monitor_notify(struct monitor *monitor)
{
    if (unlikely(atomic_load_explicit(&monitor->asleep, memory_order_seq_cst)))
        word_notify(&monitor->word);
}

#endif
