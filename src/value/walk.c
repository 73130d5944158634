#include "value/walk.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

enum { BEFORE_STEPS = 3 }; /* what is called, args, kwargs */

size_t value_part_count(const kith_value *value)
{
    switch (value->kind) {
    case KITH_LIST:
    case KITH_TUPLE:
        return value->sequence->count;
    case KITH_DICT:
        return value->table->count * 2;
    case KITH_SET:
    case KITH_FROZENSET:
        return value->table->count;
    case KITH_OBJECT:
        return BEFORE_STEPS + value->object->count * 2;
    default:
        return 0;
    }
}

static kith_value **object_part_place(struct object *object, size_t index)
{
    switch (index) {
    case 0:
        return &object->callable;
    case 1:
        return &object->args;
    case 2:
        return &object->kwargs;
    default:
        index -= BEFORE_STEPS;
        return index % 2 ? &object->steps[index / 2].item : &object->steps[index / 2].key;
    }
}

kith_value **value_part_place(const kith_value *value, size_t index)
{
    switch (value->kind) {
    case KITH_LIST:
    case KITH_TUPLE:
        return &value->sequence->items[index];
    case KITH_DICT:
        return index % 2 ? &value->table->pairs[index / 2].item : &value->table->pairs[index / 2].key;
    case KITH_OBJECT:
        return object_part_place(value->object, index);
    default:
        return &value->table->pairs[index].key;
    }
}

void walk_begin(struct walk *walk)
{
    walk->frames = walk->first;
    walk->count = 0;
    walk->capacity = WALK_FIRST;
}

void walk_end(struct walk *walk)
{
    if (walk->frames != walk->first)
        free(walk->frames);
}

static int grow(struct walk *walk)
{
    if (walk->count >= KITH_VALUE_DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "the value nests deeper than %d levels, or holds itself", KITH_VALUE_DEPTH_MAX);
    size_t capacity = walk->capacity * 2 < KITH_VALUE_DEPTH_MAX ? walk->capacity * 2 : KITH_VALUE_DEPTH_MAX;
    struct frame *frames = realloc(walk->frames == walk->first ? NULL : walk->frames, capacity * sizeof *frames);
    if (!frames)
        return error_fail(-ENOMEM, "no memory for a walk %zu levels deep", capacity);
    if (walk->frames == walk->first)
        memcpy(frames, walk->first, sizeof walk->first);
    walk->frames = frames;
    walk->capacity = capacity;
    return 0;
}

int walk_enter(struct walk *walk, const kith_value *value, const kith_value *beside)
{
    int code = walk->count == walk->capacity ? grow(walk) : 0;
    if (code == 0)
        walk->frames[walk->count++] = (struct frame){ .value = value, .beside = beside };
    return code;
}
