/* What Python would import, call or ask for: objects, which keep what the pickle says. */
#include "base/utf8.h"
#include "value/pickle_reader.h"

#include <errno.h>

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
    return reader_push_container(reader, value);
}

/** Whether it is text without NUL bytes. */
static bool is_name(const char *text, size_t size)
{
    return !memchr(text, '\0', size) && (few_are_ascii(text, size) || utf8_is_text(text, size));
}

static bool has_many_dots(const char *name)
{
    int dots = 0;
    while ((name = strchr(name, '.')) && dots <= PICKLE_NAME_DOTS) {
        dots++;
        name++;
    }
    return dots > PICKLE_NAME_DOTS;
}

/** @param module, name  in the arena, with NUL bytes behind them */
static int push_global(struct reader *reader, const char *module, size_t module_size, const char *name,
                       size_t name_size)
{
    if (module_size > PICKLE_NAME_MAX || name_size > PICKLE_NAME_MAX)
        return error_fail(KITH_ELIMIT, "the name of a class or function has more than %d bytes", PICKLE_NAME_MAX);
    if (!is_name(module, module_size) || !is_name(name, name_size))
        return reader_fail(reader, "the name of a class or function is no text");
    if (has_many_dots(name))
        return error_fail(KITH_ELIMIT, "the name of a class or function has more than %d dots", PICKLE_NAME_DOTS);
    if (reader->protocol < 3)
        pickle_names_to_3(&module, &name);
    kith_value *value = value_object(reader->arena, KITH_OBJECT_GLOBAL);
    if (value) {
        value->object->module = module;
        value->object->name = name;
    }
    return reader_push_container(reader, value);
}

/** Both names stand in lines. */
int read_global(struct reader *reader)
{
    size_t module_size, name_size;
    const char *module = reader_take_line(reader, &module_size);
    const char *name = module ? reader_take_line(reader, &name_size) : NULL;
    if (!name)
        return KITH_EMALFORMED;
    module = arena_copy(reader->arena, module, module_size);
    name = module ? arena_copy(reader->arena, name, name_size) : NULL;
    return name ? push_global(reader, module, module_size, name, name_size) : reader->arena->last;
}

/** Counts names each time that they are used, though they are there but once: they are copied, and written, as often.
 *  Not against the arena's limit: that counts blocks, one of which may have taken all that is allowed, and be empty. */
static int count_names(struct reader *reader, size_t size)
{
    if (size > reader->names_left)
        return error_fail(KITH_ELIMIT, "the names of classes and functions take more than the values may");
    reader->names_left -= size;
    return 0;
}

int read_stack_global(struct reader *reader)
{
    const kith_value *name = reader_pop(reader), *module = name ? reader_pop(reader) : NULL;
    if (!module)
        return reader_lacks_value(reader);
    if (module->kind != KITH_STR || name->kind != KITH_STR)
        return reader_fail(reader, "the name of a class or function is a %s",
                           kith_kind_name(name->kind == KITH_STR ? module->kind : name->kind));
    int code = count_names(reader, module->bytes.size + name->bytes.size);
    return code < 0 ? code
                    : push_global(reader, module->bytes.data, module->bytes.size, name->bytes.data, name->bytes.size);
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
        return reader_fail(reader, "a %s is called", kith_kind_name(callable->kind));
    if (!may_be(args, KITH_TUPLE) || (kwargs && !may_be(kwargs, KITH_DICT)))
        return reader_fail(reader, "the arguments of a call are no tuple, or those with names no dict");
    return 0;
}

int read_reduce(struct reader *reader)
{
    kith_value *args = reader_pop(reader), *callable = args ? reader_pop(reader) : NULL;
    if (!callable)
        return reader_lacks_value(reader);
    int code = check_call(reader, callable, args, NULL);
    if (code < 0)
        return code;
    kith_value *plain = NULL;
    const char *fault = "";
    code = pickle_builtin(reader->arena, callable, args, &plain, &fault);
    if (code == 1)
        return reader_push_container(reader, plain);
    if (code == 0)
        return push_object(reader, KITH_OBJECT_CALL, callable, args, NULL);
    return code == KITH_EMALFORMED ? reader_fail(reader, "%s", fault) : code;
}

int read_newobj(struct reader *reader, bool with_kwargs)
{
    kith_value *kwargs = with_kwargs ? reader_pop(reader) : NULL;
    kith_value *args = kwargs || !with_kwargs ? reader_pop(reader) : NULL;
    kith_value *type = args ? reader_pop(reader) : NULL;
    if (!type)
        return reader_lacks_value(reader);
    int code = check_call(reader, type, args, kwargs);
    return code < 0 ? code : push_object(reader, KITH_OBJECT_NEW, type, args, kwargs);
}

