/* Who has references to objects, and what has been handed out. */
#ifndef KITH_SRC_MANAGER_HOLDERS_H
#define KITH_SRC_MANAGER_HOLDERS_H

#include "manager/request.h"

/** One reference more, for the client behind a line. @return 0; -ENOMEM */
int claim(struct server *server, struct line *line, struct object *object);

/** One reference fewer, of that client's if it has one; else of whoever's. The object has one (claimed). */
void disclaim(struct server *server, struct line *line, struct object *object);

/** Holds the objects that a cell refers to for a minute, on behalf of whoever gets it in a reply: CPython's proxies say
 *  incref as they are rebuilt. */
void lend_all(struct server *server, const struct cell *cell);

/** Notes that an answer with a cell that was taken from request->object is on its way; the hold becomes the line's. */
void taken_note(struct request *request, struct cell *cell);

#endif
