/* The parent's side of a pool, and what its parts have in common:
 *
 *   pool.c    its life: made, closed, terminated, joined, freed; and who may use it
 *   submit.c  tasks that are handed in one by one; map.c: those that are fed by and by
 *   ledger.c  the chunks that are on their way, and what becomes of them when a worker dies
 *   result.c  how tasks end, and who waits for that
 *   keeper.c  the thread that takes reports in and looks after all
 *   crew.c    the workers: started, buried, stopped
 *   limits.c  workers that exceed a time limit
 *   imap.c, progress.c, chunk_size.c
 *
 * One mutex guards what the threads of this process share; workers know nothing of it. No callback, no start of a
 * process, no pickling happens under it.
 */
#ifndef KITH_SRC_POOL_POOL_H
#define KITH_SRC_POOL_POOL_H

#include <kith/pool.h>

#include "base/deadline.h"
#include "pool/board.h"
#include "pool/crew.h"
#include "pool/keeper.h"
#include "pool/ledger.h"
#include "pool/result.h"
#include "pool/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The most that kith_pool_options.max_pending may be. */
#define PENDING_MAX 1000000

enum pool_state {
    POOL_OPEN,
    POOL_CLOSED,     /* no more tasks; those that are there complete */
    POOL_TERMINATED, /* no more tasks; those that were there have been given up */
};

struct kith_pool {
    pthread_mutex_t mutex;
    unsigned generation;      /* forks_generation of the process that it belongs to */
    unsigned references;      /* the handle, and one for each result: the memory goes with the last */
    struct kith_pool *beside; /* another one that a forked child can't free: see kith_pool_free */
    enum pool_state state;
    int broken;       /* 0; or why it is of no use any more: no task succeeds */
    char *broken_why; /* the detail, from malloc; NULL: none */
    unsigned max_pending;
    bool by_name; /* workers are fresh images, and find functions by their names */

    struct board board;
    struct store *store;
    struct ledger ledger;
    struct crew crew;
    struct keeper keeper;

    uint64_t pending;      /* tasks handed in, and not ended */
    uint64_t limited;      /* of these, those with a time limit, and */
    int64_t least_limit;   /* the least since there were some, in nanoseconds */
    kith_pool_stats stats; /* what is counted as it happens: done, failed, lost, timed_out, retried, replaced */

    unsigned feeds;               /* maps that have tasks left to be handed in */
    struct kith_result *attended; /* with a feed, or progress to tell */
    struct kith_result *complete; /* all tasks have ended; the keeper has to tell */

    _Atomic uint32_t room;    /* changes whenever those are woken who wait for room; see pool_wait_for_room */
    unsigned waiting;         /* how many do */
    pthread_mutex_t telling;  /* whoever tells of progress has it meanwhile; never together with the other mutex */
    _Atomic uintptr_t teller; /* the thread that tells of progress, as pthread_self has it; 0: none */
    _Atomic uint32_t end;     /* 1: the keeper has gone. Those who join sleep on it */
};

void pool_lock(struct kith_pool *pool);
void pool_unlock(struct kith_pool *pool);

/** Whether this process may use the pool. @return 0; -EINVAL, -ECHILD with the detail */
int pool_usable(const struct kith_pool *pool);

/** Whether this thread must not wait: it is the keeper, or tells of progress, which the keeper may be about to. */
bool pool_in_callback(const struct kith_pool *pool);

/* ---- under the mutex ---- */

/** Whether tasks may be handed in. @return 0; KITH_ECLOSED, or why the pool is broken, with the detail */
int pool_open(const struct kith_pool *pool);

/** How many tasks more may be on their way. */
size_t pool_room(const struct kith_pool *pool);

/** Waits for room, or until the pool is not open any more. Leaves the mutex meanwhile.
 *  @return as pool_open; -ETIMEDOUT, -EINTR; -EDEADLK in the keeper's thread with the detail */
int pool_wait_for_room(struct kith_pool *pool, deadline until);

/** Wakes those who wait for room, when there is enough for it to be worth it, or the pool is not open any more. */
void pool_tell_of_room(struct kith_pool *pool);

/** Whether there is so much room that tasks should be fed. */
bool pool_has_much_room(const struct kith_pool *pool);

/** Counts tasks that were handed in, and one that has ended. */
void pool_tasks_came(struct kith_pool *pool, const struct kith_result *result, size_t count);
void pool_task_ended(struct kith_pool *pool, const struct kith_result *result);

/** Counts one that has ended without having been handed in. */
void pool_task_given_up(struct kith_pool *pool);

/** Whether all tasks end now, whatever they are at. @param ending  receives how, then */
bool pool_given_up(const struct kith_pool *pool, struct ending *ending);

/** Ends all tasks, and what is asked of the pool later, with a code. @param detail  copied */
void pool_break(struct kith_pool *pool, int code, const char *detail);

/** The keeper has gone: tells those who join. Not under the mutex. */
void pool_end(struct kith_pool *pool);

/** Gives back a reference. Not under the mutex. */
void pool_release(struct kith_pool *pool);

/** The same, in a child made by fork: whatever its parent's other threads were at. */
void pool_forget(struct kith_pool *pool);

#endif
