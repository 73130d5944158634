/* The semaphore: units, and a robust word that guards the condition "there is a unit" (sync/word.h). Who acquires takes
 * a unit as the guard's owner; who releases gives it back from outside and notifies.
 *
 * Without owners the units are a number. With owners each unit is a robust word of its own, on the list of the thread
 * that has it, so the kernel gives it back when that thread ends. Its ROBUST_WAITERS is always set, and those who wait
 * for a unit sleep on the guard and on all units at once (futex_waitv(2)): so a death wakes one of them. */
#include <kith/sync.h>

#include "os/futex.h"
#include "os/memory.h"
#include "sync/word.h"

struct kith_semaphore {
    struct robust_word guard;
    _Atomic uint32_t free; /* without owners. Taken from by the guard's owner, given back to by anybody */
    uint32_t owned;        /* how many units there are with owners; 0 without. Never changes */
    struct robust_word
        units[]; /* taken by the guard's owner, given back by their own, or by the kernel when that dies */
};

static size_t footprint(uint32_t owned)
{
    return sizeof(kith_semaphore) + owned * sizeof(struct robust_word);
}

static bool has_owner(const struct robust_word *unit)
{
    /* acquire: pairs with the store in give_unit_back, whose owner is done with the unit's place on its list. Who sees
     * it free may link it. */
    return atomic_load_explicit(&unit->value, memory_order_acquire) & ROBUST_OWNER;
}

int kith_semaphore_new(kith_semaphore **semaphore, unsigned value, const kith_semaphore_options *options)
{
    bool owned = options && options->owned;
    if (!semaphore)
        return error_fail(-EINVAL, "semaphore is NULL: give the address of a kith_semaphore pointer");
    if (value > KITH_SEMAPHORE_MAX)
        return error_fail(-EINVAL, "a value of %u: give at most %d", value, KITH_SEMAPHORE_MAX);
    if (owned && (value < 1 || value > KITH_SEMAPHORE_OWNED_MAX))
        return error_fail(-EINVAL, "a value of %u for units with owners: give 1 to %d", value,
                          KITH_SEMAPHORE_OWNED_MAX);
    if (!word_thread())
        return -ENOTSUP;
    if (owned) {
        _Atomic uint32_t word = 0;
        if (os_futex_wait_any(&(struct os_futex_pair){ &word, 1 }, 1, OS_FOREVER) == -ENOSYS)
            return error_fail(-ENOTSUP, "the kernel has no futex_waitv (Linux 5.16): units can't have owners");
    }
    void *page;
    int code = os_memory_share(&page, footprint(owned ? value : 0));
    if (code < 0)
        return error_fail(code, "no shared memory for a semaphore: %s", kith_strerror(code));
    kith_semaphore *made = page;
    made->owned = owned ? value : 0;
    atomic_init(&made->free, owned ? 0 : value);
    *semaphore = made;
    return 0;
}

/* ---- units ---- */

static bool available(const kith_semaphore *semaphore)
{
    if (!semaphore->owned)
        return atomic_load_explicit(&semaphore->free, memory_order_seq_cst) > 0;
    for (uint32_t i = 0; i < semaphore->owned; i++) {
        if (!has_owner(&semaphore->units[i]))
            return true;
    }
    return false;
}

/** As the guard's owner, with the guard in the slot. @return 0 or KITH_EOWNERDEAD */
static int take(struct os_thread *self, kith_semaphore *semaphore)
{
    if (!semaphore->owned) {
        atomic_fetch_sub_explicit(&semaphore->free, 1, memory_order_acquire);
        return 0;
    }
    struct robust_word *unit = semaphore->units;
    while (has_owner(unit))
        unit++;
    /* The kernel passes over a word on the list that does not carry the thread's id: linked first and taken then, it is
     * still free after a death in between. */
    robust_link(self, unit);
    uint32_t before = atomic_exchange_explicit(&unit->value, self->id | ROBUST_WAITERS, memory_order_acquire);
    return before & ROBUST_DIED ? KITH_EOWNERDEAD : 0;
}

