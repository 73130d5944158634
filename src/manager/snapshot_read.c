/* Reading a snapshot: first all objects come to be, under their old ids, so that they can refer to each other; then
 * each gets its state. */
#include "base/error.h"
#include "manager/own.h"
#include "manager/snapshot.h"
#include "os/disk.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct server *server;
    kith_value *names;   /* a dict: names, and ids */
    kith_value *entries; /* a list of (id, type) and (id, type, state) */
    bool moved;          /* it was taken at another address */
    size_t made;         /* how many of the entries have their object now */
};

struct entry {
    const char *id, *type;
    const kith_value *state; /* NULL: none was kept */
};

static int no_snapshot(const struct server *server, const char *why)
{
    return error_fail(KITH_EMALFORMED, "%s is no snapshot: %s", server->options.snapshot, why);
}

static int read_entry(const struct reading *reading, size_t index, struct entry *entry)
{
    const kith_value *value = kith_value_at(reading->entries, index);
    if (kith_value_unpack(value, "(ss*)", &entry->id, &entry->type) < 0)
        return no_snapshot(reading->server, kith_error_detail());
    entry->state = kith_value_at(value, 2);
    return 0;
}

/* ---- objects ---- */

/* What was published just now gets the id that it had in the snapshot. */
static int take_over(struct server *server, const struct name *name, const struct entry *entry)
{
    struct object *object = name->object;
    if (strcmp(object->type, entry->type) != 0)
        return error_fail(KITH_ETYPE, "\"%s\" is a %s in the snapshot %s, and a %s was published", name->text,
                          entry->type, server->options.snapshot, object->type);
    return object_rename(server, object, entry->id);
}

static const struct name *find_published(const struct reading *reading, const char *id)
{
    const char *found;
    for (const struct name *name = reading->server->published; name; name = name->next) {
        const kith_value *value = kith_value_get(reading->names, name->text);
        if (value && kith_value_as_str(value, &found, NULL) == 0 && strcmp(found, id) == 0)
            return name;
    }
    return NULL;
}

/* An object that nobody publishes; held by the reading. */
static int make(const struct reading *reading, const struct entry *entry)
{
    struct server *server = reading->server;
    struct object *object;
    const struct name *type = server_find_type(server, entry->type);
    if (!type || !kind_can_load(type->kind))
        return error_fail(-ENOENT, "the snapshot %s has a %s, and this server %s", server->options.snapshot,
                          entry->type, type ? "can't keep any" : "knows no such type");
    if (reading->moved)
        return error_fail(-EADDRNOTAVAIL,
                          "the objects of the snapshot %s refer to each other by the address at which it was taken: "
                          "serve there again, and not at %s",
                          server->options.snapshot, server->place);
    return object_add_as(server, &object, type->kind, type->text, NULL, entry->id);
}

static int make_one(const struct reading *reading, size_t index)
{
    struct entry entry;
    int code = read_entry(reading, index, &entry);
    if (code < 0)
        return code;
    const struct name *name = find_published(reading, entry.id);
    return name ? take_over(reading->server, name, &entry) : make(reading, &entry);
}

static int make_all(struct reading *reading)
{
    int code = 0;
    while (code == 0 && reading->made < kith_value_length(reading->entries)) {
        code = make_one(reading, reading->made);
        reading->made += code == 0;
    }
    return code;
}

/* ---- states ---- */

static int load(struct server *server, const struct entry *entry)
{
    struct object *object = object_find(server, entry->id);
    void *state = NULL;
    if (!entry->state || !kind_can_load(object->kind) || (object->published && object->read_only))
        return object->state ? 0 : no_snapshot(server, "an object in it has no state");
    int code = kind_load(server, object->kind, entry->state, &state);
    if (code < 0)
        return error_fail(code == KITH_ETYPE ? KITH_EMALFORMED : code, "%s %s of the snapshot %s: %s", entry->type,
                          entry->id, server->options.snapshot, kith_error_detail());
    if (object->state && object->kind->end)
        object->kind->end(server, object->state);
    object->state = state;
    return 0;
}

static int load_all(const struct reading *reading)
{
    struct entry entry;
    int code = 0;
    for (size_t i = 0; code == 0 && i < kith_value_length(reading->entries); i++) {
        code = read_entry(reading, i, &entry);
        if (code == 0)
            code = load(reading->server, &entry);
    }
    return code;
}

