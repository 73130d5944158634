/* Writing pickles, with the opcodes that CPython's pickler takes for the same things.
 *
 * There are no frames (protocol 4): they let a reader of a file ask for much at once, and every unpickler does without.
 *
 * The memo. CPython remembers nearly all that it writes; here only what the pickle refers to once more is put into the
 * memo: what is marked as shared (value.h). That makes the pickle shorter, and quicker to write and to read.
 *
 * What holds itself. A list is remembered before its items are written, so an item that leads back to it finds it
 * there. A tuple can't be: it is made when all its items are. If they lead back to it, it is written once more inside,
 * where the way ends at whatever on it was remembered; and that inner one is the tuple. When the outer one's items are
 * done it turns out that the tuple exists already, so what was made of them is dropped, and the tuple fetched. So it
 * goes for all that is made of its parts ("late"): tuples, frozensets, objects of their arguments, and sets where the
 * protocol has no word for them. The parts that both have must be the same ones: while something late that may lead
 * back to itself is being written, all is remembered, whatever its marks say.
 *
 * A call may look into its arguments at once, and copy a list that it is given. So a list among what an object is made
 * of, or a dict or set, goes as a tuple does, unless it is VALUE_GREW: what was whole when the call was made is so when
 * it is made again, as the inner one. What grew was not, and is fetched as far as it is there. This ends, for each way
 * back leads through something that grew, or a step of an object, and both are remembered before (value.h). */
#include "value/pickle_writer.h"

#include "value/walk.h"

#include <errno.h>
#include <stdlib.h>

/* ---- plain values ---- */

/** How many bytes a number needs in two's complement. */
static size_t width_of(int64_t number)
{
    uint64_t bits = (uint64_t)(number < 0 ? ~number : number);
    size_t width = 1;
    while (width < sizeof bits && bits >> (8 * width - 1) != 0)
        width++;
    return width;
}

/** An int of more than 64 bits. It is remembered as a text is, though Python does not: who has one of many bytes a
 *  thousand times must not make a pickle a thousand times as long. */
static int write_big_int(struct writer *writer, const void *bytes, size_t size)
{
    static const struct opcodes opcodes = { .one = OP_LONG1, .four = OP_LONG4 };
    if (size > INT32_MAX)
        return error_fail(KITH_ELIMIT, "no protocol has a word for an int of %zu bytes", size);
    return writer_put_counted(writer, opcodes, bytes, size);
}

static int write_int(struct writer *writer, int64_t number)
{
    if (number >= 0 && number <= UINT8_MAX)
        return writer_put_number(writer, OP_BININT1, (uint64_t)number, 1);
    if (number >= 0 && number <= UINT16_MAX)
        return writer_put_number(writer, OP_BININT2, (uint64_t)number, 2);
    if (number >= INT32_MIN && number <= INT32_MAX)
        return writer_put_number(writer, OP_BININT, (uint64_t)number, 4);
    size_t width = width_of(number);
    int code = writer_put_byte(writer, OP_LONG1);
    return code < 0 ? code : writer_put_number(writer, (unsigned char)width, (uint64_t)number, width);
}

static int write_float(struct writer *writer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    unsigned char bytes[1 + sizeof bits] = { OP_BINFLOAT };
    for (size_t i = 0; i < sizeof bits; i++)
        bytes[1 + i] = (unsigned char)(bits >> (8 * (sizeof bits - 1 - i)));
    return writer_put_bytes(writer, bytes, sizeof bytes);
}

/* ---- values ---- */

/** Something of bytes, which is remembered when it is written. */
static int write_string(struct writer *writer, const kith_value *value)
{
    const char *data = value->bytes.data;
    size_t size = value->bytes.size;
    int code = value->kind == KITH_STR     ? writer_put_text(writer, data, size)
               : value->kind == KITH_BYTES ? write_bytes(writer, data, size)
               : value->kind == KITH_INT   ? write_big_int(writer, data, size)
                                           : write_bytearray(writer, data, size);
    return code < 0 ? code : writer_remember_if_needed(writer, value);
}

int write_value(struct writer *writer, const kith_value *value)
{
    switch (value->kind) {
    case KITH_NONE:
        return writer_put_byte(writer, OP_NONE);
    case KITH_BOOL:
        return writer_put_byte(writer, value->truth ? OP_NEWTRUE : OP_NEWFALSE);
    case KITH_INT:
        if (!(value->marks & VALUE_BIG))
            return write_int(writer, value->integer);
        break;
    case KITH_FLOAT:
        return write_float(writer, value->real);
    default:
        break;
    }
    const size_t *place = writer_remembers(writer, value) ? writer_place_of(writer, value) : NULL;
    if (place)
        return writer_fetch(writer, *place);
    return value->kind <= KITH_BYTEARRAY ? write_string(writer, value) : begin_container(writer, value);
}