/** Makes an instance as protocols 0 and 1 do, of a class and what is above the mark. */
static int push_instance(struct reader *reader, kith_value *type, kith_value *const *args, size_t count)
{
    int code = reader_push_tuple(reader, args, count);
    if (code < 0)
        return code;
    kith_value *tuple = reader_pop(reader);
    code = check_call(reader, type, tuple, NULL);
    return code < 0 ? code : push_object(reader, KITH_OBJECT_INSTANCE, type, tuple, NULL);
}

/** OBJ: the class is the first above the mark. */
int read_obj(struct reader *reader)
{
    size_t count;
    kith_value **items = reader_pop_mark(reader, &count);
    if (!items)
        return KITH_EMALFORMED;
    return count ? push_instance(reader, items[0], items + 1, count - 1) : reader_lacks_value(reader);
}

/** INST: the class stands in lines. */
int read_inst(struct reader *reader)
{
    int code = read_global(reader);
    if (code < 0)
        return code;
    kith_value *type = reader_pop(reader);
    size_t count;
    kith_value **items = reader_pop_mark(reader, &count);
    return items ? push_instance(reader, type, items, count) : KITH_EMALFORMED;
}

int read_persid(struct reader *reader)
{
    size_t size;
    const char *line = reader_take_line(reader, &size);
    if (!line)
        return KITH_EMALFORMED;
    for (size_t i = 0; i < size; i++) {
        if (line[i] & 0x80)
            return reader_fail(reader, "a persistent id is not in ASCII");
    }
    kith_value *id = value_str(reader->arena, line, size);
    return id ? push_object(reader, KITH_OBJECT_PERSISTENT, NULL, id, NULL) : reader->arena->last;
}

int read_binpersid(struct reader *reader)
{
    kith_value *id = reader_pop(reader);
    return id ? push_object(reader, KITH_OBJECT_PERSISTENT, NULL, id, NULL) : reader_lacks_value(reader);
}

/** An object that is told by a number. */
static int push_numbered(struct reader *reader, kith_object_form form, uint64_t number)
{
    kith_value *args = value_int(reader->arena, (int64_t)number);
    return args ? push_object(reader, form, NULL, args, NULL) : reader->arena->last;
}

int read_extension(struct reader *reader, size_t width)
{
    uint64_t number;
    int code = reader_take_number(reader, width, &number);
    if (code < 0)
        return code;
    if (number == 0 || number > INT32_MAX)
        return reader_fail(reader, "no extension has this number");
    return push_numbered(reader, KITH_OBJECT_EXTENSION, number);
}

int read_next_buffer(struct reader *reader)
{
    const kith_pickle_read_options *options = reader->options;
    size_t index = reader->buffers_wanted++;
    if (options->buffer_count && index >= options->buffer_count)
        return reader_fail(reader, "more buffers are wanted than the %zu that came beside the pickle",
                           options->buffer_count);
    int code = push_numbered(reader, KITH_OBJECT_BUFFER, index);
    if (code < 0 || options->buffer_count == 0)
        return code;
    const kith_buffer *buffer = &options->buffers[index];
    if (!buffer->data && buffer->size)
        return error_fail(-EINVAL, "buffer %zu is NULL", index);
    struct object *object = reader_top(reader)->object;
    object->data =
        options->borrow && buffer->data ? buffer->data : arena_copy(reader->arena, buffer->data, buffer->size);
    object->size = buffer->size;
    return object->data ? 0 : reader->arena->last;
}

int read_readonly_buffer(struct reader *reader)
{
    kith_value *buffer = reader_top(reader);
    if (!buffer || buffer->kind != KITH_OBJECT || buffer->object->form != KITH_OBJECT_BUFFER)
        return reader_fail(reader, "what is to be read-only is no buffer");
    buffer->object->read_only = true;
    return 0;
}

/** What has no state takes None for one: then Python does nothing. */
int read_build(struct reader *reader)
{
    kith_value *state = reader_pop(reader), *object = state ? reader_top(reader) : NULL;
    if (reader_takes_steps(object))
        return value_add_step(object, KITH_STEP_STATE, NULL, state);
    return object && state->kind == KITH_NONE ? 0 : reader_takes_no(reader, object, "state");
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

int read_pop(struct reader *reader)
{
    kith_value *value = reader_pop(reader);
    if (!value && reader->height == 1)
        return reader_lacks_value(reader);
    if (!value) { /* a mark */
        reader->height--;
        return 0;
    }
    kith_value *below = reader_top(reader);
    return reader_takes_steps(below) && is_for_effect(value, below) ? value_add_step(below, KITH_STEP_CALL, NULL, value)
                                                                    : 0;
}
