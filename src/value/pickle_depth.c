/* How deep a value nests: how many containers and objects are in one another, at most. Who takes a value from strangers
 * wants to know, before it goes through the value by recursion.
 *
 * The way goes down into each container once, with a stack of its own, which gets no higher than what is allowed. Where
 * the value holds itself the way does not go round. */
#include "value/pickle.h"

#include "base/error.h"
#include "value/pickle_memo.h"
#include "value/walk.h"

#include <errno.h>
#include <stdlib.h>

enum { OPEN = 0 }; /* instead of a height: the way is inside this one */

struct level {
    const kith_value *value;
    size_t next;   /* which part comes next */
    size_t height; /* of the highest part so far */
};

struct way {
    struct level *levels;
    size_t count, capacity;
    size_t max;
    struct memo heights;
};

static bool is_container(const kith_value *value)
{
    return value && value->kind >= KITH_LIST;
}

static int too_deep(const struct way *way)
{
    return error_fail(KITH_ELIMIT, "the value nests deeper than the %zu levels that are allowed", way->max);
}

static int go_into(struct way *way, const kith_value *value)
{
    if (way->count == way->max)
        return too_deep(way);
    if (way->count == way->capacity) {
        size_t capacity = way->capacity ? 2 * way->capacity : 64;
        struct level *levels = realloc(way->levels, capacity * sizeof *levels);
        if (!levels)
            return error_fail(-ENOMEM, "no memory to look how deep a value nests");
        way->levels = levels;
        way->capacity = capacity;
    }
    way->levels[way->count++] = (struct level){ .value = value };
    return memo_put(&way->heights, value, OPEN);
}

static void note_height(struct way *way, size_t height)
{
    if (way->count && way->levels[way->count - 1].height < height)
        way->levels[way->count - 1].height = height;
}

static void come_out(struct way *way)
{
    const struct level *level = &way->levels[--way->count];
    size_t height = level->height + 1;
    *memo_find(&way->heights, level->value) = height;
    note_height(way, height);
}

static int look_at(struct way *way, const kith_value *part)
{
    const size_t *known = memo_find(&way->heights, part);
    if (!known)
        return go_into(way, part);
    if (*known > way->max - way->count)
        return too_deep(way);
    note_height(way, *known); /* OPEN: nothing */
    return 0;
}

int pickle_check_depth(const kith_value *value, size_t max_depth)
{
    struct way way = { .max = max_depth };
    memo_begin(&way.heights);
    int code = is_container(value) ? go_into(&way, value) : 0;
    while (code == 0 && way.count > 0) {
        struct level *level = &way.levels[way.count - 1];
        if (level->next == value_part_count(level->value)) {
            come_out(&way);
            continue;
        }
        const kith_value *part = value_part(level->value, level->next++);
        if (is_container(part))
            code = look_at(&way, part);
    }
    memo_end(&way.heights);
    free(way.levels);
    return code;
}
