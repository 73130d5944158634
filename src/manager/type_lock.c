/* Lock and RLock: threading.Lock and threading.RLock. mutex.h has what they do. */
#include "base/error.h"
#include "manager/mutex.h"

#include <errno.h>
#include <stdlib.h>

static int make_mutex(void **state, bool recursive)
{
    struct mutex *mutex = calloc(1, sizeof *mutex);
    if (!mutex)
        return error_fail(-ENOMEM, "no memory for a lock");
    mutex->recursive = recursive;
    *state = mutex;
    return 0;
}

static int make_lock(struct request *request, void **state)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : make_mutex(state, false);
}

static int make_rlock(struct request *request, void **state)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : make_mutex(state, true);
}

static void end(struct server *server, void *state)
{
    (void)server;
    free(state);
}

static void give_back(struct server *server, struct object *object, struct line *line, int64_t count)
{
    (void)count;
    mutex_owner_gone(server, object, line);
}

/* ---- snapshots: whoever had acquired it is gone, so it comes back free ---- */

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    (void)server;
    const struct mutex *mutex = state;
    *value = kith_value_bool(arena, mutex->recursive);
    return *value ? 0 : -ENOMEM;
}

static int load(struct server *server, const kith_value *value, void **state)
{
    (void)server;
    int recursive;
    int code = kith_value_as_bool(value, &recursive);
    return code < 0 ? code : make_mutex(state, recursive);
}

static const struct kind_method methods[] = {
    { "acquire", mutex_run_acquire, false },
    { "release", mutex_run_release, false },
    { "locked", mutex_run_locked, true },
};

const struct kind kind_lock = {
    .name = "Lock",
    .proxy = "AcquirerProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make_lock,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};

const struct kind kind_rlock = {
    .name = "RLock",
    .proxy = "AcquirerProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make_rlock,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
};
