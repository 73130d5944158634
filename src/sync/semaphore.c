/* The semaphore: units, and a robust word that guards the condition "there is a unit" (sync/word.h). Who acquires takes
 * a unit as the guard's owner; who releases gives it back from outside and notifies.
 *
 * Without owners the units are a number. With owners each unit is a robust word of its own, on the list of the thread
 * that has it, so the kernel gives it back when that thread ends. Its ROBUST_WAITERS is always set, and those who wait
 * for a unit sleep on the guard and on all units at once (futex_waitv(2)): so a death wakes one of them. */
#include <kith/sync.h>

#include "os/futex.h"
#include "sync/handle.h"
#include "sync/word.h"

struct semaphore_shared {
    struct object_header header;
    struct robust_word guard;
    _Atomic uint32_t free; /* without owners. Taken from by the guard's owner, given back to by anybody */
    uint32_t owned;        /* how many units there are with owners; 0 without. This and the next two never change */
    uint32_t value;        /* at the start */
    uint32_t bound;        /* without owners: the most units that can be free */
    struct robust_word
        units[]; /* taken by the guard's owner, given back by their own, or by the kernel when that dies */
};
_Static_assert(sizeof(struct semaphore_shared) <= KITH_SEMAPHORE_SIZE, "what the header says");

struct kith_semaphore {
    struct object object;
    struct semaphore_shared *shared;
};

static bool has_owner(const struct robust_word *unit)
{
    /* acquire: pairs with the store in give_unit_back, whose owner is done with the unit's place on its list. Who sees
     * it free may link it. */
    return atomic_load_explicit(&unit->value, memory_order_acquire) & ROBUST_OWNER;
}

/* ---- handles ---- */

static void begin(void *memory, const void *argument)
{
    struct semaphore_shared *made = memory;
    const struct semaphore_shared *wanted = argument;
    made->owned = wanted->owned;
    made->value = wanted->value;
    made->bound = wanted->bound;
    atomic_init(&made->free, made->owned ? 0 : made->value);
}

static void restart(void *memory)
{
    struct semaphore_shared *found = memory;
    found->guard = (struct robust_word){ 0 };
    for (uint32_t i = 0; i < found->owned; i++)
        found->units[i] = (struct robust_word){ 0 };
    atomic_init(&found->free, found->owned ? 0 : found->value);
}

static const struct object_type type = { .kind = OBJECT_SEMAPHORE, .layout = 1, .restart = restart };

/** Whether there can be such a semaphore. @return 0 or a code with its detail */
static int check(unsigned value, unsigned bound, bool owned)
{
    if (value > KITH_SEMAPHORE_MAX)
        return error_fail(-EINVAL, "a value of %u: give at most %d", value, KITH_SEMAPHORE_MAX);
    if (bound > KITH_SEMAPHORE_MAX || (bound > 0 && bound < value))
        return error_fail(-EINVAL, "a bound of %u: give 0 for none, or %u (the value) to %d", bound, value,
                          KITH_SEMAPHORE_MAX);
    if (owned && (value < 1 || value > KITH_SEMAPHORE_OWNED_MAX))
        return error_fail(-EINVAL, "a value of %u for units with owners: give 1 to %d", value,
                          KITH_SEMAPHORE_OWNED_MAX);
    return 0;
}

