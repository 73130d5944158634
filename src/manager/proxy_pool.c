/* Pools. A task is told by its name: to a kith server as a text, to Python as the function of that name. */
#include "manager/proxy_call.h"

#include "value/arena.h"

/* "module.name", or the name of a builtin. */
static kith_value *function_of(kith_arena *arena, const char *task)
{
    const char *dot = strrchr(task, '.');
    if (!dot)
        return kith_object_global(arena, "builtins", task);
    const char *module = arena_copy(arena, task, (size_t)(dot - task));
    return kith_object_global(arena, module, dot + 1);
}

/* @param arena  receives one that owns the function */
static int begin(kith_proxy *pool, const char *task, kith_arena **arena, kith_value **function)
{
    int code = client_check(pool, "pool");
    if (code == 0)
        code = client_check(task, "task");
    if (code == 0)
        code = kith_arena_new(arena);
    if (code < 0)
        return code;
    *function = pool->manager->is_kith ? kith_value_str(*arena, task) : function_of(*arena, task);
    code = kith_arena_error(*arena);
    if (code < 0)
        kith_arena_free(*arena);
    return code;
}

int kith_proxy_apply(kith_proxy *pool, const char *task, const kith_value *args, kith_arena *arena, kith_value **result)
{
    kith_arena *own;
    kith_value *function;
    int code = begin(pool, task, &own, &function);
    if (code < 0)
        return code;
    code = call_value(pool, "apply", GIVEN(function, args), arena, result);
    kith_arena_free(own);
    return code;
}

int kith_proxy_apply_async(kith_proxy *pool, kith_proxy **result, const char *task, const kith_value *args)
{
    kith_arena *own;
    kith_value *function;
    int code = begin(pool, task, &own, &function);
    if (code < 0)
        return code;
    kith_value *both = kith_value_tuple(own, (kith_value *[]){ function, kith_value_copy(own, args) }, 2);
    code = both ? kith_proxy_call_object(pool, result, "apply_async", both, NULL, KITH_FOREVER)
                : error_fail(-EINVAL, "args can't be copied: %s", kith_error_detail());
    kith_arena_free(own);
    return code;
}

int kith_proxy_map(kith_proxy *pool, const char *task, const kith_value *items, kith_arena *arena, kith_value **results)
{
    kith_arena *own;
    kith_value *function;
    int code = begin(pool, task, &own, &function);
    if (code < 0)
        return code;
    code = call_list(pool, "map", GIVEN(function, items), arena, results);
    kith_arena_free(own);
    return code;
}

int kith_proxy_result(kith_proxy *result, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    deadline unused;
    int code = client_deadline(timeout, &unused);
    if (code < 0)
        return code;
    kith_value seconds = argument_timeout(timeout);
    return call_value(result, "get", GIVEN(&seconds), arena, value);
}

int kith_proxy_pool_close(kith_proxy *pool)
{
    return call_plain(pool, "close", GIVEN_NOTHING);
}

int kith_proxy_pool_terminate(kith_proxy *pool)
{
    return call_plain(pool, "terminate", GIVEN_NOTHING);
}

int kith_proxy_pool_join(kith_proxy *pool)
{
    return call_plain(pool, "join", GIVEN_NOTHING);
}
