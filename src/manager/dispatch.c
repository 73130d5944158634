#include "manager/dispatch.h"

#include "base/error.h"
#include "connection/frame.h"
#include "manager/answer.h"
#include "manager/exception.h"
#include "manager/line.h"
#include "manager/server.h"
#include "manager/snapshot.h"
#include "value/arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How deep a request may nest: what is kept is handed out again within something. */
enum { DEPTH_MAX = KITH_VALUE_DEPTH_MAX - 100 };

/* A request, taken apart. */
struct order {
    const char *ident; /* "" for None */
    const char *name;
    const kith_value *args;
    const kith_value *kwargs;
};

static int malformed(const char *what)
{
    return error_fail(KITH_ETYPE, "a request is (ident, method, args, kwds): %s", what);
}

static int take_apart(const kith_value *value, struct order *order)
{
    const kith_value *ident = kith_value_at(value, 0), *name = kith_value_at(value, 1);
    if (kith_value_kind(value) != KITH_TUPLE || kith_value_length(value) != 4)
        return malformed("this is no tuple of four");
    order->ident = "";
    if (kith_value_kind(ident) != KITH_NONE && kith_value_as_str(ident, &order->ident, NULL) < 0)
        return malformed("the ident is no text");
    if (kith_value_as_str(name, &order->name, NULL) < 0)
        return malformed("the name of the method is no text");
    order->args = kith_value_at(value, 2);
    order->kwargs = kith_value_at(value, 3);
    if (kith_value_kind(order->args) != KITH_TUPLE || kith_value_kind(order->kwargs) != KITH_DICT)
        return malformed("the arguments are no tuple and no dict");
    return 0;
}

/* ---- calls of methods ---- */

const struct kind_method *kind_find_method(const struct kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->method_count; i++) {
        if (strcmp(kind->methods[i].name, name) == 0)
            return &kind->methods[i];
    }
    return NULL;
}

static int no_object(struct request *request, const char *ident)
{
    return request_raise_value(request, "KeyError", kith_value_str(request->arena, ident));
}

static int no_method(struct request *request, const struct object *object, const char *name)
{
    kith_bytes exposed = { 0 };
    char text[400];
    struct request server_level = *request;
    if (kith_value_repr(object_exposed(request->arena, object), &exposed, 256) < 0)
        exposed = (kith_bytes){ 0 };
    snprintf(text, sizeof text, "method '%s' of '%s' object is not in exposed=%s", name, object->type,
             exposed.data ? (const char *)exposed.data : "()");
    kith_bytes_free(&exposed);
    server_level.object = NULL;
    int code = request_raise(&server_level, "AttributeError", "%s", text);
    request->answered = server_level.answered;
    return code;
}

static int default_text(struct request *request)
{
    const struct object *object = request->object;
    char text[256];
    snprintf(text, sizeof text, "<kith %s object at 0x%s>", object->type, object->id);
    return request_answer_value(request, kith_value_str(request->arena, text));
}

/* What every object answers, as CPython's fallback_mapping has it. */
enum fallback { VALUE, REPR, STR, FALLBACKS };
static const char *const fallbacks[FALLBACKS] = { "#GETVALUE", "__repr__", "__str__" };

static enum fallback find_fallback(const char *name)
{
    enum fallback found = VALUE;
    while (found < FALLBACKS && strcmp(fallbacks[found], name) != 0)
        found++;
    return found;
}

const char *kind_find_name(const struct kind *kind, const char *name)
{
    const struct kind_method *method = kind_find_method(kind, name);
    enum fallback found = find_fallback(name);
    return method ? method->name : found < FALLBACKS ? fallbacks[found] : NULL;
}

static int not_allowed(struct request *request, const char *name)
{
    return request_raise(request, "PermissionError", "%s is not allowed on this object", name);
}

/* Who may not see what is in an object is shown what it is. */
static int call_fallback(struct request *request, const char *name)
{
    const struct kind *kind = request->object->kind;
    enum fallback found = find_fallback(name);
    if (found == FALLBACKS || (found == VALUE && !kind->value))
        return no_method(request, request->object, name);
    bool allowed = object_allows(request->object, name, true);
    if (found == VALUE)
        return allowed ? kind->value(request) : not_allowed(request, name);
    return allowed && kind->repr ? kind->repr(request) : default_text(request);
}

const char *dispatch_text(const struct request *request, struct object *object)
{
    unsigned char room[512];
    struct message reply = MESSAGE_IN(room);
    struct request own = *request;
    kith_value *value;
    const char *text = "";
    own.object = object;
    own.args = KITH_NO_ARGS;
    own.reply = &reply;
    if (call_fallback(&own, "__str__") == REQUEST_ANSWERED &&
        kith_pickle_read(own.arena, &value, reply.data + FRAME_HEADER_MIN, reply.size - FRAME_HEADER_MIN, NULL) == 0)
        (void)kith_value_as_str(kith_value_at(value, 1), &text, NULL);
    message_free(&reply);
    return text;
}

static int call_method(struct request *request, const char *name)
{
    const struct kind_method *method = kind_find_method(request->object->kind, name);
    if (!method)
        return call_fallback(request, name);
    if (!object_allows(request->object, name, method->reads))
        return not_allowed(request, name);
    if (!method->reads)
        snapshot_changed(request->server);
    request->method = method;
    return method->run(request);
}

/* ---- calls of the server ---- */

static const struct server_call *find_call(const char *name)
{
    for (const struct server_call *call = server_calls; call->name; call++) {
        if (strcmp(call->name, name) == 0)
            return call;
    }
    return NULL;
}

static int call_server(struct request *request, const char *name)
{
    const struct server_call *call = find_call(name);
    if (!call)
        return request_raise(request, "AssertionError", "'%s' unrecognized", name);
    return call->run(request);
}

/* ---- all of it ---- */

static int carry_out(struct request *request, const void *data, size_t size)
{
    struct order order;
    kith_value *value;
    int code = kith_pickle_read(request->arena, &value, data, size,
                                &(kith_pickle_read_options){ .borrow = 1, .max_depth = DEPTH_MAX });
    if (code == 0)
        code = take_apart(value, &order);
    if (code < 0)
        return code;
    request->args = order.args;
    request->kwargs = order.kwargs;
    if (!request->line->lasting || !*order.ident)
        return call_server(request, order.name);
    struct object *object = object_find(request->server, order.ident);
    if (!object)
        return no_object(request, order.ident);
    count_up(request->server->counters.calls, 1);
    request->object = object_hold(object);
    return call_method(request, order.name);
}

int dispatch(struct server *server, struct line *line, const void *data, size_t size, struct message *reply)
{
    bool fresh = !line->lasting;
    kith_arena_reset(server->arena);
    struct request request = {
        .server = server, .line = line, .arena = server->arena, .reply = reply, .errors = error_count()
    };
    int code = carry_out(&request, data, size);
    if (code == REQUEST_PARKED) {
        code = DISPATCH_PARKED;
    } else {
        code = dispatch_finish(&request, code);
        if (code == 0)
            code = fresh && !line->lasting ? DISPATCH_LAST : DISPATCH_ANSWERED;
    }
    object_drop(server, request.object);
    return code;
}
