/* Reading pickles: the machine with a stack and a memo that a pickle is a program for, without what would run anything.
 * Where Python imports and calls, an object is made that says so.
 *
 * It does not recurse, and each opcode takes time and memory in proportion to what it has in the pickle, or else to
 * what it takes from the arena, which has a limit. So the whole is in proportion to the pickle. */
#include "value/pickle.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_DEPTH_DEFAULT = 1000,
    BORROWED_LEAST = 1024, /* shorter bytes are copied though they may be borrowed */
    OWN_ROOM = 64,         /* of the stack and of the memo, before they take memory from the heap */
};

struct reader {
    const unsigned char *start, *end;
    const unsigned char *at;     /* what comes next */
    const unsigned char *opcode; /* the one that is being done */
    kith_arena *arena;
    kith_value **stack; /* a mark is NULL, and one is at the bottom, below which nothing is taken */
    size_t height, stack_capacity;
    kith_value **memo; /* NULL where nothing was put; from memo_end on nothing was, and it is not written yet */
    size_t memo_end, memo_capacity;
    size_t memo_count;
    size_t values, max_values;
    size_t containers; /* no value nests deeper than there are containers */
    const kith_pickle_read_options *options;
    size_t buffers_wanted;
    int protocol;
};

static int malformed(const struct reader *reader, const char *format, ...) KITH_PRINTF(2, 3) __attribute__((cold));

