/* Where the messages of a queue lie: cells in a row, which grows at its tail and is taken from at its head; or, once
 * store_share was called, in shared memory, where clients put and get, too (shared_queue.h). Who waits for them is the
 * queue's business (type_queue.c), which knows no more of either than this. All zero is empty. The row's memory is
 * counted for the server. */
#ifndef KITH_SRC_MANAGER_STORE_H
#define KITH_SRC_MANAGER_STORE_H

#include "manager/shared_queue.h"

struct store {
    struct cell **cells; /* a ring of them, each held; NULL while there is none */
    size_t first, count, capacity;
    uint64_t max_count;          /* 0: no bound */
    uint64_t unfinished;         /* messages that were put, and are not done */
    struct shared_queue *shared; /* then it has all of it; NULL */
};

/** Puts a cell at the tail: the caller's hold becomes the store's.
 *  @return 0; KITH_EFULL, -ENOMEM and others, and then it is still the caller's */
int store_put(struct server *server, struct store *store, struct cell *cell);

/** Puts one at the head that was got, however full it is. @return 0; -ENOMEM, and then it is still the caller's */
int store_put_back(struct server *server, struct store *store, struct cell *cell);

/** Gets the cell at the head: its hold becomes the caller's. @return 0; KITH_EEMPTY; -ENOMEM and others */
int store_get(struct server *server, struct store *store, struct cell **cell);

/** One message is done. @return 0; -EPERM when there is none that is not */
int store_done(struct store *store);

/** How many messages are there; and are not done. */
size_t store_count(const struct store *store);
uint64_t store_unfinished(const struct store *store);

/** A mark of this instant; and whether all messages were done at some instant since one. */
uint64_t store_mark(const struct store *store);
bool store_was_done(const struct store *store, uint64_t mark);

/** Shows each cell, from the head on, until a visit fails. @return 0; what that returned */
int store_walk(const struct store *store, int (*visit)(void *context, const struct cell *cell), void *context);

/** Drops all cells: they count as done. @return 0; -EBUSY: some are left, since a client is in the middle of its get */
int store_clear(struct server *server, struct store *store);

/** Drops all cells, and frees the store. */
void store_end(struct server *server, struct store *store);

/** Moves it to shared memory. @param object  whose it is. @return 0; a code, and it is as it was */
int store_share(struct server *server, struct store *store, struct object *object);

#endif
