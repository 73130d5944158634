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
#include "value/pickle.h"

#include "base/error.h"
#include "value/pickle_memo.h"

#include <errno.h>
#include <stdlib.h>

struct writer {
    struct pickle_out *out;
    size_t room; /* how long the pickle gets before grow has to look: the memory's size, or the limit */
    size_t limit;
    const kith_value *root;
    const kith_pickle_write_options *options;
    int protocol;
    unsigned depth;
    unsigned late; /* how many values are being written that are made of their parts, and may be among them */
    struct memo memo;
};

static int write_value(struct writer *writer, const kith_value *value);

/* ---- bytes ---- */

static void set_room(struct writer *writer)
{
    writer->room = writer->out->capacity < writer->limit ? writer->out->capacity : writer->limit;
}

static int grow(struct writer *writer, size_t size) __attribute__((cold, noinline));

/** Makes room for size bytes more. */
static int grow(struct writer *writer, size_t size)
{
    enum { LEAST = 512 };
    struct pickle_out *out = writer->out;
    if (size > writer->limit - out->size)
        return error_fail(KITH_ELIMIT, "the pickle is longer than the %zu bytes that are allowed", writer->limit);
    size_t needed = out->size + size;
    size_t capacity = out->capacity > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : 2 * out->capacity;
    capacity = capacity < needed + LEAST ? needed + LEAST : capacity; /* behind what is long mostly comes little */
    unsigned char *data = realloc(out->lent ? NULL : out->data, capacity);
    if (!data)
        return error_fail(-ENOMEM, "no memory for a pickle of %zu bytes or more", needed);
    if (out->lent && out->size)
        memcpy(data, out->data, out->size);
    out->data = data;
    out->capacity = capacity;
    out->lent = false;
    set_room(writer);
    return 0;
}

static inline int reserve(struct writer *writer, size_t size)
{
    return size <= writer->room - writer->out->size ? 0 : grow(writer, size);
}

static inline int put_byte(struct writer *writer, unsigned char byte)
{
    int code = reserve(writer, 1);
    if (code == 0)
        writer->out->data[writer->out->size++] = byte;
    return code;
}

static inline int put_bytes(struct writer *writer, const void *bytes, size_t size)
{
    int code = reserve(writer, size);
    if (code < 0)
        return code;
    if (size)
        memcpy(writer->out->data + writer->out->size, bytes, size);
    writer->out->size += size;
    return 0;
}

/** An opcode and a number of so many bytes, the least significant first. */
static inline int put_number(struct writer *writer, unsigned char opcode, uint64_t number, size_t width)
{
    int code = reserve(writer, 1 + width);
    if (code < 0)
        return code;
    unsigned char *at = writer->out->data + writer->out->size;
    *at = opcode;
    for (size_t i = 0; i < width; i++)
        at[1 + i] = (unsigned char)(number >> (8 * i));
    writer->out->size += 1 + width;
    return 0;
}

/** The opcodes for the same thing, by how many bytes tell its length. 0: the protocol has none. */
struct opcodes {
    unsigned char one, four, eight;
};

/** An opcode, a length, and so many bytes. */
static inline int put_counted(struct writer *writer, struct opcodes opcodes, const void *bytes, size_t size)
{
    int code;
    if (size <= UINT8_MAX && opcodes.one)
        code = put_number(writer, opcodes.one, size, 1);
    else if (size <= UINT32_MAX && opcodes.four)
        code = put_number(writer, opcodes.four, size, 4);
    else if (opcodes.eight)
        code = put_number(writer, opcodes.eight, size, 8);
    else
        code = error_fail(KITH_ELIMIT, "protocol %d has no word for %zu bytes", writer->protocol, size);
    return code < 0 ? code : put_bytes(writer, bytes, size);
}

static inline int put_text(struct writer *writer, const char *text, size_t size)
{
    static const struct opcodes before_4 = { .four = OP_BINUNICODE },
                                since_4 = { OP_SHORT_BINUNICODE, OP_BINUNICODE, OP_BINUNICODE8 };
    return put_counted(writer, writer->protocol < 4 ? before_4 : since_4, text, size);
}

