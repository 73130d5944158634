/* The types and the published objects, by their names; server.h has what finds them. */
#ifndef KITH_SRC_MANAGER_REGISTRY_H
#define KITH_SRC_MANAGER_REGISTRY_H

#include "manager/server.h"

/** Adds the built-in types. @return 0; -ENOMEM */
int registry_begin(struct server *server);

/** Frees all names. There are no objects any more. */
void registry_end(struct server *server);

/** Makes an object of a type by its constructor, held once. The request has the constructor's arguments; when nothing
 *  was made, it is answered, or the code is negative. */
int registry_make(struct request *request, const struct name *type, struct object **object);

#endif
