/* Barrier: threading.Barrier without an action, which would be Python's to run.
 *
 * Those who wait are all answered at once, by whoever is the last to come, breaks the barrier or resets it. So nobody
 * is ever on his way out when the next one comes, and of CPython's states there are two, whole and broken; what those
 * who are being answered are told is the barrier's verdict while that lasts.
 *
 * A party that dies while it waits breaks the barrier, as one that gives up does: the others would wait for ever. So
 * each place in it is held by its line (request.h). */
#include "base/error.h"
#include "manager/kind.h"
#include "manager/waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum verdict { WAIT, PASS, BREAK };

struct barrier {
    int64_t parties;
    bool has_timeout;
    double timeout;         /* of those who give none, in seconds */
    bool broken;            /* until it is reset */
    int64_t count;          /* of those who wait */
    enum verdict verdict;   /* on them */
    struct waiters waiters; /* number: which of the parties it is */
};

/* ---- making ---- */

static int make_barrier(void **state, const struct barrier *what)
{
    if (what->parties < 1)
        return error_fail(-EINVAL, "parties must be > 0");
    struct barrier *barrier = malloc(sizeof *barrier);
    if (!barrier)
        return error_fail(-ENOMEM, "no memory for a barrier");
    *barrier = *what;
    *state = barrier;
    return 0;
}

static bool is_given(const kith_value *value)
{
    return value && kith_value_kind(value) != KITH_NONE;
}

static int make(struct request *request, void **state)
{
    const kith_value *parties, *action, *timeout;
    struct barrier made = { 0 };
    int code = request_arguments(request, "parties action? timeout?", &parties, &action, &timeout);
    if (code < 0)
        return code;
    if (is_given(action))
        return request_raise(request, "NotImplementedError",
                             "this server runs no Python, and so no action of a barrier: whoever gets 0 of wait() may "
                             "do what is to be done once");
    made.has_timeout = is_given(timeout);
    if (made.has_timeout && kith_value_as_float(timeout, &made.timeout) < 0)
        return error_fail(KITH_ETYPE, "a barrier's timeout is a number of seconds, or None");
    code = request_integer(parties, &made.parties);
    return code < 0 ? code : make_barrier(state, &made);
}

static void end(struct server *server, void *state)
{
    (void)server;
    free(state);
}

/* ---- waiting ---- */

static int raise_broken(struct request *request)
{
    return request_raise_value(request, "threading.BrokenBarrierError", NULL);
}

/* All who wait are answered in here. */
static void pass_verdict(struct server *server, struct barrier *barrier, enum verdict verdict)
{
    barrier->verdict = verdict;
    waiters_wake_all(server, &barrier->waiters);
    barrier->verdict = WAIT;
    barrier->count = 0;
}

static void break_barrier(struct server *server, struct barrier *barrier)
{
    barrier->broken = true;
    pass_verdict(server, barrier, BREAK);
}

static int try_to_wait(struct waiter *waiter, struct request *request, bool late)
{
    struct barrier *barrier = waiter->object->state;
    if (barrier->verdict == WAIT && !barrier->broken && !late)
        return REQUEST_PARKED;
    holding_change(request->server, waiter->line, waiter->object, -1);
    if (barrier->verdict == PASS)
        return request_answer_int(request, waiter->number);
    if (late)
        break_barrier(request->server, barrier);
    return raise_broken(request);
}

static int wait_deadline(struct request *request, const kith_value *timeout, int64_t *until)
{
    const struct barrier *barrier = request->object->state;
    if (!is_given(timeout) && barrier->has_timeout) {
        timeout = kith_value_float(request->arena, barrier->timeout);
        if (!timeout)
            return -ENOMEM;
    }
    return request_deadline(timeout, until);
}

static int park(struct request *request, int64_t until)
{
    struct barrier *barrier = request->object->state;
    int code = holding_change(request->server, request->line, request->object, 1);
    if (code < 0)
        return code;
    code = waiter_park(request, &barrier->waiters, until, try_to_wait, NULL, barrier->count);
    if (code < 0)
        holding_change(request->server, request->line, request->object, -1);
    else
        barrier->count++;
    return code;
}

static int run_wait(struct request *request)
{
    struct barrier *barrier = request->object->state;
    const kith_value *timeout;
    int64_t until, place = barrier->count;
    int code = request_arguments(request, "timeout?", &timeout);
    if (code < 0)
        return code;
    if (barrier->broken)
        return raise_broken(request);
    if (place + 1 == barrier->parties) {
        pass_verdict(request->server, barrier, PASS);
        return request_answer_int(request, place);
    }
    code = wait_deadline(request, timeout, &until);
    return code < 0 ? code : park(request, until);
}

static void give_back(struct server *server, struct object *object, struct line *line, int64_t count)
{
    (void)line;
    (void)count;
    break_barrier(server, object->state);
}

/* ---- the other methods ---- */

static int run_abort(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    break_barrier(request->server, request->object->state);
    return request_answer_none(request);
}

static int run_reset(struct request *request)
{
    struct barrier *barrier = request->object->state;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    pass_verdict(request->server, barrier, BREAK);
    barrier->broken = false;
    return request_answer_none(request);
}

static int run_getattribute(struct request *request)
{
    const struct barrier *barrier = request->object->state;
    const kith_value *value;
    const char *name;
    int code = request_arguments(request, "name", &value);
    if (code < 0)
        return code;
    if (kith_value_as_str(value, &name, NULL) < 0)
        return error_fail(KITH_ETYPE, "attribute name must be string, not '%s'",
                          kith_kind_name(kith_value_kind(value)));
    if (strcmp(name, "parties") == 0)
        return request_answer_int(request, barrier->parties);
    if (strcmp(name, "n_waiting") == 0)
        return request_answer_int(request, barrier->count);
    if (strcmp(name, "broken") == 0)
        return request_answer_bool(request, barrier->broken);
    return request_raise(request, "AttributeError", "'Barrier' object has no attribute '%s'", name);
}

static const struct kind_method methods[] = {
    { "__getattribute__", run_getattribute, true },
    { "wait", run_wait, false },
    { "abort", run_abort, false },
    { "reset", run_reset, false },
};

/* ---- snapshots: whoever waits then is gone when it comes back ---- */

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    (void)server;
    const struct barrier *barrier = state;
    kith_value *timeout = barrier->has_timeout ? kith_value_float(arena, barrier->timeout) : kith_value_none(arena);
    *value = kith_value_pack(arena, "(Ivb)", barrier->parties, timeout, (int)barrier->broken);
    return *value ? 0 : kith_arena_error(arena);
}

static int load(struct server *server, const kith_value *value, void **state)
{
    (void)server;
    struct barrier found = { 0 };
    kith_value *timeout;
    int broken;
    int code = kith_value_unpack(value, "(Ivb)", &found.parties, &timeout, &broken);
    if (code < 0)
        return code;
    found.broken = broken;
    found.has_timeout = is_given(timeout);
    if (found.has_timeout && kith_value_as_float(timeout, &found.timeout) < 0)
        return error_fail(KITH_EMALFORMED, "a barrier's timeout is a number of seconds");
    return make_barrier(state, &found);
}

const struct kind kind_barrier = {
    .name = "Barrier",
    .proxy = "BarrierProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};
