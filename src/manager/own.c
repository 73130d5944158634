/* How a call goes: the loop copies its arguments into an arena of the call's own, and hands it to a worker when the
 * object has no other call; the worker runs the method and writes the reply; the loop sends it, or makes an object of
 * what was returned. A call holds its object, so no object ends while one is at work. */
#include "manager/own.h"

#include "base/error.h"
#include "manager/answer.h"
#include "manager/dispatch.h"
#include "manager/holders.h"
#include "manager/own_state.h"
#include "manager/snapshot.h"

#include <errno.h>
#include <stdlib.h>

struct own_kind {
    struct kind kind;
    struct kind_method methods[];
};

/* ---- the loop's side ---- */

static void run(struct job *job)
{
    own_call_run((struct own_call *)job); /* its first member */
}

static int make_object(struct server *server, struct own_call *call, struct object **object)
{
    struct own *own = NULL;
    int code = own_state_new(server, call, &own);
    if (code < 0)
        return code;
    code = object_add(server, object, call->type->kind, call->type->text, own);
    if (code < 0)
        own_state_end(server, own);
    return code;
}

/* Answers with an object: a constructor as create does, a method by a proxy. */
static int answer_object(struct request *request, struct own_call *call)
{
    struct object *object;
    int code = make_object(request->server, call, &object);
    if (code < 0)
        return code;
    if (call->object)
        return request_answer_object(request, object);
    code = claim(request->server, request->line, object);
    if (code == 0)
        code = answer_created(request, object);
    object_drop(request->server, object);
    return code;
}

static void answer(struct server *server, struct own_call *call)
{
    struct line *line = call->job.line;
    if (call->returned && call->code >= 0) {
        kith_arena_reset(server->arena);
        struct request request = {
            .server = server,
            .line = line,
            .object = call->object,
            .args = KITH_NO_ARGS,
            .arena = server->arena,
            .reply = &call->reply,
            .errors = error_count(),
        };
        (void)dispatch_finish(&request, answer_object(&request, call));
    }
    line_answer(line, &call->reply);
}

static int start(struct server *server, struct own_call *call)
{
    int code = workers_do(server, &call->job);
    if (code < 0) {
        call->code = code;
        own_call_fail(call, kith_error_detail());
    }
    return code;
}

/* The call that was at work is done: the one behind it begins. One that can't be is answered at once. */
static struct own_call *leave_queue(struct server *server, struct own *own)
{
    struct own_call *failed = NULL, **failed_end = &failed;
    own->first = own->first->next;
    while (own->first && start(server, own->first) < 0) {
        *failed_end = own->first;
        failed_end = &own->first->next;
        own->first = own->first->next;
    }
    *failed_end = NULL;
    if (!own->first)
        own->end = &own->first;
    return failed;
}

static void finish(struct server *server, struct own_call *call)
{
    if (call->job.line)
        answer(server, call);
    own_call_free(server, call);
}

static void done(struct server *server, struct job *job)
{
    struct own_call *call = (struct own_call *)job; /* its first member */
    struct own_call *failed = call->object ? leave_queue(server, call->object->state) : NULL;
    snapshot_changed(server);
    finish(server, call);
    while (failed) {
        struct own_call *next = failed->next;
        finish(server, failed);
        failed = next;
    }
}

/* A call that a worker is to carry out. */
static int begin(const struct request *request, struct own_call **call, kith_method_function *function,
                 const struct name *type)
{
    int code = own_call_new(request, call, function, type);
    if (code < 0)
        return code;
    (*call)->job.run = run;
    (*call)->job.done = done;
    return 0;
}

/* ---- methods ---- */

static int find_returned(struct request *request, const kith_method *method, const struct name **type)
{
    *type = method->returns ? server_find_type(request->server, method->returns) : NULL;
    if (method->returns && (!*type || !(*type)->type))
        return error_fail(KITH_EREMOTE, "%s returns a %s, and the program has registered no such type", method->name,
                          method->returns);
    return 0;
}