/* Those that nothing refers to go. */
static void let_go(const struct reading *reading)
{
    struct entry entry;
    for (size_t i = 0; i < reading->made; i++) {
        struct object *object = read_entry(reading, i, &entry) == 0 ? object_find(reading->server, entry.id) : NULL;
        if (object && !object->published)
            object_drop(reading->server, object);
    }
}

/* ---- the file ---- */

/* Whatever was published when it was taken must be so still: else the next snapshot would lose it. */
static int check_names(const struct reading *reading)
{
    const char *name, *id;
    kith_value *key, *item;
    for (size_t i = 0; i < kith_value_length(reading->names); i++) {
        if (kith_value_pair_at(reading->names, i, &key, &item) < 0 || kith_value_as_str(key, &name, NULL) < 0 ||
            kith_value_as_str(item, &id, NULL) < 0)
            return no_snapshot(reading->server, "a name in it is no text");
        if (!server_find_published(reading->server, name))
            return error_fail(
                -ENOENT,
                "the snapshot %s has \"%s\", and this server does not publish it: publish it, or move the "
                "file away",
                reading->server->options.snapshot, name);
    }
    return 0;
}

static int take_apart(struct reading *reading, const kith_value *all)
{
    const char *magic, *address;
    int version;
    kith_value *rest;
    struct server *server = reading->server;
    if (kith_value_unpack(all, "(s i v *)", &magic, &version, &rest) < 0 || strcmp(magic, SNAPSHOT_MAGIC) != 0)
        return no_snapshot(server, "its pickle is something else");
    if (version != SNAPSHOT_VERSION)
        return error_fail(KITH_EMALFORMED, "the snapshot %s is one of version %d, and this library knows version %d",
                          server->options.snapshot, version, SNAPSHOT_VERSION);
    if (kith_value_unpack(all, "(_ _ s v v)", &address, &reading->names, &reading->entries) < 0 ||
        kith_value_kind(reading->names) != KITH_DICT || kith_value_kind(reading->entries) != KITH_LIST)
        return no_snapshot(server, "its pickle has another shape");
    reading->moved = strcmp(address, server->place) != 0;
    if (reading->moved)
        kith_log(KITH_LOG_WARNING, "server %s: the snapshot %s was taken at %s: proxies of there lead nowhere now",
                 server->address, server->options.snapshot, address);
    return check_names(reading);
}

static int read_pickle(struct server *server, kith_arena *arena, const void *pickle, size_t size)
{
    const kith_pickle_read_options options = { .max_depth = KITH_VALUE_DEPTH_MAX, .borrow = 1 };
    struct reading reading = { .server = server };
    kith_value *all;
    int code = kith_pickle_read(arena, &all, pickle, size, &options);
    if (code == KITH_EMALFORMED)
        return no_snapshot(server, kith_error_detail());
    if (code == 0)
        code = take_apart(&reading, all);
    if (code < 0)
        return code;
    code = make_all(&reading);
    if (code == 0)
        code = load_all(&reading);
    let_go(&reading);
    return code;
}

/* ---- the file ---- */

static int lock(struct server *server)
{
    const char *path = server->options.snapshot;
    forks_block();
    int made = os_disk_lock(path);
    server->snapshot_lock = made < 0 ? -1 : made;
    forks_allow();
    if (made == -EBUSY)
        return error_fail(made, "another server has the snapshot %s: end that one, or give each a file of its own",
                          path);
    if (made == -ENOENT)
        return error_fail(made, "the folder of the snapshot %s is not there: make it", path);
    return made < 0 ? error_fail(made, "the snapshot's lock %s.lock can't be made: %s", path, kith_strerror(made)) : 0;
}

void snapshot_unlock(struct server *server)
{
    if (server->snapshot_lock >= 0)
        os_disk_unlock(server->options.snapshot, server->snapshot_lock);
    server->snapshot_lock = -1;
}

static int read_file(struct server *server)
{
    const char *path = server->options.snapshot;
    void *pickle;
    size_t size;
    kith_arena *arena;
    int code = os_disk_read(path, &pickle, &size);
    if (code == -ENOENT)
        return 0;
    if (code < 0)
        return error_fail(code, "the snapshot %s can't be read: %s", path, kith_strerror(code));
    code = kith_arena_new(&arena);
    if (code == 0) {
        code = read_pickle(server, arena, pickle, size);
        kith_arena_free(arena);
    }
    free(pickle);
    return code;
}

int snapshot_load(struct server *server)
{
    if (!server->options.snapshot || server->restored)
        return 0;
    int code = server->snapshot_lock < 0 ? lock(server) : 0;
    if (code == 0)
        code = read_file(server);
    server->restored = code == 0;
    return code;
}
