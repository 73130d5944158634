/* Types of a program's own: a kind whose methods run on worker threads, one call at a time for an object. */
#ifndef KITH_SRC_MANAGER_OWN_H
#define KITH_SRC_MANAGER_OWN_H

#include "manager/registry.h"

/** Makes the kind of such a type. The type lives as long as the kind. @return 0; -ENOMEM */
int own_kind_new(struct kind **kind, const kith_type *type);

void own_kind_free(const struct kind *kind);

/** Has a worker run the constructor, for a client who creates an object. @return as method_run */
int own_create(struct request *request, const struct name *type);

/** Runs it here and now. @return 0; its code, with the detail; -ENOMEM */
int own_make(struct request *request, const struct name *type, void **state);

/** Whether states of a kind come back from snapshots: kind.load, or kith_type.load. */
bool kind_can_load(const struct kind *kind);

/** Brings one back. Not in a request: it uses server->arena. @return as kind.load */
int kind_load(struct server *server, const struct kind *kind, const kith_value *value, void **state);

#endif
