/* futex(2) and futex_waitv(2). Never the private forms: the words lie in memory that processes share. */
#include "os/futex.h"

#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct timespec *absolute(int64_t deadline, struct timespec *at)
{
    if (deadline == OS_FOREVER)
        return NULL;
    at->tv_sec = (time_t)(deadline / 1000000000);
    at->tv_nsec = (long)(deadline % 1000000000);
    return at;
}

static int outcome(long result)
{
    if (result >= 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct timespec at;
    /* FUTEX_WAIT_BITSET takes an absolute instant of the monotonic clock; FUTEX_WAIT would take a duration. */
    return outcome(
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, absolute(deadline, &at), NULL, FUTEX_BITSET_MATCH_ANY));
}

int os_futex_wait_which(const struct os_futex_pair *pairs, size_t count, int64_t deadline)
{
    struct futex_waitv waiters[OS_FUTEX_ANY_MAX] = { 0 };
    struct timespec at;
    for (size_t i = 0; i < count; i++) {
        waiters[i].val = pairs[i].expected;
        waiters[i].uaddr = (uintptr_t)pairs[i].word;
        waiters[i].flags = FUTEX_32;
    }
    long woken = syscall(SYS_futex_waitv, waiters, (unsigned)count, 0, absolute(deadline, &at), CLOCK_MONOTONIC);
    if (woken >= 0)
        return (int)woken;
    return errno == EAGAIN ? (int)count : -errno;
}

int os_futex_wait_any(const struct os_futex_pair *pairs, size_t count, int64_t deadline)
{
    int woken = os_futex_wait_which(pairs, count, deadline);
    return woken < 0 ? woken : 0;
}

int os_futex_wake(_Atomic uint32_t *word, int count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return woken < 0 ? 0 : (int)woken;
}

void os_futex_clear_top_and_wake(_Atomic uint32_t *word)
{
    /* In the fields of FUTEX_OP of <linux/futex.h>. What the comparison, with 0, decides on is whom to wake of the
     * second word: it is the same, and nobody is left. */
    uint32_t clear = (uint32_t)(FUTEX_OP_ANDN | FUTEX_OP_OPARG_SHIFT) << 28 | 31u << 12;
    syscall(SYS_futex, word, FUTEX_WAKE_OP, INT_MAX, NULL, word, clear);
}

bool os_futex_can_wait_any(void)
{
    /* A word that has not its value any more: nothing to wait for. */
    _Atomic uint32_t word = 0;
    return os_futex_wait_any(&(struct os_futex_pair){ &word, 1 }, 1, 0) != -ENOSYS;
}
