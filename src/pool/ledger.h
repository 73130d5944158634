/* The ledger: the chunks that are on their way, from when they are written into the store until each of their tasks has
 * ended and no worker has them any more. All of it is under the pool's mutex. */
#ifndef KITH_SRC_POOL_LEDGER_H
#define KITH_SRC_POOL_LEDGER_H

#include "pool/board.h"
#include "pool/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_pool;
struct kith_result;
struct worker;

/** What is known of a chunk. */
struct entry {
    uint64_t ticket;            /* its own, and nobody's ever after; 0: this entry is free */
    uint64_t place;             /* in the store */
    size_t size;                /* there, in bytes */
    struct kith_result *result; /* whose tasks they are; not to be looked at when none is left */
    size_t first;               /* the index there of the first */
    uint32_t count;             /* tasks */
    uint32_t left;              /* of these, have not ended */
    uint32_t attempt;           /* of them all */
    uint32_t next;              /* when free: the next free one. When parked: the next that is */
    bool given_up;              /* cancelled before it was begun. It is free when a worker says that it dropped it */
    uint64_t few;               /* which have ended, a bit each, when there are no more than 64 */
    uint64_t *many;             /* else; from malloc */
};

struct ledger {
    struct entry *entries;
    uint32_t capacity;
    uint32_t fresh;  /* from here on none was ever used */
    uint32_t free;   /* the first of those that are free again; LEDGER_NONE */
    uint32_t used;   /* how many are not free */
    uint32_t dead;   /* of these, how many are given up */
    uint64_t serial; /* of tickets */
    uint32_t parked; /* the first that found no room in the ring; LEDGER_NONE */
    uint32_t parked_last;
    size_t uncalled; /* how many are in the ring for which nobody has been woken */
};

#define LEDGER_NONE UINT32_MAX

/** The items of a chunk, as they will lie in the store. */
struct load {
    const unsigned char *data;
    size_t size; /* in bytes */
    uint32_t count;
};

void ledger_begin(struct ledger *ledger);

/** Frees its memory, when no worker is left. */
void ledger_end(struct ledger *ledger);

/** Hands in a chunk: the result's tasks from index first on. To be followed by ledger_call.
 *  @return 0; -ENOMEM, -ENOSPC, -EMSGSIZE with the detail */
int ledger_enter(struct kith_pool *pool, struct kith_result *result, size_t first, const struct load *load);

/** Wakes workers for the chunks that were handed in: once for many. */
void ledger_call(struct kith_pool *pool);

/** Takes in what a worker has reported on a task. @param owned  the report is from malloc, and now the ledger's */
void ledger_report(struct kith_pool *pool, const struct worker *worker, const struct report *report, size_t size,
                   bool owned);

/** How the worker ended that had a chunk. */
struct fate {
    int code; /* of the task that it was at: KITH_EWORKERLOST or -ETIMEDOUT */
    int exit_code;
    const char *how; /* "worker 4242 was killed by signal 9 (Killed)" */
};

/** A worker is dead, its outbox emptied: what it had goes back to the ring, but for the task that it was at.
 *  To be followed by ledger_call. @param sight  what board_bury said */
void ledger_bury(struct kith_pool *pool, const struct worker *worker, const struct board_sight *sight,
                 const struct fate *fate);

/** The entry of a chunk. @return NULL when there is none of that ticket, or none of its tasks is left */
struct entry *ledger_find(const struct ledger *ledger, uint64_t ticket);

/** Whether a task of it has ended. */
bool entry_ended(const struct entry *entry, uint32_t item);

/** Puts those that are parked into the ring, as far as it has room. */
void ledger_unpark(struct kith_pool *pool);

/** Gives up a result's tasks that have not begun. @return whether there were some, or may have been */
bool ledger_cancel(struct kith_pool *pool, struct kith_result *result);

/** Ends all tasks with a code. @param detail  lives as long as the pool's memory; NULL: what the code says */
void ledger_sweep(struct kith_pool *pool, int code, const char *detail);

#endif
