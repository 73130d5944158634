#include "sync/waiters.h"

#include <kith/sync.h>

#include "os/futex.h"
#include "os/memory.h"

int waiters_open(struct waiters *waiters, const struct object *object, const struct waiters_shared *shared)
{
    size_t offset = (size_t)((const char *)shared - (const char *)object->memory);
    size_t size = offset + sizeof *shared + WAITERS_MAX * sizeof(struct waiter);
    void *memory;
    int code = os_memory_map(&memory, object->file, 0, size);
    if (code < 0)
        return error_fail(code, "no address space for those who wait: %s", kith_strerror(code));
    waiters->memory = memory;
    waiters->size = size;
    waiters->file = object->file;
    waiters->shared = (struct waiters_shared *)((char *)memory + offset);
    waiters->table = (struct waiter *)(waiters->shared + 1);
    return 0;
}

void waiters_close(struct waiters *waiters)
{
    os_memory_unmap(waiters->memory, waiters->size);
}

void waiters_restart(struct waiters_shared *shared)
{
    *shared = (struct waiters_shared){ .backed = shared->backed };
}

/* ---- entries ---- */

/** Gives an entry memory, and others of the same pages with it. */
static int back(struct waiters *waiters, uint32_t entry)
{
    size_t page = os_page_size();
    size_t table = (size_t)((char *)waiters->table - (char *)waiters->memory);
    size_t begin = (table + entry * sizeof(struct waiter)) / page * page;
    size_t end = (table + (entry + 1) * sizeof(struct waiter) + page - 1) / page * page;
    int code = os_memory_back(waiters->file, begin, end - begin);
    if (code < 0)
        return error_fail(code, "no shared memory for one more that waits: %s", kith_strerror(code));
    waiters->shared->backed = (uint32_t)((end - table) / sizeof(struct waiter));
    return 0;
}

static bool is_free(const struct waiter *waiter)
{
    return waiter_state(waiter) == 0;
}

int waiters_join(struct os_thread *self, struct waiters *waiters, uint32_t note, struct waiter **me)
{
    struct waiters_shared *shared = waiters->shared;
    uint32_t high = atomic_load_explicit(&shared->high, memory_order_relaxed), entry = 0;
    while (high > 0 && is_free(&waiters->table[high - 1]))
        high--;
    while (entry < high && !is_free(&waiters->table[entry]))
        entry++;
    if (entry == WAITERS_MAX)
        return error_fail(-EAGAIN, "%d threads wait for it already, and no more can", WAITERS_MAX);
    if (entry >= WAITERS_FIRST && entry >= shared->backed) {
        int code = back(waiters, entry);
        if (code < 0)
            return code;
    }
    struct waiter *mine = &waiters->table[entry];
    atomic_store_explicit(&mine->note, note, memory_order_relaxed);
    atomic_store_explicit(&mine->ticket, shared->tickets++, memory_order_relaxed);
    /* The kernel passes over a word on the list that does not carry the thread's id: first linked, then owned. */
    robust_link(self, &mine->word);
    /* release: who sees us wait sees the note and the ticket. */
    atomic_store_explicit(&mine->word.value, self->id, memory_order_release);
    atomic_store_explicit(&shared->high, entry < high ? high : entry + 1, memory_order_release);
    *me = mine;
    return 0;
}

static _Thread_local struct {
    int (*call)(void *context);
    void *context;
} interrupted;

void kith_on_interruption(int (*call)(void *context), void *context)
{
    interrupted.call = call;
    interrupted.context = context;
}

int waiters_on_interruption(int woken)
{
    if (!interrupted.call)
        return woken == -EINTR ? woken : 0;
    return interrupted.call(interrupted.context) == 0 ? 0 : -EINTR;
}

/** After a sleep. Slot: the bell, afterwards, too. @return 0: go on waiting; -EINTR */
static int ask(struct os_thread *self, struct waiters *waiters, int woken)
{
    if (!interrupted.call)
        return woken == -EINTR ? woken : 0;
    robust_pending(self, NULL); /* it may use what it likes */
    int code = interrupted.call(interrupted.context);
    waiters_hold_bell(self, waiters);
    return code == 0 ? 0 : -EINTR;
}

int waiters_sleep(struct os_thread *self, struct waiters *waiters, struct waiter *me, deadline until)
{
    enum { OWN, BELL };
    static const int64_t longest = 1000000000;
    struct os_futex_pair pairs[] = {
        [OWN] = { &me->word.value, self->id }, [BELL] = { &waiters->shared->bell.value, 0 }
    };
    if (until != DEADLINE_PASSED)
        await_change(&waiters->experience, &me->word.value, self->id);
    while (!(waiter_state(me) & WAITER_NOTIFIED)) {
        int64_t soon = os_clock_now() + longest;
        int woken = os_futex_wait_which(pairs, 2, soon < until ? soon : until);
        bool looks = woken == BELL || (woken == -ETIMEDOUT && soon < until);
        /* A handler that ran just before the sleep did not interrupt it. */
        if ((looks || woken == -EINTR) && ask(self, waiters, woken) < 0)
            return -EINTR;
        if (looks)
            return WAITERS_LOOK;
        if (woken < 0 && woken != -EINTR)
            return woken;
    }
    return 0;
}

