/* Equality, as Python's == has it. Keys of dicts and items of sets are found by their hashes, and key.c says when two
 * are the same; all else is walked through, two values side by side. What is the same value twice is equal without a
 * look, so a value equals itself also where it holds itself. */
#include "value/equal.h"

#include "base/error.h"
#include "value/key.h"
#include "value/number.h"
#include "value/table.h"
#include "value/walk.h"

#include <errno.h>

/** What a look at two values, without their parts, tells. */
enum { DIFFERENT = 0, SAME = 1, SAME_IF_PARTS_ARE = 2 };

static bool is_bytes(const kith_value *value)
{
    return value->kind == KITH_BYTES || value->kind == KITH_BYTEARRAY;
}

static bool is_set(const kith_value *value)
{
    return value->kind == KITH_SET || value->kind == KITH_FROZENSET;
}

static int same_bytes(const void *one, size_t one_size, const void *other, size_t other_size, uint64_t *steps)
{
    if (one_size != other_size || one == other)
        return one_size == other_size ? SAME : DIFFERENT;
    if (!steps_take(steps, steps_of(one_size)))
        return steps_exceeded();
    return memcmp(one, other, one_size) == 0 ? SAME : DIFFERENT;
}

static int same_sets(const struct table *one, const struct table *other, uint64_t *steps)
{
    if (one->count != other->count)
        return DIFFERENT;
    for (size_t i = 0; i < one->count; i++) {
        if (!steps_take(steps, 1))
            return steps_exceeded();
        struct pair *pair;
        int code = table_find(other, one->pairs[i].key, steps, &pair);
        if (code < 0 || !pair)
            return code;
    }
    return SAME;
}

static int same_name(const char *one, const char *other, uint64_t *steps)
{
    if (!one || !other)
        return one == other ? SAME : DIFFERENT;
    return same_bytes(one, strlen(one), other, strlen(other), steps);
}

static int same_names(const struct object *one, const struct object *other, uint64_t *steps)
{
    int same = same_name(one->module, other->module, steps);
    return same == SAME ? same_name(one->name, other->name, steps) : same;
}

static int same_objects(const struct object *one, const struct object *other, uint64_t *steps)
{
    if (one->form != other->form || one->count != other->count || !one->data != !other->data)
        return DIFFERENT;
    int same = same_names(one, other, steps);
    if (same != SAME)
        return same;
    if (!steps_take(steps, one->count))
        return steps_exceeded();
    for (size_t i = 0; i < one->count; i++) {
        if (one->steps[i].kind != other->steps[i].kind)
            return DIFFERENT;
    }
    same = one->data ? same_bytes(one->data, one->size, other->data, other->size, steps) : SAME;
    return same == SAME ? SAME_IF_PARTS_ARE : same;
}

static int same(const kith_value *one, const kith_value *other, uint64_t *steps)
{
    if (!steps_take(steps, 1)) /* also where they are the same: a list may hold that one again and again */
        return steps_exceeded();
    if (one == other)
        return SAME;
    if (!one || !other)
        return DIFFERENT;
    if (number_is(one) && number_is(other))
        return key_equal(one, other, steps);
    if (is_bytes(one) && is_bytes(other))
        return same_bytes(one->bytes.data, one->bytes.size, other->bytes.data, other->bytes.size, steps);
    if (is_set(one) && is_set(other))
        return same_sets(one->table, other->table, steps);
    if (one->kind != other->kind)
        return DIFFERENT;
    switch (one->kind) {
    case KITH_STR:
        return same_bytes(one->bytes.data, one->bytes.size, other->bytes.data, other->bytes.size, steps);
    case KITH_LIST:
    case KITH_TUPLE:
        return one->sequence->count == other->sequence->count ? SAME_IF_PARTS_ARE : DIFFERENT;
    case KITH_DICT:
        return one->table->count == other->table->count ? SAME_IF_PARTS_ARE : DIFFERENT;
    case KITH_OBJECT:
        return same_objects(one->object, other->object, steps);
    default:
        return SAME; /* None */
    }
}

/** The next part of a value, and what it has to be equal to.
 *  @return 1; 0 when a dict has no such key; a negative code */
static int next_parts(struct frame *frame, uint64_t *steps, const kith_value **one, const kith_value **other)
{
    size_t index = frame->next++;
    *one = value_part(frame->value, index);
    if (frame->value->kind != KITH_DICT) {
        *other = value_part(frame->beside, index);
        return 1;
    }
    struct pair *pair;
    int code = table_find(frame->beside->table, *one, steps, &pair);
    if (code < 0 || !pair)
        return code;
    *one = value_part(frame->value, frame->next++);
    *other = pair->item;
    return 1;
}

/** Compares what the walk is in. @return 1 or 0, or a code */
static int compare_parts(struct walk *walk, uint64_t *steps)
{
    for (struct frame *frame = walk_top(walk); frame; frame = walk_top(walk)) {
        if (frame->next == value_part_count(frame->value)) {
            walk_leave(walk);
            continue;
        }
        const kith_value *one, *other = NULL;
        int code = next_parts(frame, steps, &one, &other);
        int alike = code == 1 ? same(one, other, steps) : code;
        code = alike == SAME_IF_PARTS_ARE ? walk_enter(walk, one, other) : 0;
        if (code < 0 || alike < SAME)
            return code < 0 ? code : alike;
    }
    return 1;
}

int value_equal_within(const kith_value *one, const kith_value *other, uint64_t *steps)
{
    int code = same(one, other, steps);
    if (code != SAME_IF_PARTS_ARE)
        return code;
    struct walk walk;
    walk_begin(&walk);
    code = walk_enter(&walk, one, other);
    if (code == 0)
        code = compare_parts(&walk, steps);
    walk_end(&walk);
    return code;
}

int kith_value_equal(const kith_value *one, const kith_value *other)
{
    if (!one || !other)
        return error_fail(-EINVAL, "a value is NULL");
    if (one == other && one->kind == KITH_FLOAT)
        return one->real == other->real; /* a NaN is not equal to itself, but a list that holds it is */
    uint64_t steps = COMPARE_STEPS_MAX;
    return value_equal_within(one, other, &steps);
}
