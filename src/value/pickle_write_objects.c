/* Objects: what was said of how to make them is said again. */
#include "value/pickle_writer.h"

#include <errno.h>

static void step_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = ((const struct step *)entries)[index].key;
    *item = ((const struct step *)entries)[index].item;
}

/** class.__new__(class, *args, **kwargs). */
static int put_new(struct writer *writer, const struct object *object)
{
    bool by_name = object->kwargs && writer->protocol < 4;
    int code = by_name ? writer_put_global(writer, "copyreg", "__newobj_ex__") : 0;
    if (code == 0)
        code = write_value(writer, object->callable);
    if (code == 0)
        code = write_value(writer, object->args);
    if (code == 0 && object->kwargs)
        code = write_value(writer, object->kwargs);
    if (code < 0)
        return code;
    return by_name ? writer_put_call(writer, OP_TUPLE3)
                   : writer_put_byte(writer, object->kwargs ? OP_NEWOBJ_EX : OP_NEWOBJ);
}

static int put_object_call(struct writer *writer, const struct object *object)
{
    int code = write_value(writer, object->callable);
    if (code == 0)
        code = write_value(writer, object->args);
    return code < 0 ? code : writer_put_byte(writer, OP_REDUCE);
}

static int put_instance(struct writer *writer, const struct object *object)
{
    int code = writer_put_byte(writer, OP_MARK);
    if (code == 0)
        code = write_value(writer, object->callable);
    if (code == 0)
        code =
            writer_put_entries(writer, writer_item_at, object->args->sequence->items, 0, object->args->sequence->count);
    return code < 0 ? code : writer_put_byte(writer, OP_OBJ);
}

static int put_extension(struct writer *writer, const struct object *object)
{
    uint64_t number = (uint64_t)object->args->integer;
    if (number <= UINT8_MAX)
        return writer_put_number(writer, OP_EXT1, number, 1);
    return number <= UINT16_MAX ? writer_put_number(writer, OP_EXT2, number, 2)
                                : writer_put_number(writer, OP_EXT4, number, 4);
}

static int put_buffer(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    const kith_pickle_write_options *options = writer->options;
    if (!options->on_buffer && object->data)
        return (object->read_only ? write_bytes : write_bytearray)(writer, object->data, object->size);
    if (writer->protocol < 5)
        return error_fail(-ENOTSUP, "a buffer without data: only protocol 5 can leave it out");
    int code = options->on_buffer ? options->on_buffer(options->context, value) : 0;
    if (code < 0)
        return code;
    code = writer_put_byte(writer, OP_NEXT_BUFFER);
    return code == 0 && object->read_only ? writer_put_byte(writer, OP_READONLY_BUFFER) : code;
}

/** The object without its steps. */
static int put_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    int code;
    switch (object->form) {
    case KITH_OBJECT_GLOBAL:
        return writer_put_global(writer, object->module, object->name);
    case KITH_OBJECT_CALL:
        return put_object_call(writer, object);
    case KITH_OBJECT_NEW:
        return put_new(writer, object);
    case KITH_OBJECT_INSTANCE:
        return put_instance(writer, object);
    case KITH_OBJECT_PERSISTENT:
        code = write_value(writer, object->args);
        return code < 0 ? code : writer_put_byte(writer, OP_BINPERSID);
    case KITH_OBJECT_EXTENSION:
        return put_extension(writer, object);
    case KITH_OBJECT_BUFFER:
        return put_buffer(writer, value);
    }
    return error_fail(-EINVAL, "an object of form %d", (int)object->form);
}

/** Steps of one kind, from the first of them on. */
static int write_run(struct writer *writer, const struct step *steps, size_t count)
{
    switch (steps->kind) {
    case KITH_STEP_APPEND:
        return writer_fill(writer, step_at, steps, count, OP_APPEND, OP_APPENDS);
    case KITH_STEP_SET_ITEM:
        return writer_fill(writer, step_at, steps, count, OP_SETITEM, OP_SETITEMS);
    case KITH_STEP_ADD:
        return writer_fill(writer, step_at, steps, count, 0, OP_ADDITEMS);
    case KITH_STEP_STATE:
    case KITH_STEP_CALL:
        break;
    }
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        code = write_value(writer, steps[i].item);
        if (code == 0)
            code = writer_put_byte(writer, steps->kind == KITH_STEP_STATE ? OP_BUILD : OP_POP);
    }
    return code;
}

int write_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    bool remembered = writer_late_begin(writer, value);
    int code = writer_late_end(writer, value, remembered, put_object(writer, value));
    if (code != 0)
        return code;
    for (size_t i = 0, end; i < object->count && code == 0; i = end) {
        end = i + 1;
        while (end < object->count && object->steps[end].kind == object->steps[i].kind)
            end++;
        code = write_run(writer, &object->steps[i], end - i);
    }
    return code;
}
