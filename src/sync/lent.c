#include "sync/lent.h"

/** Whether to look again whether the owner lives. It is then taken for done. */
static bool look_is_due(struct lent_look *look, int64_t now)
{
    if (now - atomic_load_explicit(&look->at, memory_order_relaxed) < LENT_SLICE)
        return false;
    atomic_store_explicit(&look->at, now, memory_order_relaxed);
    return true;
}

/** Sleeps until it is woken, or time to look again. @return 0; -EINTR */
static int sleep_a_slice(_Atomic uint32_t *word, uint32_t value, const struct lent_look *look, deadline until)
{
    deadline soon = atomic_load_explicit(&look->at, memory_order_relaxed) + LENT_SLICE;
    int code = os_futex_wait(word, value, until < soon ? until : soon);
    return code == -ETIMEDOUT ? 0 : code;
}

/** Puts this process in the place of the owner that was seen: nobody, or a dead one. @return false when it changed */
static bool take(_Atomic uint32_t *word, uint32_t *seen, uint32_t own)
{
    uint32_t owner = *seen & OS_PROCESS_STAMP;
    do {
        if (atomic_compare_exchange_weak_explicit(word, seen, own | (*seen & ROBUST_WAITERS), memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    } while ((*seen & OS_PROCESS_STAMP) == owner);
    return false;
}

int lent_acquire_slowly(struct os_thread *self, _Atomic uint32_t *word, struct lent_look *look, deadline until)
{
    uint32_t own = os_thread_process(self);
    struct word_efforts left = { 0 }; /* who only tries makes none */
    if (until != DEADLINE_PASSED)
        left = word_efforts(until);
    for (;;) {
        uint32_t value = atomic_load_explicit(word, memory_order_relaxed);
        uint32_t owner = value & OS_PROCESS_STAMP;
        if (owner == 0) {
            if (take(word, &value, own))
                return 0;
            continue;
        }
        if (word_effort(&left))
            continue;
        if (until == DEADLINE_AT_ONCE)
            return -EAGAIN;
        int64_t now = os_clock_now();
        if (look_is_due(look, now) && !os_process_lives(owner, own)) {
            if (take(word, &value, own))
                return KITH_EOWNERDEAD;
            continue;
        }
        if (now >= until)
            return -ETIMEDOUT;
        if (!(value & ROBUST_WAITERS) &&
            !atomic_compare_exchange_strong_explicit(word, &value, value | ROBUST_WAITERS, memory_order_relaxed,
                                                     memory_order_relaxed))
            continue;
        int code = sleep_a_slice(word, owner | ROBUST_WAITERS, look, until);
        if (code < 0)
            return code;
    }
}
