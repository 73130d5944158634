/* Feeding the tasks of a map by and by. */
#ifndef KITH_SRC_POOL_MAP_H
#define KITH_SRC_POOL_MAP_H

#include "pool/result.h"

/** Hands in tasks as long as there is room, unless another thread is at it. Not under the mutex, but with a handle of
 *  the result. */
void feed_some(struct kith_result *result);

/** Whether a thread is handing in. Under the mutex. */
bool feed_is_busy(const struct kith_result *result);

/** Ends the tasks that have not been handed in, as the result is cancelled, or the pool given up. Under the mutex, with
 *  a handle of the result. */
void feed_give_up(struct kith_result *result);

#endif
