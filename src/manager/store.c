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

int store_put(struct server *server, struct store *store, struct cell *cell)
{
    int code = make_room(server, store);
    if (code == 0)
        *place(store, store->count++) = cell;
    return code;
}

int store_put_back(struct server *server, struct store *store, struct cell *cell)
{
    int code = make_room(server, store);
    if (code < 0)
        return code;
    store->first = (store->first - 1) & (store->capacity - 1);
    store->count++;
    *place(store, 0) = cell;
    return 0;
}

struct cell *store_get(struct server *server, struct store *store)
{
    if (store->count == 0)
        return NULL;
    struct cell *cell = *place(store, 0);
    store->first = (store->first + 1) & (store->capacity - 1);
    store->count--;
    if (store->capacity > KEPT_CAPACITY && store->count < store->capacity / 4)
        (void)resize(server, store, store->capacity / 2); /* to have failed in that is no matter */
    return cell;
}

size_t store_count(const struct store *store)
{
    return store->count;
}

int store_walk(const struct store *store, int (*visit)(void *context, const struct cell *cell), void *context)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < store->count; i++)
        code = visit(context, *place(store, i));
    return code;
}

void store_end(struct server *server, struct store *store)
{
    for (size_t i = 0; i < store->count; i++)
        cell_drop(server, *place(store, i));
    give_row(server, store);
    *store = (struct store){ 0 };
}
