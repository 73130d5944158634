/* Reading pickles: the machine with a stack and a memo that a pickle is a program for, without what would run anything.
 * Where Python imports and calls, an object is made that says so.
 *
 * It does not recurse, and each opcode takes time and memory in proportion to what it has in the pickle, or else to
 * what it takes from the arena, which has a limit. So the whole is in proportion to the pickle. */
#include "value/pickle_reader.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX_DEPTH_DEFAULT = 1000 };

static int read_proto(struct reader *reader)
{
    uint64_t protocol;
    int code = reader_take_number(reader, 1, &protocol);
    if (code < 0)
        return code;
    if (protocol > PICKLE_PROTOCOL_MAX)
        return reader_fail(reader, "protocol %d is not known", (int)protocol);
    reader->protocol = (int)protocol;
    return 0;
}

/** Frames tell a reader of a file how much to ask for at once. Here all is there, so nothing is done with them. */
static int read_frame(struct reader *reader)
{
    uint64_t size;
    int code = reader_take_number(reader, 8, &size);
    if (code < 0)
        return code;
    return size > (uint64_t)(reader->end - reader->at) ? reader_fail(reader, "a frame goes beyond the pickle's end")
                                                       : 0;
}

static int execute(struct reader *reader, enum pickle_opcode opcode)
{
    kith_arena *arena = reader->arena;
    switch (opcode) {
    case OP_PROTO:
        return read_proto(reader);
    case OP_FRAME:
        return read_frame(reader);
    case OP_NONE:
        return reader_push_made(reader, value_new(arena, KITH_NONE));
    case OP_NEWTRUE:
        return reader_push_made(reader, kith_value_bool(arena, true));
    case OP_NEWFALSE:
        return reader_push_made(reader, kith_value_bool(arena, false));
    case OP_BININT1:
        return read_small_int(reader, 1);
    case OP_BININT2:
        return read_small_int(reader, 2);
    case OP_BININT:
        return read_binint(reader);
    case OP_LONG1:
        return read_long(reader, 1);
    case OP_LONG4:
        return read_long(reader, 4);
    case OP_BINFLOAT:
        return read_binfloat(reader);
    case OP_SHORT_BINUNICODE:
        return read_str(reader, 1);
    case OP_BINUNICODE:
        return read_str(reader, 4);
    case OP_BINUNICODE8:
        return read_str(reader, 8);
    case OP_SHORT_BINBYTES:
        return read_bytes(reader, KITH_BYTES, 1);
    case OP_BINBYTES:
        return read_bytes(reader, KITH_BYTES, 4);
    case OP_BINBYTES8:
        return read_bytes(reader, KITH_BYTES, 8);
    case OP_BYTEARRAY8:
        return read_bytes(reader, KITH_BYTEARRAY, 8);
    case OP_SHORT_BINSTRING:
        return read_old_string(reader, 1);
    case OP_BINSTRING:
        return read_old_string(reader, 4);
    case OP_INT:
        return read_line(reader, pickle_text_int);
    case OP_LONG:
        return read_line(reader, pickle_text_long);
    case OP_FLOAT:
        return read_line(reader, pickle_text_float);
    case OP_STRING:
        return read_line(reader, pickle_text_string);
    case OP_UNICODE:
        return read_line(reader, pickle_text_unicode);

    case OP_MARK:
        return reader_push(reader, NULL);
    case OP_POP:
        return read_pop(reader);
    case OP_POP_MARK:
        return reader_pop_mark(reader, &(size_t){ 0 }) ? 0 : KITH_EMALFORMED;
    case OP_DUP:
        return reader_top(reader) ? reader_push(reader, reader_top(reader)) : reader_lacks_value(reader);
    case OP_MEMOIZE:
        return read_memoize(reader);
    case OP_PUT:
        return read_put(reader, 0);
    case OP_BINPUT:
        return read_put(reader, 1);
    case OP_LONG_BINPUT:
        return read_put(reader, 4);
    case OP_GET:
        return read_get(reader, 0);
    case OP_BINGET:
        return read_get(reader, 1);
    case OP_LONG_BINGET:
        return read_get(reader, 4);

    case OP_EMPTY_TUPLE:
        return reader_push_tuple(reader, NULL, 0);
    case OP_TUPLE1:
        return read_short_tuple(reader, 1);
    case OP_TUPLE2:
        return read_short_tuple(reader, 2);
    case OP_TUPLE3:
        return read_short_tuple(reader, 3);
    case OP_TUPLE:
        return read_tuple(reader);
    case OP_EMPTY_LIST:
        return reader_push_container(reader, value_list(arena, 0));
    case OP_LIST:
        return read_list(reader);
    case OP_APPEND:
        return read_append(reader);
    case OP_APPENDS:
        return read_appends(reader);
    case OP_EMPTY_DICT:
        return reader_push_container(reader, value_table(arena, KITH_DICT, 0));
    case OP_DICT:
        return read_dict(reader);
    case OP_SETITEM:
        return read_setitem(reader);
    case OP_SETITEMS:
        return read_setitems(reader);
    case OP_EMPTY_SET:
        return reader_push_container(reader, value_table(arena, KITH_SET, 0));
    case OP_ADDITEMS:
        return read_additems(reader);
    case OP_FROZENSET:
        return read_frozenset(reader);

    case OP_GLOBAL:
        return read_global(reader);
    case OP_STACK_GLOBAL:
        return read_stack_global(reader);
    case OP_REDUCE:
        return read_reduce(reader);
    case OP_NEWOBJ:
        return read_newobj(reader, false);
    case OP_NEWOBJ_EX:
        return read_newobj(reader, true);
    case OP_OBJ:
        return read_obj(reader);
    case OP_INST:
        return read_inst(reader);
    case OP_BUILD:
        return read_build(reader);
    case OP_PERSID:
        return read_persid(reader);
    case OP_BINPERSID:
        return read_binpersid(reader);
    case OP_EXT1:
        return read_extension(reader, 1);
    case OP_EXT2:
        return read_extension(reader, 2);
    case OP_EXT4:
        return read_extension(reader, 4);
    case OP_NEXT_BUFFER:
        return read_next_buffer(reader);
    case OP_READONLY_BUFFER:
        return read_readonly_buffer(reader);
    case OP_STOP:
        break; /* run's */
    }
    return reader_fail(reader, "0x%02x is no opcode", *reader->opcode);
}

