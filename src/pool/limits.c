/* Time limits. No task has a timer: the desks tell since when each worker is at what it is at. */
#include "pool/limits.h"

#include "pool/pool.h"

/* A worker whose reports were just taken in is in the middle of something: it is looked at again a moment later. */
#define JUST_NOW ((int64_t)10000000)

/** Ends a worker that is late. What it was at when it was seen is lost with it, and nothing else: it begins no other
 *  task any more. A result that it still puts counts. */
static void stop(struct kith_pool *pool, unsigned number, const struct board_sight *sight)
{
    struct worker *worker = &pool->crew.workers[number];
    if (!board_doom(&pool->board, number, sight))
        return; /* it has gone on just now */
    worker->overdue_ticket = sight->ticket;
    worker->overdue_item = sight->item;
    kith_log(KITH_LOG_WARNING, "worker %d of a pool is killed at the time limit of a task", (int)worker->pid);
    kith_process_kill(worker->process);
}

/** @return when a limit of a worker may be over at the earliest */
static deadline look_at(struct kith_pool *pool, unsigned number, int64_t now)
{
    const struct worker *worker = &pool->crew.workers[number];
    struct board_sight sight;
    if (!worker->process || worker->overdue_ticket)
        return OS_FOREVER; /* whoever comes next begins later than now */
    deadline soonest = now + pool->least_limit;
    if (!board_look(&pool->board, number, &sight))
        return soonest;
    const struct entry *entry = ledger_find(&pool->ledger, sight.ticket);
    if (!entry)
        return soonest;
    int64_t limit = entry->result->limit;
    if (limit >= OS_FOREVER - sight.since)
        return soonest;
    deadline over = sight.since + limit;
    if (over < worker->reported + JUST_NOW)
        over = worker->reported + JUST_NOW;
    if (now < over)
        return over < soonest ? over : soonest;
    stop(pool, number, &sight);
    return soonest;
}

deadline limits_enforce(struct kith_pool *pool, int64_t now)
{
    deadline next = OS_FOREVER;
    pool_lock(pool);
    for (unsigned i = 0; pool->limited > 0 && i < pool->crew.count; i++) {
        deadline one = look_at(pool, i, now);
        if (one < next)
            next = one;
    }
    pool_unlock(pool);
    return next;
}
