/* Waiting awake: who finds nothing to do looks again for a while, before it goes to sleep. */
#include "queue/queue.h"
#include "sync/offer.h"

/* Waiting for the other side spins for so many pauses, about 15 ns each, and looks at its position every so many of
 * them. */
enum { SPINS_MIN = 10, SPINS_MAX = 2000, LONG_SPIN_EVERY = 16, STRIDE_MAX = 128, AT_ONCE = 8, YIELDS = 8 };

/** How many messages the other side has moved on by. */
static uint64_t moved_by(const _Atomic position *other, position seen)
{
    return items_between(seen, atomic_load_explicit(other, memory_order_relaxed));
}

/** This process's experience, from the first wait on. 0 spins: on one CPU the other side can't
 *  move on while we spin. */
static int usual_spins(struct vigil *vigil)
{
    if (atomic_load_explicit(&vigil->stride, memory_order_relaxed) == 0) {
        atomic_store_explicit(&vigil->spins, os_cpu_count() > 1 ? SPINS_MAX : 0, memory_order_relaxed);
        atomic_store_explicit(&vigil->stride, 1, memory_order_relaxed);
    }
    return atomic_load_explicit(&vigil->spins, memory_order_relaxed);
}

/** Looks at the other side's position every so many pauses, as long as that has paid before.
 *
 *  How often it looks is learnt, too. If the other side moves on at once, sooner than it could have answered us, or by
 *  several messages, it is in full flow, and every look takes the line with its position away from it: so the next look
 *  is later, and finds more. If not, somebody may be waiting for an answer, and the looks are closer. */
static bool spin_while(struct vigil *vigil, const _Atomic position *other, position seen)
{
    static _Thread_local unsigned waits;
    int usual = usual_spins(vigil);
    if (usual == 0)
        return false;
    int stride = atomic_load_explicit(&vigil->stride, memory_order_relaxed);
    int rounds =
        ++waits % LONG_SPIN_EVERY == 0 ? SPINS_MAX : usual; /* now and then, to see whether it would pay again */
    int waited = 0;
    uint64_t moved = 0;
    do {
        for (int i = 0; i < stride; i++)
            os_cpu_relax();
        waited += stride;
        moved = moved_by(other, seen);
    } while (!moved && waited < rounds);
    usual = moved ? usual * 2 : usual / 2;
    usual = usual < SPINS_MIN ? SPINS_MIN : usual > SPINS_MAX ? SPINS_MAX : usual;
    atomic_store_explicit(&vigil->spins, usual, memory_order_relaxed);
    bool in_flow = moved && (waited <= AT_ONCE || (waited == stride && moved > 1));
    stride = in_flow ? stride * 2 : stride / 2;
    stride = stride < 1 ? 1 : stride > STRIDE_MAX ? STRIDE_MAX : stride;
    atomic_store_explicit(&vigil->stride, stride, memory_order_relaxed);
    return moved > 0;
}

/** In the hope that the other side waits for this CPU. If it has moved on by several messages, it is in full flow. */
static void offer_while(const _Atomic position *other, position seen)
{
    int64_t since;
    if (!offer_begin(&since))
        return;
    for (int i = 0; i < YIELDS && !moved_by(other, seen); i++)
        os_thread_yield();
    offer_end(since, moved_by(other, seen) > 1);
}

void wait_awake(struct vigil *vigil, const _Atomic position *other, position seen)
{
    /* First in the hope that the other side runs on another CPU. */
    if (!spin_while(vigil, other, seen))
        offer_while(other, seen);
}
