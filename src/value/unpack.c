/* kith_value_unpack: goes over the format twice, first to see that all fits, then to store. */
#include "value/format.h"
#include "value/value.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/** What a pass over the format does with what it finds. */
enum mode {
    CHECK,
    STORE,
    SKIP /* there is no value: its letters and arguments are passed over */
};

/** Where in the value, for the sentence that says what is wrong: a list of these, the innermost first. */
struct place {
    const struct place *outer;
    const char *key; /* of a dict; NULL: an index */
    size_t index;
};

struct unpacking {
    const char *format;
    const char *at;
    unsigned depth;
    va_list arguments;
};

static int unpack(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place);

/* ---- what is wrong ---- */

static int refuse_format(const struct unpacking *unpacking, const char *what)
{
    size_t place = (size_t)(unpacking->at - unpacking->format);
    return error_fail(-EINVAL, "the format \"%.60s\" is wrong at %zu: %s", unpacking->format, place, what);
}

/** Writes "the value['size'][1]". @return its length, less than size */
static size_t name_place(const struct place *place, char *text, size_t size)
{
    if (!place)
        return (size_t)snprintf(text, size, "the value");
    size_t length = name_place(place->outer, text, size);
    int more = place->key ? snprintf(text + length, size - length, "['%.40s']", place->key)
                          : snprintf(text + length, size - length, "[%zu]", place->index);
    length += (size_t)more;
    return length < size ? length : size - 1;
}

static int refuse_kind(const struct place *place, const kith_value *value, const char *wanted)
{
    char text[160];
    name_place(place, text, sizeof text);
    return error_fail(KITH_ETYPE, "%s is of the kind %s, and no %s", text, kith_kind_name(kith_value_kind(value)),
                      wanted);
}

static int refuse_length(const struct place *place, size_t length, const char *wanted, size_t count)
{
    char text[160];
    name_place(place, text, sizeof text);
    return error_fail(KITH_ETYPE, "%s has %zu items, and not %s%zu", text, length, wanted, count);
}

/** What a call that reads a plain value has said, with the place. */
static int explain(int code, const struct place *place, const kith_value *value, const char *wanted)
{
    char text[160];
    name_place(place, text, sizeof text);
    if (code == KITH_ETYPE)
        return refuse_kind(place, value, wanted);
    if (code == -ERANGE)
        return error_fail(code, "%s does not fit an %s", text, wanted);
    return error_fail(code, "%s is a str with NUL bytes: unpack it as s#", text);
}

/* ---- plain values: read, and stored when it is time ---- */

#define STORE_AS(type, content)                              \
    do {                                                     \
        type *place_ = va_arg(unpacking->arguments, type *); \
        if (mode == STORE && place_)                         \
            *place_ = (content);                             \
    } while (0)

static int unpack_bool(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    int truth = 0, code = mode == SKIP ? 0 : kith_value_as_bool(value, &truth);
    STORE_AS(int, truth);
    return code < 0 ? explain(code, place, value, "bool") : 0;
}

static int unpack_int(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place,
                      char letter)
{
    int64_t number = 0;
    int code = mode == SKIP ? 0 : kith_value_as_int(value, &number);
    if (letter == 'I')
        STORE_AS(int64_t, number);
    else
        STORE_AS(int, (int)number);
    if (code == 0 && letter == 'i' && (number < INT_MIN || number > INT_MAX))
        code = -ERANGE;
    return code < 0 ? explain(code, place, value, "int") : 0;
}

static int unpack_unsigned(struct unpacking *unpacking, enum mode mode, const kith_value *value,
                           const struct place *place)
{
    uint64_t number = 0;
    int code = mode == SKIP ? 0 : kith_value_as_unsigned(value, &number);
    STORE_AS(uint64_t, number);
    return code < 0 ? explain(code, place, value, "int without sign") : 0;
}

static int unpack_float(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    double number = 0;
    int code = mode == SKIP ? 0 : kith_value_as_float(value, &number);
    STORE_AS(double, number);
    return code < 0 ? explain(code, place, value, "float") : 0;
}

static int unpack_str(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    const char *text = NULL;
    size_t size = 0;
    bool sized = *unpacking->at == '#';
    unpacking->at += sized;
    int code = mode == SKIP ? 0 : kith_value_as_str(value, &text, sized ? &size : NULL);
    STORE_AS(const char *, text);
    if (sized)
        STORE_AS(size_t, size);
    return code < 0 ? explain(code, place, value, "str") : 0;
}

static int unpack_bytes(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    const void *data = NULL;
    size_t size = 0;
    int code = mode == SKIP ? 0 : kith_value_as_bytes(value, &data, &size);
    STORE_AS(const void *, data);
    STORE_AS(size_t, size);
    return code < 0 ? explain(code, place, value, "bytes") : 0;
}

