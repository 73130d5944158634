/* Taking snapshots, and writing them.
 *
 * Taking one goes from what is published to what that refers to, each object once, and ends with a pickle in memory;
 * all that in one turn of the loop, so that it shows one instant. A thread of its own writes the pickle, while the loop
 * goes on; there is at most one at a time. */
#include "manager/snapshot.h"

#include "base/error.h"
#include "manager/server.h"
#include "manager/shared_queue.h"
#include "manager/token.h"
#include "os/disk.h"
#include "value/objects.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* A pickle on its way to the file. */
struct writing {
    pthread_t thread;
    bool runs; /* and is to be joined */
    _Atomic bool done;
    kith_bytes pickle;
    uint64_t changes; /* that it shows */
    int code;
};

struct snapshot {
    struct timer timer;
    uint64_t changes; /* how often snapshot_changed was called */
    uint64_t written; /* those of them that are in the file; UINT64_MAX: there is none */
    int code;         /* why the last one was not written; 0 */
    struct writing writing;

    /* What is being taken. */
    struct object **found;
    size_t count, capacity;
};

static struct snapshot *snapshot_of(const struct server *server)
{
    return server->snapshot;
}

/* ---- taking ---- */

int snapshot_add(struct server *server, struct object *object)
{
    struct snapshot *snapshot = snapshot_of(server);
    if (!snapshot || object->snapshot == server->snapshot_number)
        return 0;
    if (snapshot->count == snapshot->capacity) {
        size_t capacity = snapshot->capacity ? 2 * snapshot->capacity : 64;
        struct object **grown = realloc(snapshot->found, capacity * sizeof(struct object *));
        if (!grown)
            return error_fail(-ENOMEM, "no memory for a snapshot of %zu objects", capacity);
        snapshot->found = grown;
        snapshot->capacity = capacity;
    }
    object->snapshot = server->snapshot_number;
    snapshot->found[snapshot->count++] = object;
    return 0;
}

/* What is read-only is what the program publishes, each time anew. */
static bool has_state(const struct object *object)
{
    return object->kind->save && !(object->published && object->read_only);
}

static int add_if_proxy(void *server, const kith_value *value)
{
    struct object *object = proxy_object(server, value);
    return object ? snapshot_add(server, object) : 0;
}

/* @param entry  receives (id, type) or (id, type, state) */
static int save_object(struct server *server, const struct object *object, kith_arena *arena, kith_value **entry)
{
    kith_value *state = NULL;
    int code = has_state(object) ? object->kind->save(server, object->state, arena, &state) : 0;
    if (code == 0 && state)
        code = value_each_object(state, add_if_proxy, server);
    if (code < 0)
        return code;
    *entry = kith_value_pack(arena, state ? "(ssv)" : "(ss)", object->id, object->type, state);
    return *entry ? 0 : kith_arena_error(arena);
}

/* One more entry. An object that nobody publishes and that can't be kept has none: nothing could be made of it. */
static int save(struct server *server, const struct object *object, kith_arena *arena, kith_value *entries)
{
    kith_value *entry;
    if (!object->kind->save && !object->published) {
        kith_log(KITH_LOG_INFO, "server %s: the snapshot leaves out %s %s, a type that can't be kept", server->address,
                 object->type, object->id);
        return 0;
    }
    int code = save_object(server, object, arena, &entry);
    return code < 0 ? code : kith_value_append(entries, entry);
}

static int save_names(struct server *server, kith_arena *arena, kith_value *names)
{
    int code = 0;
    for (const struct name *name = server->published; code == 0 && name; name = name->next) {
        kith_value *id = kith_value_str(arena, name->object->id);
        code = id ? kith_value_set(names, name->text, id) : kith_arena_error(arena);
        if (code == 0)
            code = snapshot_add(server, name->object);
    }
    return code;
}

static int take_into(struct server *server, kith_arena *arena, kith_bytes *pickle)
{
    struct snapshot *snapshot = snapshot_of(server);
    kith_value *names = kith_value_dict(arena), *entries = kith_value_list(arena);
    if (!names || !entries)
        return kith_arena_error(arena);
    server->snapshot_number++;
    snapshot->count = 0;
    int code = save_names(server, arena, names);
    for (size_t i = 0; code == 0 && i < snapshot->count; i++) /* each may find more */
        code = save(server, snapshot->found[i], arena, entries);
    if (code < 0)
        return code;
    const kith_value *all =
        kith_value_pack(arena, "(sisvv)", SNAPSHOT_MAGIC, SNAPSHOT_VERSION, server->place, names, entries);
    return all ? kith_pickle_write(all, pickle, NULL) : kith_arena_error(arena);
}

