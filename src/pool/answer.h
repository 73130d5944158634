/* What a task has given, in the worker that runs it, until it is put into the outbox. */
#ifndef KITH_SRC_POOL_ANSWER_H
#define KITH_SRC_POOL_ANSWER_H

#include "pool/report.h"
#include "value/pickle.h"

/** All zero is one that was never cleared. */
struct answer {
    struct pickle_out out; /* the pickle, or the bytes; none: None */
    uint32_t kind;         /* REPORT_VALUE or REPORT_BYTES */
};

/** Nothing was given yet: None. Memory is kept for the next answer, unless it is much. */
void answer_clear(struct answer *answer);

void answer_free(struct answer *answer);

/** A call_take: takes in a copy. After a failure nothing was given.
 *  @param context  the answer */
int answer_take(void *context, const kith_value *value, const void *data, size_t size);

#endif
