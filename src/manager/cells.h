/* Cells in a row, which grows: the items of a list, and what is about to become a part of one. All zero is empty. Its
 * memory is counted for the server. */
#ifndef KITH_SRC_MANAGER_CELLS_H
#define KITH_SRC_MANAGER_CELLS_H

#include "manager/cell.h"

struct cells {
    struct cell **items; /* each held */
    size_t count;
    size_t capacity;
};

/** Makes room for count cells more. @return 0; -ENOMEM */
int cells_reserve(struct server *server, struct cells *cells, size_t count);

/** Appends a cell: the caller's hold becomes the row's, or is dropped when there is no memory. @return 0; -ENOMEM */
int cells_append(struct server *server, struct cells *cells, struct cell *cell);

/** Replaces removed cells from a place on by others, whose row is empty then. Both may be none.
 *  @return 0; -ENOMEM, and then nothing has changed */
int cells_replace(struct server *server, struct cells *cells, size_t place, size_t removed, struct cells *by);

/** Takes one out: its hold becomes the caller's. */
struct cell *cells_take(struct server *server, struct cells *cells, size_t place);

/** Drops all, and frees the row. */
void cells_clear(struct server *server, struct cells *cells);

#endif
