/* Calls to the server itself. Stock Python's take each on a connection of its own; a kith server also on lines that
 * last, where they are quicker, and where references belong to the line. */
#ifndef KITH_SRC_MANAGER_SERVER_CALL_H
#define KITH_SRC_MANAGER_SERVER_CALL_H

#include "manager/thread_line.h"

/** Asks by a line, and waits for the answer.
 *  @param id  the object's; "" for the server itself, NULL on a connection that does not last, or not yet
 *  @return an answer_kind; as kith_proxy_call */
int server_call_on(struct thread_line *line, const struct question *question, const char *id, kith_arena *arena,
                   kith_value **result, deadline until);

/** Asks the server. @param question  its id does not count. @param arena  owns the result
 *  @return 0; as kith_proxy_call */
int server_call(kith_manager *manager, const struct question *question, kith_arena *arena, kith_value **result,
                deadline until);

/** The same where nothing but success is of interest; it takes an id or nothing (NULL). */
int server_call_for(kith_manager *manager, const char *method, const char *id, deadline until);

/** The same, but a kith server's answer is not waited for, unless many are owed.
 *  @param until  for a connection, where none is open; and for a stock server's answer */
int server_call_post(kith_manager *manager, const char *method, const char *id, deadline until);

/** Finds out whether the server is kith's: it knows a call that stock Python's refuse.
 *  @param connection  a fresh one. To a kith server it becomes this thread's line; else it is closed
 *  @return 1 or 0; as thread_line_receive; -ENOMEM */
int server_call_hello(kith_manager *manager, kith_connection *connection, deadline until);

/** Makes a connection one that lasts: what accept_connection is for. @param name  under which the server knows it */
int server_call_accept(struct thread_line *line, const char *name, deadline until);

#endif
