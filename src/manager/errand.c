#include "manager/errand.h"

#include "base/error.h"
#include "manager/server.h"
#include "os/flag.h"
#include "process/begin.h"
#include "process/forks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How the steward is to make the workers. */
struct pool_plan {
    kith_arena *arena; /* of what options points to */
    kith_pool_options options;
    sigset_t mask; /* what is begun has the maker's, and not the steward's */
};

/* ---- a detail that outlives its thread's next call ---- */

static void keep_detail(kith_bytes *why)
{
    const char *detail = kith_error_detail();
    *why = (kith_bytes){ strdup(detail), strlen(detail) };
}

static int fail_again(int code, const kith_bytes *why)
{
    return error_fail(code, "%s", why->data ? (const char *)why->data : "");
}

/* ---- errands ---- */

static void errand_free(struct errand *errand)
{
    *errand->link = errand->next;
    if (errand->next)
        errand->next->link = errand->link;
    kith_result_free(errand->result);
    kith_arena_free(errand->arena);
    free(errand->why.data);
    free(errand);
}

/* In the keeper's thread, or in the one that hands in. */
static void note_end(struct errand *errand)
{
    struct managed_pool *pool = errand->pool;
    pthread_mutex_lock(&pool->mutex);
    errand->next_over = pool->over;
    pool->over = errand;
    os_flag_raise(pool->bell.descriptor);
    pthread_mutex_unlock(&pool->mutex);
}

static void note_value(void *context, kith_value *value)
{
    (void)value; /* it is asked for in the loop */
    note_end(context);
}

static void note_failure(void *context, const kith_outcome *outcome)
{
    (void)outcome;
    note_end(context);
}

static int hand_in(struct errand *errand)
{
    kith_task_options options = {
        .chunk = errand->chunk, .callback = note_value, .error_callback = note_failure, .context = errand
    };
    kith_pool *pool = errand->pool->pool;
    return errand->is_star ? kith_pool_starmap_async(pool, &errand->result, errand->entry, errand->args, &options)
                           : kith_pool_map_async(pool, &errand->result, errand->entry, errand->args, &options);
}

/* Keeps what is to be handed in later. */
static int keep_args(struct errand *errand)
{
    int code = kith_arena_new(&errand->arena);
    if (code == 0)
        errand->args = kith_value_copy(errand->arena, errand->args);
    return code == 0 && !errand->args ? kith_arena_error(errand->arena) : code;
}

