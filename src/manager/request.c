/* What a call was given. */
#include "manager/request.h"

#include "base/deadline.h"
#include "manager/server.h"
#include "value/name.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- names ---- */

/* One name of "item block? timeout?". */
struct parameter {
    const char *name;
    size_t length;
    bool optional;
    bool by_place; /* only */
};

/* @return whether there is one more */
static bool next_parameter(const char **names, struct parameter *parameter)
{
    const char *at = *names + strspn(*names, " ");
    size_t length = strcspn(at, " ?/");
    *parameter = (struct parameter){ .name = at, .length = length };
    at += length;
    for (; *at == '?' || *at == '/'; at++) {
        parameter->optional |= *at == '?';
        parameter->by_place |= *at == '/';
    }
    *names = at;
    return length > 0;
}

static bool is_rest(const struct parameter *parameter)
{
    return parameter->length == 1 && *parameter->name == '*';
}

static const kith_value *find_named(const struct request *request, const struct parameter *parameter)
{
    kith_value *key, *item;
    for (size_t i = 0; kith_value_pair_at(request->kwargs, i, &key, &item); i++) {
        const char *text;
        size_t size;
        if (kith_value_as_str(key, &text, &size) == 0 && size == parameter->length &&
            memcmp(text, parameter->name, size) == 0)
            return item;
    }
    return NULL;
}

/* ---- failing, in Python's words ---- */

static int too_many(size_t given, size_t taken)
{
    return error_fail(KITH_ETYPE, "takes %zu positional argument%s but %zu %s given", taken, taken == 1 ? "" : "s",
                      given, given == 1 ? "was" : "were");
}

static int bad_keyword(const struct request *request, const char *names)
{
    kith_value *key, *item;
    for (size_t i = 0; kith_value_pair_at(request->kwargs, i, &key, &item); i++) {
        const char *text = "", *left = names;
        size_t size = 0;
        struct parameter parameter;
        bool known = false;
        if (kith_value_as_str(key, &text, &size) < 0)
            return error_fail(KITH_ETYPE, "keywords must be strings");
        while (!known && next_parameter(&left, &parameter))
            known = parameter.length == size && memcmp(parameter.name, text, size) == 0;
        if (!known)
            return error_fail(KITH_ETYPE, "got an unexpected keyword argument '%s'", text);
    }
    return error_fail(KITH_ETYPE, "takes no keyword arguments");
}

/* ---- binding ---- */

static int bind(const struct request *request, const struct parameter *parameter, size_t place,
                const kith_value **value, size_t *named)
{
    const kith_value *found = kith_value_at(request->args, place);
    const kith_value *other = parameter->by_place ? NULL : find_named(request, parameter);
    if (found && other)
        return error_fail(KITH_ETYPE, "got multiple values for argument '%.*s'", (int)parameter->length,
                          parameter->name);
    *named += other != NULL;
    if (!found && !other && !parameter->optional)
        return error_fail(KITH_ETYPE, "missing required argument: '%.*s'", (int)parameter->length, parameter->name);
    *value = found ? found : other;
    return 0;
}

int request_arguments(struct request *request, const char *names, ...)
{
    const char *left = names;
    struct parameter parameter;
    size_t place = 0, named = 0, given = kith_value_length(request->args);
    bool rest = false;
    int code = 0;
    /* A "/" holds for all names before it. */
    const char *slash = strchr(names, '/');
    va_list targets;
    va_start(targets, names);
    while (code == 0 && next_parameter(&left, &parameter)) {
        rest = is_rest(&parameter);
        if (rest)
            break;
        parameter.by_place = slash && parameter.name < slash;
        code = bind(request, &parameter, place++, va_arg(targets, const kith_value **), &named);
    }
    va_end(targets);
    if (code < 0)
        return code;
    if (!rest && given > place)
        return too_many(given, place);
    return named < kith_value_length(request->kwargs) ? bad_keyword(request, names) : 0;
}

/* ---- plain ones ---- */

bool request_truth(const kith_value *value, bool when_missing)
{
    int truth = 0;
    double number = 0;
    switch (kith_value_kind(value)) {
    case 0:
        return when_missing;
    case KITH_NONE:
        return false;
    case KITH_BOOL:
        return kith_value_as_bool(value, &truth) == 0 && truth;
    case KITH_INT:
    case KITH_FLOAT:
        return kith_value_as_float(value, &number) < 0 || number != 0; /* an int may be beyond all doubles */
    case KITH_OBJECT:
        return true;
    default:
        return kith_value_length(value) > 0;
    }
}

int request_integer(const kith_value *value, int64_t *number)
{
    int code = kith_value_as_int(value, number);
    if (code == KITH_ETYPE)
        return error_fail(code, "'%s' object cannot be interpreted as an integer", value_type_name(value));
    return code == -ERANGE ? error_fail(code, "an int of more than 64 bits is no index or count here") : code;
}

int request_deadline(const kith_value *timeout, int64_t *until)
{
    const double longest = 9e9; /* seconds: as Python's threading.TIMEOUT_MAX */
    double seconds;
    if (!timeout || kith_value_kind(timeout) == KITH_NONE) {
        *until = OS_FOREVER;
        return 0;
    }
    if (kith_value_as_float(timeout, &seconds) < 0 || isnan(seconds))
        return error_fail(KITH_ETYPE, "a timeout is a number of seconds, or None");
    if (seconds > longest)
        return error_fail(-EOVERFLOW, "timestamp too large to convert to C _PyTime_t");
    int64_t now = os_clock_now();
    int64_t wait = seconds > 0 ? (int64_t)(seconds * 1e9) : 0;
    *until = wait < OS_FOREVER - now ? now + wait : OS_FOREVER;
    return 0;
}
