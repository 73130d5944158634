/* Handing in tasks. */
#ifndef KITH_SRC_POOL_SUBMIT_H
#define KITH_SRC_POOL_SUBMIT_H

#include "pool/bundle.h"
#include "pool/result.h"

/** Hands in a bundle as one chunk: its items are the result's next tasks, from result->next_index on. Waits while too
 *  many tasks are on their way. The bundle is empty after it, and may be filled again.
 *  @param bundle  at least one item
 *  @param until   how long to wait for room: an imap does not wait while it has results to give
 *  @return 0; -ETIMEDOUT, -EINTR, KITH_ECLOSED; -EDEADLK in the keeper's thread, when it would have to wait; -ENOMEM,
 *          -ENOSPC, -EMSGSIZE; the failure of a broken pool: with the detail, and nothing was handed in: the bundle is
 *          as it was */
int submit(struct kith_result *result, struct bundle *bundle, deadline until);

#endif