static int malformed(const struct reader *reader, const char *format, ...)
{
    char sentence[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return error_fail(KITH_EMALFORMED, "at byte %zu: %s", (size_t)(reader->opcode - reader->start), sentence);
}

/* ---- what stands in the pickle ---- */

/** The next bytes. @return NULL when there are not so many: that is told */
static inline const unsigned char *take(struct reader *reader, size_t size)
{
    if (size > (size_t)(reader->end - reader->at)) {
        malformed(reader, "the pickle ends in the middle");
        return NULL;
    }
    const unsigned char *bytes = reader->at;
    reader->at += size;
    return bytes;
}

/** A number of so many bytes, the least significant first. @return 0, KITH_EMALFORMED */
static inline int take_number(struct reader *reader, size_t width, uint64_t *number)
{
    const unsigned char *bytes = take(reader, width);
    if (!bytes)
        return KITH_EMALFORMED;
    uint64_t sum = 0;
    for (size_t i = width; i > 0; i--)
        sum = sum << 8 | bytes[i - 1];
    *number = sum;
    return 0;
}

/** Bytes behind their number. */
static inline const unsigned char *take_counted(struct reader *reader, size_t width, size_t *size)
{
    uint64_t count;
    if (take_number(reader, width, &count) < 0)
        return NULL;
    *size = (size_t)count;
    return take(reader, *size);
}

/** A line, without its end. */
static const char *take_line(struct reader *reader, size_t *size)
{
    const unsigned char *line = reader->at;
    const unsigned char *newline = line < reader->end ? memchr(line, '\n', (size_t)(reader->end - line)) : NULL;
    if (!newline) {
        malformed(reader, "a line has no end");
        return NULL;
    }
    *size = (size_t)(newline - line);
    reader->at = newline + 1;
    return (const char *)line;
}

/* ---- stack ---- */

/** Makes an array that begins in the reader's frame larger, to needed elements at least. */
static int grow(kith_value ***array, size_t *capacity, size_t needed)
{
    size_t wanted = *capacity * 2 > needed ? *capacity * 2 : needed;
    kith_value **old = *capacity == OWN_ROOM ? NULL : *array;
    kith_value **grown = wanted > PTRDIFF_MAX / sizeof *grown ? NULL : realloc(old, wanted * sizeof *grown);
    if (!grown)
        return error_fail(-ENOMEM, "no memory to read a pickle: room for %zu values is needed", wanted);
    if (!old)
        memcpy(grown, *array, *capacity * sizeof *grown);
    *array = grown;
    *capacity = wanted;
    return 0;
}

static inline int push(struct reader *reader, kith_value *value)
{
    if (reader->height == reader->stack_capacity) {
        int code = grow(&reader->stack, &reader->stack_capacity, reader->height + 1);
        if (code < 0)
            return code;
    }
    reader->stack[reader->height++] = value;
    return 0;
}

/** Pushes a value that was just made. @param value  NULL: that failed, and the arena knows why */
static inline int push_made(struct reader *reader, kith_value *value)
{
    if (!value)
        return reader->arena->last;
    if (reader->values++ == reader->max_values)
        return error_fail(KITH_ELIMIT, "the pickle has more values than the %zu that are allowed", reader->max_values);
    return push(reader, value);
}

static inline int push_container(struct reader *reader, kith_value *value)
{
    reader->containers++;
    return push_made(reader, value);
}

/** @return NULL when a mark is on top, or nothing */
static inline kith_value *top(const struct reader *reader)
{
    return reader->stack[reader->height - 1];
}

static inline kith_value *pop(struct reader *reader)
{
    kith_value *value = top(reader);
    if (value)
        reader->height--;
    return value;
}

static int lacks_value(const struct reader *reader)
{
    return malformed(reader, "opcode 0x%02x needs more values than there are", *reader->opcode);
}

/** Takes the last mark, and what is above it, off the stack.
 *  @return what was above it, count of them, good until the next push; NULL when there is no mark: that is told */
static kith_value **pop_mark(struct reader *reader, size_t *count)
{
    size_t mark = reader->height - 1;
    while (reader->stack[mark])
        mark--;
    if (mark == 0) {
        malformed(reader, "opcode 0x%02x needs a mark, and there is none", *reader->opcode);
        return NULL;
    }
    *count = reader->height - mark - 1;
    reader->height = mark;
    return &reader->stack[mark + 1];
}

/* ---- plain values ---- */

static int read_small_int(struct reader *reader, size_t width)
{
    uint64_t number;
    int code = take_number(reader, width, &number);
    return code < 0 ? code : push_made(reader, value_int(reader->arena, (int64_t)number));
}

static int read_binint(struct reader *reader)
{
    uint64_t number;
    int code = take_number(reader, 4, &number);
    return code < 0 ? code : push_made(reader, value_int(reader->arena, (int32_t)number));
}

static int read_long(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *bytes = take_counted(reader, width, &size);
    if (!bytes)
        return KITH_EMALFORMED;
    if (size > INT32_MAX)
        return malformed(reader, "an int has a negative length");
    return push_made(reader, kith_value_int_from_bytes(reader->arena, bytes, size));
}

static int read_binfloat(struct reader *reader)
{
    const unsigned char *bytes = take(reader, sizeof(double));
    if (!bytes)
        return KITH_EMALFORMED;
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof bits; i++)
        bits = bits << 8 | bytes[i];
    double number;
    memcpy(&number, &bits, sizeof number);
    return push_made(reader, value_float(reader->arena, number));
}

static int read_str(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *text = take_counted(reader, width, &size);
    if (!text)
        return KITH_EMALFORMED;
    if (!pickle_is_ascii(text, size) && !value_is_text(text, size))
        return malformed(reader, "a str is not in UTF-8");
    return push_made(reader, value_str(reader->arena, (const char *)text, size));
}

static kith_value *bytes_of(struct reader *reader, kith_kind kind, const void *data, size_t size)
{
    if (reader->options->borrow && size >= BORROWED_LEAST)
        return value_borrow(reader->arena, kind, data, size);
    const char *copy = arena_copy(reader->arena, data, size);
    return copy ? value_borrow(reader->arena, kind, copy, size) : NULL;
}

static int read_bytes(struct reader *reader, kith_kind kind, size_t width)
{
    size_t size;
    const unsigned char *data = take_counted(reader, width, &size);
    return data ? push_made(reader, bytes_of(reader, kind, data, size)) : KITH_EMALFORMED;
}

static int read_old_string(struct reader *reader, size_t width)
{
    size_t size;
    const unsigned char *data = take_counted(reader, width, &size);
    if (!data)
        return KITH_EMALFORMED;
    if (size > INT32_MAX)
        return malformed(reader, "a string has a negative length");
    return push_made(reader, pickle_old_string(reader->arena, data, size));
}

