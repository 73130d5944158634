/* Messages that were taken out of an object for a client, as long as the client may not have read them. */
#ifndef KITH_SRC_MANAGER_TAKEN_H
#define KITH_SRC_MANAGER_TAKEN_H

#include "manager/request.h"

/** Notes that an answer with a cell that was taken from request->object is on its way. The caller's hold becomes the
 *  line's; where there is no memory, it ends. */
void taken_note(struct request *request, struct cell *cell);

/** The other side has sent something: what it must have read before is its own from now on. */
void taken_look(struct server *server, struct line *line);

/** The line is at its end. @param lost  replies were left unread: what they held goes back to where it came from */
void taken_end(struct server *server, struct line *line, bool lost);

#endif
