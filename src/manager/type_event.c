/* Event: threading.Event. A flag, and those who wait for it. Who sets it answers all of them there and then, so none
 * misses it when it is cleared at once. */
#include "base/error.h"
#include "manager/kind.h"
#include "manager/waiter.h"

#include <errno.h>
#include <stdlib.h>

struct event {
    bool set;
    struct waiters waiters;
};

static int make_event(void **state, bool set)
{
    struct event *event = calloc(1, sizeof *event);
    if (!event)
        return error_fail(-ENOMEM, "no memory for an event");
    event->set = set;
    *state = event;
    return 0;
}

static int make(struct request *request, void **state)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : make_event(state, false);
}

static void end(struct server *server, void *state)
{
    (void)server;
    free(state);
}

/* ---- methods ---- */

static int run_is_set(struct request *request)
{
    const struct event *event = request->object->state;
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, event->set);
}

static int run_set(struct request *request)
{
    struct event *event = request->object->state;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    event->set = true;
    waiters_wake_all(request->server, &event->waiters);
    return request_answer_none(request);
}

static int run_clear(struct request *request)
{
    struct event *event = request->object->state;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    event->set = false;
    return request_answer_none(request);
}

static int try_to_wait(struct waiter *waiter, struct request *request, bool late)
{
    const struct event *event = waiter->object->state;
    return event->set || late ? request_answer_bool(request, event->set) : REQUEST_PARKED;
}

static int run_wait(struct request *request)
{
    struct event *event = request->object->state;
    const kith_value *timeout;
    int64_t until;
    int code = request_arguments(request, "timeout?", &timeout);
    if (code == 0 && event->set)
        return request_answer_bool(request, true);
    if (code == 0)
        code = request_deadline(timeout, &until);
    return code < 0 ? code : waiter_park(request, &event->waiters, until, try_to_wait, NULL, 0);
}

static const struct kind_method methods[] = {
    { "is_set", run_is_set, true },
    { "set", run_set, false },
    { "clear", run_clear, false },
    { "wait", run_wait, true },
};

/* ---- snapshots ---- */

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    (void)server;
    const struct event *event = state;
    *value = kith_value_bool(arena, event->set);
    return *value ? 0 : -ENOMEM;
}

static int load(struct server *server, const kith_value *value, void **state)
{
    (void)server;
    int set;
    int code = kith_value_as_bool(value, &set);
    return code < 0 ? code : make_event(state, set);
}

const struct kind kind_event = {
    .name = "Event",
    .proxy = "EventProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .save = save,
    .load = load,
};