typedef int read_text(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);

static int read_line(struct reader *reader, read_text *read)
{
    size_t size;
    const char *line = take_line(reader, &size), *fault = "";
    if (!line)
        return KITH_EMALFORMED;
    kith_value *value = NULL;
    int code = read(reader->arena, line, size, &value, &fault);
    if (code == KITH_EMALFORMED)
        return malformed(reader, "%s", fault);
    return code < 0 ? code : push_made(reader, value);
}

/* ---- memo ---- */

/** Puts what is on top into a place of the memo. */
static int put(struct reader *reader, uint64_t place)
{
    kith_value *value = top(reader);
    if (!value)
        return lacks_value(reader);
    /* Picklers number the places one by one, so a place beyond the pickle's length is nothing but a way to have much
     * memory taken. */
    if (place >= (uint64_t)(reader->end - reader->start))
        return malformed(reader, "a place in the memo beyond what a pickle of this length can fill");
    if (place >= reader->memo_capacity) {
        int code = grow(&reader->memo, &reader->memo_capacity, (size_t)place + 1);
        if (code < 0)
            return code;
    }
    while (reader->memo_end <= place)
        reader->memo[reader->memo_end++] = NULL;
    if (!reader->memo[place])
        reader->memo_count++;
    reader->memo[place] = value;
    return 0;
}

static int get(struct reader *reader, uint64_t place)
{
    if (place >= reader->memo_end || !reader->memo[place])
        return malformed(reader, "nothing is in place %llu of the memo", (unsigned long long)place);
    return push(reader, reader->memo[place]);
}

typedef int use_place(struct reader *reader, uint64_t place);

static int with_place(struct reader *reader, use_place *use, size_t width)
{
    uint64_t place;
    int code = take_number(reader, width, &place);
    return code < 0 ? code : use(reader, place);
}

/** The place stands in a line, in decimal. */
static int with_place_line(struct reader *reader, use_place *use)
{
    enum { DIGITS_MAX = 18 };
    size_t size;
    const char *line = take_line(reader, &size);
    if (!line)
        return KITH_EMALFORMED;
    uint64_t place = 0;
    for (size_t i = 0; i < size; i++) {
        if (line[i] < '0' || line[i] > '9' || i == DIGITS_MAX)
            return malformed(reader, "a place in the memo is no number");
        place = place * 10 + (uint64_t)(line[i] - '0');
    }
    return size ? use(reader, place) : malformed(reader, "a place in the memo is no number");
}

/* ---- containers ---- */

static int push_tuple(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *tuple = value_tuple(reader->arena, count);
    for (size_t i = 0; tuple && i < count; i++) {
        value_insert(items[i]);
        tuple->sequence->items[i] = items[i];
    }
    return push_container(reader, tuple);
}

/** TUPLE1 to TUPLE3. */
static int read_short_tuple(struct reader *reader, size_t count)
{
    kith_value *items[3];
    for (size_t i = count; i > 0; i--) {
        items[i - 1] = pop(reader);
        if (!items[i - 1])
            return lacks_value(reader);
    }
    return push_tuple(reader, items, count);
}

static int read_tuple(struct reader *reader)
{
    size_t count;
    kith_value **items = pop_mark(reader, &count);
    return items ? push_tuple(reader, items, count) : KITH_EMALFORMED;
}

/** What a list, a set, a dict or an object does not take.
 *  @param what  "items" */
static int takes_no(const struct reader *reader, const kith_value *container, const char *what)
{
    return container ? malformed(reader, "a %s takes no %s", kith_kind_name(container->kind), what)
                     : lacks_value(reader);
}

static bool takes_steps(const kith_value *value)
{
    return value && value->kind == KITH_OBJECT && value->object->form != KITH_OBJECT_BUFFER;
}

/** Steps without keys. */
static int add_steps(kith_value *object, kith_object_step step, kith_value *const *items, size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = value_add_step(object, step, NULL, items[i]);
    return code;
}