/* ---- memo ---- */

/** Whether the pickle may refer to this value once more. */
static inline bool is_remembered(const struct writer *writer, const kith_value *value)
{
    return value->marks & VALUE_SHARED || writer->late || (value == writer->root && value->marks & VALUE_INSERTED);
}

static int remember(struct writer *writer, const kith_value *value)
{
    size_t place = writer->memo.count;
    if (place > UINT32_MAX)
        return error_fail(KITH_ELIMIT, "more values are shared than a pickle can tell apart");
    int code = memo_put(&writer->memo, value, place);
    if (code < 0)
        return code;
    if (writer->protocol >= 4)
        return put_byte(writer, OP_MEMOIZE);
    return place <= UINT8_MAX ? put_number(writer, OP_BINPUT, place, 1) : put_number(writer, OP_LONG_BINPUT, place, 4);
}

static inline int remember_if_needed(struct writer *writer, const kith_value *value)
{
    return is_remembered(writer, value) ? remember(writer, value) : 0;
}

static int fetch(struct writer *writer, size_t place)
{
    return place <= UINT8_MAX ? put_number(writer, OP_BINGET, place, 1) : put_number(writer, OP_LONG_BINGET, place, 4);
}

/** What comes is made of its parts. @return whether it is to be remembered, which late_end wants to know */
static bool late_begin(struct writer *writer, const kith_value *value)
{
    bool remembered = is_remembered(writer, value);
    writer->late += remembered;
    return remembered;
}

/** What was made of the parts is on the stack now.
 *  @param code  what writing the parts said
 *  @return 0; 1 when it had been made meanwhile, as one of its own parts, and is complete */
static int late_end(struct writer *writer, const kith_value *value, bool remembered, int code)
{
    writer->late -= remembered;
    if (code < 0 || !remembered)
        return code;
    const size_t *place = memo_find(&writer->memo, value);
    if (!place)
        return remember(writer, value);
    code = put_byte(writer, OP_POP);
    if (code == 0)
        code = fetch(writer, *place);
    return code < 0 ? code : 1;
}

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
        return put_counted(writer, opcodes, value->bytes.data, value->bytes.size);
    }
    int64_t number = value->integer;
    if (number >= 0 && number <= UINT8_MAX)
        return put_number(writer, OP_BININT1, (uint64_t)number, 1);
    if (number >= 0 && number <= UINT16_MAX)
        return put_number(writer, OP_BININT2, (uint64_t)number, 2);
    if (number >= INT32_MIN && number <= INT32_MAX)
        return put_number(writer, OP_BININT, (uint64_t)number, 4);
    size_t width = width_of(number);
    int code = put_byte(writer, OP_LONG1);
    return code < 0 ? code : put_number(writer, (unsigned char)width, (uint64_t)number, width);
}

static int write_float(struct writer *writer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    unsigned char bytes[1 + sizeof bits] = { OP_BINFLOAT };
    for (size_t i = 0; i < sizeof bits; i++)
        bytes[1 + i] = (unsigned char)(bits >> (8 * (sizeof bits - 1 - i)));
    return put_bytes(writer, bytes, sizeof bytes);
}

/* ---- names ---- */

static int put_line(struct writer *writer, const char *line)
{
    int code = put_bytes(writer, line, strlen(line));
    return code < 0 ? code : put_byte(writer, '\n');
}

/** A name that its module has itself, below protocol 4. */
static int put_global_lines(struct writer *writer, const char *module, const char *name)
{
    if (strchr(module, '\n') || strchr(name, '\n'))
        return error_fail(-ENOTSUP, "the name of a class or function has a line break: write it in protocol 4 or 5");
    if (writer->protocol < 3)
        pickle_names_to_2(&module, &name);
    int code = put_byte(writer, OP_GLOBAL);
    if (code == 0)
        code = put_line(writer, module);
    return code < 0 ? code : put_line(writer, name);
}

