/* A pool's life, and who may use it. */
#include "pool/pool.h"

#include "os/futex.h"
#include "os/thread.h"
#include "pool/map.h"
#include "process/entry.h"
#include "process/forks.h"

#include <stdlib.h>
#include <string.h>

enum { PENDING_DEFAULT = 4096, PENDING_EACH = 16 };

void pool_lock(struct kith_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
}

void pool_unlock(struct kith_pool *pool)
{
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- who may use it ---- */

int pool_usable(const struct kith_pool *pool)
{
    if (!pool)
        return error_fail(-EINVAL, "pool is NULL");
    if (pool->generation != forks_generation())
        return error_fail(-ECHILD, "the pool belongs to the process that made it: make one of your own");
    return 0;
}

bool pool_in_callback(const struct kith_pool *pool)
{
    /* relaxed: a thread looks for itself, and what others write is never that. */
    return (pool->keeper.runs && pthread_equal(pool->keeper.thread, pthread_self())) ||
           atomic_load_explicit(&pool->teller, memory_order_relaxed) == (uintptr_t)pthread_self();
}

static int tell_broken(const struct kith_pool *pool)
{
    return error_fail(pool->broken, "the pool is broken: %s",
                      pool->broken_why ? pool->broken_why : kith_strerror(pool->broken));
}

int pool_open(const struct kith_pool *pool)
{
    if (pool->broken)
        return tell_broken(pool);
    if (pool->state != POOL_OPEN)
        return error_fail(KITH_ECLOSED, "the pool has been %s", pool->state == POOL_CLOSED ? "closed" : "terminated");
    return 0;
}

/* ---- how much is on its way ---- */

size_t pool_room(const struct kith_pool *pool)
{
    uint64_t taken = pool->pending > pool->ledger.dead ? pool->pending : pool->ledger.dead;
    return taken < pool->max_pending ? pool->max_pending - taken : 0;
}

/* An eighth is enough for a run of tasks to be handed in, and leaves the workers enough to do meanwhile. */
bool pool_has_much_room(const struct kith_pool *pool)
{
    size_t room = pool_room(pool);
    return room > 0 && room >= pool->max_pending / 8;
}

int pool_wait_for_room(struct kith_pool *pool, deadline until)
{
    int code = pool_open(pool);
    while (code == 0 && pool_room(pool) == 0) {
        if (deadline_passed(until))
            return -ETIMEDOUT;
        if (pool_in_callback(pool))
            return error_fail(-EDEADLK, "%u tasks are on their way, and a callback can't wait for one to end",
                              pool->max_pending);
        uint32_t seen = atomic_load_explicit(&pool->room, memory_order_relaxed);
        pool->waiting++;
        pool_unlock(pool);
        int woken = os_futex_wait(&pool->room, seen, until);
        pool_lock(pool);
        pool->waiting--;
        code = pool_open(pool);
        if (code == 0 && woken == -EINTR && pool_room(pool) == 0)
            code = woken;
    }
    return code;
}

void pool_tell_of_room(struct kith_pool *pool)
{
    if (pool->waiting == 0 || !(pool_has_much_room(pool) || pool->state != POOL_OPEN || pool->broken))
        return;
    atomic_fetch_add_explicit(&pool->room, 1, memory_order_relaxed);
    os_futex_wake(&pool->room, INT32_MAX);
}

void pool_tasks_came(struct kith_pool *pool, const struct kith_result *result, size_t count)
{
    pool->pending += count;
    if (result->limit == OS_FOREVER)
        return;
    if (pool->limited == 0 || result->limit < pool->least_limit)
        pool->least_limit = result->limit;
    pool->limited += count;
}

void pool_task_ended(struct kith_pool *pool, const struct kith_result *result)
{
    pool->pending--;
    pool->limited -= result->limit != OS_FOREVER;
    pool->stats.done++;
}

void pool_task_given_up(struct kith_pool *pool)
{
    pool->stats.done++;
}

/* ---- ending all tasks ---- */

bool pool_given_up(const struct kith_pool *pool, struct ending *ending)
{
    if (!pool->broken && pool->state != POOL_TERMINATED)
        return false;
    *ending = (struct ending){
        .code = pool->broken ? pool->broken : -ECANCELED,
        .detail = pool->broken ? pool->broken_why : NULL,
        .lasting = true,
    };
    return true;
}

/** Ends all tasks, those that are to be fed among them, and the workers. */
static void give_up(struct kith_pool *pool)
{
    struct ending ending = { 0 };
    pool_given_up(pool, &ending);
    ledger_sweep(pool, ending.code, ending.detail);
    struct kith_result *next;
    for (struct kith_result *result = pool->attended; result; result = next) {
        next = result->next;
        feed_give_up(result);
    }
    crew_terminate(pool);
    pool_tell_of_room(pool);
    keeper_wake(pool);
}

void pool_break(struct kith_pool *pool, int code, const char *detail)
{
    if (pool->broken)
        return;
    kith_log(KITH_LOG_ERROR, "a pool is broken: %s", detail);
    pool->broken = code;
    pool->broken_why = strdup(detail);
    if (pool->state != POOL_TERMINATED)
        give_up(pool);
}

/* ---- making ---- */

static int check(const kith_pool_options *options)
{
    if (options->workers > KITH_POOL_WORKERS_MAX)
        return error_fail(-EINVAL, "%u workers: a pool has at most %d", options->workers, KITH_POOL_WORKERS_MAX);
    if (options->max_pending > PENDING_MAX)
        return error_fail(-EINVAL, "max_pending %u: give at most %d, or 0 for the default", options->max_pending,
                          PENDING_MAX);
    return 0;
}

static unsigned pending_for(const kith_pool_options *options, unsigned workers)
{
    if (options->max_pending > 0)
        return options->max_pending;
    return workers * PENDING_EACH > PENDING_DEFAULT ? workers * PENDING_EACH : PENDING_DEFAULT;
}

/** Fills in what needs nothing from the system. @return NULL when there is no memory */
static struct kith_pool *make(const kith_pool_options *options, unsigned workers)
{
    struct kith_pool *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_mutex_init(&made->telling, NULL);
    made->generation = forks_generation();
    made->references = 1;
    made->max_pending = pending_for(options, workers);
    made->by_name = options->process && options->process->method != KITH_FORK;
    made->board.file = made->board.bell = -1;
    made->keeper.wake = made->keeper.events = -1;
    ledger_begin(&made->ledger);
    return made;
}

/** Gives back all but the memory that results refer to. */
static void close_all(struct kith_pool *pool)
{
    crew_free(pool);
    keeper_free(pool);
    store_free(pool->store);
    board_close(&pool->board);
    ledger_end(&pool->ledger);
}

/* At exit the keeper must not start workers any more, nor those that there are be left to the library's end. */
static void end_at_exit(void *argument)
{
    struct kith_pool *pool = argument;
    kith_pool_terminate(pool);
    if (pool_in_callback(pool))
        return;
    if (kith_pool_join(pool, KITH_SECONDS(5)) == 0)
        keeper_join(pool);
    else
        kith_log(KITH_LOG_ERROR, "at exit, workers of a pool did not end in time");
}

/** Gets what a pool has of the system, and starts it. */
static int begin(struct kith_pool *pool, const kith_pool_options *options, unsigned workers)
{
    int code = crew_new(&pool->crew, options, workers);
    /* Chunks that are given up stay in the ring until a worker comes upon them, beside those that are on their way. */
    if (code == 0)
        code = board_new(&pool->board, workers, 2 * pool->max_pending);
    if (code == 0)
        code = store_new(&pool->store, &pool->board);
    if (code == 0)
        code = keeper_new(pool);
    /* Before the workers: of them it can do with some when threads and processes are short, but not without itself. */
    if (code == 0)
        code = keeper_start(pool);
    if (code == 0) {
        code = crew_start(pool);
        if (pool->crew.running > 0)
            code = 0; /* the others are tried again */
    }
    if (code == 0)
        code = kith_process_at_exit(end_at_exit, pool);
    if (code == 0)
        keeper_begin(pool);
    return code;
}

int kith_pool_new(kith_pool **pool, const kith_pool_options *options)
{
    static const kith_pool_options defaults;
    if (!pool)
        return error_fail(-EINVAL, "pool is NULL: give the address of a kith_pool pointer");
    if (!options)
        options = &defaults;
    int code = check(options);
    if (code < 0)
        return code;
    unsigned workers = options->workers > 0 ? options->workers : (unsigned)os_cpu_count();
    if (workers > KITH_POOL_WORKERS_MAX)
        workers = KITH_POOL_WORKERS_MAX;
    struct kith_pool *made = make(options, workers);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a pool");
    code = begin(made, options, workers);
    if (code < 0) {
        crew_undo(made);
        keeper_undo(made);
        close_all(made);
        pool_release(made);
        return code;
    }
    *pool = made;
    return 0;
}

/* ---- ending ---- */

static void free_memory(struct kith_pool *pool)
{
    pthread_mutex_destroy(&pool->telling);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->broken_why);
    free(pool);
}

