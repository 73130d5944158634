/* The calls to the server itself: CPython's (Lib/multiprocessing/managers.py, Server.public), and ours. */
#include "manager/answer.h"
#include "manager/dispatch.h"
#include "manager/exception.h"
#include "manager/holders.h"
#include "manager/line.h"
#include "manager/own.h"
#include "manager/page_server.h"
#include "manager/registry.h"
#include "manager/shared_queue.h"
#include "manager/token.h"
#include "value/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- objects ---- */

static int text_argument(struct request *request, const char *name, const char **text)
{
    const kith_value *value;
    int code = request_arguments(request, name, &value);
    return code < 0 ? code : kith_value_as_str(value, text, NULL);
}

static int named_object(struct request *request, struct object **object)
{
    const char *ident;
    int code = text_argument(request, "ident", &ident);
    if (code < 0)
        return code;
    *object = object_find(request->server, ident);
    return *object ? 0 : request_raise_value(request, "KeyError", kith_value_str(request->arena, ident));
}

/* The arguments behind the first one. */
static kith_value *rest_of(const kith_value *args, kith_arena *arena)
{
    size_t count = kith_value_length(args) - 1;
    kith_value **items = arena_take(arena, (count + 1) * sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = kith_value_at(args, i + 1);
    return items ? kith_value_tuple(arena, items, count) : NULL;
}

static int run_create(struct request *request)
{
    struct server *server = request->server;
    const char *type;
    struct object *object = NULL;
    if (kith_value_as_str(kith_value_at(request->args, 0), &type, NULL) < 0)
        return request_raise(request, "TypeError", "create() wants the name of a type");
    const struct name *name = server_find_published(server, type);
    if (name) {
        object = object_hold(name->object);
    } else if ((name = server_find_type(server, type))) {
        if (server->options.only_published)
            return request_raise(request, "PermissionError", "clients of this server can't create objects");
        request->args = rest_of(request->args, request->arena);
        if (request->args && name->type)
            return own_create(request, name);
        int code = request->args ? registry_make(request, name, &object) : -ENOMEM;
        if (!object)
            return code;
    } else {
        return request_raise_value(request, "KeyError", kith_value_str(request->arena, type));
    }
    int code = claim(server, request->line, object);
    if (code == 0)
        code = answer_created(request, object);
    object_drop(server, object);
    return code;
}

static int run_get_methods(struct request *request)
{
    const kith_value *token, *address;
    const char *type, *ident;
    int code = request_arguments(request, "token", &token);
    if (code == 0)
        code = token_read(token, &type, &address, &ident);
    if (code < 0)
        return code;
    const struct object *object = object_find(request->server, ident);
    if (!object)
        return request_raise_value(request, "KeyError", kith_value_str(request->arena, ident));
    return request_answer_value(request, object_exposed(request->arena, object));
}

static int run_incref(struct request *request)
{
    struct object *object = NULL;
    int code = named_object(request, &object);
    if (!object)
        return code;
    code = claim(request->server, request->line, object);
    return code < 0 ? code : request_answer_none(request);
}

static int run_decref(struct request *request)
{
    struct object *object = NULL;
    int code = named_object(request, &object);
    if (!object)
        return code;
    if (object->claimed == 0)
        return request_raise(request, "AssertionError", "Id %s has refcount 0, not 1+", object->id);
    disclaim(request->server, request->line, object);
    return request_answer_none(request);
}

/* ---- the server ---- */

static int run_number_of_objects(struct request *request)
{
    return request_answer_int(request, (int64_t)request->server->objects.claimed);
}

static int compare_numbers(const void *one, const void *other)
{
    uint64_t left = (*(struct object *const *)one)->number, right = (*(struct object *const *)other)->number;
    return (left > right) - (left < right);
}

/* @return those that clients have references to, to be freed; NULL when there is no memory */
static struct object **claimed_objects(const struct objects *objects, size_t *count)
{
    struct object **found = malloc((objects->count + 1) * sizeof(struct object *));
    *count = 0;
    for (size_t i = 0; found && i < objects->slot_count; i++) {
        for (struct object *object = objects->slots[i]; object; object = object->next) {
            if (object->claimed)
                found[(*count)++] = object;
        }
    }
    if (found)
        qsort(found, *count, sizeof(struct object *), compare_numbers);
    return found;
}

/* @return how many bytes the first 75 characters have */
static int size_of_beginning(const char *text)
{
    enum { CHARACTERS = 75 };
    int size = 0, count = 0;
    while (text[size] && (count < CHARACTERS || (text[size] & 0xc0) == 0x80))
        count += (text[size++] & 0xc0) != 0x80;
    return size;
}

/* Two lines about an object, and before them the end of those before. @return their length */
static size_t put_lines(char *text, size_t room, const struct object *object, const char *shown, bool first)
{
    int length = snprintf(text, room, "%s  %s:       refcount=%" PRIu64 "\n    %.*s", first ? "" : "\n", object->id,
                          object->claimed, size_of_beginning(shown), shown);
    return (size_t)length;
}

static int run_debug_info(struct request *request)
{
    enum { ROOM = 400 }; /* for the lines of an object */
    size_t count, size = 0;
    struct object **found = claimed_objects(&request->server->objects, &count);
    char *text = found ? malloc(count * ROOM + 1) : NULL;
    int code = -ENOMEM;
    for (size_t i = 0; text && i < count; i++)
        size += put_lines(text + size, ROOM, found[i], dispatch_text(request, found[i]), i == 0);
    if (text)
        code = request_answer_value(request, kith_value_str_sized(request->arena, text, size));
    free(text);
    free(found);
    return code;
}

static int run_dummy(struct request *request)
{
    return request_answer_none(request);
}

static int run_accept_connection(struct request *request)
{
    const kith_value *name;
    int code = request_arguments(request, "name", &name);
    if (code < 0)
        return code;
    line_make_lasting(request->line);
    return request_answer_none(request);
}

/* A stock server refuses this; so a client learns whose server it is. The line stays, as after accept_connection. */
static int run_hello(struct request *request)
{
    line_make_lasting(request->line);
    request->line->is_kith = true;
    return request_answer_value(request, kith_value_pack(request->arena, "{s:s,s:I,s:I}", "version", kith_version(),
                                                         "pid", (int64_t)getpid(), "serial", request->server->serial));
}

static int run_shutdown(struct request *request)
{
    struct server *server = request->server;
    if (server->options.no_shutdown)
        return request_raise(request, "PermissionError", "this server is not ended by its clients");
    atomic_store_explicit(&server->stopping, true, memory_order_relaxed);
    return request_answer_none(request);
}

const struct server_call server_calls[] = {
    { "create", run_create },
    { "incref", run_incref },
    { "decref", run_decref },
    { "get_methods", run_get_methods },
    { "accept_connection", run_accept_connection },
    { "dummy", run_dummy },
    { "number_of_objects", run_number_of_objects },
    { "debug_info", run_debug_info },
    { "shutdown", run_shutdown },
    { "kith_hello", run_hello },
    { "kith_page", page_server_give },
    { "kith_share", shared_queue_run_share },
    { "kith_changed", shared_queue_run_changed },
    { NULL, NULL },
};
