/* From a request's bytes to a reply's. */
#ifndef KITH_SRC_MANAGER_DISPATCH_H
#define KITH_SRC_MANAGER_DISPATCH_H

#include "manager/kind.h"
#include "manager/message.h"

enum {
    DISPATCH_ANSWERED, /* the reply is one frame more in the message */
    DISPATCH_PARKED,   /* line_answer will give it; until then the line has no other request */
    DISPATCH_LAST      /* answered, and the line ends with it */
};

/** Carries out a request of a line: a pickle (ident, name, args, kwargs). All failures are replies.
 *  @param request  size bytes, without the frame's header; needed until this returns
 *  @return one of DISPATCH_...; -ENOMEM when there is not even memory for a reply: the line is to end */
int dispatch(struct server *server, struct line *line, const void *request, size_t size, struct message *reply);

/** Completes the reply to what a method or a waiter's attempt has returned: a code becomes
 *  ('#ERROR', exception). @return 0; -ENOMEM */
int dispatch_finish(struct request *request, int code);

/** What an object answers to '__str__', unless clients may not see it. @return it, in the arena of the request that asks
 *  for it; "" when there is no memory */
const char *dispatch_text(const struct request *request, struct object *object);

/* ---- calls to the server itself ---- */

/** One of CPython's, or of ours ("kith_..."); clients make it on a fresh connection, or on a lasting line by an empty
 *  ident ("" or None). It answers as a method does, by request_answer_... or request_raise...; its request has no
 *  object. @return as method_run; DISPATCH_LAST is not its matter */
struct server_call {
    const char *name;
    method_run *run;
};

/** The table, which ends with a NULL name: calls.c has it. */
extern const struct server_call server_calls[];

#endif
