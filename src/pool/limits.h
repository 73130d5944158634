/* Time limits of tasks. */
#ifndef KITH_SRC_POOL_LIMITS_H
#define KITH_SRC_POOL_LIMITS_H

#include "base/deadline.h"

struct kith_pool;

/** Kills the workers that exceed the limit of the task that they are at, or hold tasks with a limit and do nothing
 *  about them. By the keeper; not under the mutex.
 *  @return when to look again; OS_FOREVER */
deadline limits_enforce(struct kith_pool *pool, int64_t now);

#endif