/** The part of a container or object that comes next. @return NULL where an object has none */
static inline const kith_value *next_part(struct level *level)
{
    const kith_value *value = level->value;
    size_t index = level->next++;
    if (value->kind == KITH_LIST || value->kind == KITH_TUPLE)
        return value->sequence->items[index];
    if (value->kind == KITH_DICT)
        return index % 2 ? value->table->pairs[index / 2].item : value->table->pairs[index / 2].key;
    return value_part(value, index);
}

/** Writes parts of the value that the writer is in, until one has parts of its own or the last one is written. */
static int go_on(struct writer *writer)
{
    size_t depth = writer->depth;
    struct level *level = &writer->levels[depth - 1];
    int code = 0;
    while (code == 0 && writer->depth == depth) {
        if (level->next == level->stop) {
            code = (level->value->kind == KITH_OBJECT ? turn_object : turn_container)(writer, level);
        } else {
            const kith_value *part = next_part(level);
            bool unpack = part && level->value->kind == KITH_OBJECT && is_unpacked(level->value->object, part);
            code = unpack ? begin_unpacked(writer, part) : part ? write_value(writer, part) : 0;
        }
    }
    writer->depth -= code == 1;
    return code < 0 ? code : 0;
}

static int write_all(struct writer *writer)
{
    int code = write_value(writer, writer->root);
    while (code == 0 && writer->depth > 0)
        code = go_on(writer);
    return code;
}

/* ---- the whole ---- */

static int check(const kith_pickle_write_options *options)
{
    if (options->protocol != 0 && (options->protocol < 2 || options->protocol > PICKLE_PROTOCOL_MAX))
        return error_fail(-EINVAL, "protocol %d can't be written: give 2 to %d", options->protocol,
                          PICKLE_PROTOCOL_MAX);
    if (options->on_buffer && options->protocol != 5)
        return error_fail(-EINVAL, "on_buffer is given: only protocol 5 can leave buffers out");
    return 0;
}

static int write_piece(struct writer *writer, const struct pickle_piece *piece)
{
    int code = writer_put_bytes(writer, piece->opcodes, piece->size);
    for (size_t i = 0; i < piece->count && code == 0; i++) {
        if (!piece->values[i])
            return error_fail(-EINVAL, "value is NULL: the call that should have made it failed");
        writer->root = piece->values[i];
        code = write_all(writer);
    }
    return code;
}

int pickle_write_pieces(struct pickle_out *out, const struct pickle_piece *pieces, size_t count,
                        const kith_pickle_write_options *options)
{
    static const kith_pickle_write_options defaults;
    if (!options)
        options = &defaults;
    int code = check(options);
    if (code < 0)
        return code;
    struct writer writer;
    writer.out = out;
    writer.limit = options->max_bytes ? options->max_bytes : SIZE_MAX;
    writer.root = NULL;
    writer.options = options;
    writer.protocol = options->protocol ? options->protocol : PICKLE_PROTOCOL_DEFAULT;
    writer.levels = writer.own;
    writer.level_capacity = WRITER_OWN_LEVELS;
    writer.depth = 0;
    writer.late = 0;
    writer.objects = 0;
    writer.again = 0;
    writer.places = 0;
    memo_begin(&writer.memo);
    writer_set_room(&writer);
    out->size = 0;
    out->fetched = 0;

    code = writer_put_number(&writer, OP_PROTO, (uint64_t)writer.protocol, 1);
    for (size_t i = 0; i < count && code == 0; i++)
        code = write_piece(&writer, &pieces[i]);
    if (code == 0)
        code = writer_put_byte(&writer, OP_STOP);
    if (writer.levels != writer.own)
        free(writer.levels);
    memo_end(&writer.memo);
    if (code < 0)
        out->size = 0;
    return code;
}

int pickle_write_to(struct pickle_out *out, const kith_value *value, const kith_pickle_write_options *options)
{
    return pickle_write_pieces(out, &(struct pickle_piece){ .values = &value, .count = 1 }, 1, options);
}

void pickle_out_free(struct pickle_out *out)
{
    if (!out->lent)
        free(out->data);
    *out = (struct pickle_out){ 0 };
}

/** Makes what was written memory from malloc of just its length. */
static int settle(struct pickle_out *out)
{
    unsigned char *data = realloc(out->lent ? NULL : out->data, out->size);
    if (!data)
        return error_fail(-ENOMEM, "no memory for a pickle of %zu bytes", out->size);
    if (out->lent)
        memcpy(data, out->data, out->size);
    *out = (struct pickle_out){ .data = data, .size = out->size, .capacity = out->size };
    return 0;
}

int kith_pickle_write(const kith_value *value, kith_bytes *pickle, const kith_pickle_write_options *options)
{
    if (!pickle)
        return error_fail(-EINVAL, "pickle is NULL: give where to store it");
    unsigned char small[1024]; /* most are shorter */
    struct pickle_out out = { .data = small, .capacity = sizeof small, .lent = true };
    int code = pickle_write_to(&out, value, options);
    if (code == 0)
        code = settle(&out);
    if (code < 0) {
        pickle_out_free(&out);
        return code;
    }
    *pickle = (kith_bytes){ out.data, out.size };
    return 0;
}