static int append(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *list = top(reader);
    if (list && list->kind == KITH_LIST)
        return value_extend(list, items, count);
    if (takes_steps(list))
        return add_steps(list, KITH_STEP_APPEND, items, count);
    return takes_no(reader, list, "items");
}

/** Puts a pair into a dict, or an item into a set. */
static int put_key(const struct reader *reader, kith_value *table, kith_value *key, kith_value *item)
{
    int code = value_table_put(table, key, item);
    return code == KITH_ETYPE ? malformed(reader, "a key is or holds what can change: a list, a dict, a set") : code;
}

static int set_items(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *dict = top(reader);
    bool plain = dict && dict->kind == KITH_DICT;
    if (!plain && !takes_steps(dict))
        return takes_no(reader, dict, "pairs");
    if (count % 2)
        return malformed(reader, "a key has no item");
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i += 2) {
        code = plain ? put_key(reader, dict, items[i], items[i + 1])
                     : value_add_step(dict, KITH_STEP_SET_ITEM, items[i], items[i + 1]);
    }
    return code;
}

static int put_keys(const struct reader *reader, kith_value *set, kith_value *const *items, size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = put_key(reader, set, items[i], NULL);
    return code;
}

static int add(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *set = top(reader);
    if (set && set->kind == KITH_SET)
        return put_keys(reader, set, items, count);
    if (takes_steps(set))
        return add_steps(set, KITH_STEP_ADD, items, count);
    return takes_no(reader, set, "items to be added");
}

typedef int fill_with(struct reader *reader, kith_value *const *items, size_t count);

/** Fills what is below the mark with what is above it. */
static int read_many(struct reader *reader, fill_with *fill)
{
    size_t count;
    kith_value **items = pop_mark(reader, &count);
    return items ? fill(reader, items, count) : KITH_EMALFORMED;
}

/** Fills what is below the last count values with these. */
static int read_few(struct reader *reader, fill_with *fill, size_t count)
{
    kith_value *items[2];
    for (size_t i = count; i > 0; i--) {
        items[i - 1] = pop(reader);
        if (!items[i - 1])
            return lacks_value(reader);
    }
    return fill(reader, items, count);
}

/** LIST and DICT: what they make is filled with what is above the mark. It is pushed to where the mark was, which
 *  leaves the items where they are. */
static int read_filled(struct reader *reader, kith_value *made, fill_with *fill)
{
    size_t count;
    kith_value **items = made ? pop_mark(reader, &count) : NULL;
    if (!items)
        return made ? KITH_EMALFORMED : reader->arena->last;
    int code = push_container(reader, made);
    return code < 0 ? code : fill(reader, items, count);
}

static int read_frozenset(struct reader *reader)
{
    size_t count;
    kith_value **items = pop_mark(reader, &count);
    if (!items)
        return KITH_EMALFORMED;
    kith_value *set = value_table(reader->arena, KITH_FROZENSET, count);
    int code = set ? put_keys(reader, set, items, count) : 0;
    return code < 0 ? code : push_container(reader, set);
}

/* ---- objects ---- */

static kith_value *held(kith_value *value)
{
    if (value)
        value_insert(value);
    return value;
}

static int push_object(struct reader *reader, kith_object_form form, kith_value *callable, kith_value *args,
                       kith_value *kwargs)
{
    kith_value *value = value_object(reader->arena, form);
    if (value) {
        value->object->callable = held(callable);
        value->object->args = held(args);
        value->object->kwargs = held(kwargs);
    }
    return push_container(reader, value);
}

/** @param module, name  in the arena, with NUL bytes behind them */
static int push_global(struct reader *reader, const char *module, size_t module_size, const char *name,
                       size_t name_size)
{
    if (strlen(module) != module_size || strlen(name) != name_size || !utf8_is_text(module, module_size) ||
        !utf8_is_text(name, name_size))
        return malformed(reader, "the name of a class or function is no text");
    if (reader->protocol < 3)
        pickle_names_to_3(&module, &name);
    kith_value *value = value_object(reader->arena, KITH_OBJECT_GLOBAL);
    if (value) {
        value->object->module = module;
        value->object->name = name;
    }
    return push_container(reader, value);
}

