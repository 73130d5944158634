/* One call of a method of a program's own type, or of its constructor: what the method sees, and what it has said. */
#ifndef KITH_SRC_MANAGER_OWN_CALL_H
#define KITH_SRC_MANAGER_OWN_CALL_H

#include "manager/server.h"
#include "manager/workers.h"
#include "process/call.h"

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

/** Makes a call with a copy of the request's arguments.
 *  @param type  of the object that it is to return; NULL: it returns a value
 *  @return 0; -ENOMEM, with the detail */
int own_call_new(const struct request *request, struct own_call **call, kith_method_function *function,
                 const struct name *type);

/** Ends it, and what it has returned and nobody took. */
void own_call_free(struct server *server, struct own_call *call);

/** Calls the function, and writes the reply, but for an object, which the loop must make one of. On any thread. */
void own_call_run(struct own_call *call);

/** Makes a failure the reply: call->code. */
void own_call_fail(struct own_call *call, const char *text);

/** Ends an object of the program's. NULL is fine. */
void own_end_object(const kith_type *type, void *object);

#endif
