/* A word that any thread of any process may release, whoever owns it: so its owner is a process.
 *
 * It can't be a robust word: on whose list would it be? It carries its owner's stamp (os/process.h), so that those who
 * wait can find out by themselves whether the owner is still there; they sleep no longer than LENT_SLICE at a time, and
 * then look. To acquire, to release and to put oneself in the place of a dead owner is one compare and swap each, so
 * there is nothing to be half done. ROBUST_WAITERS stays as long as anybody may sleep, as in sync/word.h; who was to
 * wake somebody and died first, or was woken and died, costs the others one slice, and no wake-up. */
#ifndef KITH_SRC_SYNC_LENT_H
#define KITH_SRC_SYNC_LENT_H

#include "os/process.h"
#include "sync/word.h"

#define LENT_SLICE 100000000 /* nanoseconds */

/** A process's memory of one: when it last looked whether the owner lives. All its threads look but once a slice. */
struct lent_look {
    _Atomic int64_t at;
};

/** Acquires a word that was not free at the first attempt.
 *  @return 0; KITH_EOWNERDEAD, which means acquired; -ETIMEDOUT, -EINTR; -EAGAIN, with DEADLINE_AT_ONCE: somebody owned
 *          it for a microsecond or two, and whether that one lives was not looked at */
int lent_acquire_slowly(struct os_thread *self, _Atomic uint32_t *word, struct lent_look *look, deadline until);

/** Acquires it, waiting while another process, or this one, owns it. @return as lent_acquire_slowly */
static inline int lent_acquire(struct os_thread *self, _Atomic uint32_t *word, struct lent_look *look, deadline until)
{
    uint32_t expected = 0;
    /* acquire: pairs with the release of whoever released it last. */
    if (likely(atomic_compare_exchange_strong_explicit(word, &expected, os_thread_process(self), memory_order_acquire,
                                                       memory_order_relaxed)))
        return 0;
    return lent_acquire_slowly(self, word, look, until);
}

/** Releases it, whoever owns it. @return 0; -EPERM, without a detail, when nobody does */
static inline int lent_release(_Atomic uint32_t *word)
{
    uint32_t value = atomic_load_explicit(word, memory_order_relaxed);
    do {
        if (unlikely(!(value & OS_PROCESS_STAMP)))
            return -EPERM;
    } while (!atomic_compare_exchange_weak_explicit(word, &value, value & ROBUST_WAITERS, memory_order_release,
                                                    memory_order_relaxed));
    if (unlikely(value & ROBUST_WAITERS))
        word_wake_one(word);
    return 0;
}

/** The id of the process that owns it, or 0. */
static inline uint32_t lent_to(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed) & OS_PROCESS_ID;
}

/** Whether this process owns it. */
static inline bool lent_to_us(struct os_thread *self, const _Atomic uint32_t *word)
{
    return (atomic_load_explicit(word, memory_order_relaxed) & OS_PROCESS_STAMP) == os_thread_process(self);
}

#endif
