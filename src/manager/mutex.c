#include "manager/mutex.h"

#include "base/deadline.h"
#include "manager/line.h"

#include <math.h>

struct object *mutex_object(struct object *object)
{
    const struct mutex *mutex = object->state;
    return mutex->other ? mutex->other : object;
}

struct mutex *mutex_of(struct object *object)
{
    return mutex_object(object)->state;
}

bool mutex_is_owned(const struct request *request)
{
    const struct mutex *mutex = mutex_of(request->object);
    return mutex->count > 0 && (!mutex->recursive || mutex->owner == request->line->number);
}

int mutex_take(struct server *server, struct line *line, struct object *object, int64_t count)
{
    struct mutex *mutex = mutex_of(object);
    int code = holding_change(server, line, mutex_object(object), count);
    if (code < 0)
        return code;
    mutex->owner = line->number;
    mutex->count += count;
    return 0;
}

/* A Lock may be released by a line that does not hold it. Nobody holds it when its holder's end did not give it back
 * (keep_locks). */
static void release(struct request *request, int64_t count)
{
    struct object *object = mutex_object(request->object);
    struct mutex *mutex = object->state;
    struct line *holder = mutex->recursive ? request->line : holding_oldest(request->server, object);
    mutex->count -= count;
    if (holder)
        holding_change(request->server, holder, object, -count);
    if (mutex->count == 0)
        waiters_wake(request->server, &mutex->waiters);
}

void mutex_release_all(struct request *request)
{
    release(request, mutex_of(request->object)->count);
}

bool mutex_owner_gone(struct server *server, struct object *object, const struct line *line)
{
    struct mutex *mutex = object->state;
    if (mutex->other || mutex->count == 0 || mutex->owner != line->number)
        return false;
    mutex->count = 0;
    waiters_wake(server, &mutex->waiters);
    return true;
}

/* ---- methods ---- */

/* CPython's rules: -1 is no timeout, and None is none of the numbers. */
static int acquire_arguments(struct request *request, int64_t *until)
{
    const kith_value *blocking, *timeout;
    double seconds = -1;
    int code = request_arguments(request, "blocking? timeout?", &blocking, &timeout);
    if (code < 0)
        return code;
    bool blocks = request_truth(blocking, true);
    if (timeout && kith_value_as_float(timeout, &seconds) == KITH_ETYPE)
        return error_fail(KITH_ETYPE, "'%s' object cannot be interpreted as an integer",
                          kith_value_kind(timeout) == KITH_NONE ? "NoneType"
                                                                : kith_kind_name(kith_value_kind(timeout)));
    if (isnan(seconds))
        return error_fail(-EINVAL, "Invalid value NaN (not a number)");
    if (!blocks && seconds != -1)
        return error_fail(-EINVAL, "can't specify a timeout for a non-blocking call");
    if (seconds < 0 && seconds != -1)
        return error_fail(-EINVAL, "timeout value must be a non-negative number");
    *until = DEADLINE_PASSED;
    return blocks ? request_deadline(seconds == -1 ? NULL : timeout, until) : 0;
}

static int take_and_answer(struct request *request)
{
    int code = mutex_take(request->server, request->line, request->object, 1);
    return code < 0 ? code : request_answer_bool(request, true);
}

static int try_to_acquire(struct waiter *waiter, struct request *request, bool late)
{
    if (mutex_of(waiter->object)->count == 0)
        return take_and_answer(request);
    return late ? request_answer_bool(request, false) : REQUEST_PARKED;
}

int mutex_run_acquire(struct request *request)
{
    struct mutex *mutex = mutex_of(request->object);
    int64_t until;
    int code = acquire_arguments(request, &until);
    if (code < 0)
        return code;
    if (mutex->count == 0 || (mutex->recursive && mutex_is_owned(request)))
        return take_and_answer(request);
    if (until == DEADLINE_PASSED)
        return request_answer_bool(request, false);
    return waiter_park(request, &mutex->waiters, until, try_to_acquire, NULL, 0);
}

int mutex_run_release(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    if (!mutex_is_owned(request))
        return request_raise(request, "RuntimeError", "%s",
                             mutex_of(request->object)->recursive ? "cannot release un-acquired lock"
                                                                  : "release unlocked lock");
    release(request, 1);
    return request_answer_none(request);
}

int mutex_run_locked(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, mutex_of(request->object)->count > 0);
}
