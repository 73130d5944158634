/* Containers, as pickles are told to fill them. */
#include "value/pickle_writer.h"

void writer_item_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = NULL;
    *item = ((kith_value *const *)entries)[index];
}

static void pair_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = ((const struct pair *)entries)[index].key;
    *item = ((const struct pair *)entries)[index].item;
}

int writer_put_entries(struct writer *writer, writer_entry_at *at, const void *entries, size_t first, size_t end)
{
    int code = 0;
    for (size_t i = first; i < end && code == 0; i++) {
        const kith_value *key, *item;
        at(entries, i, &key, &item);
        if (key)
            code = write_value(writer, key);
        if (code == 0 && item)
            code = write_value(writer, item);
    }
    return code;
}

int writer_fill(struct writer *writer, writer_entry_at *at, const void *entries, size_t count, unsigned char one,
                unsigned char many)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i += PICKLE_BATCH) {
        size_t end = count - i > PICKLE_BATCH ? i + PICKLE_BATCH : count;
        bool alone = one && end - i == 1;
        if (!alone)
            code = writer_put_byte(writer, OP_MARK);
        if (code == 0)
            code = writer_put_entries(writer, at, entries, i, end);
        if (code == 0)
            code = writer_put_byte(writer, alone ? one : many);
    }
    return code;
}

static int write_list(struct writer *writer, const kith_value *value)
{
    int code = writer_put_byte(writer, OP_EMPTY_LIST);
    if (code == 0)
        code = writer_remember_if_needed(writer, value);
    if (code < 0)
        return code;
    return writer_fill(writer, writer_item_at, value->sequence->items, value->sequence->count, OP_APPEND, OP_APPENDS);
}

static int write_dict(struct writer *writer, const kith_value *value)
{
    int code = writer_put_byte(writer, OP_EMPTY_DICT);
    if (code == 0)
        code = writer_remember_if_needed(writer, value);
    return code < 0 ? code
                    : writer_fill(writer, pair_at, value->table->pairs, value->table->count, OP_SETITEM, OP_SETITEMS);
}

static int write_tuple(struct writer *writer, const kith_value *value)
{
    static const unsigned char opcodes[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3 };
    const struct sequence *sequence = value->sequence;
    bool few = sequence->count < sizeof opcodes;
    if (sequence->count == 0)
        return writer_put_byte(writer, OP_EMPTY_TUPLE);
    bool remembered = writer_late_begin(writer, value);
    int code = few ? 0 : writer_put_byte(writer, OP_MARK);
    if (code == 0)
        code = writer_put_entries(writer, writer_item_at, sequence->items, 0, sequence->count);
    if (code == 0)
        code = writer_put_byte(writer, few ? opcodes[sequence->count] : OP_TUPLE);
    return writer_late_end(writer, value, remembered, code);
}

static int write_set(struct writer *writer, const kith_value *value)
{
    int code = writer_put_byte(writer, OP_EMPTY_SET);
    if (code == 0)
        code = writer_remember_if_needed(writer, value);
    return code < 0 ? code : writer_fill(writer, pair_at, value->table->pairs, value->table->count, 0, OP_ADDITEMS);
}

static int write_frozenset(struct writer *writer, const kith_value *value)
{
    bool remembered = writer_late_begin(writer, value);
    int code = writer_put_byte(writer, OP_MARK);
    if (code == 0)
        code = writer_put_entries(writer, pair_at, value->table->pairs, 0, value->table->count);
    if (code == 0)
        code = writer_put_byte(writer, OP_FROZENSET);
    return writer_late_end(writer, value, remembered, code);
}

/** A set or frozenset where the protocol has no word for it: set([...]). */
static int write_set_before_4(struct writer *writer, const kith_value *value)
{
    bool remembered = writer_late_begin(writer, value);
    int code = writer_put_global(writer, "builtins", value->kind == KITH_SET ? "set" : "frozenset");
    if (code == 0)
        code = writer_put_byte(writer, OP_EMPTY_LIST);
    if (code == 0)
        code = writer_fill(writer, pair_at, value->table->pairs, value->table->count, OP_APPEND, OP_APPENDS);
    if (code == 0)
        code = writer_put_call(writer, OP_TUPLE1);
    return writer_late_end(writer, value, remembered, code);
}

int write_container(struct writer *writer, const kith_value *value)
{
    switch (value->kind) {
    case KITH_LIST:
        return write_list(writer, value);
    case KITH_TUPLE:
        return write_tuple(writer, value);
    case KITH_DICT:
        return write_dict(writer, value);
    case KITH_SET:
        return writer->protocol < 4 ? write_set_before_4(writer, value) : write_set(writer, value);
    case KITH_FROZENSET:
        return writer->protocol < 4 ? write_set_before_4(writer, value) : write_frozenset(writer, value);
    default:
        return write_object(writer, value);
    }
}
