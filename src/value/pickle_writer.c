/* The bytes of a pickle in memory that grows, and its memo. */
#include "value/pickle_writer.h"

#include <errno.h>
#include <stdlib.h>

int writer_grow(struct writer *writer, size_t size)
{
    enum { LEAST = 512 };
    struct pickle_out *out = writer->out;
    if (size > writer->limit - out->size)
        return error_fail(KITH_ELIMIT, "the pickle is longer than the %zu bytes that are allowed", writer->limit);
    size_t needed = out->size + size;
    size_t capacity = out->capacity > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : 2 * out->capacity;
    capacity = capacity < LEAST ? LEAST : capacity;
    capacity = capacity < needed ? needed : capacity;
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

int writer_remember(struct writer *writer, const kith_value *value)
{
    size_t place = writer->memo.count;
    if (place > UINT32_MAX)
        return error_fail(KITH_ELIMIT, "more values are shared than a pickle can tell apart");
    int code = memo_put(&writer->memo, value, place);
    if (code < 0)
        return code;
    if (writer->protocol >= 4)
        return writer_put_byte(writer, OP_MEMOIZE);
    return place <= UINT8_MAX ? writer_put_number(writer, OP_BINPUT, place, 1)
                              : writer_put_number(writer, OP_LONG_BINPUT, place, 4);
}

int writer_fetch(struct writer *writer, size_t place)
{
    return place <= UINT8_MAX ? writer_put_number(writer, OP_BINGET, place, 1)
                              : writer_put_number(writer, OP_LONG_BINGET, place, 4);
}

bool writer_late_begin(struct writer *writer, const kith_value *value)
{
    bool remembered = writer_remembers(writer, value);
    writer->late += remembered;
    return remembered;
}

int writer_late_end(struct writer *writer, const kith_value *value, bool remembered, int code)
{
    writer->late -= remembered;
    if (code < 0 || !remembered)
        return code;
    const size_t *place = memo_find(&writer->memo, value);
    if (!place)
        return writer_remember(writer, value);
    code = writer_put_byte(writer, OP_POP);
    if (code == 0)
        code = writer_fetch(writer, *place);
    return code < 0 ? code : 1;
}
