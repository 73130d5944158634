/* How far a map is: when to tell. */
#ifndef KITH_SRC_POOL_PROGRESS_H
#define KITH_SRC_POOL_PROGRESS_H

#include "pool/result.h"

#include <stdbool.h>
#include <stdint.h>

/** When the keeper is to tell. By the keeper; under the mutex, for it looks at `done`.
 *  @param ended  whether all tasks have
 *  @return an instant; 0: now; OS_FOREVER: not until more have ended */
int64_t progress_due(const struct kith_result *result, bool ended);

/** Tells, if that is still wanted. By the keeper; under no lock, for the function is the caller's.
 *  @param done, total  as progress_due's caller saw them */
void progress_tell(struct kith_result *result, size_t done, size_t total, bool ended);

/** All tasks have ended, as the caller knows: tells that, if the keeper has not yet, so that who waited for a map or an
 *  imap does not go on before. Nothing is told after it. Not under the mutex. */
void progress_end(struct kith_result *result, size_t total);

/** Nothing is told from now on: when it returns, the function is not running either, unless it is that which calls
 *  this. So the caller's context may end. Not under the mutex. */
void progress_silence(struct kith_result *result);

#endif
