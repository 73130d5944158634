/* One call of a method, while it is being served: what it was given, and how it is answered.
 *
 * A method answers just once, by one of request_answer_... or request_raise..., and returns what that gave; or it parks
 * the call (waiter.h). Replies are CPython's: ('#RETURN', value), ('#PROXY', (exposed, token)), ('#ERROR', exception).
 */
#ifndef KITH_SRC_MANAGER_REQUEST_H
#define KITH_SRC_MANAGER_REQUEST_H

#include "manager/cell.h"
#include "manager/message.h"

struct kind_method;

enum { REQUEST_ANSWERED = 0, REQUEST_PARKED = 1 };

struct request {
    struct server *server;
    struct line *line; /* whose call it is; NULL while the server publishes or loads */
    struct object *object;
    const kith_value *args;           /* a tuple */
    const kith_value *kwargs;         /* a dict */
    kith_arena *arena;                /* for values that live until the method returns */
    struct message *reply;            /* the answer is put here, as one frame */
    const struct kind_method *method; /* NULL for a call of the server, and while a waiter tries */

    unsigned errors; /* error_count before the method */
    bool answered;
    int failure; /* the code that suits what was raised; 0 */
};

/* ---- arguments ---- */

/** Finds arguments by place or by name, as Python binds them.
 *  @param names  "item block? timeout?": those with a "?" may be missing, and are then NULL. "*" as the last one: more
 *                by place are let be. A "/" behind a name: those up to it only by place
 *  @param ...    a const kith_value ** for each name
 *  @return 0; KITH_ETYPE with Python's words in the detail, when one is missing, or there are too many */
int request_arguments(struct request *request, const char *names, ...);

/** A truth value, as Python's bool() has it for plain values: None, 0, 0.0 and what is empty are false. */
bool request_truth(const kith_value *value, bool when_missing);

/** An index or count: an int or bool. @return 0; KITH_ETYPE; -ERANGE when it is beyond 64 bits */
int request_integer(const kith_value *value, int64_t *number);

/** A deadline of a timeout in seconds: None or missing never comes; below 0 is 0. @return 0; KITH_ETYPE; -EOVERFLOW */
int request_deadline(const kith_value *timeout, int64_t *until);

/* ---- answers: each returns REQUEST_ANSWERED, or -ENOMEM ---- */

int request_answer_none(struct request *request);
int request_answer_bool(struct request *request, bool truth);
int request_answer_int(struct request *request, int64_t number);
int request_answer_value(struct request *request, const kith_value *value);
int request_answer_cell(struct request *request, const struct cell *cell);
/** The cell was taken out of request->object: if the client never gets the answer, kind->put_back gets the cell. The
 *  caller's hold becomes the line's. */
int request_answer_taken(struct request *request, struct cell *cell);
/** A proxy of a new object, which becomes the client's: the caller's hold ends with it. */
int request_answer_object(struct request *request, struct object *object);

/** An exception whose one argument is a text, or any value, or none (NULL). @param exception  "KeyError",
 *  "queue.Empty": see exception.h */
int request_raise(struct request *request, const char *exception, const char *format, ...) KITH_PRINTF(3, 4);
int request_raise_value(struct request *request, const char *exception, const kith_value *argument);

/* ---- what a client holds ---- */

/** Changes how much a line holds of an object; kind->give_back gets what is left when the line ends. A hold keeps the
 *  object alive. @return 0; -ENOMEM only when change is above 0 */
int holding_change(struct server *server, struct line *line, struct object *object, int64_t change);

/** @return how much it holds */
int64_t holding_of(const struct line *line, const struct object *object);

/** The line that has held some of the object longest. @return it, or NULL */
struct line *holding_oldest(struct server *server, const struct object *object);

#endif
