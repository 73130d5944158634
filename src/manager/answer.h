/* Parts of answers that are no method's. */
#ifndef KITH_SRC_MANAGER_ANSWER_H
#define KITH_SRC_MANAGER_ANSWER_H

#include "manager/kind.h"

/** @return NULL when there is none of that name */
const struct kind_method *kind_find_method(const struct kind *kind, const char *name);

/** What clients can name of an object: a method of its kind, or what every object answers: "#GETVALUE", "__repr__",
 *  "__str__". @return the name, which lives as long as the server; NULL when there is none of it */
const char *kind_find_name(const struct kind *kind, const char *name);

/** Whether clients may call a method of an object, or ask for what every object answers. @param reads  it changes
 *  nothing */
bool object_allows(const struct object *object, const char *name, bool reads);

/** The names of the methods that clients may call: a tuple. @return NULL when there is no memory */
kith_value *object_exposed(kith_arena *arena, const struct object *object);

/** Begins and ends ('#RETURN', value): between them the opcodes of the value are put. @return as request_answer_... */
struct message *answer_begin(struct request *request);
int answer_end(struct request *request);

/** ('#RETURN', (ident, exposed)): what create says. @return as request_answer_... */
int answer_created(struct request *request, const struct object *object);

/** As request_raise_value, with any arguments. It needs nothing of the request but its object, arena and reply. */
int answer_raise(struct request *request, const char *exception, const kith_value *args);

/** ('#TRACEBACK', text), whose last line is that of the exception. @return as request_answer_... */
int answer_traceback(struct request *request, const char *exception, const char *text);

#endif
