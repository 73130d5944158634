/* Sleeping on a word of shared memory. */
#ifndef KITH_SRC_OS_FUTEX_H
#define KITH_SRC_OS_FUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Sleeps while the word has the expected value, until os_futex_wake of any process that maps it, or the deadline.
 *  @return 0 when woken or when the value is another one already; -ETIMEDOUT; -EINTR when a signal handler ran */
int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);

/** A word and the value that it is expected to have. */
struct os_futex_pair {
    _Atomic uint32_t *word;
    uint32_t expected;
};

/** The most words that os_futex_wait_any waits for. */
#define OS_FUTEX_ANY_MAX 128

/** Sleeps while all words have their expected values, until one of them is woken, or the deadline.
 *  @return as os_futex_wait; -ENOSYS on Linux before 5.16 */
int os_futex_wait_any(const struct os_futex_pair *pairs, size_t count, int64_t deadline);

/** The same, and tells which one was woken.
 *  @return the last of those that were woken, counted from 0; count when a value is another one already; else as
 *          os_futex_wait_any */
int os_futex_wait_which(const struct os_futex_pair *pairs, size_t count, int64_t deadline);

/** Whether the system knows os_futex_wait_any. */
bool os_futex_can_wait_any(void);

/** Wakes at most count sleepers. @return how many were woken */
int os_futex_wake(_Atomic uint32_t *word, int count);

/** Takes the highest bit off the word and wakes all its sleepers, in one: nobody falls asleep in between, no death can
 *  come in between. */
void os_futex_clear_top_and_wake(_Atomic uint32_t *word);

#endif
