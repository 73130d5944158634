/* What workers say to the keeper: messages of each worker's own outbox, a kith_queue with one putter and one getter. */
#ifndef KITH_SRC_POOL_REPORT_H
#define KITH_SRC_POOL_REPORT_H

#include <stdint.h>

enum report_kind {
    REPORT_READY = 1, /* the initializer has run: it begins to claim */
    REPORT_BROKEN,    /* the initializer failed, or the worker could not begin: code, and the detail as text. It ends */
    REPORT_RETIRED,   /* it has run max_tasks, can not ring, or the board is closing. It ends; what it has not begun of
                         its chunk is another's */
    REPORT_VALUE,     /* an item succeeded: the pickle of its result follows; nothing follows: None */
    REPORT_BYTES,     /* an item succeeded: its result's bytes follow */
    REPORT_FAILED,    /* an item returned code; the detail follows as text */
    REPORT_CANCELLED, /* an item was not begun, for the chunk was to be given up */
    REPORT_DROPPED    /* the chunk had been cancelled before it was begun: its memory is the parent's again */
};

/** Before what follows, at an address that is a multiple of 8. Texts have no NUL byte behind them. */
struct report {
    uint64_t ticket; /* the chunk's */
    int64_t took;    /* how long the item ran, in nanoseconds */
    uint32_t kind;   /* a report_kind */
    uint32_t item;   /* in the chunk, from 0 */
    int32_t code;
    uint32_t reserved;
};

#endif
