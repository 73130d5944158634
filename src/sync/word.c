#include "sync/word.h"

/* How often a busy word is looked at before its waiter goes to sleep: about the time that the spells take for which the
 * queue owns one. Then the waiter offers its CPU so many times. Who does not sleep need not be woken, which would cost
 * the owner more than the spell. */
enum { SPINS = 100, YIELDS = 4 };

int word_spins(void)
{
    static _Atomic int known = -1;
    int count = atomic_load_explicit(&known, memory_order_relaxed);
    if (count < 0) {
        /* On one CPU the owner can't go on while we spin. */
        count = os_cpu_count() > 1 ? SPINS : 0;
        atomic_store_explicit(&known, count, memory_order_relaxed);
    }
    return count;
}

struct word_efforts word_efforts(deadline until)
{
    return (struct word_efforts){ .spins = word_spins(), .yields = until <= DEADLINE_PASSED ? 0 : YIELDS };
}

int word_acquire_slowly(struct os_thread *self, struct robust_word *word, deadline until)
{
    struct word_efforts left = word_efforts(until);
    uint32_t value = atomic_load_explicit(&word->value, memory_order_relaxed);
    for (;;) {
        uint32_t owner = value & ROBUST_OWNER;
        if (owner == 0) {
            uint32_t mine = self->id | (value & ROBUST_WAITERS);
            /* acquire: pairs with the release of the owner before; after its death, the kernel's own barriers. */
            if (atomic_compare_exchange_weak_explicit(&word->value, &value, mine, memory_order_acquire,
                                                      memory_order_relaxed))
                return value & ROBUST_DIED ? KITH_EOWNERDEAD : 0;
            continue;
        }
        if (owner == self->id)
            return -EDEADLK;
        if (until == DEADLINE_AT_ONCE)
            return -EAGAIN;
        if (word_effort(&left)) {
            value = atomic_load_explicit(&word->value, memory_order_relaxed);
            continue;
        }
        if (!(value & ROBUST_WAITERS)) {
            if (!atomic_compare_exchange_weak_explicit(&word->value, &value, value | ROBUST_WAITERS,
                                                       memory_order_relaxed, memory_order_relaxed))
                continue;
            value |= ROBUST_WAITERS;
        }
        int code = until == DEADLINE_PASSED ? -ETIMEDOUT : os_futex_wait(&word->value, value, until);
        if (code < 0)
            return code;
        value = atomic_load_explicit(&word->value, memory_order_relaxed);
    }
}

int word_acquire_soon(struct os_thread *self, struct robust_word *word)
{
    struct word_efforts left = word_efforts(DEADLINE_AT_ONCE);
    int code;
    do {
        code = word_acquire_slowly(self, word, DEADLINE_AT_ONCE);
    } while (code == -EAGAIN && word_effort(&left));
    return code;
}

void word_wake_one(_Atomic uint32_t *word)
{
    /* When there is nobody, others may have owned and released the word since, and left somebody asleep: it would look
     * the same. So the kernel takes the bit off, and wakes them. */
    if (os_futex_wake(word, 1) == 0)
        os_futex_clear_top_and_wake(word);
}

void word_release_to_waiter(struct robust_word *word)
{
    /* release: what the owner did is seen by who acquires next. */
    atomic_exchange_explicit(&word->value, ROBUST_WAITERS, memory_order_release);
    word_wake_one(&word->value);
}

void word_pass(struct robust_word *word)
{
    atomic_exchange_explicit(&word->value, WORD_CALLED, memory_order_release);
    word_wake_one(&word->value);
}

void word_notify(struct robust_word *word)
{
    /* Only "asleep" concerns us. An owner will look at the condition itself before it leaves anybody asleep; who has
     * been called will come, or the kernel calls another. */
    uint32_t asleep = WORD_ASLEEP;
    if (atomic_compare_exchange_strong_explicit(&word->value, &asleep, WORD_CALLED, memory_order_seq_cst,
                                                memory_order_seq_cst))
        word_wake_one(&word->value);
}

int word_sleep(struct robust_word *word, _Atomic uint32_t *condition, uint32_t seen, deadline until)
{
    struct os_futex_pair both[] = { { &word->value, WORD_ASLEEP }, { condition, seen } };
    return word_sleep_any(both, 2, until);
}

static bool unchanged(const struct os_futex_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(pairs[i].word, memory_order_seq_cst) != pairs[i].expected)
            return false;
    }
    return true;
}

int word_sleep_any(const struct os_futex_pair *pairs, size_t count, deadline until)
{
    enum { NAP = 10000000 };
    static _Atomic bool unable;
    int code = -ENOSYS;
    if (likely(!atomic_load_explicit(&unable, memory_order_relaxed)))
        code = os_futex_wait_any(pairs, count, until);
    if (likely(code != -ENOSYS && code != -ENOMEM))
        return code;
    if (code == -ENOSYS)
        atomic_store_explicit(&unable, true, memory_order_relaxed);
    /* Linux before 5.16, or out of memory: sleep on the word alone, and look at the others now and then. */
    do {
        int64_t soon = os_clock_now() + NAP;
        code = os_futex_wait(pairs[0].word, pairs[0].expected, until < soon ? until : soon);
        if (code != -ETIMEDOUT || until <= soon)
            return code;
    } while (unchanged(pairs, count));
    return 0;
}

int word_acquire_late(struct os_thread *self, struct robust_word *word, deadline *patience)
{
    enum { PATIENCE = 1000000000, SLICE = 1000000 };
    int64_t now = os_clock_now();
    if (*patience == 0)
        *patience = now + PATIENCE;
    if (now >= *patience)
        return error_fail(-EBUSY, "another process has been in the middle of its call for a second: is it stopped?");
    /* In slices: a waiter of the condition may leave us asleep with the rest, see above. */
    return word_acquire_slowly(self, word, *patience - now < SLICE ? *patience : now + SLICE);
}

int word_can_wait_any(void)
{
    return os_futex_can_wait_any()
               ? 0
               : error_fail(-ENOTSUP, "the kernel has no futex_waitv (Linux 5.16), which this needs");
}

struct os_thread *word_no_thread(void)
{
    error_fail(-ENOTSUP, "the C library has registered no list of robust futexes for this thread, or one of another "
                         "shape than glibc's, or no handler of forks: locks could not survive a death");
    return NULL;
}
