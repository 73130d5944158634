#include "manager/cells.h"

#include "base/error.h"
#include "manager/server.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 4 };

/** Gives the row room for just so many. */
static int resize(struct server *server, struct cells *cells, size_t capacity)
{
    size_t before = cells->capacity * sizeof *cells->items, after = capacity * sizeof *cells->items;
    if (after > before && !server_take_memory(server, after - before))
        return error_fail(-ENOMEM, "the server may keep no more: its max_memory is reached");
    struct cell **items = realloc(cells->items, after);
    if (!items) {
        if (after > before)
            server_give_memory(server, after - before);
        return error_fail(-ENOMEM, "no memory for %zu items", capacity);
    }
    if (after < before)
        server_give_memory(server, before - after);
    cells->items = items;
    cells->capacity = capacity;
    return 0;
}

int cells_reserve(struct server *server, struct cells *cells, size_t count)
{
    if (count <= cells->capacity - cells->count)
        return 0;
    size_t most = PTRDIFF_MAX / sizeof *cells->items;
    if (count > most - cells->count)
        return error_fail(-ENOMEM, "no list has so many items");
    size_t needed = cells->count + count, more = cells->capacity + cells->capacity / 2 + FIRST_CAPACITY;
    return resize(server, cells, more > needed ? more : needed);
}

/** Gives back what a row that has become much shorter does not need. To have failed in that is no matter. */
static void shrink(struct server *server, struct cells *cells)
{
    if (cells->capacity > 4 * cells->count + 4 * FIRST_CAPACITY)
        (void)resize(server, cells, 2 * cells->count + FIRST_CAPACITY);
}

int cells_append(struct server *server, struct cells *cells, struct cell *cell)
{
    int code = cells_reserve(server, cells, 1);
    if (code == 0)
        cells->items[cells->count++] = cell;
    else
        cell_drop(server, cell);
    return code;
}

/** Moves what stands behind removed cells, to where others end. */
static void move_rest(struct cells *cells, size_t place, size_t removed, size_t added)
{
    size_t rest = cells->count - place - removed;
    if (rest > 0 && removed != added)
        memmove(cells->items + place + added, cells->items + place + removed, rest * sizeof(struct cell *));
    cells->count += added - removed;
}

int cells_replace(struct server *server, struct cells *cells, size_t place, size_t removed, struct cells *by)
{
    struct cells old = { 0 };
    size_t added = by ? by->count : 0;
    int code = added > removed ? cells_reserve(server, cells, added - removed) : 0;
    if (code == 0 && removed > 0)
        code = cells_reserve(server, &old, removed);
    if (code < 0)
        return code;
    if (removed > 0)
        memcpy(old.items, cells->items + place, removed * sizeof(struct cell *));
    old.count = removed;
    move_rest(cells, place, removed, added);
    if (added > 0) {
        memcpy(cells->items + place, by->items, added * sizeof(struct cell *));
        by->count = 0;
        cells_clear(server, by);
    }
    shrink(server, cells);
    cells_clear(server, &old); /* last: what ends with a cell may do anything */
    return 0;
}

struct cell *cells_take(struct server *server, struct cells *cells, size_t place)
{
    struct cell *cell = cells->items[place];
    move_rest(cells, place, 1, 0);
    shrink(server, cells);
    return cell;
}

void cells_clear(struct server *server, struct cells *cells)
{
    struct cells old = *cells;
    *cells = (struct cells){ 0 };
    for (size_t i = 0; i < old.count; i++)
        cell_drop(server, old.items[i]);
    server_give_memory(server, old.capacity * sizeof *old.items);
    free(old.items);
}
