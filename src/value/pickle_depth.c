/* How deep a value nests: how many containers and objects are in one another, at most. Who takes a value from strangers
 * wants to know, before it goes through the value by recursion.
 *
 * The way goes down into each container once, with a stack of its own, which gets no higher than what is allowed. Where
 * the value holds itself the way does not go round. */
#include "value/pickle.h"

#include "base/error.h"
#include "value/pickle_memo.h"

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

/** What an object consists of, step by step. Some parts may be NULL. */
static bool part_of_object(const struct object *object, size_t index, const kith_value **part)
{
    const kith_value *const made_of[] = { object->callable, object->args, object->kwargs };
    enum { MADE_OF = sizeof made_of / sizeof *made_of };
    if (index < MADE_OF) {
        *part = made_of[index];
        return true;
    }
    size_t step = (index - MADE_OF) / 2;
    if (step >= object->count)
        return false;
    *part = (index - MADE_OF) % 2 ? object->steps[step].item : object->steps[step].key;
    return true;
}

/** The parts of a container, one by one. @param part  receives it, which may be NULL. @return false when there are no
 *  more */
static bool part_of(const kith_value *value, size_t index, const kith_value **part)
{
    switch (value->kind) {
    case KITH_LIST:
    case KITH_TUPLE:
        if (index >= value->sequence->count)
            return false;
        *part = value->sequence->items[index];
        return true;
    case KITH_OBJECT:
        return part_of_object(value->object, index, part);
    default:
        if (index / 2 >= value->table->count)
            return false;
        *part = index % 2 ? value->table->pairs[index / 2].item : value->table->pairs[index / 2].key;
        return true;
    }
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
        const kith_value *part;
        if (!part_of(level->value, level->next, &part))
            come_out(&way);
        else if (level->next++, is_container(part))
            code = look_at(&way, part);
    }
    memo_end(&way.heights);
    free(way.levels);
    return code;
}
