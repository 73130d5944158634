/* How a call goes: the loop copies its arguments into an arena of the call's own, and hands it to a worker when the
 * object has no other call; the worker runs the method and writes the reply; the loop sends it, or makes an object of
 * what was returned. A call holds its object, so no object ends while one is at work. */
#include "manager/own.h"

#include "base/error.h"
#include "manager/answer.h"
#include "manager/dispatch.h"
#include "manager/exception.h"
#include "manager/holders.h"
#include "manager/server.h"
#include "manager/snapshot.h"
#include "manager/workers.h"
#include "process/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The state of an object. */
struct own {
    const kith_type *type;
    void *object;                  /* the program's */
    struct own_call *first, **end; /* the call that is at work, and those behind it */
    kith_bytes saved;              /* the state that was saved last, a pickle; for while a call is at work */
};

struct own_kind {
    struct kind kind;
    struct kind_method methods[];
};

struct own_call {
    struct job job;
    struct kith_call call; /* what the method sees */
    kith_method_function *function;
    void *target;            /* the program's object; NULL for a constructor */
    const struct name *type; /* of the object that it returns; NULL: it returns a value */
    struct object *object;   /* held; NULL for a constructor */
    struct own_call *next;   /* for the same object */
    uint64_t client;         /* the line's number */

    void *returned;        /* the program's object */
    const char *exception; /* what it has raised; NULL: nothing */
    const kith_value *exception_args;
    int code;             /* what the method has returned */
    struct message reply; /* whole, unless it returned an object */
};

/* ---- the method's side ---- */

static void end_object(const kith_type *type, void *object)
{
    if (object && type->end)
        type->end(object);
}

static int take(void *context, const kith_value *value, const void *data, size_t size)
{
    struct own_call *call = context;
    struct request request = { .reply = &call->reply };
    if (call->type)
        return error_fail(-EPERM, "this call gives an object: use kith_call_return_object");
    if (!value && !(value = kith_value_bytes(call->call.arena, data, size)))
        return error_fail(-ENOMEM, "no memory for a result of %zu bytes", size);
    call->reply.size = 0;
    return request_answer_value(&request, value);
}

kith_value *kith_call_kwargs(const kith_call *call)
{
    if (!call)
        return NULL;
    return call->kwargs ? (kith_value *)call->kwargs : kith_value_dict(call->arena);
}

int kith_call_return_object(kith_call *call, void *object)
{
    if (!call || !object)
        return error_fail(-EINVAL, "%s is NULL", call ? "object" : "call");
    struct own_call *own = call->of_object;
    if (!own || !own->type)
        return error_fail(-EPERM, "this call gives no object: kith_method.returns names none");
    if (own->returned != object)
        end_object(own->type->type, own->returned);
    own->returned = object;
    return 0;
}

int kith_call_raise(kith_call *call, const char *exception, const kith_value *args)
{
    if (!call || !exception)
        return error_fail(-EINVAL, "%s is NULL", call ? "exception" : "call");
    struct own_call *own = call->of_object;
    if (!own)
        return error_fail(-EPERM, "this is no call of a manager's object: nobody would get the exception");
    if (args && kith_value_kind(args) != KITH_TUPLE)
        return error_fail(KITH_ETYPE, "the arguments of an exception are a tuple");
    kith_value *name = kith_value_str(call->arena, exception);
    kith_value *copy = args ? kith_value_copy(call->arena, args) : NULL;
    if (!name || (args && !copy) || kith_value_as_str(name, &own->exception, NULL) < 0)
        return error_fail(-ENOMEM, "no memory for an exception");
    own->exception_args = copy;
    return KITH_EREMOTE;
}

uint64_t kith_call_client(const kith_call *call)
{
    return call && call->of_object ? call->of_object->client : 0;
}

/* ---- on the worker ---- */

static void write_failure(struct own_call *call, const char *text)
{
    struct request request = { .object = call->object, .arena = call->call.arena, .reply = &call->reply };
    bool raised = call->code == KITH_EREMOTE && call->exception;
    const char *exception = raised ? call->exception : exception_of_code(call->code);
    kith_value *one = kith_value_str(request.arena, text);
    const kith_value *args = raised ? call->exception_args : NULL;
    if (!args)
        args = kith_value_tuple(request.arena, &one, one != NULL);
    message_drop(&call->reply);
    call->reply.size = 0;
    if (args)
        (void)answer_raise(&request, exception, args); /* without memory, the reply stays empty */
}

/* What the method said, as a reply; but for an object, which the loop must make one of. */
static void call_function(struct own_call *call)
{
    unsigned before = error_count();
    call->code = call->function(call->target, &call->call);
    if (call->code >= 0 && call->type && !call->returned)
        call->code = error_fail(KITH_EREMOTE, "the method has returned no object");
    if (call->code < 0)
        write_failure(call, error_reason(call->code, before));
    else if (!call->type && call->reply.size == 0)
        (void)request_answer_none(&(struct request){ .reply = &call->reply });
}

static void run(struct job *job)
{
    call_function((struct own_call *)job); /* its first member */
}

/* ---- calls ---- */

