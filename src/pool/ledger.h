/* The ledger: the chunks that are on their way, from when they are written into the store until each of their tasks has
 * ended and no worker has them any more. Under the pool's mutex, all of it. */
#ifndef KITH_SRC_POOL_LEDGER_H
#define KITH_SRC_POOL_LEDGER_H

#include "pool/bundle.h"
#include "pool/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_pool;
struct kith_result;

/** What is known of a chunk. */
struct entry {
    uint64_t place;             /* in the store; 0: this entry is free */
    struct kith_result *result; /* whose tasks they are */
    size_t first;               /* the index there of the first */
    uint32_t count;             /* tasks */
    uint32_t left;              /* of these, have not ended */
    uint32_t attempt;           /* of them all */
    bool given_up;              /* nobody has begun it, nor will: who comes upon it in the ring drops it */
    uint64_t few;               /* which have ended, a bit each, when there are no more than 64 */
    uint64_t *many;             /* else; from malloc */
    uint32_t next;              /* when free: the next free one. When the ring was full: the next that waits */
};

struct ledger {
    struct entry *entries; /* a ticket is an index here */
    uint32_t capacity;
    uint32_t used;          /* how many are not free */
    uint32_t fresh;         /* from here on none was ever used */
    uint32_t free;          /* the first free one before; LEDGER_NONE */
    uint32_t parked;        /* the first that found no room in the ring; LEDGER_NONE */
    uint32_t parked_last;
};

#define LEDGER_NONE UINT32_MAX

#endif
