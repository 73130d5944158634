/* bench/message.h: what the messages hold, so that nobody can lose, double, tear or reorder one unnoticed.
 *
 * A putter fills its message once and then stamps the first and the last word of each: who put it and the how-maniest
 * it is, and the complement of that. A getter looks at both words and at the order of each putter's numbers. The
 * bytes between are carried, not looked at: reading a mebibyte would measure memory, and the same for all.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include "crew.h"

#include <stdint.h>

/** What a getter expects of the messages to come. */
struct expectation {
    size_t size;
    unsigned putters;
    uint64_t next[WORKERS_MAX]; /**< the least number that the putter's next message may have */
};

/** @return a message of that size, filled; free it with free. NULL when there is no memory */
void *message_new(size_t size);

/** Stamps the message as the given one of its putter. */
void message_stamp(void *message, size_t size, unsigned putter, uint64_t number);

/** Checks a message that came.
 *  @param sum  receives the stamp, to be summed up
 *  @return 0, or FAILED with a reason */
int message_check(struct expectation *expected, const void *message, size_t size, uint64_t *sum);

/** The sum of the stamps of all messages of a run, modulo 2^64. */
uint64_t message_sum(unsigned putters, uint64_t messages_each);

#endif
