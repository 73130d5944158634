/* The event: a word that says whether it is set, and how often it has been. Waiters sleep on it; one that finds that it
 * has been set since it came is released, whatever has become of the event meanwhile.
 *
 * Who sets it owes all sleepers a wake-up, and may die before it pays. So beside the word there is a bell, a word that
 * nobody owns: setters and waiters have it in their threads' slots (os/robust.h), and waiters sleep on it, too. When a
 * setter dies, the kernel wakes one of them, which finds what has happened, and wakes the rest; should it die before,
 * the bell rings for the next. Nothing is missed between a waiter's look and its sleep: the word has changed then.
 *
 * A setter that is only stopped there owes its wake-up still. So SLEEPERS stays in the word until somebody has woken
 * all: who sets the event next, or finds it set, does it then, and no call to set returns with those asleep who are to
 * be released. The bit goes if the word is still as it was before the wake-up: the event was set all that time, so
 * nobody has fallen asleep since. Else it stays, which costs a wake-up in vain at worst. */
#include <kith/sync.h>

#include "os/futex.h"
#include "sync/awake.h"
#include "sync/handle.h"
#include "sync/word.h"

#include <limits.h>

#define SET 1u
#define SLEEPERS 2u /* somebody may sleep on the word; taken off by who has woken them, after it was set */
#define ONCE 4u     /* from here up: how often it has been set. (2^30 times during one waiter's sleep can't be told.) */

struct event_shared {
    struct object_header header;
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
    struct robust_word bell; /* always 0 */
};
_Static_assert(sizeof(struct event_shared) <= KITH_EVENT_SIZE, "what the header says");

struct kith_event {
    struct object object;
    struct event_shared *shared;
    struct experience experience; /* of waiting awake */
};

/* ---- handles ---- */

static void restart(void *memory)
{
    struct event_shared *found = memory;
    atomic_init(&found->word, 0);
}

static const struct object_type type = { .kind = OBJECT_EVENT, .layout = 1, .restart = restart };

static int get(kith_event **event, const struct origin *origin)
{
    if (!event)
        return error_fail(-EINVAL, "event is NULL: give the address of a kith_event pointer");
    if (!word_thread())
        return -ENOTSUP;
    int code = word_can_wait_any();
    if (code < 0)
        return code;
    void *handle;
    const struct object_plan plan = { KITH_EVENT_SIZE, NULL, NULL };
    code = handle_get(&handle, sizeof **event, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_event *made = handle;
    made->shared = made->object.memory;
    *event = made;
    return 0;
}

int kith_event_new(kith_event **event)
{
    return get(event, FROM_NOTHING);
}

int kith_event_open(kith_event **event, const char *name, kith_open how)
{
    return get(event, FROM_NAME(name, how));
}

int kith_event_unlink(const char *name)
{
    return object_unlink(&type, name);
}

static int no_event(void)
{
    return error_fail(-EINVAL, "event is NULL: make one with kith_event_new");
}

int kith_event_share_fd(const kith_event *event)
{
    return event ? object_share_fd(&event->object) : no_event();
}

int kith_event_from_fd(kith_event **event, int fd)
{
    return get(event, FROM_DESCRIPTOR(fd));
}

int kith_event_in(kith_event **event, void *memory, kith_open how)
{
    return get(event, FROM_MEMORY(memory, how));
}

void kith_event_free(kith_event *event)
{
    if (event)
        handle_free(&event->object);
}

/* ---- setting ---- */

static uint32_t look(const struct event_shared *shared)
{
    /* acquire: pairs with the release of who set it, so that what it did before is seen. */
    return atomic_load_explicit(&shared->word, memory_order_acquire);
}

static bool replace(struct event_shared *shared, uint32_t *seen, uint32_t word)
{
    return atomic_compare_exchange_weak_explicit(&shared->word, seen, word, memory_order_acq_rel, memory_order_acquire);
}

int kith_event_set(kith_event *event)
{
    if (!event)
        return no_event();
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    struct event_shared *shared = event->shared;
    uint32_t word = look(shared);
    robust_pending(self, &shared->bell);
    while (!(word & SET)) {
        if (replace(shared, &word, (word + ONCE) | SET))
            word = (word + ONCE) | SET;
    }
    if (word & SLEEPERS) {
        os_futex_wake(&shared->word, INT_MAX);
        replace(shared, &word, word & ~SLEEPERS);
    }
    robust_pending(self, NULL);
    return 0;
}

int kith_event_clear(kith_event *event)
{
    if (!event)
        return no_event();
    /* Whatever follows has this thread's earlier reads behind it, and whoever sees it cleared sees what was before. */
    atomic_fetch_and_explicit(&event->shared->word, ~SET, memory_order_acq_rel);
    return 0;
}

int kith_event_is_set(const kith_event *event)
{
    return event ? (int)(look(event->shared) & SET) : no_event();
}

/* ---- waiting ---- */

/** Whether it has been set since the word was as it was then. */
static bool set_since(uint32_t then, uint32_t word)
{
    return (word ^ then) >= ONCE;
}

/** Slot: the bell. */
static int sleep_until_set(struct event_shared *shared, uint32_t then, deadline until)
{
    enum { WORD, BELL };
    uint32_t word = then;
    for (;;) {
        while (!set_since(then, word) && !(word & SLEEPERS) && !replace(shared, &word, word | SLEEPERS))
            continue;
        if (set_since(then, word))
            return 0;
        struct os_futex_pair pairs[] = {
            [WORD] = { &shared->word, then | SLEEPERS }, [BELL] = { &shared->bell.value, 0 }
        };
        int woken = os_futex_wait_which(pairs, 2, until);
        word = look(shared);
        if (woken == BELL && set_since(then, word))
            os_futex_wake(&shared->word, INT_MAX); /* instead of who set it, or who was woken instead of that one */
        if (woken < 0 && !set_since(then, word))
            return woken;
    }
}

int kith_event_wait(kith_event *event, kith_timeout timeout)
{
    if (!event)
        return no_event();
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    uint32_t then = look(event->shared);
    if (then & SET)
        return 0;
    if (until == DEADLINE_PASSED)
        return -ETIMEDOUT;
    if (await_change(&event->experience, &event->shared->word, then) && set_since(then, look(event->shared)))
        return 0;
    robust_pending(self, &event->shared->bell);
    code = sleep_until_set(event->shared, then, until);
    robust_pending(self, NULL);
    return code;
}