int errand_begin(struct managed_pool *pool, struct errand **errand, const struct errand *what)
{
    struct errand *made = malloc(sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for one more task");
    *made = *what;
    made->pool = pool;
    made->next = pool->errands;
    made->link = &pool->errands;
    if (pool->errands)
        pool->errands->link = &made->next;
    pool->errands = made;
    int code = !pool->begun ? keep_args(made) : pool->pool ? hand_in(made) : fail_again(pool->failure, &pool->why);
    if (code < 0)
        errand_free(made);
    else
        *errand = made;
    return code;
}

void errand_keep(struct errand *errand)
{
    errand->kept = true;
    errand->pool->holds++;
}

void errand_let_go(struct errand *errand)
{
    struct managed_pool *pool = errand->pool;
    errand->kept = false;
    errand->ended = NULL;
    if (errand->over && !errand->told_of)
        errand_free(errand);
    managed_pool_drop(pool);
}

int errand_value(const struct errand *errand, kith_arena *arena, kith_value **value)
{
    if (errand->failure < 0)
        return fail_again(errand->failure, &errand->why);
    kith_value *list;
    int code = kith_result_get(errand->result, arena, value ? &list : NULL, KITH_NOWAIT);
    if (code == 0 && value)
        *value = errand->is_map ? list : kith_value_at(list, 0);
    return code;
}

struct errand *errand_of(const struct waiter *waiter)
{
    return (struct errand *)((char *)waiter->list - offsetof(struct errand, waiters));
}

int errand_answer(const struct errand *errand, struct request *request)
{
    kith_value *value = NULL;
    if (!errand->over)
        return REQUEST_PARKED;
    int code = errand_value(errand, request->arena, &value);
    return code < 0 ? code : request_answer_value(request, value);
}

/* In the loop. Whoever hears of it may let go of the errand meanwhile. */
static void finish(struct errand *errand)
{
    errand->over = errand->told_of = true;
    if (errand->ended)
        errand->ended(errand, errand->context);
    waiters_wake_all(errand->pool->server, &errand->waiters);
    errand->told_of = false;
    if (!errand->kept)
        errand_free(errand);
}

static void hand_in_late(struct errand *errand)
{
    struct managed_pool *pool = errand->pool;
    int code = pool->pool ? hand_in(errand) : fail_again(pool->failure, &pool->why);
    kith_arena_free(errand->arena);
    errand->arena = NULL;
    if (code == 0)
        return;
    errand->failure = code;
    keep_detail(&errand->why);
    finish(errand);
}

/* ---- the loop hears of what others did ---- */

/* Errands are listed with the youngest first, and handed in with the oldest first. */
static void begin(struct managed_pool *pool)
{
    struct errand *oldest = pool->errands, *previous;
    pool->begun = true;
    while (oldest && oldest->next)
        oldest = oldest->next;
    for (struct errand *errand = oldest; errand; errand = previous) {
        previous = errand->link == &pool->errands
                       ? NULL
                       : (struct errand *)((char *)errand->link - offsetof(struct errand, next));
        hand_in_late(errand);
    }
    if (pool->pool && pool->terminated)
        kith_pool_terminate(pool->pool);
    else if (pool->pool && pool->closed)
        kith_pool_close(pool->pool);
    if (pool->joiners.first)
        managed_pool_join(pool);
}

/* Those that ended first come first. */
static struct errand *in_order(struct errand *last)
{
    struct errand *first = NULL;
    while (last) {
        struct errand *next = last->next_over;
        last->next_over = first;
        first = last;
        last = next;
    }
    return first;
}

static void on_bell(struct server *server, struct watch *watch)
{
    struct managed_pool *pool = (struct managed_pool *)((char *)watch - offsetof(struct managed_pool, bell));
    pthread_mutex_lock(&pool->mutex);
    os_flag_lower(pool->bell.descriptor);
    struct errand *over = in_order(pool->over);
    bool begins = pool->told && !pool->begun;
    bool ends = pool->workers_ended && !pool->ended;
    pool->over = NULL;
    pthread_mutex_unlock(&pool->mutex);
    pool->holds++; /* whoever is answered may have the last one else */
    if (begins)
        begin(pool);
    if (ends)
        pool->ended = true;
    while (over) {
        struct errand *next = over->next_over;
        finish(over);
        over = next;
    }
    if (ends)
        waiters_wake_all(server, &pool->joiners);
    managed_pool_drop(pool);
}

/* ---- the steward ---- */

/* Makes the workers, and tells of it. Returns with the mutex. */
static void steward_open(struct managed_pool *pool)
{
    kith_pool *made = NULL;
    sigset_t all;
    pthread_sigmask(SIG_SETMASK, &pool->plan->mask, &all);
    int code = kith_pool_new(&made, &pool->plan->options);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    kith_arena_free(pool->plan->arena);
    free(pool->plan);
    pool->plan = NULL;
    pthread_mutex_lock(&pool->mutex);
    pool->pool = made;
    pool->failure = code;
    if (code < 0)
        keep_detail(&pool->why);
    pool->told = true;
    os_flag_raise(pool->bell.descriptor);
}

/* Waits for the workers' end, outside of the mutex. */
static void steward_join(struct managed_pool *pool)
{
    kith_pool *workers = pool->pool;
    pthread_mutex_unlock(&pool->mutex);
    int code = workers ? kith_pool_join(workers, KITH_FOREVER) : 0;
    pthread_mutex_lock(&pool->mutex);
    pool->to_join = false;
    pool->workers_ended = code == 0;
    os_flag_raise(pool->bell.descriptor);
}

static void pool_free(struct managed_pool *pool)
{
    kith_pool_free(pool->pool);
    while (pool->errands)
        errand_free(pool->errands);
    if (pool->plan)
        kith_arena_free(pool->plan->arena);
    free(pool->plan);
    free(pool->why.data);
    close(pool->bell.descriptor);
    pthread_cond_destroy(&pool->orders);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

static void *steward_main(void *argument)
{
    struct managed_pool *pool = argument;
    steward_open(pool);
    while (!pool->to_leave) {
        if (pool->to_join)
            steward_join(pool);
        else
            pthread_cond_wait(&pool->orders, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pool_free(pool);
    return NULL;
}

static int steward_start(struct managed_pool *pool)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &pool->plan->mask); /* the program's handlers are not for this thread */
    sigset_t before = pool->plan->mask;
    int code = -pthread_create(&pool->steward, NULL, steward_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code < 0 ? error_fail(-EAGAIN, "no thread for a pool: %s", kith_strerror(code)) : 0;
}

/* ---- a pool's life ---- */

static int plan_new(struct pool_plan **plan, const struct pool_wish *wish)
{
    static const kith_process_options process = { .method = KITH_FORKSERVER }; /* the server has threads, and clients */
    struct pool_plan *made = calloc(1, sizeof *made);
    const kith_value *args = NULL;
    int code = made ? kith_arena_new(&made->arena) : error_fail(-ENOMEM, "no memory for a pool");
    if (code == 0 && wish->initializer_args) {
        args = kith_value_copy(made->arena, wish->initializer_args);
        code = args ? 0 : kith_arena_error(made->arena);
    }
    if (code < 0) {
        if (made)
            kith_arena_free(made->arena);
        free(made);
        return code;
    }
    made->options = (kith_pool_options){ .workers = wish->workers,
                                         .initializer = wish->initializer,
                                         .initializer_args = args,
                                         .max_tasks = wish->max_tasks,
                                         .process = &process };
    *plan = made;
    return 0;
}

int managed_pool_new(struct server *server, struct managed_pool **pool, const struct pool_wish *wish)
{
    int code = begin_check();
    if (code < 0)
        return code;
    struct managed_pool *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a pool");
    made->server = server;
    made->holds = 1;
    made->generation = forks_generation();
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->orders, NULL);
    code = plan_new(&made->plan, wish);
    made->bell = (struct watch){ code == 0 ? os_flag_new() : -1, on_bell };
    if (code == 0 && made->bell.descriptor < 0)
        code = error_fail(made->bell.descriptor, "no descriptor for a pool");
    if (code == 0)
        code = loop_watch(server, &made->bell, OS_POLL_READ);
    if (code == 0) {
        code = steward_start(made);
        if (code < 0)
            loop_forget(server, &made->bell);
    }
    if (code < 0)
        pool_free(made);
    else
        *pool = made;
    return code;
}

static void order(struct managed_pool *pool, bool *what)
{
    pthread_mutex_lock(&pool->mutex);
    *what = true;
    pthread_cond_signal(&pool->orders);
    pthread_mutex_unlock(&pool->mutex);
}

/* A child made by fork has no steward. And a server that ends waits for it: the program may be about to end, too. */
void managed_pool_drop(struct managed_pool *pool)
{
    pthread_t steward = pool->steward;
    if (--pool->holds > 0)
        return;
    bool waits = atomic_load(&pool->server->stopping);
    if (pool->generation != forks_generation()) {
        pool_free(pool);
        return;
    }
    loop_forget(pool->server, &pool->bell);
    managed_pool_terminate(pool);
    order(pool, &pool->to_leave);
    if (waits)
        pthread_join(steward, NULL);
    else
        pthread_detach(steward);
}

void managed_pool_close(struct managed_pool *pool)
{
    pool->closed = true;
    if (pool->begun && pool->pool)
        kith_pool_close(pool->pool);
}

void managed_pool_terminate(struct managed_pool *pool)
{
    pool->closed = pool->terminated = true;
    if (pool->begun && pool->pool)
        kith_pool_terminate(pool->pool);
}

void managed_pool_join(struct managed_pool *pool)
{
    if (pool->begun) /* else the pool is not closed yet, and begin does it */
        order(pool, &pool->to_join);
}
