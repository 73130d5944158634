/* Workers that do not go on: those that exceed the time limit of a task, and those that are stopped. */
#ifndef KITH_SRC_POOL_LIMITS_H
#define KITH_SRC_POOL_LIMITS_H

#include "base/deadline.h"

struct kith_pool;

/** Kills the workers that exceed the limit of the task that they are at, or hold tasks with a limit and do nothing
 *  about them. By the keeper; not under the mutex.
 *  @return when to look again; OS_FOREVER */
deadline limits_enforce(struct kith_pool *pool, int64_t now);

/** Kills the workers that have been stopped (SIGSTOP) for a moment and have nothing to lose: while tasks wait, or the
 *  pool is to end, they would have to go on. By the keeper, now and then; under the mutex. */
void limits_end_stopped(struct kith_pool *pool, int64_t now);

#endif
