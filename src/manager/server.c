#include "manager/server.h"

#include "base/error.h"
#include "connection/address.h"
#include "manager/dispatch.h"
#include "manager/holders.h"
#include "manager/line.h"
#include "manager/loans.h"
#include "manager/page_server.h"
#include "manager/registry.h"
#include "manager/shared_queue.h"
#include "manager/snapshot.h"
#include "manager/workers.h"
#include "os/events.h"
#include "os/flag.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SILENCE KITH_SECONDS(10)

enum {
    DEFAULT_WORKERS = 4,
    DEFAULT_CLIENTS = 16384,
    DEFAULT_OBJECTS = 1048576,
    DEFAULT_MESSAGE = 256 << 20,
    DEFAULT_FAILURES = 30,
};

struct kith_server {
    struct server inner;
};

struct server *server_of(kith_server *handle)
{
    return &handle->inner;
}

/* ---- memory ---- */

bool server_take_memory(struct server *server, size_t size)
{
    uint64_t used = atomic_load_explicit(&server->counters.memory, memory_order_relaxed);
    uint64_t most = server->options.max_memory;
    if (most && (size > most || used > most - size))
        return false;
    atomic_store_explicit(&server->counters.memory, used + size, memory_order_relaxed);
    return true;
}

void server_give_memory(struct server *server, size_t size)
{
    count_up(server->counters.memory, -(uint64_t)size);
}

/* ---- clients that come ---- */

static int turn_away(kith_connection *connection, const struct server *server)
{
    kith_log(KITH_LOG_WARNING, "server %s: a client is turned away: there are %u already", server->address,
             server->options.max_clients);
    kith_connection_free(connection);
    return 0;
}

static int let_in(struct server *server)
{
    kith_connection *connection;
    int code = kith_listener_accept(server->listener, &connection, KITH_NOWAIT);
    if (code < 0)
        return code;
    if (server->line_count >= server->options.max_clients)
        return turn_away(connection, server);
    return line_new(server, connection);
}

/* When there is no room for one more, those who wait are looked at again a little later, rather than at once. */
static void on_door(struct server *server, struct watch *watch)
{
    int code = let_in(server);
    if (code == 0 || code == -ETIMEDOUT || code == -EINTR)
        return;
    kith_log(KITH_LOG_WARNING, "server %s: %s", server->address, kith_error_detail());
    if (timer_set(server, &server->door_closed, os_clock_now() + KITH_MS(100)) == 0)
        loop_forget(server, watch);
}

static void on_door_closed(struct server *server, struct timer *timer)
{
    if (loop_watch(server, &server->door, OS_POLL_READ) < 0)
        timer_set(server, timer, os_clock_now() + KITH_MS(100)); /* there is room: it was set just now */
}

static void on_bell(struct server *server, struct watch *watch)
{
    os_flag_lower(watch->descriptor);
    workers_collect(server);
}

/* ---- making ---- */

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static void close_all(void *owner)
{
    struct server *server = owner;
    close_one(&server->events);
    close_one(&server->bell.descriptor);
    close_one(&server->snapshot_lock); /* in a child: it stays its parent's */
}

/* Under forks_block. */
static int open_both(struct server *server)
{
    server->heirloom = (struct heirloom){ .owner = server, .drop = close_all };
    inherit_add(&server->heirloom);
    server->events = os_events_new();
    if (server->events >= 0)
        server->bell.descriptor = os_flag_new();
    return server->events < 0 ? server->events : server->bell.descriptor < 0 ? server->bell.descriptor : 0;
}

static int begin(struct server *server)
{
    forks_block();
    int code = open_both(server);
    forks_allow();
    server->door = (struct watch){ .descriptor = kith_listener_fd(server->listener), .ready = on_door };
    server->door_closed.due = on_door_closed;
    server->bell.ready = on_bell;
    server->due_end = &server->due;
    loans_begin(server);
    if (code == 0)
        code = loop_watch(server, &server->bell, OS_POLL_READ);
    if (code < 0)
        return error_fail(code, "no server at %s: %s", server->address, kith_strerror(code));
    code = kith_arena_new(&server->arena);
    server->room = malloc(SERVER_ROOM);
    if (code < 0 || !server->room)
        return error_fail(-ENOMEM, "no memory for a server");
    return registry_begin(server);
}

