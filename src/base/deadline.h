/* Deadlines: a timeout becomes one absolute instant on entry, and that is passed down. */
#ifndef KITH_SRC_BASE_DEADLINE_H
#define KITH_SRC_BASE_DEADLINE_H

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <stdbool.h>

/** An instant on the monotonic clock, in nanoseconds; OS_FOREVER never comes, DEADLINE_PASSED always has. */
typedef int64_t deadline;

#define DEADLINE_PASSED ((deadline)0)

/** Has passed, too; and who has it does not even wait for those who are in the middle of a call. */
#define DEADLINE_AT_ONCE ((deadline)-1)

/** Makes a deadline of a timeout that a caller gave. KITH_NOWAIT and KITH_FOREVER read no clock.
 *  @return 0, or -EINVAL with its detail when the timeout is negative and not KITH_FOREVER */
static inline int deadline_from(kith_timeout timeout, deadline *until)
{
    *until = DEADLINE_PASSED;
    if (timeout == KITH_NOWAIT)
        return 0;
    if (timeout == KITH_FOREVER) {
        *until = OS_FOREVER;
        return 0;
    }
    if (timeout < 0)
        return error_fail(-EINVAL, "a timeout of %lld ns: give zero or more nanoseconds, or KITH_FOREVER",
                          (long long)timeout);
    int64_t now = os_clock_now();
    *until = timeout < OS_FOREVER - now ? now + timeout : OS_FOREVER;
    return 0;
}

/** The same for a call that knows KITH_AT_ONCE, too: that makes DEADLINE_AT_ONCE. */
static inline int deadline_from_or_at_once(kith_timeout timeout, deadline *until)
{
    *until = DEADLINE_AT_ONCE;
    return timeout == KITH_AT_ONCE ? 0 : deadline_from(timeout, until);
}

static inline bool deadline_passed(deadline until)
{
    return until <= DEADLINE_PASSED || (until != OS_FOREVER && os_clock_now() >= until);
}

#endif
