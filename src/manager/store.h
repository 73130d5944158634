/* Where the messages of a queue lie: cells in a row, which grows at its tail and is taken from at its head. Who waits
 * for them is the queue's business (type_queue.c), which knows no more of the row than this. All zero is empty. Its
 * memory is counted for the server. */
#ifndef KITH_SRC_MANAGER_STORE_H
#define KITH_SRC_MANAGER_STORE_H

#include "manager/cell.h"

struct store {
    struct cell **cells; /* a ring of them, each held; NULL while there is none */
    size_t first, count, capacity;
};

/** Puts a cell at the tail: the caller's hold becomes the row's. @return 0; -ENOMEM, and then it is still the caller's
 */
int store_put(struct server *server, struct store *store, struct cell *cell);

/** Puts one at the head, as store_put. There is room for one that was got just before. */
int store_put_back(struct server *server, struct store *store, struct cell *cell);

/** Gets the cell at the head: its hold becomes the caller's. @return NULL when there is none */
struct cell *store_get(struct server *server, struct store *store);

size_t store_count(const struct store *store);

/** Shows each cell, from the head on, until a visit fails. @return 0; what that returned */
int store_walk(const struct store *store, int (*visit)(void *context, const struct cell *cell), void *context);

/** Drops all cells, and frees the row. */
void store_end(struct server *server, struct store *store);

#endif