static void call_free(struct server *server, struct own_call *call)
{
    if (call->type)
        end_object(call->type->type, call->returned);
    object_drop(server, call->object);
    kith_arena_free(call->call.arena);
    message_free(&call->reply);
    free(call);
}

static void done(struct server *server, struct job *job);

/* A call with a copy of the request's arguments. */
static int call_new(const struct request *request, struct own_call **call, kith_method_function *function,
                    const struct name *type)
{
    kith_arena *arena;
    struct own_call *made = calloc(1, sizeof *made);
    if (!made || kith_arena_new(&arena) < 0) {
        free(made);
        return error_fail(-ENOMEM, "no memory for a call");
    }
    made->job.run = run;
    made->job.done = done;
    made->function = function;
    made->type = type;
    made->client = request->line ? request->line->number : 0;
    made->call = (struct kith_call){
        .args = kith_value_copy(arena, request->args),
        .kwargs = kith_value_copy(arena, request->kwargs),
        .arena = arena,
        .attempt = 1,
        .take = take,
        .context = made,
        .of_object = made,
    };
    if (!made->call.args || !made->call.kwargs) {
        call_free(request->server, made);
        return error_fail(-ENOMEM, "no memory for a call, or its arguments nest too deep");
    }
    *call = made;
    return 0;
}

/* ---- their states, for snapshots ---- */

struct saving {
    kith_arena *arena;
    kith_value *value;
};

static int take_state(void *context, const kith_value *value, const void *data, size_t size)
{
    struct saving *saving = context;
    saving->value = value ? kith_value_copy(saving->arena, value) : kith_value_bytes(saving->arena, data, size);
    return saving->value ? 0 : error_fail(-ENOMEM, "no memory for an object's state");
}

/* Has the program tell the state of an object that no call is at work on. */
static int save_now(struct own *own, kith_arena *arena, kith_value **value)
{
    struct saving saving = { .arena = arena };
    struct kith_call call = {
        .args = kith_value_tuple(arena, NULL, 0),
        .arena = arena,
        .attempt = 1,
        .take = take_state,
        .context = &saving,
    };
    int code = own->type->save(own->object, &call);
    kith_bytes pickle;
    if (code >= 0 && !saving.value)
        saving.value = kith_value_none(arena);
    if (code >= 0)
        code = kith_pickle_write(saving.value, &pickle, NULL);
    if (code < 0)
        return code;
    kith_bytes_free(&own->saved);
    own->saved = pickle;
    *value = saving.value;
    return 0;
}

/* While a call is at work, the state is the one of the last time; and it is not the last one. */
static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    struct own *own = state;
    if (!own->first)
        return save_now(own, arena, value);
    if (!own->saved.data)
        return error_fail(-EAGAIN, "a method of the object is at work");
    snapshot_changed(server);
    return kith_pickle_read(arena, value, own->saved.data, own->saved.size, NULL);
}

/* What is new has a state to begin with. Where it can't be told, snapshots will say so. */
static void save_first(struct server *server, struct own *own)
{
    kith_arena *arena;
    kith_value *value;
    if (!server->options.snapshot || !own->type->save || kith_arena_new(&arena) < 0)
        return;
    (void)save_now(own, arena, &value);
    kith_arena_free(arena);
}

/* ---- objects ---- */

/* Makes a state of what a call has returned, which is the state's from then on. */
static int own_new(struct server *server, struct own_call *call, struct own **own)
{
    struct own *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for one more object");
    *made = (struct own){ .type = call->type->type, .object = call->returned };
    made->end = &made->first;
    call->returned = NULL;
    save_first(server, made);
    *own = made;
    return 0;
}

static void end(struct server *server, void *state)
{
    (void)server;
    struct own *own = state;
    end_object(own->type, own->object);
    kith_bytes_free(&own->saved);
    free(own);
}

/* ---- the loop's side ---- */

static int make_object(struct server *server, struct own_call *call, struct object **object)
{
    struct own *own = NULL;
    int code = own_new(server, call, &own);
    if (code < 0)
        return code;
    code = object_add(server, object, call->type->kind, call->type->text, own);
    if (code < 0)
        end(server, own);
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
        write_failure(call, kith_error_detail());
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
    call_free(server, call);
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
        code = call_new(request, &call, method->function, type);
    if (code < 0)
        return code;
    call->target = own->object;
    call->object = object_hold(request->object);
    code = join_queue(request->server, own, call);
    if (code < 0) {
        call_free(request->server, call);
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
    int code = call_new(request, &call, type->type->make, type);
    if (code < 0)
        return code;
    code = workers_do(request->server, &call->job);
    if (code < 0) {
        call_free(request->server, call);
        return code;
    }
    job_for_line(&call->job, request->line);
    return REQUEST_PARKED;
}

/* Runs a constructor here and now. */
static int run_here(struct request *request, const struct name *type, kith_method_function *function, void **state)
{
    struct own_call *call;
    int code = call_new(request, &call, function, type);
    if (code < 0)
        return code;
    call_function(call);
    code = call->code < 0 ? call->code : own_new(request->server, call, (struct own **)state);
    call_free(request->server, call);
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
        .end = end,
        .save = type->save ? save : NULL,
    };
    *kind = &made->kind;
    return 0;
}

void own_kind_free(const struct kind *kind)
{
    free((struct own_kind *)kind);
}
