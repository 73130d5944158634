/* The parent's side of a pool, and what its parts have in common:
 *
 *   pool.c    its life: made, closed, terminated, joined, freed
 *   crew.c    its workers: started, replaced, stopped
 *   ledger.c  the chunks that are on their way, and what becomes of them when a worker dies
 *   keeper.c  the thread that takes reports in and looks after all
 *   submit.c  tasks that are handed in one by one; map.c: those that are fed by and by
 *   result.c  how tasks end, and who is told
 *
 * One mutex guards what the threads of this process share. Workers know nothing of it. The keeper alone reads the
 * outboxes, starts workers and looks after them. No callback, no start of a process and no pickling happens under the
 * mutex.
 */
#ifndef KITH_SRC_POOL_POOL_H
#define KITH_SRC_POOL_POOL_H

#include <kith/pool.h>

#include "base/deadline.h"
#include "pool/board.h"
#include "pool/crew.h"
#include "pool/ledger.h"
#include "pool/result.h"
#include "pool/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum pool_state {
    POOL_OPEN,
    POOL_CLOSED,     /* no more tasks; those that are there complete */
    POOL_TERMINATED, /* no more tasks; those that are there are given up */
    POOL_ENDED       /* and no worker is left: the keeper has gone */
};

struct kith_pool {
    pthread_mutex_t mutex;
    unsigned generation; /* forks_generation of the process that it belongs to */
    unsigned references; /* the handle, and one for each result: the memory goes with the last */
    enum pool_state state;
    int broken;         /* 0, or what all calls are refused with; */
    char *broken_why;   /* the detail. From malloc; NULL: none */
    unsigned max_pending;
    bool by_name;       /* workers are fresh images */

    struct board board;
    struct store *store;
    struct ledger ledger; /* chunks on their way */
    struct crew crew;     /* workers. The keeper's, but for what crew.h says */

    /* How many tasks there are. Under the mutex. */
    uint64_t pending; /* handed in, and not ended */
    uint64_t limited; /* of these, those with a time limit, and */
    int64_t least_limit; /* the least there was since there were some, in nanoseconds */
    struct kith_pool_stats stats; /* what is counted as it happens; the others are put in when asked for */

    struct kith_result *results; /* those that are not done, or not told; newest first */
    struct kith_result *ended;   /* those that are done, to be told of by the keeper */

    /* Who waits for room: pool_wait_for_room. */
    _Atomic uint32_t room; /* changes whenever they are woken */
    unsigned waiting;

    /* Who waits for the pool's end. */
    _Atomic uint32_t end; /* 1: POOL_ENDED */

    /* The keeper. */
    pthread_t keeper;
    bool keeper_runs;  /* its thread has been started and not been joined */
    bool keeper_deep;  /* it sleeps without looking at the ring now and then: wake it for a task. Under the mutex */
    pthread_mutex_t telling; /* it has this while it tells of progress; never with the other mutex */
    int wake;          /* an os_flag */
    int events;        /* os_events: the bell, the wake flag, the sentinels */
};

/** Locks and unlocks the mutex. */
void pool_lock(struct kith_pool *pool);
void pool_unlock(struct kith_pool *pool);

/** Whether this process may use the pool. @return 0; -EINVAL, -ECHILD with the detail */
int pool_usable(const struct kith_pool *pool);

/** Whether this is the keeper's thread, which must not wait for itself. */
bool pool_in_keeper(const struct kith_pool *pool);

/** Whether tasks may be handed in. Under the mutex. @return 0; KITH_ECLOSED, or the failure of a broken pool, with the
 *  detail */
int pool_open(const struct kith_pool *pool);

/** Whether there is room for tasks. Under the mutex. */
bool pool_has_room(const struct kith_pool *pool);

/** Waits for room, or until the pool is not open any more. Under the mutex, which it leaves meanwhile.
 *  @return as pool_open; -EINTR; -EDEADLK in the keeper's thread */
int pool_wait_for_room(struct kith_pool *pool);

/** Wakes those who wait for room. Under the mutex. */
void pool_tell_of_room(struct kith_pool *pool);

/** Has the keeper look around. */
void pool_wake_keeper(struct kith_pool *pool);

/** Breaks the pool: all tasks end with the code. Under the mutex. @param detail  copied */
void pool_break(struct kith_pool *pool, int code, const char *detail);

/** Gives back the handle's reference, or a result's. Under the mutex, which it leaves. */
void pool_release(struct kith_pool *pool);

#endif