static void fill_in(kith_server_options *options)
{
    options->workers = options->workers ? options->workers : DEFAULT_WORKERS;
    options->max_clients = options->max_clients ? options->max_clients : DEFAULT_CLIENTS;
    options->max_objects = options->max_objects ? options->max_objects : DEFAULT_OBJECTS;
    options->listener.max_message = options->listener.max_message ? options->listener.max_message : DEFAULT_MESSAGE;
    options->listener.max_failures = options->listener.max_failures ? options->listener.max_failures : DEFAULT_FAILURES;
    options->listener.handshake_timeout =
        options->listener.handshake_timeout ? options->listener.handshake_timeout : DEFAULT_SILENCE;
    options->snapshot_interval = options->snapshot_interval ? options->snapshot_interval : KITH_SECONDS(60);
}

static int copy_snapshot(struct server *server, const char *path)
{
    server->options.snapshot = path ? strdup(path) : NULL;
    return path && !server->options.snapshot ? error_fail(-ENOMEM, "no memory for a path") : 0;
}

static int find_place(struct server *server)
{
    struct address parts;
    server->address = kith_listener_address(server->listener);
    int code = address_parse(&parts, server->address, true);
    if (code < 0)
        return code;
    address_make_absolute(&parts);
    server->place = strdup(parts.text);
    return server->place ? 0 : error_fail(-ENOMEM, "no memory for an address");
}

static int check(kith_server **server, const char *address, const kith_server_options *options)
{
    if (!server || !address || !options)
        return error_fail(-EINVAL, "%s is NULL", !server ? "server" : !address ? "address" : "options");
    if (!options->listener.authkey || options->listener.authkey_size == 0)
        return error_fail(-EINVAL, "a server wants an authkey: whoever reaches it could use all that it has");
    return 0;
}

int kith_server_new(kith_server **server, const char *address, const kith_server_options *options)
{
    int code = check(server, address, options);
    if (code < 0)
        return code;
    kith_server *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a server");
    struct server *inner = &made->inner;
    inner->events = inner->bell.descriptor = inner->snapshot_lock = -1;
    inner->generation = forks_generation();
    inner->options = *options;
    fill_in(&inner->options);
    code = copy_snapshot(inner, options->snapshot);
    if (code == 0)
        code = kith_listener_new(&inner->listener, address, &inner->options.listener);
    inner->options.listener = (kith_listener_options){
        .max_message = inner->options.listener.max_message,
        .handshake_timeout = inner->options.listener.handshake_timeout,
    };
    if (code == 0)
        code = find_place(inner);
    if (code == 0)
        code = begin(inner);
    if (code < 0)
        kith_server_free(made);
    else
        *server = made;
    return code;
}

void kith_server_free(kith_server *server)
{
    if (!server)
        return;
    struct server *inner = &server->inner;
    if (inner->heirloom.owner) {
        lines_end(inner);
        workers_end(inner);
        pages_free(inner);
        holders_end(inner);
        loans_end(inner);
        objects_end(inner);
        registry_end(inner);
        forks_block();
        inherit_remove(&inner->heirloom);
        if (inner->generation == forks_generation())
            snapshot_unlock(inner);
        close_all(inner);
        forks_allow();
    }
    kith_listener_free(inner->listener);
    kith_arena_free(inner->arena);
    free(inner->place);
    free((void *)inner->options.snapshot);
    free(inner->timers.heap);
    free(inner->room);
    free(server);
}

/* ---- publishing ---- */

int server_make(struct server *server, struct object **object, const char *type, const kith_value *args,
                const kith_value *kwargs)
{
    const struct name *name = server_find_type(server, type);
    unsigned char room[512];
    struct message reply = MESSAGE_IN(room);
    if (!name)
        return error_fail(-ENOENT, "there is no type \"%s\"", type);
    kith_arena_reset(server->arena);
    struct request request = {
        .server = server,
        .args = args,
        .kwargs = kwargs ? kwargs : kith_value_dict(server->arena),
        .arena = server->arena,
        .reply = &reply,
        .errors = error_count(),
    };
    struct object *made = NULL;
    int code = registry_make(&request, name, &made);
    message_free(&reply);
    if (code == 0 && !made)
        code =
            error_fail(request.failure ? request.failure : KITH_EREMOTE, "a %s can't be made of these arguments", type);
    if (code == 0)
        *object = made;
    return code;
}

