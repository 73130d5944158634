/* Who failed to prove itself, and how often of late: so many failures are forgotten in a minute as may be made in one.
 * Memory is bounded: when more have failed than there is room for, the one that is the nearest to being forgotten is.
 * For one thread at a time. */
#ifndef KITH_SRC_CONNECTION_FAILURES_H
#define KITH_SRC_CONNECTION_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

struct failures;

/** @param max  how many a minute, of one origin, 1 or more. @return NULL when there is no memory */
struct failures *failures_new(unsigned max);

/** NULL is fine. */
void failures_free(struct failures *failures);

/** Notes a failure. @param origin  where it came from: any number */
void failures_add(struct failures *failures, uint64_t origin);

/** Whether there is no room for one more of this origin now. */
bool failures_exceeded(const struct failures *failures, uint64_t origin);

#endif
