/* What clients ask servers, and what these answer, as CPython's managers.py has it: a question is a pickle of
 * (id, method, args, kwargs), an answer one of (kind, result). */
#ifndef KITH_SRC_MANAGER_QUESTION_H
#define KITH_SRC_MANAGER_QUESTION_H

#include "value/pickle.h"

struct question {
    const char
        *id; /* of the object; "": the server itself, on a line that lasts; NULL: on a connection that does not */
    const char *method;
    const char *text;               /* the first of the arguments, where it is a text; NULL: there is none */
    const kith_value *const *items; /* the other arguments by place, count of them */
    size_t count;
    const kith_value *kwargs; /* a dict; NULL: none */
};

/** Writes a question. @return 0; as kith_pickle_write */
int question_write(struct pickle_out *out, const struct question *question);

enum answer_kind { ANSWER_VALUE = 0, ANSWER_OBJECT = 1 /* a pair: what it exposes, and its token */ };

/** Reads an answer; its bytes may become the arena's (pickle_read_message).
 *  @param result  receives what the server gives
 *  @return an answer_kind; the code of an exception, with its text as the detail, and kith_proxy_exception set;
 *          KITH_EMALFORMED when it is no answer; as kith_pickle_read */
int answer_read(kith_bytes *answer, kith_arena *arena, kith_value **result);

/** The same for the value that was read. */
int answer_judge(const kith_value *pair, kith_value **result);

#endif