/** Calls what is on the stack with a tuple of the values above it. */
static int put_call(struct writer *writer, unsigned char tuple)
{
    int code = put_byte(writer, tuple);
    return code < 0 ? code : put_byte(writer, OP_REDUCE);
}

/** The name of what is in a class, below protocol 4: getattr(getattr(A, 'B'), 'C'). */
static int put_attribute(struct writer *writer, const char *module, const char *name)
{
    int code = 0;
    for (const char *dot = strchr(name, '.'); dot && code == 0; dot = strchr(dot + 1, '.'))
        code = put_global_lines(writer, "builtins", "getattr");
    const char *rest = strchr(name, '.');
    char *outer = code == 0 ? strndup(name, (size_t)(rest - name)) : NULL;
    if (code == 0)
        code = outer ? put_global_lines(writer, module, outer) : error_fail(-ENOMEM, "no memory for a name");
    free(outer);
    while (*rest && code == 0) {
        size_t size = strcspn(++rest, ".");
        code = put_text(writer, rest, size);
        if (code == 0)
            code = put_call(writer, OP_TUPLE2);
        rest += size;
    }
    return code;
}

static int put_global(struct writer *writer, const char *module, const char *name)
{
    if (writer->protocol < 4)
        return (strchr(name, '.') ? put_attribute : put_global_lines)(writer, module, name);
    int code = put_text(writer, module, strlen(module));
    if (code == 0)
        code = put_text(writer, name, strlen(name));
    return code < 0 ? code : put_byte(writer, OP_STACK_GLOBAL);
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
    int code = put_number(writer, OP_BINUNICODE, length, 4);
    if (code == 0)
        code = reserve(writer, length);
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
    int code = size ? put_global(writer, "_codecs", "encode") : put_global(writer, "builtins", "bytes");
    if (code == 0 && size)
        code = put_as_latin(writer, data, size);
    if (code == 0 && size)
        code = put_text(writer, "latin1", strlen("latin1"));
    return code < 0 ? code : put_call(writer, size ? OP_TUPLE2 : OP_EMPTY_TUPLE);
}

static int write_bytes(struct writer *writer, const void *data, size_t size)
{
    static const struct opcodes in_3 = { OP_SHORT_BINBYTES, OP_BINBYTES, 0 },
                                since_4 = { OP_SHORT_BINBYTES, OP_BINBYTES, OP_BINBYTES8 };
    if (writer->protocol < 3)
        return put_bytes_before_3(writer, data, size);
    return put_counted(writer, writer->protocol < 4 ? in_3 : since_4, data, size);
}

static int write_bytearray(struct writer *writer, const void *data, size_t size)
{
    static const struct opcodes since_5 = { .eight = OP_BYTEARRAY8 };
    if (writer->protocol >= 5)
        return put_counted(writer, since_5, data, size);
    int code = put_global(writer, "builtins", "bytearray");
    if (code == 0 && size)
        code = write_bytes(writer, data, size);
    return code < 0 ? code : put_call(writer, size ? OP_TUPLE1 : OP_EMPTY_TUPLE);
}

/* ---- containers ---- */

/** One entry of a list, a table, or an object's steps. @param key  receives NULL where there is none, as item */
typedef void entry_at(const void *entries, size_t index, const kith_value **key, const kith_value **item);

static void item_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = NULL;
    *item = ((kith_value *const *)entries)[index];
}

static void pair_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = ((const struct pair *)entries)[index].key;
    *item = ((const struct pair *)entries)[index].item;
}

static void step_at(const void *entries, size_t index, const kith_value **key, const kith_value **item)
{
    *key = ((const struct step *)entries)[index].key;
    *item = ((const struct step *)entries)[index].item;
}

static int write_entries(struct writer *writer, entry_at *at, const void *entries, size_t first, size_t end)
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

