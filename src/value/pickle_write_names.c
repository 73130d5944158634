/* Names of classes and functions, bytes and bytearrays: what older protocols have other words for, or none. */
#include "value/pickle_writer.h"

#include <errno.h>
#include <stdlib.h>

/* ---- names ---- */

static int put_line(struct writer *writer, const char *line)
{
    int code = writer_put_bytes(writer, line, strlen(line));
    return code < 0 ? code : writer_put_byte(writer, '\n');
}

static int put_lines(struct writer *writer, const char *module, const char *name)
{
    int code = writer_put_byte(writer, OP_GLOBAL);
    if (code == 0)
        code = put_line(writer, module);
    return code < 0 ? code : put_line(writer, name);
}

/** A name that its module has itself, below protocol 4. */
static int put_global_lines(struct writer *writer, const char *module, const char *name)
{
    if (strchr(module, '\n') || strchr(name, '\n'))
        return error_fail(-ENOTSUP, "the name of a class or function has a line break: write it in protocol 4 or 5");
    if (writer->protocol < 3)
        pickle_names_to_2(&module, &name);
    return put_lines(writer, module, name);
}

int writer_put_call(struct writer *writer, unsigned char tuple)
{
    int code = writer_put_byte(writer, tuple);
    return code < 0 ? code : writer_put_byte(writer, OP_REDUCE);
}

/** The name of what is in a class, below protocol 4: getattr(getattr(A, 'B'), 'C'). */
static int put_attribute(struct writer *writer, const char *module, const char *name)
{
    const char *builtins = "builtins", *getattr = "getattr";
    if (writer->protocol < 3)
        pickle_names_to_2(&builtins, &getattr);
    int code = 0;
    for (const char *dot = strchr(name, '.'); dot && code == 0; dot = strchr(dot + 1, '.'))
        code = put_lines(writer, builtins, getattr);
    const char *rest = strchr(name, '.');
    char *outer = code == 0 ? strndup(name, (size_t)(rest - name)) : NULL;
    if (code == 0)
        code = outer ? put_global_lines(writer, module, outer) : error_fail(-ENOMEM, "no memory for a name");
    free(outer);
    while (*rest && code == 0) {
        size_t size = strcspn(++rest, ".");
        code = writer_put_text(writer, rest, size);
        if (code == 0)
            code = writer_put_call(writer, OP_TUPLE2);
        rest += size;
    }
    return code;
}

int writer_put_global(struct writer *writer, const char *module, const char *name)
{
    if (writer->protocol < 4)
        return (strchr(name, '.') ? put_attribute : put_global_lines)(writer, module, name);
    int code = writer_put_text(writer, module, strlen(module));
    if (code == 0)
        code = writer_put_text(writer, name, strlen(name));
    return code < 0 ? code : writer_put_byte(writer, OP_STACK_GLOBAL);
}

/* ---- bytes and bytearrays ---- */

/** The text whose Latin-1 these bytes are. */
static int put_as_latin(struct writer *writer, const unsigned char *bytes, size_t size)
{
    size_t length = size;
    for (size_t i = 0; i < size; i++)
        length += bytes[i] >> 7;
    if (length > UINT32_MAX)
        return error_fail(KITH_ELIMIT, "protocol 2 has no word for %zu bytes", size);
    int code = writer_put_number(writer, OP_BINUNICODE, length, 4);
    if (code == 0)
        code = writer_reserve(writer, length);
    if (code < 0)
        return code;
    unsigned char *at = writer->out->data + writer->out->size;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] >= 0x80)
            *at++ = (unsigned char)(0xc0 | bytes[i] >> 6);
        *at++ = (unsigned char)(bytes[i] >= 0x80 ? 0x80 | (bytes[i] & 0x3f) : bytes[i]);
    }
    writer->out->size += length;
    return 0;
}

static int put_bytes_before_3(struct writer *writer, const void *data, size_t size)
{
    int code = size ? writer_put_global(writer, "_codecs", "encode") : writer_put_global(writer, "builtins", "bytes");
    if (code == 0 && size)
        code = put_as_latin(writer, data, size);
    if (code == 0 && size)
        code = writer_put_text(writer, "latin1", strlen("latin1"));
    return code < 0 ? code : writer_put_call(writer, size ? OP_TUPLE2 : OP_EMPTY_TUPLE);
}

int write_bytes(struct writer *writer, const void *data, size_t size)
{
    static const struct opcodes in_3 = { OP_SHORT_BINBYTES, OP_BINBYTES, 0 },
                                since_4 = { OP_SHORT_BINBYTES, OP_BINBYTES, OP_BINBYTES8 };
    if (writer->protocol < 3)
        return put_bytes_before_3(writer, data, size);
    return writer_put_counted(writer, writer->protocol < 4 ? in_3 : since_4, data, size);
}

int write_bytearray(struct writer *writer, const void *data, size_t size)
{
    static const struct opcodes since_5 = { .eight = OP_BYTEARRAY8 };
    if (writer->protocol >= 5)
        return writer_put_counted(writer, since_5, data, size);
    int code = writer_put_global(writer, "builtins", "bytearray");
    if (code == 0 && size)
        code = write_bytes(writer, data, size);
    return code < 0 ? code : writer_put_call(writer, size ? OP_TUPLE1 : OP_EMPTY_TUPLE);
}
