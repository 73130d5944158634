#include "manager/store.h"

#include "base/error.h"
#include "manager/server.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 8, KEPT_CAPACITY = 1024 };

static struct cell **place(const struct store *store, size_t index)
{
    return &store->cells[(store->first + index) & (store->capacity - 1)];
}

static void give_row(struct server *server, struct store *store)
{
    server_give_memory(server, store->capacity * sizeof *store->cells);
    free(store->cells);
}

/* Makes a ring of another size, a power of two, in which the first cell stands first. */
static int resize(struct server *server, struct store *store, size_t capacity)
{
    size_t size = capacity * sizeof *store->cells;
    if (!server_take_memory(server, size))
        return error_fail(-ENOMEM, "the server may keep no more: its max_memory is reached");
    struct cell **cells = malloc(size);
    if (!cells) {
        server_give_memory(server, size);
        return error_fail(-ENOMEM, "no memory for a queue of %zu messages", capacity);
    }
    for (size_t i = 0; i < store->count; i++)
        cells[i] = *place(store, i);
    give_row(server, store);
    store->cells = cells;
    store->capacity = capacity;
    store->first = 0;
    return 0;
}

static int make_room(struct server *server, struct store *store)
{
    if (store->count < store->capacity)
        return 0;
    return resize(server, store, store->capacity ? 2 * store->capacity : FIRST_CAPACITY);
}

static int put_shared(struct server *server, struct store *store, struct cell *cell)
{
    int code = shared_queue_put(store->shared, cell);
    if (code == 0)
        cell_drop(server, cell);
    return code;
}

int store_put(struct server *server, struct store *store, struct cell *cell)
{
    if (store->shared)
        return put_shared(server, store, cell);
    if (store->max_count > 0 && store->count >= store->max_count)
        return KITH_EFULL;
    int code = make_room(server, store);
    if (code < 0)
        return code;
    *place(store, store->count++) = cell;
    store->unfinished++;
    return 0;
}

int store_put_back(struct server *server, struct store *store, struct cell *cell)
{
    if (store->shared)
        return shared_queue_return(store->shared, cell);
    int code = make_room(server, store);
    if (code < 0)
        return code;
    store->first = (store->first - 1) & (store->capacity - 1);
    store->count++;
    *place(store, 0) = cell;
    return 0;
}

int store_get(struct server *server, struct store *store, struct cell **cell)
{
    if (store->shared)
        return shared_queue_get(store->shared, cell);
    if (store->count == 0)
        return KITH_EEMPTY;
    *cell = *place(store, 0);
    store->first = (store->first + 1) & (store->capacity - 1);
    store->count--;
    if (store->capacity > KEPT_CAPACITY && store->count < store->capacity / 4)
        (void)resize(server, store, store->capacity / 2); /* to have failed in that is no matter */
    return 0;
}

int store_done(struct store *store)
{
    if (store->shared)
        return shared_queue_done(store->shared);
    if (store->unfinished == 0)
        return -EPERM;
    store->unfinished--;
    return 0;
}

/* ---- looks ---- */

size_t store_count(const struct store *store)
{
    return store->shared ? shared_queue_length(store->shared) : store->count;
}

uint64_t store_unfinished(const struct store *store)
{
    return store->shared ? shared_queue_unfinished(store->shared) : store->unfinished;
}

uint64_t store_mark(const struct store *store)
{
    return store->shared ? shared_queue_puts(store->shared) : 0;
}

bool store_was_done(const struct store *store, uint64_t mark)
{
    return store->shared ? shared_queue_was_done(store->shared, mark) : store->unfinished == 0;
}

int store_walk(const struct store *store, int (*visit)(void *context, const struct cell *cell), void *context)
{
    if (store->shared)
        return shared_queue_walk(store->shared, visit, context);
    int code = 0;
    for (size_t i = 0; code == 0 && i < store->count; i++)
        code = visit(context, *place(store, i));
    return code;
}

/* ---- the end ---- */

static void drop_row(struct server *server, struct store *store)
{
    for (size_t i = 0; i < store->count; i++)
        cell_drop(server, *place(store, i));
    give_row(server, store);
    store->cells = NULL;
    store->first = store->count = store->capacity = 0;
}

int store_clear(struct server *server, struct store *store)
{
    struct cell *cell;
    int code = 0;
    if (!store->shared) {
        store->unfinished -= store->count < store->unfinished ? store->count : store->unfinished;
        drop_row(server, store);
    }
    while (store->shared && (code = shared_queue_get(store->shared, &cell)) == 0) {
        cell_drop(server, cell);
        (void)shared_queue_done(store->shared);
    }
    return code == -EBUSY ? code : 0;
}

void store_end(struct server *server, struct store *store)
{
    if (store->shared)
        shared_queue_free(store->shared);
    drop_row(server, store);
    *store = (struct store){ 0 };
}

/* ---- sharing ---- */

/* Messages that were got and are not done, and then those that are there. */
static int copy(const struct store *store, struct shared_queue *shared)
{
    int code = shared_queue_begin_unfinished(shared, store->unfinished - store->count);
    for (size_t i = 0; i < store->count && code == 0; i++)
        code = shared_queue_put(shared, *place(store, i));
    return code;
}

int store_share(struct server *server, struct store *store, struct object *object)
{
    struct shared_queue *shared;
    if (store->unfinished < store->count)
        return error_fail(-EPERM, "messages of the queue are done that nobody has got");
    int code = shared_queue_new(server, &shared, object, store->max_count);
    if (code < 0)
        return code;
    code = copy(store, shared);
    if (code < 0) {
        shared_queue_free(shared);
        return code;
    }
    drop_row(server, store);
    store->shared = shared;
    return 0;
}
