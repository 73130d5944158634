/* The workers of a pool, as their parent has them. The keeper alone starts, watches and buries them; what others look
 * at (process and pid) it changes under the pool's mutex. */
#ifndef KITH_SRC_POOL_CREW_H
#define KITH_SRC_POOL_CREW_H

#include <kith/pool.h>

#include "base/deadline.h"
#include "pool/worker.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct kith_pool;

/** The one at a desk. */
struct worker {
    kith_process *process; /* NULL: nobody is there */
    kith_queue *outbox;    /* a new one for each process: nobody else has ever written to it */
    pid_t pid;
    bool ready;              /* it claims chunks */
    bool retiring;           /* it has said that it ends */
    bool ended;              /* its sentinel says so */
    bool unwatched;          /* there was no memory to watch its sentinel: it was killed */
    uint64_t overdue_ticket; /* it is being killed for a time limit, at a task of this chunk; 0: it is not */
    uint32_t overdue_item;
    int64_t reported; /* when its last report was taken in */
};

struct crew {
    struct worker *workers; /* one for each desk */
    unsigned count;         /* desks */
    unsigned running;       /* workers that were started and not buried. Changed under the mutex */
    unsigned started;       /* ever: for their names */
    bool stopping;          /* no more are started. Under the mutex */
    deadline kill_at;       /* when those are killed that did not heed SIGTERM; OS_FOREVER: not. Under the mutex */

    unsigned stillborn;  /* how many in a row ended before they were ready */
    deadline start_at;   /* before then, no start is tried again */
    int64_t pause;       /* how long to wait after the next failure, in nanoseconds */
    deadline give_up_at; /* when the pool is broken, should no worker have been started; OS_FOREVER: starts succeed */

    /* What they are started with. */
    kith_arena *arena; /* owns the copies */
    kith_process_options options;
    const char *name;
    struct worker_settings settings; /* but for the number */
    sigset_t mask;                   /* the signals that the thread blocked which made the pool */
};

/** Copies what workers are started with.
 *  @param count  how many there are to be
 *  @return 0; -EINVAL, -ENOMEM with the detail */
int crew_new(struct crew *crew, const kith_pool_options *options, unsigned count);

/** Gives back what it has; of workers that still run, only what this process has of them: for a forked child. */
void crew_free(struct kith_pool *pool);

/** Ends all workers of a pool that could not be finished: none has had a task. */
void crew_undo(struct kith_pool *pool);

/** Starts workers where there are none, unless the last start failed a moment ago and no worker has ended since, or the
 *  crew is stopping. Breaks the pool when that has had no use for long. Not under the mutex.
 *  @return 0; or why the last start failed, with the detail */
int crew_start(struct kith_pool *pool);

/** Buries the workers that have ended. Not under the mutex. */
void crew_bury(struct kith_pool *pool);

/** Has all workers end as soon as they find nothing to do. Under the mutex. */
void crew_dismiss(struct kith_pool *pool);

/** Asks all to end by SIGTERM, and has them killed a second later. Under the mutex. */
void crew_terminate(struct kith_pool *pool);

/** Kills those whose second is over. Not under the mutex. */
void crew_kill_late(struct kith_pool *pool);

/** Lets a worker go on, if somebody has stopped it. Under the mutex. */
void crew_let_go_on(const struct worker *worker);

/** When the keeper has to look at the crew again; OS_FOREVER. */
deadline crew_next(struct kith_pool *pool);

#endif