/** Runs the pickle to its STOP. */
static int run(struct reader *reader, kith_value **value)
{
    for (;;) {
        reader->opcode = reader->at;
        if (reader->at == reader->end)
            return reader_fail(reader, "the pickle ends without a STOP");
        if (*reader->at++ == OP_STOP)
            break;
        int code = execute(reader, *reader->opcode);
        if (code < 0)
            return code;
    }
    *value = reader_pop(reader);
    return *value ? 0 : reader_lacks_value(reader);
}

static size_t sum_or_most(size_t one, size_t other)
{
    return one > SIZE_MAX - other ? SIZE_MAX : one + other;
}

/** The most memory for the values of a pickle, unless the caller has said it: a byte of a pickle can hardly be worth
 *  more than an object and its node. */
static size_t max_bytes_of(size_t size, const kith_pickle_read_options *options)
{
    enum { FOR_EACH_BYTE = 128, AND = 64 * 1024 };
    if (options->max_bytes)
        return options->max_bytes;
    size_t most = size > SIZE_MAX / FOR_EACH_BYTE ? SIZE_MAX : size * FOR_EACH_BYTE;
    for (size_t i = 0; i < options->buffer_count; i++)
        most = sum_or_most(most, options->buffers[i].size);
    return sum_or_most(most, AND);
}

/** Reads with the arena's limits set. */
static int read_limited(struct reader *reader, kith_value **value)
{
    enum { STEPS_FOR_EACH_BYTE = 64, AND = 1000000 }; /* of comparing keys */
    size_t size = (size_t)(reader->end - reader->start);
    const struct kith_arena before = *reader->arena;
    reader->names_left = max_bytes_of(size, reader->options);
    reader->arena->limit = sum_or_most(before.size, reader->names_left);
    reader->arena->work = (uint64_t)size * STEPS_FOR_EACH_BYTE + AND;
    int code = run(reader, value);
    size_t max_depth = reader->options->max_depth ? reader->options->max_depth : MAX_DEPTH_DEFAULT;
    if (code == 0 && reader->containers > max_depth)
        code = pickle_check_depth(*value, max_depth);
    reader->arena->limit = before.limit;
    reader->arena->work = before.work;
    reader->arena->error = before.error; /* what failed is told by the code */
    return code;
}

int kith_pickle_read(kith_arena *arena, kith_value **value, const void *data, size_t size,
                     const kith_pickle_read_options *options)
{
    static const kith_pickle_read_options defaults;
    if (!options)
        options = &defaults;
    if (!arena || !value || (!data && size) || (!options->buffers && options->buffer_count))
        return error_fail(-EINVAL, "%s is NULL", !arena ? "arena" : !value ? "value" : !data ? "data" : "buffers");

    kith_value *stack[READER_OWN_ROOM], *memo[READER_OWN_ROOM];
    stack[0] = NULL;
    struct reader reader = {
        .start = data,
        .at = data,
        .end = (const unsigned char *)data + size,
        .arena = arena,
        .stack = stack,
        .height = 1,
        .stack_capacity = READER_OWN_ROOM,
        .memo = memo,
        .memo_capacity = READER_OWN_ROOM,
        .max_values = options->max_values ? options->max_values : SIZE_MAX,
        .options = options,
    };
    kith_value *read = NULL;
    int code = read_limited(&reader, &read);
    if (reader.stack != stack)
        free(reader.stack);
    if (reader.memo != memo)
        free(reader.memo);
    if (code == 0)
        *value = read;
    return code;
}

int pickle_read_message(kith_arena *arena, kith_value **value, kith_bytes *pickle)
{
    enum { LONG = 4096 }; /* bytes */
    if (pickle->size < LONG)
        return kith_pickle_read(arena, value, pickle->data, pickle->size, NULL);
    int code = arena_adopt(arena, pickle->data, pickle->size);
    if (code < 0)
        return code;
    const void *data = pickle->data;
    pickle->data = NULL;
    return kith_pickle_read(arena, value, data, pickle->size, &(kith_pickle_read_options){ .borrow = 1 });
}
