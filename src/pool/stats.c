/* What goes on in a pool, for those who ask. */
#include "pool/pool.h"

/* Workers that are at a task, as their desks have it. */
static unsigned count_busy(const struct kith_pool *pool)
{
    unsigned busy = 0;
    for (unsigned i = 0; i < pool->crew.count; i++) {
        struct board_sight sight;
        busy += pool->crew.workers[i].process && board_look(&pool->board, i, &sight);
    }
    return busy;
}

static unsigned count_workers(const struct kith_pool *pool)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pool->crew.count; i++)
        count += pool->crew.workers[i].process != NULL;
    return count;
}

int kith_pool_get_stats(const kith_pool *pool, kith_pool_stats *stats)
{
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    if (!stats)
        return error_fail(-EINVAL, "stats is NULL: give where to store them");
    kith_pool *own = (kith_pool *)(uintptr_t)pool; /* for its mutex */
    pool_lock(own);
    *stats = pool->stats;
    stats->workers = count_workers(pool);
    stats->busy = count_busy(pool);
    stats->pending = pool->pending;
    stats->memory = store_memory(pool->store);
    pool_unlock(own);
    return 0;
}

int kith_pool_workers(const kith_pool *pool, pid_t *pids, size_t capacity)
{
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    if (!pids && capacity > 0)
        return error_fail(-EINVAL, "pids is NULL, but capacity is %zu", capacity);
    kith_pool *own = (kith_pool *)(uintptr_t)pool;
    int count = 0;
    pool_lock(own);
    for (unsigned i = 0; i < pool->crew.count; i++) {
        const struct worker *worker = &pool->crew.workers[i];
        if (!worker->process)
            continue;
        if ((size_t)count < capacity)
            pids[count] = worker->pid;
        count++;
    }
    pool_unlock(own);
    return count;
}
