/* The workers of a pool, as their parent has them. The keeper alone starts, watches and buries them; what others look at
 * (process and pid) it changes under the pool's mutex. */
#ifndef KITH_SRC_POOL_CREW_H
#define KITH_SRC_POOL_CREW_H

#include <kith/pool.h>

#include "base/deadline.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct kith_pool;

/** The one at a desk. */
struct worker {
    kith_process *process; /* NULL: nobody is there */
    kith_queue *outbox;    /* a new one for each process: nobody else has ever written to it */
    pid_t pid;
    bool ready;    /* it claims chunks */
    bool retiring; /* it has said that it ends */
    bool ended;    /* its sentinel says so */
    bool overdue;           /* it is being killed for a time limit: */
    uint64_t overdue_place; /* which chunk; 0: for it did not answer */
    uint32_t overdue_item;

    /* What limits.c goes by. */
    uint32_t ticket;  /* of the chunk that it had at the last look; LEDGER_NONE */
    int64_t reported; /* when its last report was taken in */
    uint64_t stay_place, stay_finished; /* what it had when it was found with a chunk and at no task, */
    int64_t stay_since;                 /* and since when; 0: it was not */

    uint32_t lingering; /* the ledger's: the last chunk that it completed, which it may not have put down yet */
};

struct crew {
    struct worker *workers; /* one for each desk */
    unsigned count;         /* desks */
    unsigned running;       /* workers that were started and not buried */
    unsigned started;       /* ever: for their names */
    bool stopping;          /* no more are started: the pool ends */
    int64_t kill_at;        /* when those are killed that did not heed SIGTERM; OS_FOREVER: not */

    unsigned stillborn;    /* how many in a row ended before they were ready */
    int64_t start_at;      /* when to try again to start those that are missing; 0: now */
    int64_t pause;         /* how long to wait after the next failure */
    int64_t failing_since; /* when starts began to fail; 0: they don't */

    /* What they are started with. */
    kith_arena *arena; /* owns the copies */
    kith_process_options options;
    kith_entry *initializer;
    const char *initializer_name;
    const kith_value *initializer_args;
    unsigned max_tasks;
    sigset_t mask; /* the signals that were blocked when the pool was made */
};

/** Copies what workers are started with.
 *  @return 0; -EINVAL, -ENOMEM with the detail */
int crew_new(struct crew *crew, const kith_pool_options *options);

/** Gives back what it has. Of workers that still run, only what this process has of them: for a forked child. */
void crew_free(struct kith_pool *pool);

/** Starts workers where there are none, unless the last start failed a moment ago or the crew is stopping. Breaks the
 *  pool where that has no use any more. Not under the mutex.
 *  @return 0; or why the last start failed, with the detail */
int crew_start(struct kith_pool *pool);

/** Buries the workers that have ended. Not under the mutex. */
void crew_bury(struct kith_pool *pool);

/** Has those end that are idle, and all others as soon as they are. Under the mutex. */
void crew_dismiss(struct kith_pool *pool);

/** Asks all to end by SIGTERM, and kills them a second later. Under the mutex. */
void crew_terminate(struct kith_pool *pool);

/** Kills those whose second is over. Not under the mutex. */
void crew_kill_late(struct kith_pool *pool);

/** When the keeper has to look at the crew again; OS_FOREVER. */
deadline crew_next(const struct kith_pool *pool);

#endif
