/* Owning a robust word: the ground of every lock here.
 *
 * A word is free (0), or carries its owner's thread id; ROBUST_WAITERS beside either says that somebody may sleep on
 * it. Who finds it owned spins a little, sets ROBUST_WAITERS and sleeps. Who releases it with ROBUST_WAITERS set wakes
 * one sleeper.
 *
 * ROBUST_WAITERS stays as long as anybody may sleep: owners come and go with it, and it is taken off only when a
 * wake-up has found nobody, by the kernel, which wakes those who have fallen asleep since. So it does not matter what
 * becomes of a thread that was woken. Were it taken off for the woken thread to set again, as is common, that thread
 * could be killed on its way while another, that knows of no sleepers, owns the word: and the rest would sleep for
 * ever.
 *
 * Whoever is about to wake somebody has the word in its thread's slot (os/robust.h): should it die first, the kernel
 * wakes a sleeper in its place. An owner that dies leaves ROBUST_DIED, and who acquires the word next is told.
 */
#ifndef KITH_SRC_SYNC_WORD_H
#define KITH_SRC_SYNC_WORD_H

#include "base/deadline.h"
#include "os/futex.h"
#include "os/robust.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/** What is on one line of a CPU's cache, in bytes. What different CPUs write is kept on different ones. */
#define CACHE_LINE 64

/** How often to look at a word before going to sleep for it: 0 on one CPU. */
int word_spins(void);

/** What a thread does with a busy word before it goes to sleep for it. */
struct word_efforts {
    int spins;  /* looks again */
    int yields; /* then offers its CPU: where there are more threads than CPUs, the owner may be waiting for it */
};

/** All that is reasonable for a call with this deadline. */
struct word_efforts word_efforts(deadline until);

/** Makes one more effort. @return false when there is none left: go to sleep. Else look at the word again */
static inline bool word_effort(struct word_efforts *left)
{
    if (left->spins > 0) {
        left->spins--;
        os_cpu_relax();
        return true;
    }
    if (left->yields > 0) {
        left->yields--;
        os_thread_yield();
        return true;
    }
    return false;
}

/** Acquires a word that was not free at the first attempt. The word is in the slot and stays there.
 *  @return 0; KITH_EOWNERDEAD, which means acquired; -ETIMEDOUT, -EINTR; -EAGAIN when another owns it, with
 *          DEADLINE_AT_ONCE; -EDEADLK when this thread owns it already */
int word_acquire_slowly(struct os_thread *self, struct robust_word *word, deadline until);

/** The same, with DEADLINE_AT_ONCE, by who would have more to do than to look for a microsecond or two, were it told
 *  that another owns it. */
int word_acquire_soon(struct os_thread *self, struct robust_word *word);

/** Acquires the word if it is free and nobody sleeps on it: one compare and swap. The word is in the slot. */
static inline bool word_try_acquire(struct os_thread *self, struct robust_word *word)
{
    uint32_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&word->value, &expected, self->id, memory_order_acquire,
                                                   memory_order_relaxed);
}

/** Releases the word if nobody sleeps on it: one compare and swap. The word is in the slot. @return whether it did */
static inline bool word_try_release(struct os_thread *self, struct robust_word *word)
{
    uint32_t expected = self->id;
    return atomic_compare_exchange_strong_explicit(&word->value, &expected, 0, memory_order_release,
                                                   memory_order_relaxed);
}

/** Wakes one sleeper of a word that was released with ROBUST_WAITERS. If there is none, takes the bit off. */
void word_wake_one(_Atomic uint32_t *word);

/** Releases the word and wakes one sleeper. The word is in the slot. */
void word_release_to_waiter(struct robust_word *word);

/* A word may also guard a condition that its users wait for: units of a semaphore, messages of a queue. Then it has two
 * more states without an owner:
 *   asleep (WORD_ASLEEP): the condition did not hold when the word was last released. All who wait sleep on it, whether
 *     they waited for the word or for the condition. Who waits for the condition goes to sleep on this value.
 *   called (WORD_CALLED): the condition holds and one sleeper has been woken for it; others may sleep. It is also what
 *     the death of an owner leaves, who may have died between making the condition true and saying so.
 *
 * Who makes the condition true from outside, without owning the word, calls word_notify, which turns "asleep" into
 * "called" and wakes one. The woken one acquires the word, does its work, and on releasing either calls the next,
 * because the condition still holds, or leaves the rest asleep. So everybody who waits on such a word must wait for the
 * same condition.
 *
 * Lost wake-ups: a waiter stores "asleep" and then looks at the condition again; a notifier makes the condition true
 * and then looks for "asleep"; all four accesses are sequentially consistent, so one of them sees the other. Between a
 * waiter's look and its sleep the notifier changes the word, and futex refuses to sleep. A notifier that dies changes
 * nothing any more, and the wake-up that the kernel gives in its place finds nobody if the waiter is not asleep yet. So
 * waiters sleep on a word of the condition, too, one that changes whenever the condition becomes true. */
#define WORD_ASLEEP ROBUST_WAITERS
#define WORD_CALLED (ROBUST_WAITERS | ROBUST_DIED)

/** Releases the word and calls one sleeper: the condition holds. The word is in the slot. */
void word_pass(struct robust_word *word);

/** Releases the word with all sleepers left asleep: the condition does not hold. The word is in the slot. Look at the
 *  condition again afterwards, and call word_notify if it holds. */
static inline void word_leave_asleep(struct robust_word *word)
{
    atomic_exchange_explicit(&word->value, WORD_ASLEEP, memory_order_seq_cst);
}

/** Calls a sleeper, if all are asleep: the condition has just become true, by a sequentially consistent store. The word
 *  is in the slot. */
void word_notify(struct robust_word *word);

/** After the deadline: tries for a moment more to get a word whose owner is in the middle of its call.
 *  @param patience  when patience ends; 0 at first: in a second, which it keeps
 *  @return 0 or KITH_EOWNERDEAD: acquired; -ETIMEDOUT: look whether it is still worth it, and try again; -EBUSY:
 *          patience is over */
int word_acquire_late(struct os_thread *self, struct robust_word *word, deadline *patience);

/** Sleeps as one who waits for the condition, after the word was left asleep and another look at the condition.
 *  @param condition, seen  a word that changes whenever the condition becomes true, and what that look saw in it
 *  @return 0 when woken, or when there was reason not to sleep: then acquire the word, come what may, for nobody else
 *          was called. -ETIMEDOUT, -EINTR */
int word_sleep(struct robust_word *word, _Atomic uint32_t *condition, uint32_t seen, deadline until);

/** The same, where several words tell of the condition. The first pair is the word and WORD_ASLEEP. */
int word_sleep_any(const struct os_futex_pair *pairs, size_t count, deadline until);

/** Whether threads can sleep on several words at once. To be asked before anything is made that needs it.
 *  @return 0; -ENOTSUP with the detail */
int word_can_wait_any(void);

/** Says why this thread can't use robust words. @return NULL */
struct os_thread *word_no_thread(void) __attribute__((cold));

/** This thread, for a call that is about to use robust words.
 *  @return NULL with the detail set: the call gives -ENOTSUP */
static inline struct os_thread *word_thread(void)
{
    struct os_thread *self = os_thread_self();
    return likely(self) ? self : word_no_thread();
}

#endif