/** Frees the own entry. It is marked as leaving: so a death is nobody's business, and the bell may leave the slot. */
static void free_own(struct os_thread *self, struct waiters *waiters, struct waiter *me)
{
    robust_pending(self, &me->word);
    robust_unlink(self, &me->word);
    atomic_store_explicit(&me->word.value, 0, memory_order_release);
    waiters_hold_bell(self, waiters);
}

void waiters_leave(struct os_thread *self, struct waiters *waiters, struct waiter *me)
{
    atomic_store_explicit(&me->note, 0, memory_order_relaxed);
    /* release: who sees us leave, or dead afterwards, sees that we are no waiter any more. */
    atomic_store_explicit(&me->word.value, self->id | WAITER_LEAVING, memory_order_release);
    free_own(self, waiters, me);
}

bool waiters_give_up(struct os_thread *self, struct waiters *waiters, struct waiter *me)
{
    uint32_t state = self->id;
    if (!atomic_compare_exchange_strong_explicit(&me->word.value, &state, self->id | WAITER_LEAVING,
                                                 memory_order_acquire, memory_order_acquire))
        return false;
    free_own(self, waiters, me);
    return true;
}

/* ---- notifying ---- */

bool waiter_call(struct waiter *waiter, uint32_t verdict)
{
    uint32_t state = waiter_state(waiter);
    if (!waiter_waits(state))
        return false;
    atomic_store_explicit(&waiter->verdict, verdict, memory_order_relaxed);
    /* release: who sees the mark sees the verdict. Fails when it has died, left, or been notified meanwhile. */
    if (!atomic_compare_exchange_strong_explicit(&waiter->word.value, &state, state | WAITER_NOTIFIED,
                                                 memory_order_release, memory_order_relaxed))
        return false;
    waiter_call_again(waiter);
    return true;
}

void waiter_call_again(struct waiter *waiter)
{
    os_futex_wake(&waiter->word.value, 1);
}

unsigned waiters_waiting(const struct waiters *waiters)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < waiters_high(waiters); i++)
        count += waiter_waits(waiter_state(&waiters->table[i]));
    return count;
}

/** @return the one that has waited longest, or NULL */
static struct waiter *oldest(const struct waiters *waiters)
{
    struct waiter *found = NULL;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = waiters_high(waiters); i-- > 0;) {
        struct waiter *waiter = &waiters->table[i];
        if (!waiter_waits(waiter_state(waiter)))
            continue;
        uint64_t ticket = atomic_load_explicit(&waiter->ticket, memory_order_relaxed);
        if (ticket < lowest) {
            lowest = ticket;
            found = waiter;
        }
    }
    return found;
}

static unsigned notify_first(struct waiters *waiters, uint32_t entries)
{
    unsigned called = 0;
    for (uint32_t i = 0; i < entries; i++)
        called += waiter_call(&waiters->table[i], 0);
    return called;
}

unsigned waiters_notify(struct waiters *waiters, unsigned count)
{
    uint32_t high = waiters_high(waiters);
    if (count >= high)
        return notify_first(waiters, high);
    unsigned called = 0;
    struct waiter *next = oldest(waiters);
    while (next && called < count) {
        called += waiter_call(next, 0);
        next = called < count ? oldest(waiters) : NULL;
    }
    return called;
}

/** Passes on the notification of a dead one. A word without an owner that is taken with our id, and is in the slot, is
 *  ours: should we die on the way, it is again as it was. At worst, two are notified instead of one. */
static void pass_on(struct os_thread *self, struct waiters *waiters, struct waiter *dead)
{
    uint32_t state = ROBUST_DIED | WAITER_NOTIFIED;
    robust_pending(self, &dead->word);
    if (atomic_compare_exchange_strong_explicit(&dead->word.value, &state, self->id | WAITER_NOTIFIED,
                                                memory_order_acquire, memory_order_relaxed)) {
        waiters_notify(waiters, 1);
        atomic_store_explicit(&dead->word.value, 0, memory_order_release);
    }
    waiters_hold_bell(self, waiters);
}

void waiters_heal(struct os_thread *self, struct waiters *waiters, bool rung)
{
    for (uint32_t i = 0; i < waiters_high(waiters); i++) {
        struct waiter *waiter = &waiters->table[i];
        uint32_t state = waiter_state(waiter);
        if (state == (ROBUST_DIED | WAITER_NOTIFIED))
            pass_on(self, waiters, waiter);
        else if (state == ROBUST_DIED)
            atomic_compare_exchange_strong_explicit(&waiter->word.value, &state, 0, memory_order_release,
                                                    memory_order_relaxed);
        else if (rung && state & WAITER_NOTIFIED)
            waiter_call_again(waiter);
    }
}