static int give_number_back(kith_semaphore *semaphore)
{
    uint32_t free = atomic_load_explicit(&semaphore->free, memory_order_relaxed);
    do {
        if (free == KITH_SEMAPHORE_MAX)
            return error_fail(-EOVERFLOW, "the semaphore has %d units free already", KITH_SEMAPHORE_MAX);
    } while (!atomic_compare_exchange_weak_explicit(&semaphore->free, &free, free + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return 0;
}

static int give_unit_back(struct os_thread *self, kith_semaphore *semaphore)
{
    for (uint32_t i = 0; i < semaphore->owned; i++) {
        struct robust_word *unit = &semaphore->units[i];
        if ((atomic_load_explicit(&unit->value, memory_order_relaxed) & ROBUST_OWNER) != self->id)
            continue;
        /* In the slot meanwhile: a death before the store gives the unit back; one after it wakes a sleeper on the
         * unit. */
        robust_pending(self, unit);
        robust_unlink(self, unit);
        atomic_store_explicit(&unit->value, 0, memory_order_seq_cst);
        robust_pending(self, &semaphore->guard);
        return 0;
    }
    return error_fail(-EPERM, "this thread (%u) owns no unit of the semaphore", self->id);
}

/* ---- the guard ---- */

/** Sleeps until a unit may be free, with all left asleep. */
static int sleep_for_unit(kith_semaphore *semaphore, deadline until)
{
    if (!semaphore->owned)
        return word_sleep(&semaphore->guard, &semaphore->free, 0, until);
    struct os_futex_pair pairs[1 + KITH_SEMAPHORE_OWNED_MAX] = { { &semaphore->guard.value, WORD_ASLEEP } };
    for (uint32_t i = 0; i < semaphore->owned; i++) {
        struct robust_word *unit = &semaphore->units[i];
        uint32_t value = atomic_load_explicit(&unit->value, memory_order_seq_cst);
        if (!(value & ROBUST_OWNER))
            return 0;
        pairs[1 + i] = (struct os_futex_pair){ &unit->value, value };
    }
    return word_sleep_any(pairs, 1 + semaphore->owned, until);
}

/** Acquires the guard that somebody has. Who sleeps on it may be left asleep with those who wait for a unit
 *  (sync/word.h), but when units have owners, these sleep on the units, too, for somebody's death. So here nobody
 *  sleeps on the guard alone for longer than a moment. */
static int acquire_guard(struct os_thread *self, kith_semaphore *semaphore, deadline until)
{
    enum { MOMENT = 1000000 };
    if (!semaphore->owned || until == DEADLINE_PASSED)
        return word_acquire_slowly(self, &semaphore->guard, until);
    int code;
    do {
        int64_t soon = os_clock_now() + MOMENT;
        code = word_acquire_slowly(self, &semaphore->guard, soon < until ? soon : until);
    } while (code == -ETIMEDOUT && !deadline_passed(until));
    return code;
}

/** Acquires the guard. What an owner that died had half done is one store, made or not made: nothing to repair. */
static int enter(struct os_thread *self, kith_semaphore *semaphore, deadline until)
{
    deadline patience = 0;
    robust_pending(self, &semaphore->guard);
    if (likely(word_try_acquire(self, &semaphore->guard)))
        return 0;
    int code = acquire_guard(self, semaphore, until);
    while (code == -ETIMEDOUT && available(semaphore))
        code = word_acquire_late(self, &semaphore->guard, &patience);
    return code == KITH_EOWNERDEAD ? 0 : code;
}

static void leave(struct os_thread *self, kith_semaphore *semaphore)
{
    if (likely(word_try_release(self, &semaphore->guard)))
        return;
    if (available(semaphore)) {
        word_pass(&semaphore->guard);
        return;
    }
    word_leave_asleep(&semaphore->guard);
    if (available(semaphore))
        word_notify(&semaphore->guard);
}

/** Waits until there is a unit, and stays the guard's owner. */
static int enter_with_unit(struct os_thread *self, kith_semaphore *semaphore, deadline until)
{
    int code = enter(self, semaphore, until);
    while (code == 0 && !available(semaphore)) {
        if (deadline_passed(until)) {
            leave(self, semaphore);
            return -ETIMEDOUT;
        }
        word_leave_asleep(&semaphore->guard);
        if (!available(semaphore))
            code = sleep_for_unit(semaphore, until);
        if (code == 0)
            code = enter(self, semaphore, until);
    }
    return code;
}

int kith_semaphore_acquire(kith_semaphore *semaphore, kith_timeout timeout)
{
    if (unlikely(!semaphore))
        return error_fail(-EINVAL, "semaphore is NULL: make one with kith_semaphore_new");
    deadline until;
    int code = deadline_from(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    code = enter_with_unit(self, semaphore, until);
    if (likely(code == 0)) {
        code = take(self, semaphore);
        leave(self, semaphore);
    }
    robust_pending(self, NULL);
    return code;
}

int kith_semaphore_release(kith_semaphore *semaphore)
{
    if (unlikely(!semaphore))
        return error_fail(-EINVAL, "semaphore is NULL: make one with kith_semaphore_new");
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    robust_pending(self, &semaphore->guard);
    int code = semaphore->owned ? give_unit_back(self, semaphore) : give_number_back(semaphore);
    if (likely(code == 0))
        word_notify(&semaphore->guard);
    robust_pending(self, NULL);
    return code;
}

int kith_semaphore_value(const kith_semaphore *semaphore)
{
    if (unlikely(!semaphore))
        return error_fail(-EINVAL, "semaphore is NULL: make one with kith_semaphore_new");
    if (!semaphore->owned)
        return (int)atomic_load_explicit(&semaphore->free, memory_order_relaxed);
    int count = 0;
    for (uint32_t i = 0; i < semaphore->owned; i++)
        count += !has_owner(&semaphore->units[i]);
    return count;
}

void kith_semaphore_free(kith_semaphore *semaphore)
{
    if (semaphore)
        os_memory_unmap(semaphore, footprint(semaphore->owned));
}