/* Puts a call behind those of its object; it begins when there are none. */
static int join_queue(struct server *server, struct own *own, struct own_call *call)
{
    int code = own->first ? 0 : workers_do(server, &call->job);
    if (code < 0)
        return code;
    *own->end = call;
    own->end = &call->next;
    return 0;
}

static int run_method(struct request *request)
{
    struct own *own = request->object->state;
    const kith_method *method = &own->type->methods[request->method - request->object->kind->methods];
    const struct name *type;
    struct own_call *call;
    int code = find_returned(request, method, &type);
    if (code == 0)
        code = begin(request, &call, method->function, type);
    if (code < 0)
        return code;
    call->target = own->object;
    call->object = object_hold(request->object);
    code = join_queue(request->server, own, call);
    if (code < 0) {
        own_call_free(request->server, call);
        return code;
    }
    job_for_line(&call->job, request->line);
    return REQUEST_PARKED;
}

/* ---- constructors ---- */

int own_create(struct request *request, const struct name *type)
{
    struct own_call *call;
    if (!type->type->make)
        return request_raise(request, "TypeError", "'%s' objects are not created by clients", type->text);
    int code = begin(request, &call, type->type->make, type);
    if (code < 0)
        return code;
    code = workers_do(request->server, &call->job);
    if (code < 0) {
        own_call_free(request->server, call);
        return code;
    }
    job_for_line(&call->job, request->line);
    return REQUEST_PARKED;
}

/* Runs a constructor here and now. */
static int run_here(struct request *request, const struct name *type, kith_method_function *function, void **state)
{
    struct own_call *call;
    int code = own_call_new(request, &call, function, type);
    if (code < 0)
        return code;
    own_call_run(call);
    code = call->code < 0 ? call->code : own_state_new(request->server, call, (struct own **)state);
    own_call_free(request->server, call);
    return code;
}

int own_make(struct request *request, const struct name *type, void **state)
{
    if (!type->type->make)
        return error_fail(KITH_ETYPE, "objects of type %s are only made by methods", type->text);
    return run_here(request, type, type->type->make, state);
}

static int load(struct server *server, const struct name *type, const kith_value *value, void **state)
{
    kith_value *one = (kith_value *)value;
    struct request request = {
        .server = server,
        .args = kith_value_tuple(server->arena, &one, 1),
        .kwargs = kith_value_dict(server->arena),
        .arena = server->arena,
    };
    if (!request.args || !request.kwargs)
        return error_fail(-ENOMEM, "no memory to bring an object back");
    return run_here(&request, type, type->type->load, state);
}

bool kind_can_load(const struct kind *kind)
{
    return kind->load || (kind->own && kind->own->load);
}

int kind_load(struct server *server, const struct kind *kind, const kith_value *value, void **state)
{
    return kind->own ? load(server, server_find_type(server, kind->name), value, state)
                     : kind->load(server, value, state);
}

/* ---- kinds ---- */

int own_kind_new(struct kind **kind, const kith_type *type)
{
    size_t count = 0;
    while (type->methods[count].name)
        count++;
    struct own_kind *made = calloc(1, sizeof *made + count * sizeof *made->methods);
    if (!made)
        return error_fail(-ENOMEM, "no memory for the type \"%s\"", type->name);
    for (size_t i = 0; i < count; i++)
        made->methods[i] = (struct kind_method){ type->methods[i].name, run_method, type->methods[i].reads };
    made->kind = (struct kind){
        .name = type->name,
        .own = type,
        .methods = made->methods,
        .method_count = count,
        .end = own_state_end,
        .save = type->save ? own_state_save : NULL,
    };
    *kind = &made->kind;
    return 0;
}

void own_kind_free(const struct kind *kind)
{
    free((struct own_kind *)kind);
}
