/* What a managed pool's calls give that do not wait: AsyncResult, and the iterators of imap. Either keeps the pool,
 * also when its object is gone. */
#ifndef KITH_SRC_MANAGER_RESULT_H
#define KITH_SRC_MANAGER_RESULT_H

#include "manager/errand.h"

/** Answers with an AsyncResult of an errand, which is kept from then on.
 *  @return as request_answer_object */
int result_answer(struct request *request, struct errand *errand);

/** Begins an errand for each item, and answers with an iterator of what they give.
 *  @param what   what they have in common
 *  @param items  a list
 *  @param in_order  of the items; else as they come
 *  @return as request_answer_object; a code when one could not be begun */
int imap_answer(struct request *request, struct managed_pool *pool, const struct errand *what, const kith_value *items,
                bool in_order);

#endif
