/* Pool: multiprocessing.pool.Pool. Its tasks are entry points of the server's program (KITH_ENTRY), named by a str, or
 * by what Python pickles for a function of a module: its name. What calls give is errands (errand.h); apply and map
 * wait for theirs, the others return an object that has it: type_result.c. */
#include "base/error.h"
#include "manager/items.h"
#include "manager/result.h"
#include "manager/server.h"
#include "process/entry.h"
#include "value/arena.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* ---- arguments ---- */

/** @param name  receives what a function is called @return 0; KITH_ETYPE */
static int task_name(const kith_value *task, const char **name)
{
    const char *module;
    if (kith_value_as_str(task, name, NULL) == 0)
        return 0;
    if (kith_object_get_form(task) == KITH_OBJECT_GLOBAL)
        return kith_object_name(task, &module, name);
    return error_fail(KITH_ETYPE, "this server is no Python: a task is an entry point of its program, and is given by "
                                  "its name, or as a module's function of the same name");
}

/** @return 0; or REQUEST_ANSWERED with the exception, and no entry */
static int find_task(struct request *request, const kith_value *task, kith_entry **entry)
{
    const char *name;
    int code = task_name(task, &name);
    *entry = code == 0 ? entry_find(name) : NULL;
    if (code < 0 || *entry)
        return code;
    return request_raise(request, "AttributeError",
                         "the server's program has no entry point '%s': it is made there by KITH_ENTRY(%s)", name,
                         name);
}

static bool is_given(const kith_value *value)
{
    return value && kith_value_kind(value) != KITH_NONE;
}

enum { RANGE_MAX = 1 << 22 }; /* of what is as short in a message as it likes, and becomes a list here */

/** What may be iterated over, as a list. */
static int gather(struct request *request, const kith_value *value, kith_value **list)
{
    struct items items;
    kith_value *item, *made = kith_value_list(request->arena);
    int code = items_begin(&items, request, value);
    if (code == 0 && items.count > RANGE_MAX)
        return error_fail(-ENOMEM, "a range of %zu tasks is too long: make several of %d", items.count, RANGE_MAX);
    while (code == 0 && (code = items_next(&items, &item)) > 0)
        code = kith_value_append(made, item);
    if (code == 0)
        *list = made;
    return code;
}

