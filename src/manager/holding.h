/* What lines hold of objects (request.h), for the line. */
#ifndef KITH_SRC_MANAGER_HOLDING_H
#define KITH_SRC_MANAGER_HOLDING_H

#include "manager/line.h"

/** Gives back all that a line holds: it is gone. */
void holdings_give_back(struct server *server, struct line *line);

#endif
