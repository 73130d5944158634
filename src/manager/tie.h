/* Ties: how much somebody has of an object. */
#ifndef KITH_SRC_MANAGER_TIE_H
#define KITH_SRC_MANAGER_TIE_H

#include "manager/object.h"

struct tie {
    struct object *object;
    void *owner;
    int64_t count; /* never 0 */
    struct tie *next_of_owner, **link_of_owner;
    struct tie *next_of_object, *previous_of_object; /* the oldest first */
};

/** A list of an object's ties. */
struct tie_ends {
    struct tie **first, **last;
};

/** Finds one: in time of the shorter list. @return it; NULL */
struct tie *tie_find(struct tie *of_owner, struct tie *of_object, const void *owner, const struct object *object);

/** Makes one. @return it; NULL when there is no memory */
struct tie *tie_new(struct tie **of_owner, struct tie_ends of_object, void *owner, struct object *object);

void tie_free(struct tie *tie, struct tie_ends of_object);

#endif