void pool_release(struct kith_pool *pool)
{
    pool_lock(pool);
    bool last = --pool->references == 0;
    pool_unlock(pool);
    if (last)
        free_memory(pool);
}

void pool_forget(struct kith_pool *pool)
{
    if (--pool->references == 0) {
        free(pool->broken_why);
        free(pool);
    }
}

void pool_end(struct kith_pool *pool)
{
    atomic_store_explicit(&pool->end, 1, memory_order_release);
    os_futex_wake(&pool->end, INT32_MAX);
}

int kith_pool_close(kith_pool *pool)
{
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    pool_lock(pool);
    if (pool->state == POOL_OPEN) {
        pool->state = POOL_CLOSED;
        pool_tell_of_room(pool);
        keeper_wake(pool);
    }
    pool_unlock(pool);
    return 0;
}

int kith_pool_terminate(kith_pool *pool)
{
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    pool_lock(pool);
    if (pool->state != POOL_TERMINATED) {
        pool->state = POOL_TERMINATED;
        give_up(pool);
    }
    pool_unlock(pool);
    return 0;
}

/** Waits for the keeper's end. @return 0; -ETIMEDOUT, -EINTR */
static int wait_for_end(struct kith_pool *pool, deadline until)
{
    int code = 0;
    while (code == 0 && !atomic_load_explicit(&pool->end, memory_order_acquire))
        code = deadline_passed(until) ? -ETIMEDOUT : os_futex_wait(&pool->end, 0, until);
    return code;
}

