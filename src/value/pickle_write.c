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
 * back to itself is being written, all is remembered, whatever its marks say. */
#include "value/pickle_writer.h"

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

static int write_int(struct writer *writer, const kith_value *value)
{
    static const struct opcodes opcodes = { .one = OP_LONG1, .four = OP_LONG4 };
    if (value->marks & VALUE_BIG) {
        if (value->bytes.size > INT32_MAX)
            return error_fail(KITH_ELIMIT, "no protocol has a word for an int of %zu bytes", value->bytes.size);
        return writer_put_counted(writer, opcodes, value->bytes.data, value->bytes.size);
    }
    int64_t number = value->integer;
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

static int write_nested(struct writer *writer, const kith_value *value)
{
    if (writer->depth == KITH_VALUE_DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "the value nests deeper than %d levels", KITH_VALUE_DEPTH_MAX);
    writer->depth++;
    int code = write_container(writer, value);
    writer->depth--;
    return code < 0 ? code : 0;
}

/** Something of bytes, which is remembered when it is written. */
static int write_string(struct writer *writer, const kith_value *value)
{
    const char *data = value->bytes.data;
    size_t size = value->bytes.size;
    int code = value->kind == KITH_STR     ? writer_put_text(writer, data, size)
               : value->kind == KITH_BYTES ? write_bytes(writer, data, size)
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
        return write_int(writer, value);
    case KITH_FLOAT:
        return write_float(writer, value->real);
    default:
        break;
    }
    const size_t *place = writer_remembers(writer, value) ? memo_find(&writer->memo, value) : NULL;
    if (place)
        return writer_fetch(writer, *place);
    return value->kind <= KITH_BYTEARRAY ? write_string(writer, value) : write_nested(writer, value);
}

/* ---- the whole ---- */

static int check(const kith_value *value, const kith_pickle_write_options *options)
{
    if (!value)
        return error_fail(-EINVAL, "value is NULL: the call that should have made it failed");
    if (options->protocol != 0 && (options->protocol < 2 || options->protocol > PICKLE_PROTOCOL_MAX))
        return error_fail(-EINVAL, "protocol %d can't be written: give 2 to %d", options->protocol,
                          PICKLE_PROTOCOL_MAX);
    if (options->on_buffer && options->protocol != 5)
        return error_fail(-EINVAL, "on_buffer is given: only protocol 5 can leave buffers out");
    return 0;
}

int pickle_write_to(struct pickle_out *out, const kith_value *value, const kith_pickle_write_options *options)
{
    static const kith_pickle_write_options defaults;
    if (!options)
        options = &defaults;
    int code = check(value, options);
    if (code < 0)
        return code;
    struct writer writer;
    writer.out = out;
    writer.limit = options->max_bytes ? options->max_bytes : SIZE_MAX;
    writer.root = value;
    writer.options = options;
    writer.protocol = options->protocol ? options->protocol : PICKLE_PROTOCOL_DEFAULT;
    writer.depth = 0;
    writer.late = 0;
    memo_begin(&writer.memo);
    writer_set_room(&writer);
    out->size = 0;

    code = writer_put_number(&writer, OP_PROTO, (uint64_t)writer.protocol, 1);
    if (code == 0)
        code = write_value(&writer, value);
    if (code == 0)
        code = writer_put_byte(&writer, OP_STOP);
    memo_end(&writer.memo);
    if (code < 0)
        out->size = 0;
    return code;
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
