/* The barrier: those who wait (waiters.h), and a guard, a robust word, whose owner lets them in and releases them.
 *
 * How many have come is how many wait in the table, so there is nothing that a death could leave wrong. What is to
 * become of them all is one word, the order: storing it commits. Who dies while it carries an order out leaves the
 * guard to the next one, who carries it out to the end; and the bell sees to it that there is a next one. So does the
 * bell of a waiter that died: it is found in the table, and breaks the barrier.
 *
 * The action runs without the guard. Meanwhile the one who runs it waits in the table, too: so its death, or a timeout
 * of another, breaks the barrier as always. Who comes during that time belongs to the next round, and comes again. */
#include <kith/sync.h>

#include "sync/handle.h"
#include "sync/waiters.h"
#include "sync/word.h"

#include <limits.h>

/* Notes of waiters: what they wait for. */
enum { PARTY = 1, LATE = 2 };

enum { COME_AGAIN = INT_MAX };

/* What becomes of those who wait: the order, and the verdict of a party. Who is late is just to come again. */
enum { NONE, PASS, BREAK, RESET };

struct barrier_shared {
    struct object_header header;
    _Alignas(CACHE_LINE) struct robust_word guard; /* on its owner's list while it is owned */
    uint32_t parties;                              /* never changes */
    /* Stored by the guard's owner: */
    _Atomic uint32_t order; /* NONE when it has been carried out */
    _Atomic uint32_t broken;
    _Atomic uint32_t running; /* an action is */
    struct waiters_shared waiters;
};

struct kith_barrier {
    struct object object;
    struct barrier_shared *shared;
    struct waiters waiters;
    kith_barrier_options options;
};

/* ---- handles ---- */

static void begin(void *memory, const void *argument)
{
    struct barrier_shared *made = memory;
    made->parties = *(const unsigned *)argument;
}

static void restart(void *memory)
{
    struct barrier_shared *found = memory;
    found->guard = (struct robust_word){ 0 };
    atomic_init(&found->order, NONE);
    atomic_init(&found->broken, 0);
    atomic_init(&found->running, 0);
    waiters_restart(&found->waiters);
}

static const struct object_type type = { .kind = OBJECT_BARRIER, .layout = 1, .restart = restart };

static int get(kith_barrier **barrier, const struct origin *origin, unsigned parties,
               const kith_barrier_options *options)
{
    if (!barrier)
        return error_fail(-EINVAL, "barrier is NULL: give the address of a kith_barrier pointer");
    bool makes = origin->way == ORIGIN_NEW || (origin->way == ORIGIN_NAME && origin->how != KITH_OPEN);
    if (makes && (parties < 1 || parties > KITH_BARRIER_PARTIES_MAX))
        return error_fail(-EINVAL, "%u parties: give 1 to %d", parties, KITH_BARRIER_PARTIES_MAX);
    if (!word_thread())
        return -ENOTSUP;
    int code = word_can_wait_any();
    if (code < 0)
        return code;
    void *handle;
    const struct object_plan plan = { sizeof(struct barrier_shared) + WAITERS_FOOTPRINT, begin, &parties };
    code = handle_get(&handle, sizeof **barrier, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_barrier *made = handle;
    made->shared = made->object.memory;
    code = waiters_open(&made->waiters, &made->object, &made->shared->waiters);
    if (code < 0) {
        handle_undo(&made->object, origin, &type);
        return code;
    }
    if (options)
        made->options = *options;
    *barrier = made;
    return 0;
}

int kith_barrier_new(kith_barrier **barrier, unsigned parties, const kith_barrier_options *options)
{
    return get(barrier, FROM_NOTHING, parties, options);
}

int kith_barrier_open(kith_barrier **barrier, const char *name, kith_open how, unsigned parties,
                      const kith_barrier_options *options)
{
    return get(barrier, FROM_NAME(name, how), parties, options);
}

int kith_barrier_unlink(const char *name)
{
    return object_unlink(&type, name);
}

static int no_barrier(void)
{
    return error_fail(-EINVAL, "barrier is NULL: make one with kith_barrier_new");
}

int kith_barrier_share_fd(const kith_barrier *barrier)
{
    return barrier ? barrier->object.file : no_barrier();
}

int kith_barrier_from_fd(kith_barrier **barrier, int fd, const kith_barrier_options *options)
{
    return get(barrier, FROM_DESCRIPTOR(fd), 0, options);
}

void kith_barrier_free(kith_barrier *barrier)
{
    if (!barrier)
        return;
    waiters_close(&barrier->waiters);
    handle_free(&barrier->object);
}

/* ---- as the guard's owner ---- */

static uint32_t read_word(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_seq_cst);
}

