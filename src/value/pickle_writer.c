/* The bytes of a pickle in memory that grows, its memo, and the levels that the writer is in. */
#include "value/pickle_writer.h"

#include "value/walk.h"

#include <errno.h>
#include <stdlib.h>

#define OPEN SIZE_MAX /* instead of a place: what is made of its parts is not made yet */

/* How many parts of what holds itself may be written once more, all together. */
enum { AGAIN_MAX = 1000000 };

/* ---- bytes ---- */

int writer_grow(struct writer *writer, size_t size)
{
    enum { LEAST = 512 };
    struct pickle_out *out = writer->out;
    if (size > writer->limit - out->size)
        return error_fail(KITH_ELIMIT, "the pickle is longer than the %zu bytes that are allowed", writer->limit);
    size_t needed = out->size + size;
    size_t capacity = out->capacity > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : 2 * out->capacity;
    capacity = capacity < needed + LEAST ? needed + LEAST : capacity; /* behind what is long mostly comes little */
    unsigned char *data = realloc(out->lent ? NULL : out->data, capacity);
    if (!data)
        return error_fail(-ENOMEM, "no memory for a pickle of %zu bytes or more", needed);
    if (out->lent && out->size)
        memcpy(data, out->data, out->size);
    out->data = data;
    out->capacity = capacity;
    out->lent = false;
    writer_set_room(writer);
    return 0;
}

/* ---- memo ---- */

int writer_remember(struct writer *writer, const kith_value *value)
{
    size_t place = writer->places, *known = memo_find(&writer->memo, value);
    if (place > UINT32_MAX)
        return error_fail(KITH_ELIMIT, "more values are shared than a pickle can tell apart");
    int code = known ? 0 : memo_put(&writer->memo, value, place);
    if (code < 0)
        return code;
    if (known)
        *known = place;
    writer->places++;
    if (writer->protocol >= 4)
        return writer_put_byte(writer, OP_MEMOIZE);
    return place <= UINT8_MAX ? writer_put_number(writer, OP_BINPUT, place, 1)
                              : writer_put_number(writer, OP_LONG_BINPUT, place, 4);
}

const size_t *writer_place_of(const struct writer *writer, const kith_value *value)
{
    const size_t *place = memo_find(&writer->memo, value);
    return place && *place != OPEN ? place : NULL;
}

int writer_fetch(struct writer *writer, size_t place)
{
    writer->out->fetched++;
    return place <= UINT8_MAX ? writer_put_number(writer, OP_BINGET, place, 1)
                              : writer_put_number(writer, OP_LONG_BINGET, place, 4);
}

/** How many parts are written each time that a value is. */
static size_t parts_of(const kith_value *value)
{
    if (value->kind == KITH_OBJECT)
        return 1 + (value->object->form == KITH_OBJECT_INSTANCE ? value->object->args->sequence->count : 0);
    return 1 + value_part_count(value);
}

static int late_begin(struct writer *writer, struct level *level)
{
    const kith_value *value = level->value;
    level->remembered = writer_remembers(writer, value);
    if (!level->remembered)
        return 0;
    writer->late++;
    writer->objects += value->kind == KITH_OBJECT;
    if (!memo_find(&writer->memo, value))
        return memo_put(&writer->memo, value, OPEN);
    writer->again += parts_of(value);
    return writer->again <= AGAIN_MAX ? 0
                                      : error_fail(KITH_ELIMIT, "too much of what holds itself is made of its parts");
}

int writer_late_end(struct writer *writer, const struct level *level, int code)
{
    if (code < 0 || !level->remembered)
        return code;
    writer->late--;
    writer->objects -= level->value->kind == KITH_OBJECT;
    const size_t *place = writer_place_of(writer, level->value);
    if (!place)
        return writer_remember(writer, level->value);
    code = writer_put_byte(writer, OP_POP);
    if (code == 0)
        code = writer_fetch(writer, *place);
    return code < 0 ? code : 1;
}

/* ---- levels ---- */

int writer_grow_levels(struct writer *writer)
{
    if (writer->depth >= KITH_VALUE_DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "the value nests deeper than %d levels", KITH_VALUE_DEPTH_MAX);
    size_t capacity = 2 * writer->level_capacity;
    if (capacity > KITH_VALUE_DEPTH_MAX)
        capacity = KITH_VALUE_DEPTH_MAX;
    bool own = writer->levels == writer->own;
    struct level *levels = realloc(own ? NULL : writer->levels, capacity * sizeof *levels);
    if (!levels)
        return error_fail(-ENOMEM, "no memory to write what nests %zu levels deep", capacity);
    if (own)
        memcpy(levels, writer->own, sizeof writer->own);
    writer->levels = levels;
    writer->level_capacity = capacity;
    return 0;
}

int writer_enter(struct writer *writer, const kith_value *value, struct level **level)
{
    int code = writer->depth == writer->level_capacity ? writer_grow_levels(writer) : 0;
    if (code < 0)
        return code;
    *level = &writer->levels[writer->depth++];
    **level = (struct level){ .value = value };
    return 0;
}

int writer_enter_late(struct writer *writer, const kith_value *value, struct level **level)
{
    int code = writer_enter(writer, value, level);
    return code < 0 ? code : late_begin(writer, *level);
}

int writer_begin_batch(struct writer *writer, struct level *level, size_t left, size_t parts, unsigned char one,
                       unsigned char many)
{
    bool alone = left == 1 && one;
    level->stop = level->next + (left < PICKLE_BATCH ? left : PICKLE_BATCH) * parts;
    level->due = alone ? one : many;
    return alone ? 0 : writer_put_byte(writer, OP_MARK);
}
