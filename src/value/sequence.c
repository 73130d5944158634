/* Lists and tuples. Node, sequence and the first items are one piece of memory; a list that outgrows it moves its
 * items. */
#include "value/value.h"

#include "base/error.h"

#include <errno.h>

enum { FIRST_CAPACITY = 4 };

static kith_value *make(kith_arena *arena, kith_kind kind, size_t capacity)
{
    struct whole {
        kith_value value;
        struct sequence sequence;
        kith_value *items[];
    } * whole;
    if (capacity > (PTRDIFF_MAX - sizeof *whole) / sizeof *whole->items)
        return arena_fail(arena, -ENOMEM, "%zu items are more than any memory", capacity);
    whole = arena_take(arena, sizeof *whole + capacity * sizeof *whole->items);
    if (!whole)
        return NULL;
    whole->value = (kith_value){ .kind = (uint8_t)kind, .sequence = &whole->sequence };
    whole->sequence = (struct sequence){ .items = whole->items, .capacity = capacity, .arena = arena };
    return &whole->value;
}

kith_value *value_list(kith_arena *arena, size_t capacity)
{
    return make(arena, KITH_LIST, capacity);
}

kith_value *value_tuple(kith_arena *arena, size_t count)
{
    kith_value *tuple = make(arena, KITH_TUPLE, count);
    if (tuple)
        tuple->sequence->count = count;
    return tuple;
}

/** Makes room for count more items. @return 0, or what arena_take has to say */
static int reserve(struct sequence *sequence, size_t count)
{
    if (count <= sequence->capacity - sequence->count)
        return 0;
    size_t most = PTRDIFF_MAX / sizeof *sequence->items;
    if (count > most - sequence->count) {
        arena_fail(sequence->arena, -ENOMEM, "%zu items more are more than any memory", count);
        return -ENOMEM;
    }
    size_t needed = sequence->count + count;
    size_t capacity = sequence->capacity ? sequence->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > most / 2 ? most : capacity * 2;
    kith_value **items = arena_grow(sequence->arena, sequence->items, sequence->capacity * sizeof(kith_value *),
                                    capacity * sizeof(kith_value *));
    if (!items)
        return sequence->arena->last;
    sequence->items = items;
    sequence->capacity = capacity;
    return 0;
}

int value_extend(kith_value *list, kith_value *const *items, size_t count)
{
    struct sequence *sequence = list->sequence;
    int code = reserve(sequence, count);
    if (code < 0)
        return code;
    for (size_t i = 0; i < count; i++) {
        value_insert(items[i]);
        sequence->items[sequence->count++] = items[i];
    }
    value_grow(list);
    return 0;
}

kith_value *kith_value_list(kith_arena *arena)
{
    if (!arena)
        return arena_fail(NULL, -EINVAL, "arena is NULL: give the one that will own the list");
    return value_list(arena, 0);
}

int kith_value_append(kith_value *list, kith_value *item)
{
    if (!list)
        return value_refuse_nothing(NULL, "list");
    if (list->kind != KITH_LIST) {
        arena_fail(value_arena(list), KITH_ETYPE, "append to a %s: it is no list", kith_kind_name(list->kind));
        return KITH_ETYPE;
    }
    if (!item)
        return value_refuse_nothing(list->sequence->arena, "item");
    return value_extend(list, &item, 1);
}

kith_value *kith_value_tuple(kith_arena *arena, kith_value *const *items, size_t count)
{
    if (!arena || (!items && count))
        return arena_fail(arena, -EINVAL, "%s is NULL", arena ? "items" : "arena");
    for (size_t i = 0; i < count; i++) {
        if (!items[i]) {
            value_refuse_nothing(arena, "an item");
            return NULL;
        }
    }
    kith_value *tuple = value_tuple(arena, count);
    if (!tuple)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        value_insert(items[i]);
        tuple->sequence->items[i] = items[i];
    }
    return tuple;
}

/* Not const: its hash is kept in it, as in all values. It has the marks already that an insertion would give it. */
const kith_value *kith_value_no_args(void)
{
    static struct sequence nothing;
    static kith_value empty = { .kind = KITH_TUPLE, .marks = VALUE_INSERTED | VALUE_SHARED, .sequence = &nothing };
    return &empty;
}
