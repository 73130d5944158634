/* Semaphore and BoundedSemaphore: threading.Semaphore and threading.BoundedSemaphore.
 *
 * A unit that was acquired is held by the line that did so. Released, it is taken off the releasing line, or, when that
 * holds none, off the one that has held some longest. A line that ends gives its units back as long as there are no
 * more than at the beginning: so one that is used for signalling is not signalled by a dead receiver. */
#include "base/deadline.h"
#include "manager/kind.h"
#include "manager/waiter.h"

#include <stdlib.h>

struct semaphore {
    int64_t value;
    int64_t first; /* value, at the beginning */
    int64_t held;  /* by lines */
    bool bounded;  /* value is never above the first */
    struct waiters waiters;
};

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* ---- making ---- */

static int make_semaphore(void **state, const struct semaphore *what)
{
    if (what->first < 0)
        return error_fail(-EINVAL, "semaphore initial value must be >= 0");
    struct semaphore *semaphore = malloc(sizeof *semaphore);
    if (!semaphore)
        return error_fail(-ENOMEM, "no memory for a semaphore");
    *semaphore = *what;
    *state = semaphore;
    return 0;
}

static int make_of(struct request *request, void **state, bool bounded)
{
    const kith_value *value;
    int64_t first = 1;
    int code = request_arguments(request, "value?", &value);
    if (code == 0 && value)
        code = request_integer(value, &first);
    if (code < 0)
        return code;
    return make_semaphore(state, &(struct semaphore){ .value = first, .first = first, .bounded = bounded });
}

static int make(struct request *request, void **state)
{
    return make_of(request, state, false);
}

static int make_bounded(struct request *request, void **state)
{
    return make_of(request, state, true);
}

static void end(struct server *server, void *state)
{
    (void)server;
    free(state);
}

/* ---- acquiring ---- */

static int take_and_answer(struct request *request)
{
    struct semaphore *semaphore = request->object->state;
    int code = holding_change(request->server, request->line, request->object, 1);
    if (code < 0)
        return code;
    semaphore->value--;
    semaphore->held++;
    return request_answer_bool(request, true);
}

static int try_to_acquire(struct waiter *waiter, struct request *request, bool late)
{
    const struct semaphore *semaphore = waiter->object->state;
    if (semaphore->value > 0)
        return take_and_answer(request);
    return late ? request_answer_bool(request, false) : REQUEST_PARKED;
}

static int run_acquire(struct request *request)
{
    struct semaphore *semaphore = request->object->state;
    const kith_value *blocking, *timeout;
    int64_t until;
    int code = request_arguments(request, "blocking? timeout?", &blocking, &timeout);
    if (code < 0)
        return code;
    bool blocks = request_truth(blocking, true);
    if (!blocks && timeout && kith_value_kind(timeout) != KITH_NONE)
        return error_fail(-EINVAL, "can't specify timeout for non-blocking acquire");
    if (semaphore->value > 0)
        return take_and_answer(request);
    if (!blocks)
        return request_answer_bool(request, false);
    code = request_deadline(timeout, &until);
    return code < 0 ? code : waiter_park(request, &semaphore->waiters, until, try_to_acquire, NULL, 0);
}

/* ---- releasing ---- */

/* @return how many of those units the line does not hold */
static int64_t take_off(struct request *request, struct line *line, int64_t count)
{
    struct semaphore *semaphore = request->object->state;
    int64_t part = smaller(count, holding_of(line, request->object));
    semaphore->held -= part;
    holding_change(request->server, line, request->object, -part);
    return count - part;
}

static void take_off_holders(struct request *request, int64_t count)
{
    struct line *holder;
    count = take_off(request, request->line, count);
    while (count > 0 && (holder = holding_oldest(request->server, request->object)))
        count = take_off(request, holder, count);
}

static int release(struct request *request, int64_t count)
{
    struct semaphore *semaphore = request->object->state;
    int64_t room = (semaphore->bounded ? semaphore->first : INT64_MAX) - semaphore->value;
    if (count < 1)
        return error_fail(-EINVAL, "n must be one or more");
    if (count > room && semaphore->bounded)
        return error_fail(-EINVAL, "Semaphore released too many times");
    if (count > room)
        return error_fail(-EOVERFLOW, "a semaphore's value has at most 63 bits");
    semaphore->value += count;
    take_off_holders(request, count);
    waiters_wake(request->server, &semaphore->waiters);
    return request_answer_none(request);
}

static int run_release(struct request *request)
{
    const kith_value *value;
    int64_t count = 1;
    int code = request_arguments(request, "n?", &value);
    if (code == 0 && value)
        code = request_integer(value, &count);
    return code < 0 ? code : release(request, count);
}

/* What the value is when so many units are given back. */
static int64_t value_with(const struct semaphore *semaphore, int64_t count)
{
    int64_t room = semaphore->first - semaphore->value;
    return room > 0 ? semaphore->value + smaller(count, room) : semaphore->value;
}

static void give_back(struct server *server, struct object *object, struct line *line, int64_t count)
{
    (void)line;
    struct semaphore *semaphore = object->state;
    semaphore->held -= count;
    semaphore->value = value_with(semaphore, count);
    waiters_wake(server, &semaphore->waiters);
}

static int run_locked(struct request *request)
{
    const struct semaphore *semaphore = request->object->state;
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, semaphore->value == 0);
}

/* ---- snapshots: whoever holds units then is gone when it comes back ---- */

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    (void)server;
    const struct semaphore *semaphore = state;
    *value = kith_value_pack(arena, "(IIb)", value_with(semaphore, semaphore->held), semaphore->first,
                             (int)semaphore->bounded);
    return *value ? 0 : kith_arena_error(arena);
}

static int load(struct server *server, const kith_value *value, void **state)
{
    (void)server;
    struct semaphore found = { 0 };
    int bounded;
    int code = kith_value_unpack(value, "(IIb)", &found.value, &found.first, &bounded);
    if (code < 0)
        return code;
    found.bounded = bounded;
    if (found.value < 0 || (bounded && found.value > found.first))
        return error_fail(KITH_EMALFORMED, "no semaphore has the value %lld", (long long)found.value);
    return make_semaphore(state, &found);
}

static const struct kind_method methods[] = {
    { "acquire", run_acquire, false },
    { "release", run_release, false },
    { "locked", run_locked, true },
};

const struct kind kind_semaphore = {
    .name = "Semaphore",
    .proxy = "AcquirerProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};

const struct kind kind_bounded_semaphore = {
    .name = "BoundedSemaphore",
    .proxy = "AcquirerProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make_bounded,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};
