/* bench/manner.h: the manners in which a message may change hands, and the loops of the workers for each. */
#ifndef BENCH_MANNER_H
#define BENCH_MANNER_H

#include "message.h"

/** What one worker has at hand. */
struct task {
    const struct transport *transport;
    void *channel;
    size_t size;     /* of a message */
    unsigned batch;  /* messages a call, where there may be several */
    unsigned putter; /* which one this is */
    uint64_t messages;
    void *buffer; /* room for a batch */
    struct expectation expected;
    struct tally *tally; /* of a getter */
};

struct manner {
    const char *name; /**< on the command line */
    /** Whether the transport offers what it takes. */
    bool (*is_offered)(const struct transport *transport);
    /** Puts all messages of a putter. @return 0 or FAILED */
    int (*put_all)(const struct task *task);
    /** Gets messages, and tells of each in the tally, until it is killed. @return FAILED */
    int (*get_all)(struct task *task);
};

/** "copy": put and get. "batch": put_many and get_many, one by one where these are not offered. "read-in-place": put
 *  and peek. "in-place": reserve and peek. @return NULL when there is none of that name */
const struct manner *manner_find(const char *name);

#endif
