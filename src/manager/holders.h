/* Who has references to objects. */
#ifndef KITH_SRC_MANAGER_HOLDERS_H
#define KITH_SRC_MANAGER_HOLDERS_H

#include "manager/loop.h"
#include "manager/request.h"

/** One reference more, for the client behind a line. @return 0; -ENOMEM */
int claim(struct server *server, struct line *line, struct object *object);

/** One reference fewer, of that client's if it has one; else of whoever's. The object has one (claimed). */
void disclaim(struct server *server, struct line *line, struct object *object);

/** Gives back the references that a line itself has: it is gone. */
void claims_give_back(struct server *server, struct line *line);

/** Keeps what a line held that has ended, for as long as its process lives: it may be about to open another.
 *  @return true: the line is the holders' now; false: its holdings are to be given back, and it is to be freed */
bool holders_keep_line(struct server *server, struct line *line);

/** A line that is kept so holds nothing any more. */
void holders_drop_line(struct server *server, struct line *line);

/** Gives back all that processes have. */
void holders_end(struct server *server);

#endif