static int get(kith_semaphore **semaphore, const struct origin *origin, const struct semaphore_shared *wanted)
{
    if (!semaphore)
        return error_fail(-EINVAL, "semaphore is NULL: give the address of a kith_semaphore pointer");
    if (!word_thread())
        return -ENOTSUP;
    const struct object_plan plan = { KITH_SEMAPHORE_SIZE + wanted->owned * sizeof(struct robust_word), begin, wanted };
    void *handle;
    int code = wanted->owned ? word_can_wait_any() : 0;
    if (code == 0)
        code = handle_get(&handle, sizeof **semaphore, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_semaphore *made = handle;
    made->shared = made->object.memory;
    if (made->shared->owned && !wanted->owned) /* it was there, and is another one than was wanted */
        code = word_can_wait_any();
    if (code < 0) {
        handle_free(&made->object);
        return code;
    }
    *semaphore = made;
    return 0;
}

static int get_as_wanted(kith_semaphore **semaphore, const struct origin *origin, unsigned value,
                         const kith_semaphore_options *options)
{
    bool owned = options && options->owned;
    unsigned bound = options ? options->bound : 0;
    int code = check(value, bound, owned);
    if (code < 0)
        return code;
    const struct semaphore_shared wanted = {
        .owned = owned ? value : 0,
        .value = value,
        .bound = bound > 0 ? bound : KITH_SEMAPHORE_MAX,
    };
    return get(semaphore, origin, &wanted);
}

int kith_semaphore_new(kith_semaphore **semaphore, unsigned value, const kith_semaphore_options *options)
{
    return get_as_wanted(semaphore, FROM_NOTHING, value, options);
}

int kith_semaphore_open(kith_semaphore **semaphore, const char *name, kith_open how, unsigned value,
                        const kith_semaphore_options *options)
{
    if (how == KITH_OPEN)
        return get(semaphore, FROM_NAME(name, how), &(struct semaphore_shared){ 0 });
    return get_as_wanted(semaphore, FROM_NAME(name, how), value, options);
}

int kith_semaphore_unlink(const char *name)
{
    return object_unlink(&type, name);
}

static int no_semaphore(void)
{
    return error_fail(-EINVAL, "semaphore is NULL: make one with kith_semaphore_new");
}

int kith_semaphore_share_fd(const kith_semaphore *semaphore)
{
    return semaphore ? object_share_fd(&semaphore->object) : no_semaphore();
}

int kith_semaphore_from_fd(kith_semaphore **semaphore, int fd)
{
    return get(semaphore, FROM_DESCRIPTOR(fd), &(struct semaphore_shared){ 0 });
}

int kith_semaphore_in(kith_semaphore **semaphore, void *memory, kith_open how, unsigned value,
                      const kith_semaphore_options *options)
{
    if (how == KITH_OPEN)
        return get(semaphore, FROM_MEMORY(memory, how), &(struct semaphore_shared){ 0 });
    if (options && options->owned)
        return error_fail(-EINVAL, "in memory of the caller's there is no room for units with owners: make the "
                                   "semaphore with kith_semaphore_new");
    return get_as_wanted(semaphore, FROM_MEMORY(memory, how), value, options);
}

/* ---- units ---- */

static bool available(const struct semaphore_shared *shared)
{
    if (!shared->owned)
        return atomic_load_explicit(&shared->free, memory_order_seq_cst) > 0;
    for (uint32_t i = 0; i < shared->owned; i++) {
        if (!has_owner(&shared->units[i]))
            return true;
    }
    return false;
}

/** As the guard's owner, with the guard in the slot. @return 0 or KITH_EOWNERDEAD */
static int take(struct os_thread *self, struct semaphore_shared *shared)
{
    if (!shared->owned) {
        atomic_fetch_sub_explicit(&shared->free, 1, memory_order_acquire);
        return 0;
    }
    struct robust_word *unit = shared->units;
    while (has_owner(unit))
        unit++;
    /* The kernel passes over a word on the list that does not carry the thread's id: linked first and taken then, it is
     * still free after a death in between. */
    robust_link(self, unit);
    uint32_t before = atomic_exchange_explicit(&unit->value, self->id | ROBUST_WAITERS, memory_order_acquire);
    return before & ROBUST_DIED ? KITH_EOWNERDEAD : 0;
}

static int give_number_back(struct semaphore_shared *shared)
{
    uint32_t free = atomic_load_explicit(&shared->free, memory_order_relaxed);
    do {
        if (free == shared->bound)
            return error_fail(-EOVERFLOW, "the semaphore has %u units free already, and that is its bound", free);
    } while (!atomic_compare_exchange_weak_explicit(&shared->free, &free, free + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return 0;
}

/** @return a unit that this thread owns, or NULL */
static struct robust_word *own_unit(const struct os_thread *self, struct semaphore_shared *shared)
{
    for (uint32_t i = 0; i < shared->owned; i++) {
        struct robust_word *unit = &shared->units[i];
        if ((atomic_load_explicit(&unit->value, memory_order_relaxed) & ROBUST_OWNER) == self->id)
            return unit;
    }
    return NULL;
}

static int give_unit_back(struct os_thread *self, struct semaphore_shared *shared)
{
    struct robust_word *unit = own_unit(self, shared);
    if (!unit)
        return error_fail(-EPERM, "this thread (%u) owns no unit of the semaphore", self->id);
    /* In the slot meanwhile: a death before the store gives the unit back; one after it wakes a sleeper on the unit. */
    robust_pending(self, unit);
    robust_unlink(self, unit);
    atomic_store_explicit(&unit->value, 0, memory_order_seq_cst);
    robust_pending(self, &shared->guard);
    return 0;
}

/* ---- the guard ---- */

/** Sleeps while the guard and all units have their values.
 *  @param for_unit  there is no use in it while a unit is free */
static int sleep_on_units(struct semaphore_shared *shared, uint32_t value, bool for_unit, deadline until)
{
    struct os_futex_pair pairs[1 + KITH_SEMAPHORE_OWNED_MAX] = { { &shared->guard.value, value } };
    for (uint32_t i = 0; i < shared->owned; i++) {
        struct robust_word *unit = &shared->units[i];
        uint32_t owner = atomic_load_explicit(&unit->value, memory_order_seq_cst);
        if (for_unit && !(owner & ROBUST_OWNER))
            return 0;
        pairs[1 + i] = (struct os_futex_pair){ &unit->value, owner };
    }
    return word_sleep_any(pairs, 1 + shared->owned, until);
}

/** Sleeps until a unit may be free, with all left asleep. */
static int sleep_for_unit(struct semaphore_shared *shared, deadline until)
{
    if (!shared->owned)
        return word_sleep(&shared->guard, &shared->free, 0, until);
    return sleep_on_units(shared, WORD_ASLEEP, true, until);
}

/** Acquires the guard that somebody has. Who sleeps on it may be left asleep with those who wait for a unit
 *  (sync/word.h), but when units have owners, these sleep on the units, too, for somebody's death. So all do. */
static int acquire_guard(struct os_thread *self, struct semaphore_shared *shared, deadline until)
{
    if (until == DEADLINE_AT_ONCE)
        return word_acquire_soon(self, &shared->guard);
    if (!shared->owned)
        return word_acquire_slowly(self, &shared->guard, until);
    for (;;) {
        int code = word_acquire_slowly(self, &shared->guard, DEADLINE_PASSED);
        if (code != -ETIMEDOUT || deadline_passed(until))
            return code;
        uint32_t value = atomic_load_explicit(&shared->guard.value, memory_order_relaxed);
        if (value & ROBUST_OWNER && value & ROBUST_WAITERS) /* the attempt has set it */
            code = sleep_on_units(shared, value, false, until);
        if (code == -EINTR)
            return code;
    }
}

/** Acquires the guard. What an owner that died had half done is one store, made or not made: nothing to repair. */
static int enter(struct os_thread *self, struct semaphore_shared *shared, deadline until)
{
    deadline patience = 0;
    robust_pending(self, &shared->guard);
    if (likely(word_try_acquire(self, &shared->guard)))
        return 0;
    int code = acquire_guard(self, shared, until);
    while (code == -ETIMEDOUT && available(shared))
        code = word_acquire_late(self, &shared->guard, &patience);
    return code == KITH_EOWNERDEAD ? 0 : code;
}

static void leave(struct os_thread *self, struct semaphore_shared *shared)
{
    if (likely(word_try_release(self, &shared->guard)))
        return;
    if (available(shared)) {
        word_pass(&shared->guard);
        return;
    }
    word_leave_asleep(&shared->guard);
    if (available(shared))
        word_notify(&shared->guard);
}

/** Waits until there is a unit, and stays the guard's owner. */
static int enter_with_unit(struct os_thread *self, struct semaphore_shared *shared, deadline until)
{
    int code = enter(self, shared, until);
    while (code == 0 && !available(shared)) {
        if (deadline_passed(until)) {
            leave(self, shared);
            return -ETIMEDOUT;
        }
        word_leave_asleep(&shared->guard);
        if (!available(shared))
            code = sleep_for_unit(shared, until);
        if (code == 0)
            code = enter(self, shared, until);
    }
    return code;
}

int kith_semaphore_acquire(kith_semaphore *semaphore, kith_timeout timeout)
{
    if (unlikely(!semaphore))
        return no_semaphore();
    deadline until;
    int code = deadline_from_or_at_once(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct semaphore_shared *shared = semaphore->shared;
    code = enter_with_unit(self, shared, until);
    if (likely(code == 0)) {
        code = take(self, shared);
        leave(self, shared);
    }
    robust_pending(self, NULL);
    return code;
}

int kith_semaphore_release(kith_semaphore *semaphore)
{
    if (unlikely(!semaphore))
        return no_semaphore();
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct semaphore_shared *shared = semaphore->shared;
    robust_pending(self, &shared->guard);
    int code = shared->owned ? give_unit_back(self, shared) : give_number_back(shared);
    if (likely(code == 0))
        word_notify(&shared->guard);
    robust_pending(self, NULL);
    return code;
}

void kith_semaphore_free(kith_semaphore *semaphore)
{
    if (!semaphore)
        return;
    /* Its memory goes; on the thread's list, nothing of it may stay. */
    struct os_thread *self = os_thread_self();
    while (self && own_unit(self, semaphore->shared))
        kith_semaphore_release(semaphore);
    handle_free(&semaphore->object);
}

int kith_semaphore_value(const kith_semaphore *semaphore)
{
    if (unlikely(!semaphore))
        return no_semaphore();
    const struct semaphore_shared *shared = semaphore->shared;
    if (!shared->owned)
        return (int)atomic_load_explicit(&shared->free, memory_order_relaxed);
    int count = 0;
    for (uint32_t i = 0; i < shared->owned; i++)
        count += !has_owner(&shared->units[i]);
    return count;
}
