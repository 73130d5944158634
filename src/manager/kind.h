/* What a server knows of a type. Each built-in type is one file with one table of these; own.c makes one of a program's
 * own type (kith_type). All of it runs in the server's loop, and nothing of it waits. */
#ifndef KITH_SRC_MANAGER_KIND_H
#define KITH_SRC_MANAGER_KIND_H

#include "manager/cell.h"
#include "manager/request.h"

/** A method: request.h says what it finds and what it does.
 *  @return REQUEST_ANSWERED, REQUEST_PARKED; or a negative code with its detail, which becomes an exception that suits
 *          it (exception.h) */
typedef int method_run(struct request *request);

struct kind_method {
    const char *name;
    method_run *run;
    bool reads; /* it changes nothing */
};

struct kind {
    const char *name;
    const char *proxy; /* the class in multiprocessing.managers that stands for it: "ListProxy"; NULL: AutoProxy */
    const struct kind_method *methods;
    size_t method_count;

    /** Makes a state of request->args and kwargs; request->object is NULL. NULL: clients can't.
     *  @return 0, or a negative code; it may also raise and return REQUEST_ANSWERED with state NULL */
    int (*make)(struct request *request, void **state);
    /** Frees a state. Nobody waits for it any more. */
    void (*end)(struct server *server, void *state);
    /** Answers '#GETVALUE', and '__repr__' and '__str__'. NULL: refused; "<kith list object at ID>" */
    method_run *value;
    method_run *repr;
    /** For snapshots: the state as a value, with cells as values or, quicker, by cell_save; and a state of such a
     *  value: of any one, for the file may be anybody's. Both NULL: its objects are not kept, but those that are
     *  published, which begin anew */
    int (*save)(struct server *server, void *state, kith_arena *arena, kith_value **value);
    int (*load)(struct server *server, const kith_value *value, void **state);
    const kith_type *own; /* of a type that the program has, whose constructor and load own.c calls; else NULL */
    /** A client is gone that held so much of it (holding_change). Gives that back. NULL: the kind uses no holdings */
    void (*give_back)(struct server *server, struct object *object, struct line *line, int64_t count);
    bool holds_messages; /* what is held are no locks: it is given back also where these are kept (keep_locks) */
    /** A cell that was taken for a client has not reached it (request_answer_taken). Puts it back; the hold is its own. */
    void (*put_back)(struct server *server, struct object *object, struct cell *cell);
};

/** The built-in kinds, by the name of their type. */
extern const struct kind kind_queue, kind_list, kind_dict, kind_set, kind_iterator, kind_namespace, kind_value,
    kind_array, kind_event, kind_lock, kind_rlock, kind_semaphore, kind_bounded_semaphore, kind_condition, kind_barrier,
    kind_pool, kind_result;

#endif