static int take(struct server *server, kith_bytes *pickle)
{
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    code = take_into(server, arena, pickle);
    kith_arena_free(arena);
    return code;
}

/* ---- writing ---- */

static int write_file(const struct server *server, const kith_bytes *pickle)
{
    int code = os_disk_replace(server->options.snapshot, pickle->data, pickle->size);
    return code < 0
               ? error_fail(code, "the snapshot %s can't be written: %s", server->options.snapshot, kith_strerror(code))
               : 0;
}

/* What has become of one: these changes are in the file now, or not. */
static void settle(struct server *server, uint64_t changes, int code)
{
    struct snapshot *snapshot = snapshot_of(server);
    snapshot->code = code;
    if (code == 0) {
        snapshot->written = changes;
        count_up(server->counters.snapshots, 1);
    } else {
        kith_log(KITH_LOG_WARNING, "server %s: %s", server->address, kith_error_detail());
    }
}

static void write_now(struct server *server)
{
    kith_bytes pickle = { NULL, 0 };
    uint64_t changes = snapshot_of(server)->changes;
    int code = take(server, &pickle);
    if (code == 0)
        code = write_file(server, &pickle);
    kith_bytes_free(&pickle);
    settle(server, changes, code);
}

static void *write_main(void *argument)
{
    struct server *server = argument;
    struct writing *writing = &snapshot_of(server)->writing;
    writing->code = os_disk_replace(server->options.snapshot, writing->pickle.data, writing->pickle.size);
    atomic_store_explicit(&writing->done, true, memory_order_release); /* pairs with the acquire in on_time */
    return NULL;
}

/* @return 0; -EAGAIN when there is no thread for it; or why none was taken */
static int start_writing(struct server *server)
{
    struct snapshot *snapshot = snapshot_of(server);
    struct writing *writing = &snapshot->writing;
    sigset_t all, before;
    writing->changes = snapshot_of(server)->changes;
    int code = take(server, &writing->pickle);
    if (code < 0)
        return code;
    atomic_store_explicit(&writing->done, false, memory_order_relaxed);
    sigfillset(&all); /* the program's signals are for its own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = -pthread_create(&writing->thread, NULL, write_main, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    writing->runs = code == 0;
    if (code < 0) {
        kith_bytes_free(&writing->pickle);
        return error_fail(code, "no thread to write the snapshot: %s", kith_strerror(code));
    }
    return 0;
}

static void finish_writing(struct server *server)
{
    struct writing *writing = &snapshot_of(server)->writing;
    pthread_join(writing->thread, NULL);
    writing->runs = false;
    kith_bytes_free(&writing->pickle);
    if (writing->code < 0)
        error_fail(writing->code, "the snapshot %s can't be written: %s", server->options.snapshot,
                   kith_strerror(writing->code));
    settle(server, writing->changes, writing->code);
}

/* ---- when ---- */

void snapshot_changed(struct server *server)
{
    struct snapshot *snapshot = snapshot_of(server);
    if (snapshot)
        snapshot->changes++;
}

static bool is_behind(struct server *server)
{
    if (shared_queues_have_changed(server))
        snapshot_changed(server);
    const struct snapshot *snapshot = snapshot_of(server);
    return snapshot->written != snapshot->changes;
}

static void on_time(struct server *server, struct timer *timer)
{
    struct snapshot *snapshot = snapshot_of(server);
    struct writing *writing = &snapshot->writing;
    if (writing->runs && atomic_load_explicit(&writing->done, memory_order_acquire))
        finish_writing(server);
    if (!writing->runs && is_behind(server)) {
        int code = start_writing(server);
        if (code < 0)
            settle(server, 0, code);
    }
    timer_set(server, timer,
              os_clock_now() + server->options.snapshot_interval); /* there is room: it was set just now */
}

int snapshot_begin(struct server *server)
{
    if (!server->options.snapshot)
        return 0;
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return error_fail(-ENOMEM, "no memory for snapshots");
    snapshot->written = UINT64_MAX;
    snapshot->timer.due = on_time;
    server->snapshot = snapshot;
    write_now(server); /* the ids, at least, are to outlive a crash */
    int code = timer_set(server, &snapshot->timer, os_clock_now() + server->options.snapshot_interval);
    return code < 0 ? error_fail(code, "no memory for snapshots") : 0;
}

int snapshot_end(struct server *server)
{
    struct snapshot *snapshot = snapshot_of(server);
    if (!snapshot)
        return 0;
    timer_clear(server, &snapshot->timer);
    if (snapshot->writing.runs)
        finish_writing(server);
    if (is_behind(server))
        write_now(server);
    int code = snapshot->code;
    free(snapshot->found);
    free(snapshot);
    server->snapshot = NULL;
    return code;
}
