/* Objects that are on their way to somebody, who is about to have references: CPython's proxies say incref as they are
 * rebuilt from a reply. They are held meanwhile. */
#ifndef KITH_SRC_MANAGER_LOANS_H
#define KITH_SRC_MANAGER_LOANS_H

#include "manager/request.h"

void loans_begin(struct server *server);
void loans_end(struct server *server);

/** Holds an object for whoever gets a proxy of it in a reply, by this line: for a minute at most. lend_all: all that a
 *  cell refers to. Where there is no memory, they aren't. @param line  NULL: nobody knows who gets it */
void lend(struct server *server, const struct line *line, struct object *object);
void lend_all(struct server *server, const struct line *line, const struct cell *cell);

/** The process behind a line has said incref. When it has done so as often as it was to, the hold ends a second later:
 *  not at once, for it may have said it of what it has from elsewhere, with another thread about to say the same of
 *  what was in a reply. */
void loan_claimed(struct server *server, const struct line *line, const struct object *object);

#endif
