/* Objects: what was said of how to make them is said again. */
#include "value/pickle_writer.h"

#include <errno.h>

enum { CALLABLE, ARGS, KWARGS, STEPS }; /* the parts, as value_part counts them: from STEPS on two for each step */

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

/** Whether nothing of its parts is written but steps: what it is tells one opcode. */
static bool has_no_parts(const struct object *object)
{
    return object->form == KITH_OBJECT_GLOBAL || object->form == KITH_OBJECT_EXTENSION ||
           object->form == KITH_OBJECT_BUFFER;
}

/** Whether class.__new__(class, *args, **kwargs) is written as a call: the protocol has no word for kwargs. */
static bool is_called_by_name(const struct writer *writer, const struct object *object)
{
    return object->form == KITH_OBJECT_NEW && object->kwargs && writer->protocol < 4;
}

int begin_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    struct level *level;
    int code = writer_enter_late(writer, value, &level);
    if (code < 0)
        return code;
    level->stop = STEPS;
    level->next = has_no_parts(object) ? STEPS : CALLABLE;
    if (object->form == KITH_OBJECT_INSTANCE)
        return writer_put_byte(writer, OP_MARK);
    return is_called_by_name(writer, object) ? writer_put_global(writer, "copyreg", "__newobj_ex__") : 0;
}

/** What makes the object of its parts. */
static int put_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    switch (object->form) {
    case KITH_OBJECT_GLOBAL:
        return writer_put_global(writer, object->module, object->name);
    case KITH_OBJECT_CALL:
        return writer_put_byte(writer, OP_REDUCE);
    case KITH_OBJECT_NEW:
        if (is_called_by_name(writer, object))
            return writer_put_call(writer, OP_TUPLE3);
        return writer_put_byte(writer, object->kwargs ? OP_NEWOBJ_EX : OP_NEWOBJ);
    case KITH_OBJECT_INSTANCE:
        return writer_put_byte(writer, OP_OBJ);
    case KITH_OBJECT_PERSISTENT:
        return writer_put_byte(writer, OP_BINPERSID);
    case KITH_OBJECT_EXTENSION:
        return put_extension(writer, object);
    case KITH_OBJECT_BUFFER:
        return put_buffer(writer, value);
    }
    return error_fail(-EINVAL, "an object of form %d", (int)object->form);
}

/** Begins a batch of steps of one kind. */
static int begin_steps(struct writer *writer, struct level *level, const struct step *steps, size_t count)
{
    size_t alike = 1;
    while (alike < count && alike < PICKLE_BATCH && steps[alike].kind == steps->kind)
        alike++;
    switch (steps->kind) {
    case KITH_STEP_APPEND:
        return writer_begin_batch(writer, level, alike, 2, OP_APPEND, OP_APPENDS);
    case KITH_STEP_SET_ITEM:
        return writer_begin_batch(writer, level, alike, 2, OP_SETITEM, OP_SETITEMS);
    case KITH_STEP_ADD:
        return writer_begin_batch(writer, level, alike, 2, 0, OP_ADDITEMS);
    case KITH_STEP_STATE:
    case KITH_STEP_CALL:
        break;
    }
    level->stop = level->next + 2;
    level->due = steps->kind == KITH_STEP_STATE ? OP_BUILD : OP_POP;
    return 0;
}

int turn_object(struct writer *writer, struct level *level)
{
    const struct object *object = level->value->object;
    /* Before the first step no opcode is due but that which makes the object. */
    int code = level->due ? writer_put_byte(writer, level->due)
                          : writer_late_end(writer, level, put_object(writer, level->value));
    size_t step = (level->next - STEPS) / 2;
    if (code != 0 || step == object->count)
        return code < 0 ? code : 1;
    return begin_steps(writer, level, &object->steps[step], object->count - step);
}