static void write_word(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_seq_cst);
}

/** Whether the entry's owner is dead, when the entry has this state. */
static bool is_dead(uint32_t state)
{
    return state && !(state & ROBUST_OWNER);
}

/** Carries out the order that there is; from the beginning, if somebody died while doing so. Whoever waits is told; who
 *  died before that is done with, too. */
static void carry_out(kith_barrier *barrier)
{
    struct barrier_shared *shared = barrier->shared;
    uint32_t order = read_word(&shared->order);
    if (order == NONE)
        return;
    for (uint32_t i = 0; i < waiters_high(&barrier->waiters); i++) {
        struct waiter *waiter = &barrier->waiters.table[i];
        waiter_call(waiter, order);
        if (is_dead(waiter_state(waiter)))
            write_word(&waiter->word.value, 0);
    }
    write_word(&shared->running, 0);
    write_word(&shared->broken, order == BREAK);
    write_word(&shared->order, NONE);
}

static void command(kith_barrier *barrier, uint32_t order)
{
    write_word(&barrier->shared->order, order);
    carry_out(barrier);
}

/** Deals with what the dead have left: an order, their entries, and wake-ups that they owed as the guard's owners. */
static void heal(kith_barrier *barrier, bool owner_died)
{
    carry_out(barrier);
    for (uint32_t i = 0; i < waiters_high(&barrier->waiters); i++) {
        struct waiter *waiter = &barrier->waiters.table[i];
        uint32_t state = waiter_state(waiter);
        if (state == ROBUST_DIED && read_word(&waiter->note) == PARTY)
            command(barrier, BREAK);
        else if (is_dead(state))
            write_word(&waiter->word.value, 0);
        else if (owner_died && state & WAITER_NOTIFIED)
            waiter_call_again(waiter);
    }
}

/** How many parties wait. */
static unsigned count(const kith_barrier *barrier)
{
    unsigned waiting = 0;
    for (uint32_t i = 0; i < waiters_high(&barrier->waiters); i++) {
        const struct waiter *waiter = &barrier->waiters.table[i];
        waiting += waiter_waits(waiter_state(waiter)) && read_word(&waiter->note) == PARTY;
    }
    return waiting;
}

/** Waits for the guard. Slot: the guard. @return 0 or KITH_EOWNERDEAD; -EBUSY with the detail, if not patient */
static int acquire(struct os_thread *self, struct robust_word *guard, bool patient)
{
    deadline patience = 0;
    int code = word_try_acquire(self, guard) ? 0 : -ETIMEDOUT;
    while (code == -ETIMEDOUT || code == -EINTR)
        code = patient ? word_acquire_slowly(self, guard, OS_FOREVER) : word_acquire_late(self, guard, &patience);
    return code;
}

/** Becomes the guard's owner, with all healed; or not. Leaves the bell in the slot.
 *  @param patient  waits as long as it takes; else for a second
 *  @return 0; -EBUSY with the detail */
static int enter(struct os_thread *self, kith_barrier *barrier, bool patient)
{
    struct robust_word *guard = &barrier->shared->guard;
    robust_pending(self, guard);
    int code = acquire(self, guard, patient);
    if (code == -EBUSY) {
        waiters_hold_bell(self, &barrier->waiters);
        return code;
    }
    robust_link(self, guard);
    waiters_hold_bell(self, &barrier->waiters);
    heal(barrier, code == KITH_EOWNERDEAD);
    return 0;
}

static void leave(struct os_thread *self, kith_barrier *barrier)
{
    struct robust_word *guard = &barrier->shared->guard;
    robust_pending(self, guard);
    robust_unlink(self, guard);
    if (!word_try_release(self, guard))
        word_release_to_waiter(guard);
    waiters_hold_bell(self, &barrier->waiters);
}

/* ---- waiting ---- */

/** For one who was notified: leaves the table. @return what came of it */
static int released(struct os_thread *self, kith_barrier *barrier, struct waiter *me)
{
    bool passed = read_word(&me->verdict) == PASS;
    waiters_leave(self, &barrier->waiters, me);
    return passed ? 0 : error_fail(KITH_EBROKEN, "the barrier was broken or reset while this thread waited");
}