int kith_server_publish(kith_server *server, const char *name, const char *type, const kith_value *args,
                        const kith_value *kwargs, const kith_access *access)
{
    if (!server || !name || !type || !args)
        return error_fail(-EINVAL, "%s is NULL", !server ? "server" : !name ? "name" : !type ? "type" : "args");
    struct object *object;
    int code = server_make(&server->inner, &object, type, args, kwargs);
    if (code < 0)
        return code;
    code = server_publish_object(&server->inner, name, object, access);
    if (code < 0)
        object_drop(&server->inner, object);
    return code;
}

/* ---- serving ---- */

static int serve(struct server *server)
{
    int code = loop_watch(server, &server->door, OS_POLL_READ);
    if (code < 0)
        return error_fail(code, "no memory to wait for clients at %s", server->address);
    code = loop_run(server);
    timer_clear(server, &server->door_closed);
    loop_forget(server, &server->door);
    if (code == 0)
        code = loop_drain(server);
    lines_end(server);
    return code;
}

/* @return 0; -EINVAL; KITH_ECLOSED in another process */
static int check_handle(const kith_server *server)
{
    if (!server)
        return error_fail(-EINVAL, "server is NULL: make one with kith_server_new");
    if (server->inner.generation != forks_generation())
        return error_fail(KITH_ECLOSED, "the server at %s belongs to the process that made it", server->inner.address);
    return 0;
}

int kith_server_load(kith_server *server)
{
    int code = check_handle(server);
    return code < 0 ? code : snapshot_load(&server->inner);
}

int kith_server_run(kith_server *server)
{
    int code = check_handle(server);
    if (code < 0)
        return code;
    struct server *inner = &server->inner;
    inner->serial = os_clock_now();
    code = snapshot_load(inner);
    if (code == 0)
        code = snapshot_begin(inner);
    if (code == 0) {
        shared_queues_begin(inner);
        code = serve(inner);
    }
    shared_queues_cease(inner);
    int last = snapshot_end(inner);
    atomic_store_explicit(&inner->stopping, false, memory_order_relaxed);
    return code < 0 ? code : last;
}

int kith_server_stop(kith_server *server)
{
    if (!server)
        return error_fail(-EINVAL, "server is NULL");
    atomic_store_explicit(&server->inner.stopping, true, memory_order_relaxed);
    os_flag_raise(server->inner.bell.descriptor);
    return 0;
}

/* ---- what it tells ---- */

const char *kith_server_address(const kith_server *server)
{
    return server ? server->inner.address : "";
}

int kith_server_get_stats(const kith_server *server, kith_server_stats *stats)
{
    if (!server || !stats)
        return error_fail(-EINVAL, "%s is NULL", server ? "stats" : "server");
    const struct counters *counters = &server->inner.counters;
    kith_server_stats found = {
        .clients = atomic_load_explicit(&counters->clients, memory_order_relaxed),
        .objects = atomic_load_explicit(&counters->objects, memory_order_relaxed),
        .waiting = atomic_load_explicit(&counters->waiting, memory_order_relaxed),
        .pages = atomic_load_explicit(&counters->pages, memory_order_relaxed),
        .shared_queues = atomic_load_explicit(&counters->shared_queues, memory_order_relaxed),
        .memory = atomic_load_explicit(&counters->memory, memory_order_relaxed),
        .calls = atomic_load_explicit(&counters->calls, memory_order_relaxed),
        .page_calls = atomic_load_explicit(&counters->page_calls, memory_order_relaxed),
        .given_back = atomic_load_explicit(&counters->given_back, memory_order_relaxed),
        .snapshots = atomic_load_explicit(&counters->snapshots, memory_order_relaxed),
    };
    int code = kith_listener_get_stats(server->inner.listener, &found.listener);
    if (code == 0)
        *stats = found;
    return code;
}