int kith_pool_join(kith_pool *pool, kith_timeout timeout)
{
    deadline until;
    int code = pool_usable(pool);
    if (code == 0)
        code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    pool_lock(pool);
    bool open = pool->state == POOL_OPEN;
    pool_unlock(pool);
    if (open)
        return error_fail(-EPERM, "the pool is open: close or terminate it before you join it");
    if (pool_in_callback(pool))
        return error_fail(-EDEADLK, "a callback can't wait for the end of its own pool");
    return wait_for_end(pool, until);
}

int kith_pool_free(kith_pool *pool)
{
    if (!pool)
        return 0;
    if (pool->generation != forks_generation()) {
        if (pthread_mutex_trylock(&pool->mutex) == 0) {
            close_all(pool);
            pool_forget(pool);
        } else {
            /* Another thread was changing it at the fork: it is half changed for ever, and stays. */
            static struct kith_pool *half_changed;
            pool->beside = half_changed;
            half_changed = pool;
        }
        return 0;
    }
    if (pool_in_callback(pool))
        return error_fail(-EDEADLK, "a callback can't free its own pool");
    kith_process_not_at_exit(end_at_exit, pool);
    kith_pool_terminate(pool);
    while (wait_for_end(pool, OS_FOREVER) < 0)
        continue;
    keeper_join(pool);
    close_all(pool);
    pool_release(pool);
    return 0;
}
