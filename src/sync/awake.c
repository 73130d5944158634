/* Waiting awake: each wait that paid makes the next ones more patient, each in vain less. */
#include "sync/awake.h"

#include "os/thread.h"
#include "sync/word.h"

/* In pauses, about 15 ns each. Now and then a wait is long, to see whether that would pay again. */
enum { SPINS_MIN = 10, SPINS_MAX = 2000, LONG_SPIN_EVERY = 16, YIELDS = 8 };

static bool has_changed(const _Atomic uint32_t *word, uint32_t value)
{
    return atomic_load_explicit(word, memory_order_relaxed) != value;
}

bool await_change(struct experience *experience, const _Atomic uint32_t *word, uint32_t value)
{
    static _Thread_local unsigned waits;
    if (word_spins() == 0)
        return false;
    int usual = atomic_load_explicit(&experience->spins, memory_order_relaxed);
    int rounds = usual == 0 || ++waits % LONG_SPIN_EVERY == 0 ? SPINS_MAX : usual;
    bool changed = false;
    for (int i = 0; i < rounds && !changed; i++) {
        changed = has_changed(word, value);
        os_cpu_relax();
    }
    int next = changed ? usual * 2 : usual / 2;
    next = next < SPINS_MIN ? SPINS_MIN : next > SPINS_MAX ? SPINS_MAX : next;
    atomic_store_explicit(&experience->spins, next, memory_order_relaxed);
    /* So far in the hope that who changes it runs on another CPU; now, that it waits for this one. */
    for (int i = 0; i < YIELDS && !changed; i++) {
        os_thread_yield();
        changed = has_changed(word, value);
    }
    return changed;
}