/** Both names stand in lines. */
static int read_global(struct reader *reader)
{
    size_t module_size, name_size;
    const char *module = take_line(reader, &module_size);
    const char *name = module ? take_line(reader, &name_size) : NULL;
    if (!name)
        return KITH_EMALFORMED;
    module = arena_copy(reader->arena, module, module_size);
    name = module ? arena_copy(reader->arena, name, name_size) : NULL;
    return name ? push_global(reader, module, module_size, name, name_size) : reader->arena->last;
}

static int read_stack_global(struct reader *reader)
{
    const kith_value *name = pop(reader), *module = name ? pop(reader) : NULL;
    if (!module)
        return lacks_value(reader);
    if (module->kind != KITH_STR || name->kind != KITH_STR)
        return malformed(reader, "the name of a class or function is a %s",
                         kith_kind_name(name->kind == KITH_STR ? module->kind : name->kind));
    return push_global(reader, module->bytes.data, module->bytes.size, name->bytes.data, name->bytes.size);
}

/** What can be called, or be arguments, in Python: an object can always turn out to be something that can. */
static bool may_be(const kith_value *value, kith_kind kind)
{
    return value->kind == KITH_OBJECT || value->kind == kind;
}

static int check_call(const struct reader *reader, const kith_value *callable, const kith_value *args,
                      const kith_value *kwargs)
{
    if (callable->kind != KITH_OBJECT)
        return malformed(reader, "a %s is called", kith_kind_name(callable->kind));
    if (!may_be(args, KITH_TUPLE) || (kwargs && !may_be(kwargs, KITH_DICT)))
        return malformed(reader, "the arguments of a call are no tuple, or those with names no dict");
    return 0;
}

static int read_reduce(struct reader *reader)
{
    kith_value *args = pop(reader), *callable = args ? pop(reader) : NULL;
    if (!callable)
        return lacks_value(reader);
    int code = check_call(reader, callable, args, NULL);
    if (code < 0)
        return code;
    kith_value *plain = NULL;
    const char *fault = "";
    code = pickle_builtin(reader->arena, callable, args, &plain, &fault);
    if (code == 1)
        return push_container(reader, plain);
    if (code == 0)
        return push_object(reader, KITH_OBJECT_CALL, callable, args, NULL);
    return code == KITH_EMALFORMED ? malformed(reader, "%s", fault) : code;
}

static int read_newobj(struct reader *reader, bool with_kwargs)
{
    kith_value *kwargs = with_kwargs ? pop(reader) : NULL;
    kith_value *args = kwargs || !with_kwargs ? pop(reader) : NULL;
    kith_value *type = args ? pop(reader) : NULL;
    if (!type)
        return lacks_value(reader);
    int code = check_call(reader, type, args, kwargs);
    return code < 0 ? code : push_object(reader, KITH_OBJECT_NEW, type, args, kwargs);
}

/** Makes an instance as protocols 0 and 1 do, of a class and what is above the mark. */
static int push_instance(struct reader *reader, kith_value *type, kith_value *const *args, size_t count)
{
    int code = push_tuple(reader, args, count);
    if (code < 0)
        return code;
    kith_value *tuple = pop(reader);
    code = check_call(reader, type, tuple, NULL);
    return code < 0 ? code : push_object(reader, KITH_OBJECT_INSTANCE, type, tuple, NULL);
}

/** OBJ: the class is the first above the mark. */
static int read_obj(struct reader *reader)
{
    size_t count;
    kith_value **items = pop_mark(reader, &count);
    if (!items)
        return KITH_EMALFORMED;
    return count ? push_instance(reader, items[0], items + 1, count - 1) : lacks_value(reader);
}

/** INST: the class stands in lines. */
static int read_inst(struct reader *reader)
{
    int code = read_global(reader);
    if (code < 0)
        return code;
    kith_value *type = pop(reader);
    size_t count;
    kith_value **items = pop_mark(reader, &count);
    return items ? push_instance(reader, type, items, count) : KITH_EMALFORMED;
}

