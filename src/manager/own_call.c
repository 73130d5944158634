#include "manager/own_call.h"

#include "base/error.h"
#include "manager/answer.h"
#include "manager/exception.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the method's side ---- */

void own_end_object(const kith_type *type, void *object)
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
        own_end_object(own->type->type, own->returned);
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

void own_call_fail(struct own_call *call, const char *text)
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

void own_call_run(struct own_call *call)
{
    unsigned before = error_count();
    call->code = call->function(call->target, &call->call);
    if (call->code > 0)
        call->code = error_fail(
            KITH_EREMOTE, "the method has returned %d: 0 is success, and a failure is a negative code", call->code);
    if (call->code >= 0 && call->type && !call->returned)
        call->code = error_fail(KITH_EREMOTE, "the method has returned no object");
    if (call->code < 0)
        own_call_fail(call, error_reason(call->code, before));
    else if (!call->type && call->reply.size == 0)
        (void)request_answer_none(&(struct request){ .reply = &call->reply });
}

/* ---- calls ---- */

void own_call_free(struct server *server, struct own_call *call)
{
    if (call->type)
        own_end_object(call->type->type, call->returned);
    object_drop(server, call->object);
    kith_arena_free(call->call.arena);
    message_free(&call->reply);
    free(call);
}

int own_call_new(const struct request *request, struct own_call **call, kith_method_function *function,
                 const struct name *type)
{
    kith_arena *arena;
    struct own_call *made = calloc(1, sizeof *made);
    if (!made || kith_arena_new(&arena) < 0) {
        free(made);
        return error_fail(-ENOMEM, "no memory for a call");
    }
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
        own_call_free(request->server, made);
        return error_fail(-ENOMEM, "no memory for a call, or its arguments nest too deep");
    }
    *call = made;
    return 0;
}
