/* Containers: what they begin with, batch by batch what fills them, and what makes of their parts what is made of
 * them. */
#include "value/pickle_writer.h"

#include "value/walk.h"

/** Begins what is filled when it is there already: its parts may refer to it, unless a call may need it whole. */
static int begin_filled(struct writer *writer, const kith_value *value, unsigned char empty)
{
    struct level *level;
    int code = writer_put_byte(writer, empty);
    if (code == 0 && writer->objects && !(value->marks & VALUE_GREW))
        return writer_enter_late(writer, value, &level);
    if (code == 0)
        code = writer_remember_if_needed(writer, value);
    return code < 0 ? code : writer_enter(writer, value, &level);
}

static int begin_tuple(struct writer *writer, const kith_value *value)
{
    size_t count = value->sequence->count;
    if (count == 0)
        return writer_put_byte(writer, OP_EMPTY_TUPLE);
    struct level *level;
    int code = writer_enter_late(writer, value, &level);
    if (code < 0)
        return code;
    level->stop = count;
    return count > 3 ? writer_put_byte(writer, OP_MARK) : 0;
}

int begin_unpacked(struct writer *writer, const kith_value *tuple)
{
    struct level *level;
    int code = writer_enter(writer, tuple, &level);
    if (code < 0)
        return code;
    level->stop = tuple->sequence->count;
    level->unpacked = true;
    return 0;
}

/** A set or frozenset where the protocol has no word for it, set([...]), and a frozenset. */
static int begin_late_set(struct writer *writer, const kith_value *value)
{
    struct level *level;
    int code = writer_enter_late(writer, value, &level);
    if (code < 0)
        return code;
    if (writer->protocol >= 4) {
        level->stop = value->table->count;
        return writer_put_byte(writer, OP_MARK);
    }
    code = writer_put_global(writer, "builtins", value->kind == KITH_SET ? "set" : "frozenset");
    return code < 0 ? code : writer_put_byte(writer, OP_EMPTY_LIST);
}

int begin_container(struct writer *writer, const kith_value *value)
{
    switch (value->kind) {
    case KITH_LIST:
        return begin_filled(writer, value, OP_EMPTY_LIST);
    case KITH_TUPLE:
        return begin_tuple(writer, value);
    case KITH_DICT:
        return begin_filled(writer, value, OP_EMPTY_DICT);
    case KITH_SET:
        return writer->protocol < 4 ? begin_late_set(writer, value) : begin_filled(writer, value, OP_EMPTY_SET);
    case KITH_FROZENSET:
        return begin_late_set(writer, value);
    default:
        return begin_object(writer, value);
    }
}

/** Makes what is made of its parts. */
static int end_container(struct writer *writer, const struct level *level)
{
    static const unsigned char tuples[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3 };
    const kith_value *value = level->value;
    int code;
    if (value->kind == KITH_TUPLE)
        code = writer_put_byte(writer, level->stop < sizeof tuples ? tuples[level->stop] : OP_TUPLE);
    else if (value_is_table(value) && value->kind != KITH_DICT && writer->protocol < 4)
        code = writer_put_call(writer, OP_TUPLE1);
    else if (value->kind == KITH_FROZENSET)
        code = writer_put_byte(writer, OP_FROZENSET);
    else if (level->remembered) /* a call may need it whole */
        code = 0;
    else
        return 1;
    code = writer_late_end(writer, level, code);
    return code < 0 ? code : 1;
}

int turn_container(struct writer *writer, struct level *level)
{
    int code = level->due ? writer_put_byte(writer, level->due) : 0;
    if (code < 0)
        return code;
    size_t left = value_part_count(level->value) - level->next;
    if (left == 0)
        return level->unpacked ? 1 : end_container(writer, level);
    switch (level->value->kind) {
    case KITH_DICT:
        return writer_begin_batch(writer, level, left / 2, 2, OP_SETITEM, OP_SETITEMS);
    case KITH_SET:
        if (writer->protocol >= 4)
            return writer_begin_batch(writer, level, left, 1, 0, OP_ADDITEMS);
        /* fallthrough */
    default: /* a list, or that of which a set is made */
        return writer_begin_batch(writer, level, left, 1, OP_APPEND, OP_APPENDS);
    }
}