static int read_persid(struct reader *reader)
{
    size_t size;
    const char *line = take_line(reader, &size);
    if (!line)
        return KITH_EMALFORMED;
    for (size_t i = 0; i < size; i++) {
        if (line[i] & 0x80)
            return malformed(reader, "a persistent id is not in ASCII");
    }
    kith_value *id = value_str(reader->arena, line, size);
    return id ? push_object(reader, KITH_OBJECT_PERSISTENT, NULL, id, NULL) : reader->arena->last;
}

static int read_binpersid(struct reader *reader)
{
    kith_value *id = pop(reader);
    return id ? push_object(reader, KITH_OBJECT_PERSISTENT, NULL, id, NULL) : lacks_value(reader);
}

/** An object that is told by a number. */
static int push_numbered(struct reader *reader, kith_object_form form, uint64_t number)
{
    kith_value *args = value_int(reader->arena, (int64_t)number);
    return args ? push_object(reader, form, NULL, args, NULL) : reader->arena->last;
}

static int read_extension(struct reader *reader, size_t width)
{
    uint64_t number;
    int code = take_number(reader, width, &number);
    if (code < 0)
        return code;
    if (number == 0 || number > INT32_MAX)
        return malformed(reader, "no extension has this number");
    return push_numbered(reader, KITH_OBJECT_EXTENSION, number);
}

static int read_next_buffer(struct reader *reader)
{
    const kith_pickle_read_options *options = reader->options;
    size_t index = reader->buffers_wanted++;
    if (options->buffer_count && index >= options->buffer_count)
        return malformed(reader, "more buffers are wanted than the %zu that came beside the pickle",
                         options->buffer_count);
    int code = push_numbered(reader, KITH_OBJECT_BUFFER, index);
    if (code < 0 || options->buffer_count == 0)
        return code;
    const kith_buffer *buffer = &options->buffers[index];
    if (!buffer->data && buffer->size)
        return error_fail(-EINVAL, "buffer %zu is NULL", index);
    struct object *object = top(reader)->object;
    object->data =
        options->borrow && buffer->data ? buffer->data : arena_copy(reader->arena, buffer->data, buffer->size);
    object->size = buffer->size;
    return object->data ? 0 : reader->arena->last;
}

static int read_readonly_buffer(struct reader *reader)
{
    kith_value *buffer = top(reader);
    if (!buffer || buffer->kind != KITH_OBJECT || buffer->object->form != KITH_OBJECT_BUFFER)
        return malformed(reader, "what is to be read-only is no buffer");
    buffer->object->read_only = true;
    return 0;
}

/** What has no state takes None for one: then Python does nothing. */
static int read_build(struct reader *reader)
{
    kith_value *state = pop(reader), *object = state ? top(reader) : NULL;
    if (takes_steps(object))
        return value_add_step(object, KITH_STEP_STATE, NULL, state);
    return object && state->kind == KITH_NONE ? 0 : takes_no(reader, object, "state");
}

/** Whether a value is a call that nothing keeps, made to change the object that is its first argument: a pickler writes
 *  such a call, and drops what it returns, where a class has a function of its own to set the state. */
static bool is_for_effect(const kith_value *value, const kith_value *object)
{
    if (value->kind != KITH_OBJECT || value->object->form != KITH_OBJECT_CALL || value->marks & VALUE_INSERTED)
        return false;
    const kith_value *args = value->object->args;
    return args->kind == KITH_TUPLE && args->sequence->count && args->sequence->items[0] == object;
}

static int read_pop(struct reader *reader)
{
    kith_value *value = pop(reader);
    if (!value && reader->height == 1)
        return lacks_value(reader);
    if (!value) { /* a mark */
        reader->height--;
        return 0;
    }
    kith_value *below = top(reader);
    return takes_steps(below) && is_for_effect(value, below) ? value_add_step(below, KITH_STEP_CALL, NULL, value) : 0;
}

/* ---- the machine ---- */

