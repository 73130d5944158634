#include "manager/tie.h"

#include <stdlib.h>

struct tie *tie_find(struct tie *of_owner, struct tie *of_object, const void *owner, const struct object *object)
{
    while (of_owner && of_object) {
        if (of_owner->object == object)
            return of_owner;
        if (of_object->owner == owner)
            return of_object;
        of_owner = of_owner->next_of_owner;
        of_object = of_object->next_of_object;
    }
    return NULL;
}

struct tie *tie_new(struct tie **of_owner, struct tie_ends of_object, void *owner, struct object *object)
{
    struct tie *tie = malloc(sizeof *tie);
    if (!tie)
        return NULL;
    *tie = (struct tie){
        .object = object,
        .owner = owner,
        .next_of_owner = *of_owner,
        .link_of_owner = of_owner,
        .previous_of_object = *of_object.last,
    };
    if (tie->next_of_owner)
        tie->next_of_owner->link_of_owner = &tie->next_of_owner;
    *of_owner = tie;
    *(tie->previous_of_object ? &tie->previous_of_object->next_of_object : of_object.first) = tie;
    *of_object.last = tie;
    return tie;
}

void tie_free(struct tie *tie, struct tie_ends of_object)
{
    *tie->link_of_owner = tie->next_of_owner;
    if (tie->next_of_owner)
        tie->next_of_owner->link_of_owner = tie->link_of_owner;
    *(tie->previous_of_object ? &tie->previous_of_object->next_of_object : of_object.first) = tie->next_of_object;
    *(tie->next_of_object ? &tie->next_of_object->previous_of_object : of_object.last) = tie->previous_of_object;
    free(tie);
}