/** The same as a tuple: the arguments of one call. */
static int gather_args(struct request *request, const kith_value *value, kith_value **tuple)
{
    kith_value *list = kith_value_list(request->arena);
    int code = value ? gather(request, value, &list) : 0;
    if (code < 0)
        return code;
    size_t count = kith_value_length(list);
    kith_value **items = arena_take(request->arena, (count + 1) * sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = kith_value_at(list, i);
    *tuple = items ? kith_value_tuple(request->arena, items, count) : NULL;
    return *tuple ? 0 : -ENOMEM;
}

/** Many times the same. */
static int gather_many_args(struct request *request, const kith_value *value, kith_value **list)
{
    kith_value *raw, *args, *made = kith_value_list(request->arena);
    int code = gather(request, value, &raw);
    for (size_t i = 0; code == 0 && i < kith_value_length(raw); i++) {
        code = gather_args(request, kith_value_at(raw, i), &args);
        if (code == 0)
            code = kith_value_append(made, args);
    }
    if (code == 0)
        *list = made;
    return code;
}

/** @return 0; KITH_ETYPE, -EINVAL */
static int read_chunk(const kith_value *value, unsigned *chunk)
{
    int64_t number;
    int code = request_integer(value, &number);
    if (code == 0 && (number < 1 || number > UINT_MAX))
        return error_fail(-EINVAL, "Chunksize must be 1+, not %lld", (long long)number);
    if (code == 0)
        *chunk = (unsigned)number;
    return code;
}

static int refuse_callbacks(const kith_value *one, const kith_value *other)
{
    if (!is_given(one) && !is_given(other))
        return 0;
    return error_fail(KITH_ETYPE, "this server is no Python, and can't run callbacks: use get() of the AsyncResult");
}

/* ---- making one ---- */

static int read_count(const kith_value *value, const char *refusal, int64_t most, unsigned *count)
{
    int64_t number = 0;
    int code = is_given(value) ? request_integer(value, &number) : 0;
    if (code == 0 && is_given(value) && number < 1)
        return error_fail(-EINVAL, "%s", refusal);
    if (code == 0 && number > most)
        return error_fail(-EINVAL, "%lld is more than may be: %lld", (long long)number, (long long)most);
    if (code == 0)
        *count = (unsigned)number;
    return code;
}

static int make(struct request *request, void **state)
{
    const kith_value *processes, *initializer, *args, *max_tasks;
    struct managed_pool *pool;
    struct pool_wish wish = { 0 };
    int code = request_arguments(request, "processes? initializer? initargs? maxtasksperchild? context?", &processes,
                                 &initializer, &args, &max_tasks, &(const kith_value *){ NULL });
    if (code == 0)
        code = read_count(processes, "Number of processes must be at least 1", KITH_POOL_WORKERS_MAX, &wish.workers);
    if (code == 0)
        code = read_count(max_tasks, "maxtasksperchild must be a positive int or None", UINT_MAX, &wish.max_tasks);
    if (code == 0 && is_given(initializer)) {
        kith_value *tuple;
        code = find_task(request, initializer, &wish.initializer);
        if (code < 0 || !wish.initializer)
            return code;
        code = gather_args(request, args, &tuple);
        wish.initializer_args = tuple;
    }
    if (code == 0)
        code = managed_pool_new(request->server, &pool, &wish);
    if (code == -EPERM) {
        char why[160];
        snprintf(why, sizeof why, "%s", kith_error_detail());
        return error_fail(code, "this server can have no pool, whose tasks are entry points of its program: %s", why);
    }
    if (code == 0)
        *state = pool;
    return code;
}

static void end(struct server *server, void *state)
{
    (void)server;
    managed_pool_drop(state);
}

/* ---- tasks ---- */

/** The pool that a call is for. @return NULL when it takes no more tasks; then *code is what raising that gave */
static struct managed_pool *open_pool(struct request *request, int *code)
{
    struct managed_pool *pool = request->object->state;
    if (!pool->closed)
        return pool;
    *code = request_raise(request, "ValueError", "Pool not running");
    return NULL;
}

static int try_to_answer(struct waiter *waiter, struct request *request, bool late)
{
    (void)late; /* never: there is no deadline */
    return errand_answer(errand_of(waiter), request);
}

/** Begins an errand, and has the call wait for it, or hands out its handle. */
static int begin(struct request *request, const struct errand *what, bool waits)
{
    int code = 0;
    struct errand *errand;
    struct managed_pool *pool = open_pool(request, &code);
    if (!pool)
        return code;
    code = errand_begin(pool, &errand, what);
    if (code < 0)
        return code;
    return waits ? waiter_park(request, &errand->waiters, OS_FOREVER, try_to_answer, NULL, 0)
                 : result_answer(request, errand);
}

static int apply(struct request *request, bool waits)
{
    const kith_value *task, *args, *kwargs = NULL, *callback = NULL, *error_callback = NULL;
    struct errand what = { .is_star = true };
    kith_value *tuple = NULL;
    int code = waits ? request_arguments(request, "func args? kwds?", &task, &args, &kwargs)
                     : request_arguments(request, "func args? kwds? callback? error_callback?", &task, &args, &kwargs,
                                         &callback, &error_callback);
    if (code == 0)
        code = refuse_callbacks(callback, error_callback);
    if (code == 0 && is_given(kwargs) && kith_value_length(kwargs) > 0)
        code = error_fail(KITH_ETYPE, "an entry point takes no keyword arguments: give them by place");
    if (code == 0)
        code = find_task(request, task, &what.entry);
    if (code < 0 || !what.entry)
        return code;
    code = gather_args(request, args, &tuple);
    kith_value *list = kith_value_list(request->arena);
    if (code == 0)
        code = kith_value_append(list, tuple);
    what.args = list;
    return code < 0 ? code : begin(request, &what, waits);
}

static int run_apply(struct request *request)
{
    return apply(request, true);
}

static int run_apply_async(struct request *request)
{
    return apply(request, false);
}

static int map(struct request *request, bool is_star, bool waits)
{
    const kith_value *task, *items, *chunk, *callback = NULL, *error_callback = NULL;
    struct errand what = { .is_star = is_star, .is_map = true };
    kith_value *list = NULL;
    int code = waits ? request_arguments(request, "func iterable chunksize?", &task, &items, &chunk)
                     : request_arguments(request, "func iterable chunksize? callback? error_callback?", &task, &items,
                                         &chunk, &callback, &error_callback);
    if (code == 0)
        code = refuse_callbacks(callback, error_callback);
    if (code == 0 && is_given(chunk))
        code = read_chunk(chunk, &what.chunk);
    if (code == 0)
        code = find_task(request, task, &what.entry);
    if (code < 0 || !what.entry)
        return code;
    code = (is_star ? gather_many_args : gather)(request, items, &list);
    what.args = list;
    return code < 0 ? code : begin(request, &what, waits);
}

static int run_map(struct request *request)
{
    return map(request, false, true);
}

static int run_map_async(struct request *request)
{
    return map(request, false, false);
}

static int run_starmap(struct request *request)
{
    return map(request, true, true);
}

static int run_starmap_async(struct request *request)
{
    return map(request, true, false);
}

/* Each item is an errand of its own: so each is told of when it is there. */
static int imap(struct request *request, bool in_order)
{
    const kith_value *task, *items, *chunk;
    unsigned ignored;
    struct errand what = { 0 };
    kith_value *list = NULL;
    int code = request_arguments(request, "func iterable chunksize?", &task, &items, &chunk);
    if (code == 0 && chunk)
        code = read_chunk(chunk, &ignored);
    if (code == 0)
        code = find_task(request, task, &what.entry);
    if (code < 0 || !what.entry)
        return code;
    code = gather(request, items, &list);
    if (code < 0)
        return code;
    struct managed_pool *pool = open_pool(request, &code);
    return pool ? imap_answer(request, pool, &what, list, in_order) : code;
}

static int run_imap(struct request *request)
{
    return imap(request, true);
}

static int run_imap_unordered(struct request *request)
{
    return imap(request, false);
}

/* ---- its end ---- */

static int run_close(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    managed_pool_close(request->object->state);
    return request_answer_none(request);
}

static int run_terminate(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    managed_pool_terminate(request->object->state);
    return request_answer_none(request);
}

static int try_to_join(struct waiter *waiter, struct request *request, bool late)
{
    const struct managed_pool *pool = waiter->object->state;
    (void)late; /* never: there is no deadline */
    return pool->ended ? request_answer_none(request) : REQUEST_PARKED;
}

static int run_join(struct request *request)
{
    struct managed_pool *pool = request->object->state;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    if (!pool->closed)
        return request_raise(request, "ValueError", "Pool is still running");
    if (pool->ended)
        return request_answer_none(request);
    code = waiter_park(request, &pool->joiners, OS_FOREVER, try_to_join, NULL, 0);
    if (code == REQUEST_PARKED)
        managed_pool_join(pool);
    return code;
}

static const struct kind_method methods[] = {
    { "apply", run_apply, false },
    { "apply_async", run_apply_async, false },
    { "close", run_close, false },
    { "imap", run_imap, false },
    { "imap_unordered", run_imap_unordered, false },
    { "join", run_join, false },
    { "map", run_map, false },
    { "map_async", run_map_async, false },
    { "starmap", run_starmap, false },
    { "starmap_async", run_starmap_async, false },
    { "terminate", run_terminate, false },
};

const struct kind kind_pool = {
    .name = "Pool",
    .proxy = "PoolProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
};
