/* Plain values as pickles have them in bytes, and what is common to those in lines of text. */
#include "value/pickle_reader.h"

enum { BORROWED_LEAST = 1024 }; /* shorter bytes are copied though they may be borrowed */

int read_small_int(struct reader *reader, size_t width)
{
    uint64_t number;
    int code = reader_take_number(reader, width, &number);
    return code < 0 ? code : reader_push_made(reader, value_int(reader->arena, (int64_t)number));
}

int read_binint(struct reader *reader)
{
    uint64_t number;
    int code = reader_take_number(reader, 4, &number);
    return code < 0 ? code : reader_push_made(reader, value_int(reader->arena, (int32_t)number));
}

int read_long(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *bytes = reader_take_counted(reader, width, &size);
    if (!bytes)
        return KITH_EMALFORMED;
    if (size > INT32_MAX)
        return reader_fail(reader, "an int has a negative length");
    return reader_push_made(reader, kith_value_int_from_bytes(reader->arena, bytes, size));
}

int read_binfloat(struct reader *reader)
{
    const unsigned char *bytes = reader_take(reader, sizeof(double));
    if (!bytes)
        return KITH_EMALFORMED;
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof bits; i++)
        bits = bits << 8 | bytes[i];
    double number;
    memcpy(&number, &bits, sizeof number);
    return reader_push_made(reader, value_float(reader->arena, number));
}

int read_str(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *text = reader_take_counted(reader, width, &size);
    if (!text)
        return KITH_EMALFORMED;
    if (!few_are_ascii(text, size) && !value_is_text(text, size))
        return reader_fail(reader, "a str is not in UTF-8");
    return reader_push_made(reader, value_str(reader->arena, (const char *)text, size));
}

static kith_value *bytes_of(struct reader *reader, kith_kind kind, const void *data, size_t size)
{
    if (reader->options->borrow && size >= BORROWED_LEAST)
        return value_borrow(reader->arena, kind, data, size);
    const char *copy = arena_copy(reader->arena, data, size);
    return copy ? value_borrow(reader->arena, kind, copy, size) : NULL;
}

int read_bytes(struct reader *reader, kith_kind kind, size_t width)
{
    size_t size;
    const unsigned char *data = reader_take_counted(reader, width, &size);
    return data ? reader_push_made(reader, bytes_of(reader, kind, data, size)) : KITH_EMALFORMED;
}

int read_old_string(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *data = reader_take_counted(reader, width, &size);
    if (!data)
        return KITH_EMALFORMED;
    if (size > INT32_MAX)
        return reader_fail(reader, "a string has a negative length");
    return reader_push_made(reader, pickle_old_string(reader->arena, data, size));
}

int read_line(struct reader *reader, read_text *read)
{
    size_t size;
    const char *line = reader_take_line(reader, &size), *fault = "";
    if (!line)
        return KITH_EMALFORMED;
    kith_value *value = NULL;
    int code = read(reader->arena, line, size, &value, &fault);
    if (code == KITH_EMALFORMED)
        return reader_fail(reader, "%s", fault);
    return code < 0 ? code : reader_push_made(reader, value);
}