/** Fills what is on the stack, batch by batch. @param one  the opcode for a single entry; 0: that for many does it */
static int fill(struct writer *writer, entry_at *at, const void *entries, size_t count, unsigned char one,
                unsigned char many)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i += PICKLE_BATCH) {
        size_t end = count - i > PICKLE_BATCH ? i + PICKLE_BATCH : count;
        bool alone = one && end - i == 1;
        if (!alone)
            code = put_byte(writer, OP_MARK);
        if (code == 0)
            code = write_entries(writer, at, entries, i, end);
        if (code == 0)
            code = put_byte(writer, alone ? one : many);
    }
    return code;
}

static int write_list(struct writer *writer, const kith_value *value)
{
    int code = put_byte(writer, OP_EMPTY_LIST);
    if (code == 0)
        code = remember_if_needed(writer, value);
    if (code < 0)
        return code;
    return fill(writer, item_at, value->sequence->items, value->sequence->count, OP_APPEND, OP_APPENDS);
}

static int write_dict(struct writer *writer, const kith_value *value)
{
    int code = put_byte(writer, OP_EMPTY_DICT);
    if (code == 0)
        code = remember_if_needed(writer, value);
    return code < 0 ? code : fill(writer, pair_at, value->table->pairs, value->table->count, OP_SETITEM, OP_SETITEMS);
}

static int write_tuple(struct writer *writer, const kith_value *value)
{
    static const unsigned char opcodes[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3 };
    const struct sequence *sequence = value->sequence;
    bool few = sequence->count < sizeof opcodes;
    if (sequence->count == 0)
        return put_byte(writer, OP_EMPTY_TUPLE);
    bool remembered = late_begin(writer, value);
    int code = few ? 0 : put_byte(writer, OP_MARK);
    if (code == 0)
        code = write_entries(writer, item_at, sequence->items, 0, sequence->count);
    if (code == 0)
        code = put_byte(writer, few ? opcodes[sequence->count] : OP_TUPLE);
    return late_end(writer, value, remembered, code);
}

static int write_set(struct writer *writer, const kith_value *value)
{
    int code = put_byte(writer, OP_EMPTY_SET);
    if (code == 0)
        code = remember_if_needed(writer, value);
    return code < 0 ? code : fill(writer, pair_at, value->table->pairs, value->table->count, 0, OP_ADDITEMS);
}

static int write_frozenset(struct writer *writer, const kith_value *value)
{
    bool remembered = late_begin(writer, value);
    int code = put_byte(writer, OP_MARK);
    if (code == 0)
        code = write_entries(writer, pair_at, value->table->pairs, 0, value->table->count);
    if (code == 0)
        code = put_byte(writer, OP_FROZENSET);
    return late_end(writer, value, remembered, code);
}

/** A set or frozenset where the protocol has no word for it: set([...]). */
static int write_set_before_4(struct writer *writer, const kith_value *value)
{
    bool remembered = late_begin(writer, value);
    int code = put_global(writer, "builtins", value->kind == KITH_SET ? "set" : "frozenset");
    if (code == 0)
        code = put_byte(writer, OP_EMPTY_LIST);
    if (code == 0)
        code = fill(writer, pair_at, value->table->pairs, value->table->count, OP_APPEND, OP_APPENDS);
    if (code == 0)
        code = put_call(writer, OP_TUPLE1);
    return late_end(writer, value, remembered, code);
}

/* ---- objects ---- */

/** class.__new__(class, *args, **kwargs). */
static int put_new(struct writer *writer, const struct object *object)
{
    bool by_name = object->kwargs && writer->protocol < 4;
    int code = by_name ? put_global(writer, "copyreg", "__newobj_ex__") : 0;
    if (code == 0)
        code = write_value(writer, object->callable);
    if (code == 0)
        code = write_value(writer, object->args);
    if (code == 0 && object->kwargs)
        code = write_value(writer, object->kwargs);
    if (code < 0)
        return code;
    return by_name ? put_call(writer, OP_TUPLE3) : put_byte(writer, object->kwargs ? OP_NEWOBJ_EX : OP_NEWOBJ);
}

