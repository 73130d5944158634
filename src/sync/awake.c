/* Waiting awake: each wait that paid makes the next ones more patient, each in vain less. */
#include "sync/awake.h"

#include "os/thread.h"
#include "sync/offer.h"
#include "sync/word.h"

/* Spins are pauses, about 15 ns each. First comes what has paid; then the CPU is offered so many times.
 *
 * When both sides sleep each time, neither learns that it need not: the other's wake-up, of up to 100 us, is in every
 * answer. So one wait in PROBE_EVERY goes on for longer than that: the answer to it finds this side awake, which then
 * asks again at once, and the other side is awake still. A probe offers the CPU between its spins, too, for the other
 * side may be waiting for this very one. It is some 150 us, so one in vain costs 10 us a wait. */
enum { SPINS_MIN = 10, SPINS_MAX = 2000, YIELDS = 8, PROBE_EVERY = 16, PROBE_YIELDS = 50, PROBE_SPINS = 100 };

static bool has_changed(const _Atomic uint32_t *word, uint32_t value)
{
    return atomic_load_explicit(word, memory_order_relaxed) != value;
}

static bool spin(const _Atomic uint32_t *word, uint32_t value, int rounds)
{
    bool changed = false;
    for (int i = 0; i < rounds && !changed; i++) {
        changed = has_changed(word, value);
        os_cpu_relax();
    }
    return changed;
}

/** Spins for as long as that has paid, and learns whether it did. */
static bool spin_as_usual(struct experience *experience, const _Atomic uint32_t *word, uint32_t value)
{
    int usual = atomic_load_explicit(&experience->spins, memory_order_relaxed);
    bool changed = spin(word, value, usual == 0 ? SPINS_MAX : usual);
    int next = changed ? usual * 2 : usual / 2;
    next = next < SPINS_MIN ? SPINS_MIN : next > SPINS_MAX ? SPINS_MAX : next;
    atomic_store_explicit(&experience->spins, next, memory_order_relaxed);
    return changed;
}

/** Offers the CPU; a probe looks for a while between two offers, too. */
static bool offer(const _Atomic uint32_t *word, uint32_t value, bool probes)
{
    int64_t since;
    bool changed = false;
    if (!offer_begin(&since))
        return false;
    for (int i = 0; i < (probes ? PROBE_YIELDS : YIELDS) && !changed; i++) {
        os_thread_yield();
        changed = probes ? spin(word, value, PROBE_SPINS) : has_changed(word, value);
    }
    offer_end(since, false);
    return changed;
}

bool await_change(struct experience *experience, const _Atomic uint32_t *word, uint32_t value)
{
    bool alone = word_spins() == 0; /* on the only CPU nobody changes it while we look, but when it is offered */
    bool changed = !alone && spin_as_usual(experience, word, value);
    bool probes = !alone && atomic_fetch_add_explicit(&experience->waits, 1, memory_order_relaxed) % PROBE_EVERY == 0;
    return changed || offer(word, value, probes);
}