static int read_proto(struct reader *reader)
{
    uint64_t protocol;
    int code = take_number(reader, 1, &protocol);
    if (code < 0)
        return code;
    if (protocol > PICKLE_PROTOCOL_MAX)
        return malformed(reader, "protocol %d is not known", (int)protocol);
    reader->protocol = (int)protocol;
    return 0;
}

/** Frames tell a reader of a file how much to ask for at once. Here all is there, so nothing is done with them. */
static int read_frame(struct reader *reader)
{
    uint64_t size;
    int code = take_number(reader, 8, &size);
    if (code < 0)
        return code;
    return size > (uint64_t)(reader->end - reader->at) ? malformed(reader, "a frame goes beyond the pickle's end") : 0;
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
        return push_made(reader, value_new(arena, KITH_NONE));
    case OP_NEWTRUE:
        return push_made(reader, kith_value_bool(arena, true));
    case OP_NEWFALSE:
        return push_made(reader, kith_value_bool(arena, false));
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
        return push(reader, NULL);
    case OP_POP:
        return read_pop(reader);
    case OP_POP_MARK:
        return pop_mark(reader, &(size_t){ 0 }) ? 0 : KITH_EMALFORMED;
    case OP_DUP:
        return top(reader) ? push(reader, top(reader)) : lacks_value(reader);
    case OP_MEMOIZE:
        return put(reader, reader->memo_count);
    case OP_PUT:
        return with_place_line(reader, put);
    case OP_BINPUT:
        return with_place(reader, put, 1);
    case OP_LONG_BINPUT:
        return with_place(reader, put, 4);
    case OP_GET:
        return with_place_line(reader, get);
    case OP_BINGET:
        return with_place(reader, get, 1);
    case OP_LONG_BINGET:
        return with_place(reader, get, 4);

    case OP_EMPTY_TUPLE:
        return push_tuple(reader, NULL, 0);
    case OP_TUPLE1:
        return read_short_tuple(reader, 1);
    case OP_TUPLE2:
        return read_short_tuple(reader, 2);
    case OP_TUPLE3:
        return read_short_tuple(reader, 3);
    case OP_TUPLE:
        return read_tuple(reader);
    case OP_EMPTY_LIST:
        return push_container(reader, value_list(arena, 0));
    case OP_LIST:
        return read_filled(reader, value_list(arena, 0), append);
    case OP_APPEND:
        return read_few(reader, append, 1);
    case OP_APPENDS:
        return read_many(reader, append);
    case OP_EMPTY_DICT:
        return push_container(reader, value_table(arena, KITH_DICT, 0));
    case OP_DICT:
        return read_filled(reader, value_table(arena, KITH_DICT, 0), set_items);
    case OP_SETITEM:
        return read_few(reader, set_items, 2);
    case OP_SETITEMS:
        return read_many(reader, set_items);
    case OP_EMPTY_SET:
        return push_container(reader, value_table(arena, KITH_SET, 0));
    case OP_ADDITEMS:
        return read_many(reader, add);
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
    return malformed(reader, "0x%02x is no opcode", *reader->opcode);
}

/** Runs the pickle to its STOP. */
static int run(struct reader *reader, kith_value **value)
{
    for (;;) {
        reader->opcode = reader->at;
        if (reader->at == reader->end)
            return malformed(reader, "the pickle ends without a STOP");
        if (*reader->at++ == OP_STOP)
            break;
        int code = execute(reader, *reader->opcode);
        if (code < 0)
            return code;
    }
    *value = pop(reader);
    return *value ? 0 : lacks_value(reader);
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
    reader->arena->limit = sum_or_most(before.size, max_bytes_of(size, reader->options));
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

    kith_value *stack[OWN_ROOM], *memo[OWN_ROOM];
    stack[0] = NULL;
    struct reader reader = {
        .start = data,
        .at = data,
        .end = (const unsigned char *)data + size,
        .arena = arena,
        .stack = stack,
        .height = 1,
        .stack_capacity = OWN_ROOM,
        .memo = memo,
        .memo_capacity = OWN_ROOM,
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
