/* The parts of the kind list: its state is a row of cells (cells.h). */
#ifndef KITH_SRC_MANAGER_LIST_H
#define KITH_SRC_MANAGER_LIST_H

#include "manager/cells.h"
#include "manager/request.h"

static inline struct cells *list_of(const struct request *request)
{
    return request->object->state;
}

/* Methods that take an index or a slice. */
int list_get_item(struct request *request);
int list_set_item(struct request *request);
int list_delete_item(struct request *request);

/** Sorts in place, as list.sort does without a key. */
int list_sort(struct request *request);

#endif