/** For one who waits no longer, for that reason: leaves the table, and breaks the barrier, unless it was late. */
static int give_up(struct os_thread *self, kith_barrier *barrier, struct waiter *me, int reason)
{
    struct waiters *waiters = &barrier->waiters;
    if (read_word(&me->note) == LATE)
        return waiters_give_up(self, waiters, me) ? reason : released(self, barrier, me);
    int code = enter(self, barrier, false);
    if (code < 0)
        return waiters_give_up(self, waiters, me) ? code : released(self, barrier, me);
    if (waiter_waits(waiter_state(me))) {
        command(barrier, BREAK);
        waiters_leave(self, waiters, me);
        code = reason;
    } else {
        code = released(self, barrier, me);
    }
    leave(self, barrier);
    return code;
}

/** In the table: waits to be released. @return 0: passed; KITH_EBROKEN, -ETIMEDOUT, -EINTR, -EBUSY */
static int sleep_until_released(struct os_thread *self, kith_barrier *barrier, struct waiter *me, deadline until)
{
    int code;
    while ((code = waiters_sleep(self, &barrier->waiters, me, until)) == WAITERS_LOOK) {
        if (enter(self, barrier, false) == 0)
            leave(self, barrier);
    }
    return code < 0 ? give_up(self, barrier, me, code) : released(self, barrier, me);
}

/** In the table, the last to come: runs the action, and releases all. @return 0; KITH_EBROKEN */
static int act(struct os_thread *self, kith_barrier *barrier, struct waiter *me)
{
    robust_pending(self, NULL); /* the action may use what it likes */
    int result = barrier->options.action(barrier->options.context);
    enter(self, barrier, true);
    bool whole = waiter_waits(waiter_state(me));
    if (whole)
        command(barrier, result == 0 ? PASS : BREAK); /* for us, too */
    int code = released(self, barrier, me);
    leave(self, barrier);
    if (whole && result != 0)
        error_fail(code, "the barrier's action returned %d", result);
    return code;
}

/** As the guard's owner, which it is no longer afterwards.
 *  @return the index; COME_AGAIN: a round was about to end, and now it has; else a code */
static int come(struct os_thread *self, kith_barrier *barrier, deadline until)
{
    struct barrier_shared *shared = barrier->shared;
    bool late = read_word(&shared->running);
    unsigned others = late ? 0 : count(barrier);
    bool last = !late && others + 1 == shared->parties;
    struct waiter *me = NULL;
    int code = 0;
    if (read_word(&shared->broken))
        code = error_fail(KITH_EBROKEN, "the barrier is broken: kith_barrier_reset mends it");
    else if (last && !barrier->options.action)
        command(barrier, PASS);
    else
        code = waiters_join(self, &barrier->waiters, late ? LATE : PARTY, &me);
    if (me && last)
        write_word(&shared->running, 1);
    leave(self, barrier);
    if (me && last)
        code = act(self, barrier, me);
    else if (me)
        code = sleep_until_released(self, barrier, me, until);
    if (late && (code == 0 || code == KITH_EBROKEN))
        return COME_AGAIN;
    return code < 0 ? code : (int)(shared->parties - 1 - others);
}

int kith_barrier_wait(kith_barrier *barrier, kith_timeout timeout)
{
    if (!barrier)
        return no_barrier();
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    do {
        code = enter(self, barrier, false);
        if (code == 0)
            code = come(self, barrier, until);
    } while (code == COME_AGAIN);
    robust_pending(self, NULL);
    return code;
}

/* ---- from outside ---- */

/** @param order  NONE: just heals */
static int intervene(kith_barrier *barrier, uint32_t order)
{
    if (!barrier)
        return no_barrier();
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    int code = enter(self, barrier, false);
    if (code == 0) {
        command(barrier, order);
        leave(self, barrier);
    }
    robust_pending(self, NULL);
    return code;
}

int kith_barrier_abort(kith_barrier *barrier)
{
    return intervene(barrier, BREAK);
}

int kith_barrier_reset(kith_barrier *barrier)
{
    return intervene(barrier, RESET);
}

int kith_barrier_parties(const kith_barrier *barrier)
{
    return barrier ? (int)barrier->shared->parties : no_barrier();
}

int kith_barrier_waiting(kith_barrier *barrier)
{
    int code = intervene(barrier, NONE);
    return code < 0 ? code : (int)count(barrier);
}

int kith_barrier_broken(kith_barrier *barrier)
{
    int code = intervene(barrier, NONE);
    return code < 0 ? code : (int)read_word(&barrier->shared->broken);
}