static int put_object_call(struct writer *writer, const struct object *object)
{
    int code = write_value(writer, object->callable);
    if (code == 0)
        code = write_value(writer, object->args);
    return code < 0 ? code : put_byte(writer, OP_REDUCE);
}

static int put_instance(struct writer *writer, const struct object *object)
{
    int code = put_byte(writer, OP_MARK);
    if (code == 0)
        code = write_value(writer, object->callable);
    if (code == 0)
        code = write_entries(writer, item_at, object->args->sequence->items, 0, object->args->sequence->count);
    return code < 0 ? code : put_byte(writer, OP_OBJ);
}

static int put_extension(struct writer *writer, const struct object *object)
{
    uint64_t number = (uint64_t)object->args->integer;
    if (number <= UINT8_MAX)
        return put_number(writer, OP_EXT1, number, 1);
    return number <= UINT16_MAX ? put_number(writer, OP_EXT2, number, 2) : put_number(writer, OP_EXT4, number, 4);
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
    code = put_byte(writer, OP_NEXT_BUFFER);
    return code == 0 && object->read_only ? put_byte(writer, OP_READONLY_BUFFER) : code;
}

/** The object without its steps. */
static int put_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    int code;
    switch (object->form) {
    case KITH_OBJECT_GLOBAL:
        return put_global(writer, object->module, object->name);
    case KITH_OBJECT_CALL:
        return put_object_call(writer, object);
    case KITH_OBJECT_NEW:
        return put_new(writer, object);
    case KITH_OBJECT_INSTANCE:
        return put_instance(writer, object);
    case KITH_OBJECT_PERSISTENT:
        code = write_value(writer, object->args);
        return code < 0 ? code : put_byte(writer, OP_BINPERSID);
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
        return fill(writer, step_at, steps, count, OP_APPEND, OP_APPENDS);
    case KITH_STEP_SET_ITEM:
        return fill(writer, step_at, steps, count, OP_SETITEM, OP_SETITEMS);
    case KITH_STEP_ADD:
        return fill(writer, step_at, steps, count, 0, OP_ADDITEMS);
    case KITH_STEP_STATE:
    case KITH_STEP_CALL:
        break;
    }
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        code = write_value(writer, steps[i].item);
        if (code == 0)
            code = put_byte(writer, steps->kind == KITH_STEP_STATE ? OP_BUILD : OP_POP);
    }
    return code;
}

static int write_object(struct writer *writer, const kith_value *value)
{
    const struct object *object = value->object;
    bool remembered = late_begin(writer, value);
    int code = late_end(writer, value, remembered, put_object(writer, value));
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

/* ---- values ---- */

/** @return 0, or 1: it had been made meanwhile */
static int write_container(struct writer *writer, const kith_value *value)
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
    int code = value->kind == KITH_STR     ? put_text(writer, data, size)
               : value->kind == KITH_BYTES ? write_bytes(writer, data, size)
                                           : write_bytearray(writer, data, size);
    return code < 0 ? code : remember_if_needed(writer, value);
}

static int write_value(struct writer *writer, const kith_value *value)
{
    switch (value->kind) {
    case KITH_NONE:
        return put_byte(writer, OP_NONE);
    case KITH_BOOL:
        return put_byte(writer, value->truth ? OP_NEWTRUE : OP_NEWFALSE);
    case KITH_INT:
        return write_int(writer, value);
    case KITH_FLOAT:
        return write_float(writer, value->real);
    default:
        break;
    }
    const size_t *place = is_remembered(writer, value) ? memo_find(&writer->memo, value) : NULL;
    if (place)
        return fetch(writer, *place);
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
    set_room(&writer);
    out->size = 0;

    code = put_number(&writer, OP_PROTO, (uint64_t)writer.protocol, 1);
    if (code == 0)
        code = write_value(&writer, value);
    if (code == 0)
        code = put_byte(&writer, OP_STOP);
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
