#include "manager/proxy_call.h"

#include "manager/array.h"
#include "manager/proxy.h"
#include "manager/server_call.h"

#include <limits.h>

/* ---- arguments ---- */

kith_value argument_timeout(kith_timeout timeout)
{
    static const double longest = 1e9; /* seconds; Python's locks refuse what is beyond 292 years */
    if (timeout == KITH_FOREVER)
        return (kith_value){ .kind = KITH_NONE };
    double seconds = (double)timeout / 1e9;
    return (kith_value){ .kind = KITH_FLOAT, .real = seconds < longest ? seconds : longest };
}

int patience_from(struct patience *patience, const kith_value *first, kith_timeout timeout)
{
    deadline unused;
    int code = client_deadline(timeout, &unused);
    if (code < 0)
        return code;
    patience->block = argument_bool(timeout != KITH_NOWAIT);
    patience->seconds = argument_timeout(timeout);
    patience->count = 0;
    if (first)
        patience->items[patience->count++] = first;
    if (timeout != KITH_FOREVER)
        patience->items[patience->count++] = &patience->block;
    if (timeout != KITH_FOREVER && timeout != KITH_NOWAIT)
        patience->items[patience->count++] = &patience->seconds;
    return 0;
}

/* ---- calls ---- */

int proxy_begin(kith_proxy *proxy, struct thread_line **line, deadline until)
{
    int code = client_check(proxy, "proxy");
    if (code == 0)
        code = thread_line_open(proxy->manager, line, until);
    return code < 0 ? code : proxy_hold(proxy, until);
}

int proxy_write(const kith_proxy *proxy, struct thread_line *line, const char *method, const kith_value *const *items,
                size_t count)
{
    const struct question question = { .id = proxy->id, .method = method, .items = items, .count = count };
    return question_write(&line->request, &question);
}

int proxy_ask(kith_proxy *proxy, struct thread_line *line, const struct question *question, kith_arena *arena,
              kith_value **result, deadline until)
{
    return server_call_on(line, question, proxy->id, arena, result, until);
}

/* @param arena  NULL: the line's, which the caller is to reset */
static int call(kith_proxy *proxy, const struct question *question, struct thread_line **line, kith_arena *arena,
                kith_value **result, deadline until)
{
    int code = proxy_begin(proxy, line, until);
    if (code == 0)
        code = proxy_ask(proxy, *line, question, arena ? arena : (*line)->arena, result, until);
    if (code == ANSWER_OBJECT)
        code = proxy_refuse_object(*line, *result, until);
    return code;
}

int proxy_call(kith_proxy *proxy, const struct question *question, kith_arena *arena, kith_value **result,
               deadline until)
{
    struct thread_line *line = NULL;
    kith_value *value;
    int code = call(proxy, question, &line, arena, &value, until);
    if (!arena && line)
        kith_arena_reset(line->arena);
    if (code == 0 && result)
        *result = value;
    return code;
}

int call_value(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, kith_arena *arena,
               kith_value **value)
{
    int code = client_check(arena, "arena");
    if (code == 0)
        code = client_check(value, "the place for the value");
    return code < 0 ? code
                    : proxy_call(proxy, &(struct question){ .method = method, .items = items, .count = count }, arena,
                                 value, OS_FOREVER);
}

int call_plain(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count)
{
    return proxy_call(proxy, &(struct question){ .method = method, .items = items, .count = count }, NULL, NULL,
                      OS_FOREVER);
}

int call_number(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, int64_t *number)
{
    struct thread_line *line = NULL;
    kith_value *value;
    const struct question question = { .method = method, .items = items, .count = count };
    int code = call(proxy, &question, &line, NULL, &value, OS_FOREVER);
    if (code == 0)
        code = kith_value_as_int(value, number);
    if (line)
        kith_arena_reset(line->arena);
    return code;
}

int call_count(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count)
{
    int64_t number;
    int code = call_number(proxy, method, items, count, &number);
    if (code < 0)
        return code;
    if (number < 0 || number > INT_MAX)
        return error_fail(-EOVERFLOW, "%s gave %lld, which is no count that an int can hold", method,
                          (long long)number);
    return (int)number;
}

int call_too_late(const kith_proxy *proxy, kith_timeout timeout, const char *what)
{
    return error_fail(-ETIMEDOUT, "the %s %s in %.6g ms", kith_proxy_type(proxy), what, (double)timeout / 1e6);
}

int call_in_time(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count,
                 kith_timeout timeout, const char *what)
{
    int came = call_count(proxy, method, items, count);
    return came < 0 ? came : came ? 0 : call_too_late(proxy, timeout, what);
}

int value_from_array(kith_arena *arena, kith_value **value)
{
    const kith_value *list;
    if (!array_is(*value))
        return 0;
    int code = array_begin(&list, arena, *value);
    if (code == 0)
        *value = (kith_value *)list;
    return code;
}

int call_list(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, kith_arena *arena,
              kith_value **list)
{
    kith_value *value;
    int code = client_check(list, "the place for the list");
    if (code == 0)
        code = call_value(proxy, method, items, count, arena, &value);
    if (code < 0)
        return code;
    code = value_from_array(arena, &value);
    if (code < 0)
        return code;
    if (kith_object_is(value, "builtins", "list"))
        value = kith_value_at(kith_object_args(value), 0); /* how CPython sends the views of a dict */
    if (kith_value_kind(value) != KITH_LIST)
        return value_is_no(value, "list");
    *list = value;
    return 0;
}

bool call_raised(int code, const char *exception)
{
    return code < 0 && strcmp(kith_proxy_exception(), exception) == 0;
}
