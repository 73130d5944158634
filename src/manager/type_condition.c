/* Condition: threading.Condition, with an RLock of its own or a lock that it was given, which it then shares.
 *
 * Who waits releases the lock, and stands in the condition's list. Who is notified, or out of time, moves on to the
 * list of the lock, and has the answer when he has that back: as often as he had acquired it.
 *
 * His turn is held by his line (request.h), from when he begins to wait until he has the lock back. A client that dies
 * waiting does not count. One that dies after it was notified passes the notification on: whoever notified it did so
 * for something that one client is to see to, and this one has not, and never will; would the notification end with it,
 * the next one might wait for ever for what is there already. One who has the lock back has had his notification. */
#include "base/error.h"
#include "manager/mutex.h"
#include "manager/snapshot.h"
#include "manager/token.h"

#include <errno.h>
#include <stdlib.h>

struct condition {
    struct mutex mutex;     /* the first: mutex.h */
    struct waiters waiting; /* for a notification; number: how often each had acquired the lock */
};

/* How much a line holds of a condition that it waits on, beside its mutex, which it does not have meanwhile. */
enum { WAITING = 1, NOTIFIED = 2 };

/* ---- making ---- */

static int make_condition(void **state, struct object *lock)
{
    struct condition *condition = calloc(1, sizeof *condition);
    if (!condition)
        return error_fail(-ENOMEM, "no memory for a condition");
    condition->mutex.recursive = true;
    condition->mutex.other = lock ? object_hold(lock) : NULL;
    *state = condition;
    return 0;
}

static int check_lock(const struct object *lock)
{
    if (!lock || (lock->kind != &kind_lock && lock->kind != &kind_rlock))
        return error_fail(KITH_ETYPE, "a Condition's lock is None, or a Lock or RLock of the same server");
    if (lock->read_only || lock->allowed)
        return error_fail(-EACCES, "the lock has restrictions, which a Condition would evade");
    return 0;
}

static int make(struct request *request, void **state)
{
    const kith_value *value;
    struct object *lock = NULL;
    int code = request_arguments(request, "lock?", &value);
    if (code == 0 && value && kith_value_kind(value) != KITH_NONE) {
        lock = proxy_object(request->server, value);
        code = check_lock(lock);
    }
    return code < 0 ? code : make_condition(state, lock);
}

static void end(struct server *server, void *state)
{
    struct condition *condition = state;
    object_drop(server, condition->mutex.other);
    free(condition);
}

/* ---- waiting ---- */

static int take_back(struct waiter *waiter, struct request *request, int64_t turn)
{
    if (mutex_of(waiter->object)->count > 0)
        return REQUEST_PARKED;
    int code = mutex_take(request->server, waiter->line, waiter->object, waiter->number);
    holding_change(request->server, waiter->line, waiter->object, -turn);
    return code < 0 ? code : request_answer_bool(request, turn == NOTIFIED);
}

static int try_when_notified(struct waiter *waiter, struct request *request, bool late)
{
    (void)late; /* never: it has no deadline */
    return take_back(waiter, request, NOTIFIED);
}

static int try_when_late(struct waiter *waiter, struct request *request, bool late)
{
    (void)late;
    return take_back(waiter, request, WAITING);
}

static int try_to_wait(struct waiter *waiter, struct request *request, bool late)
{
    if (!late)
        return REQUEST_PARKED;
    waiter_move(waiter, &mutex_of(waiter->object)->waiters, try_when_late);
    return try_when_late(waiter, request, false);
}

static int park(struct request *request, int64_t until)
{
    struct condition *condition = request->object->state;
    int code = holding_change(request->server, request->line, request->object, WAITING);
    if (code < 0)
        return code;
    code = waiter_park(request, &condition->waiting, until, try_to_wait, NULL, mutex_of(request->object)->count);
    if (code < 0)
        holding_change(request->server, request->line, request->object, -WAITING);
    else
        mutex_release_all(request);
    return code;
}

static int run_wait(struct request *request)
{
    const kith_value *timeout;
    int64_t until;
    int code = request_arguments(request, "timeout?", &timeout);
    if (code < 0)
        return code;
    if (!mutex_is_owned(request))
        return request_raise(request, "RuntimeError", "cannot wait on un-acquired lock");
    code = request_deadline(timeout, &until);
    return code < 0 ? code : park(request, until);
}

/* ---- notifying ---- */

static void notify_first(struct server *server, struct object *object)
{
    struct condition *condition = object->state;
    struct waiter *waiter = condition->waiting.first;
    holding_change(server, waiter->line, object, NOTIFIED - WAITING); /* needs no memory: it holds some already */
    waiter_move(waiter, &mutex_of(object)->waiters, try_when_notified);
}

/* The notifier has the lock: nobody goes on before it is released. */
static int notify(struct request *request, int64_t count)
{
    const struct condition *condition = request->object->state;
    if (!mutex_is_owned(request))
        return request_raise(request, "RuntimeError", "cannot notify on un-acquired lock");
    for (; count > 0 && condition->waiting.first; count--)
        notify_first(request->server, request->object);
    return request_answer_none(request);
}

static int run_notify(struct request *request)
{
    const kith_value *value;
    int64_t count = 1;
    int code = request_arguments(request, "n?", &value);
    if (code == 0 && value)
        code = request_integer(value, &count);
    return code < 0 ? code : notify(request, count);
}

static int run_notify_all(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : notify(request, INT64_MAX);
}

static void give_back(struct server *server, struct object *object, struct line *line, int64_t count)
{
    const struct condition *condition = object->state;
    if (mutex_owner_gone(server, object, line) || count < NOTIFIED || !condition->waiting.first)
        return;
    notify_first(server, object);
    waiters_wake(server, &mutex_of(object)->waiters);
}

static const struct kind_method methods[] = {
    { "acquire", mutex_run_acquire, false }, { "release", mutex_run_release, false },
    { "locked", mutex_run_locked, true },    { "wait", run_wait, false },
    { "notify", run_notify, false },         { "notify_all", run_notify_all, false },
};

/* ---- snapshots: with the lock, if it was given one, by its id; whoever waits then is gone when it comes back ---- */

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    const struct condition *condition = state;
    struct object *lock = condition->mutex.other;
    int code = lock ? snapshot_add(server, lock) : 0;
    if (code < 0)
        return code;
    *value = lock ? kith_value_pack(arena, "(s)", lock->id) : kith_value_pack(arena, "()");
    return *value ? 0 : kith_arena_error(arena);
}

static int load(struct server *server, const kith_value *value, void **state)
{
    const char *id;
    struct object *lock = NULL;
    int code = kith_value_unpack(value, "()");
    if (code == KITH_ETYPE) {
        code = kith_value_unpack(value, "(s)", &id);
        lock = code == 0 ? object_find(server, id) : NULL;
        code = code == 0 ? check_lock(lock) : code;
    }
    return code < 0 ? code : make_condition(state, lock);
}

const struct kind kind_condition = {
    .name = "Condition",
    .proxy = "ConditionProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};