static int unpack_letter(struct unpacking *unpacking, enum mode mode, const kith_value *value,
                         const struct place *place)
{
    char letter = *unpacking->at;
    unpacking->at += letter != '\0';
    switch (letter) {
    case 'n':
        return mode == SKIP || kith_value_kind(value) == KITH_NONE ? 0 : refuse_kind(place, value, "None");
    case 'b':
        return unpack_bool(unpacking, mode, value, place);
    case 'i':
    case 'I':
        return unpack_int(unpacking, mode, value, place, letter);
    case 'U':
        return unpack_unsigned(unpacking, mode, value, place);
    case 'f':
        return unpack_float(unpacking, mode, value, place);
    case 's':
        return unpack_str(unpacking, mode, value, place);
    case 'y':
    case 'a':
        return unpack_bytes(unpacking, mode, value, place);
    case 'v':
        STORE_AS(kith_value *, (kith_value *)value);
        return 0;
    case '_':
        return 0;
    default:
        unpacking->at -= letter != '\0';
        return refuse_format(unpacking, letter ? "there is no such letter" : "it ends too early");
    }
}

/* ---- containers ---- */

static int unpack_items(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place,
                        char open)
{
    kith_kind kind = open == '[' ? KITH_LIST : KITH_TUPLE;
    if (mode != SKIP && kith_value_kind(value) != (int)kind)
        return refuse_kind(place, value, kith_kind_name((int)kind));
    size_t length = kith_value_length(value), count = 0;
    bool more = false;
    while (!format_take(&unpacking->at, format_closing(open))) {
        if (more)
            return refuse_format(unpacking, "* has to be the last in its bracket");
        more = format_take(&unpacking->at, '*');
        if (more)
            continue;
        struct place inner = { .outer = place, .index = count };
        const kith_value *item = mode == SKIP ? NULL : kith_value_at(value, count);
        /* Where items are missing, the rest of the format is passed over, so that their number can be told. */
        int code = unpack(unpacking, item ? mode : SKIP, item, &inner);
        if (code < 0)
            return code;
        count++;
    }
    if (mode != SKIP && (more ? length < count : length != count))
        return refuse_length(place, length, more ? "at least " : "", count);
    return 0;
}

/** One key of a dict, and what its value must be. */
static int unpack_pair(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    if (!format_take(&unpacking->at, 's'))
        return refuse_format(unpacking, "the key of a dict is written as s, or as s?");
    bool optional = *unpacking->at == '?';
    unpacking->at += optional;
    const char *key = va_arg(unpacking->arguments, const char *);
    if (!key)
        return error_fail(-EINVAL, "the argument for a key is NULL");
    struct place inner = { .outer = place, .key = key };
    const kith_value *item = kith_value_get(value, key);
    if (mode == SKIP || (!item && optional))
        return unpack(unpacking, SKIP, NULL, &inner);
    if (item)
        return unpack(unpacking, mode, item, &inner);
    char text[160];
    name_place(place, text, sizeof text);
    return error_fail(KITH_ETYPE, "%s has no key '%.60s'", text, key);
}

static int unpack_pairs(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    if (mode != SKIP && kith_value_kind(value) != KITH_DICT)
        return refuse_kind(place, value, "dict");
    while (!format_take(&unpacking->at, '}')) {
        int code = unpack_pair(unpacking, mode, value, place);
        if (code < 0)
            return code;
    }
    return 0;
}

/** Whether a "?" follows what begins here: a letter, or all of a bracket. */
static bool may_be_none(const char *at)
{
    unsigned depth = 0;
    do {
        if (format_closing(*at))
            depth++;
        else if (*at == ']' || *at == ')' || *at == '}' || *at == '>')
            depth--;
    } while (*at && *at++ && depth > 0);
    return at[*at == '#'] == '?';
}

static int unpack_any(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    char letter = *unpacking->at;
    if (!format_closing(letter) || letter == '<')
        return unpack_letter(unpacking, mode, value, place);
    if (unpacking->depth == FORMAT_DEPTH_MAX)
        return refuse_format(unpacking, "brackets are nested too deep");
    unpacking->at++;
    unpacking->depth++;
    int code = letter == '{' ? unpack_pairs(unpacking, mode, value, place)
                             : unpack_items(unpacking, mode, value, place, letter);
    unpacking->depth--;
    return code;
}

static int unpack(struct unpacking *unpacking, enum mode mode, const kith_value *value, const struct place *place)
{
    unpacking->at = format_skip(unpacking->at);
    bool optional = may_be_none(unpacking->at);
    int code = unpack_any(unpacking, optional && kith_value_kind(value) == KITH_NONE ? SKIP : mode, value, place);
    if (code == 0)
        unpacking->at += optional;
    return code;
}

static int pass(const char *format, enum mode mode, const kith_value *value, va_list arguments)
{
    struct unpacking unpacking = { .format = format, .at = format };
    va_copy(unpacking.arguments, arguments);
    int code = unpack(&unpacking, mode, value, NULL);
    va_end(unpacking.arguments);
    unpacking.at = format_skip(unpacking.at);
    if (code == 0 && *unpacking.at)
        code = refuse_format(&unpacking, "more than one value: put them into brackets");
    return code;
}

int kith_value_unpack(const kith_value *value, const char *format, ...)
{
    if (!value || !format)
        return error_fail(-EINVAL, "%s is NULL", value ? "format" : "value");
    va_list arguments;
    va_start(arguments, format);
    int code = pass(format, CHECK, value, arguments);
    if (code == 0)
        code = pass(format, STORE, value, arguments);
    va_end(arguments);
    return code;
}
