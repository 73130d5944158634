/* Reading JSON (RFC 8259, to the letter), straight into values.
 *
 * No library does it. Jansson, the best kept one in C, makes a tree of its own, up to a hundred times as large as the
 * text, which would be copied then; it refuses names that hold NUL; and where an allocation fails it may leave a
 * character out of a text and say that all went well. Others take what is no JSON, or cut texts at NUL. */
#include <kith/codec.h>

#include "base/error.h"
#include "base/utf8.h"
#include "value/value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 1000 };

struct reader {
    kith_arena *arena;
    const char *begin;
    const char *at; /* what is to be read next */
    const char *end;
};

/** Says what is wrong, and where: at what is to be read next. Columns count characters. */
static int fail_at(const struct reader *reader, int code, const char *what)
{
    size_t line = 1, column = 1;
    for (const char *at = reader->begin; at < reader->at; at++) {
        if (*at == '\n') {
            line++;
            column = 1;
        } else if ((*at & 0xc0) != 0x80) {
            column++;
        }
    }
    return error_fail(code, "line %zu, column %zu: %s", line, column, what);
}

static int malformed(const struct reader *reader, const char *expected)
{
    return fail_at(reader, KITH_EMALFORMED, reader->at == reader->end ? "the text ends too early" : expected);
}

/** @return the next character; NUL, which nothing in JSON begins with, at the end */
static char look(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

/** Goes over one character, if it is that. */
static bool skip(struct reader *reader, char character)
{
    bool is = reader->at < reader->end && *reader->at == character;
    reader->at += is;
    return is;
}

static void skip_space(struct reader *reader)
{
    while (skip(reader, ' ') || skip(reader, '\n') || skip(reader, '\r') || skip(reader, '\t'))
        continue;
}

/** What a maker gave, as a code. */
static int made(const struct reader *reader, kith_value *value, kith_value **result)
{
    if (!value)
        return reader->arena->last;
    *result = value;
    return 0;
}

/* ---- names of three values ---- */

static bool skip_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    bool is = length <= (size_t)(reader->end - reader->at) && memcmp(reader->at, word, length) == 0;
    reader->at += is ? length : 0;
    return is;
}

static int read_word(struct reader *reader, kith_value **value)
{
    if (skip_word(reader, "null"))
        return made(reader, kith_value_none(reader->arena), value);
    if (skip_word(reader, "true"))
        return made(reader, kith_value_bool(reader->arena, 1), value);
    if (skip_word(reader, "false"))
        return made(reader, kith_value_bool(reader->arena, 0), value);
    return malformed(reader, "no value begins like this");
}

/* ---- numbers ---- */

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/** @return whether there was one at least */
static bool skip_digits(struct reader *reader)
{
    bool any = false;
    for (; is_digit(look(reader)); reader->at++)
        any = true;
    return any;
}

/** Goes over what comes behind the digits of an int. @param real  receives whether there is any */
static int skip_fraction(struct reader *reader, bool *real)
{
    bool good = true;
    *real = skip(reader, '.');
    if (*real)
        good = skip_digits(reader);
    if (good && (skip(reader, 'e') || skip(reader, 'E'))) {
        *real = true;
        if (!skip(reader, '+'))
            skip(reader, '-');
        good = skip_digits(reader);
    }
    return good ? 0 : malformed(reader, "a digit is missing");
}

static int make_int(const struct reader *reader, const char *text, kith_value **value)
{
    bool negative = *text == '-';
    uint64_t magnitude = 0;
    for (const char *at = text + negative; at < reader->at; at++) {
        if (__builtin_mul_overflow(magnitude, 10u, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*at - '0'), &magnitude))
            return fail_at(reader, -ERANGE, "the int before has more than 64 bits");
    }
    if (negative && magnitude > (uint64_t)INT64_MAX + 1)
        return fail_at(reader, -ERANGE, "the int before has more than 64 bits");
    kith_value *number = negative ? kith_value_int(reader->arena, (int64_t)(0 - magnitude))
                                  : kith_value_unsigned(reader->arena, magnitude);
    return made(reader, number, value);
}

/** The double of a number that ends with a NUL byte, whatever the locale says of points. @return 0, -ENOMEM */
static int to_double(const char *text, double *real)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return error_fail(-ENOMEM, "no memory for the locale \"C\"");
    *real = strtod_l(text, NULL, plain);
    freelocale(plain);
    return 0;
}

static int make_float(const struct reader *reader, const char *text, kith_value **value)
{
    char near[64];
    size_t size = (size_t)(reader->at - text);
    char *copy = size < sizeof near ? near : malloc(size + 1);
    if (!copy)
        return error_fail(-ENOMEM, "no memory for a number of %zu characters", size);
    memcpy(copy, text, size);
    copy[size] = '\0';
    double real = 0;
    int code = to_double(copy, &real);
    if (copy != near)
        free(copy);
    if (code == 0 && isinf(real))
        code = fail_at(reader, -ERANGE, "the float before is beyond all doubles");
    return code < 0 ? code : made(reader, kith_value_float(reader->arena, real), value);
}

static int read_number(struct reader *reader, kith_value **value)
{
    const char *text = reader->at;
    bool real;
    skip(reader, '-');
    if (!skip(reader, '0') && !skip_digits(reader))
        return malformed(reader, "a digit is missing");
    int code = skip_fraction(reader, &real);
    if (code < 0)
        return code;
    return real ? make_float(reader, text, value) : make_int(reader, text, value);
}

/* ---- strings ---- */

/** Goes over a string and its quotes. @param escapes  receives whether it has any */
static int skip_string(struct reader *reader, bool *escapes)
{
    *escapes = false;
    reader->at++;
    while (reader->at < reader->end && *reader->at != '"') {
        if ((unsigned char)*reader->at < ' ')
            return malformed(reader, "a control character in a string: write it as \\u00..");
        if (*reader->at == '\\') {
            *escapes = true;
            reader->at++; /* what comes behind it ends no string */
        }
        reader->at += reader->at < reader->end;
    }
    return skip(reader, '"') ? 0 : malformed(reader, "");
}

/** Reads the four digits of a \u. @return the number; -1 when there are none */
static int read_hex(struct reader *reader)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    int number = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        const char *digit = look(reader) ? strchr(digits, *reader->at) : NULL;
        if (!digit)
            return -1;
        number = number * 16 + (int)((digit - digits) % 16);
    }
    return number;
}

/** Reads what comes behind \u: one character, of which some are told in two halves. @return it; -1: no such thing */
static int32_t read_unicode(struct reader *reader)
{
    int32_t first = read_hex(reader);
    if (first < 0xd800 || first > 0xdfff)
        return first;
    if (first > 0xdbff || !skip(reader, '\\') || !skip(reader, 'u'))
        return -1;
    int32_t second = read_hex(reader);
    if (second < 0xdc00 || second > 0xdfff)
        return -1;
    return 0x10000 + (first - 0xd800) * 0x400 + (second - 0xdc00);
}

/** Reads what comes behind a backslash. @return the character; -1: no such thing */
static int32_t read_escape(struct reader *reader)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* what is written, and what it stands for */
    char character = *reader->at++;
    if (character == 'u')
        return read_unicode(reader);
    for (const char *at = escapes; *at; at += 2) {
        if (*at == character)
            return at[1];
    }
    return -1;
}

/** Reads a string that has escapes, from behind its quote to the one at close. What it says is no longer than how it is
 *  written. */
static int read_escaped(struct reader *reader, const char *close, kith_value **value)
{
    char *text = arena_take(reader->arena, (size_t)(close - reader->at) + 1);
    if (!text)
        return reader->arena->last;
    char *to = text;
    while (reader->at < close) {
        const char *next = memchr(reader->at, '\\', (size_t)(close - reader->at));
        size_t plain = (size_t)((next ? next : close) - reader->at);
        memcpy(to, reader->at, plain);
        to += plain;
        reader->at += plain;
        if (next) {
            reader->at++;
            int32_t character = read_escape(reader);
            if (character < 0)
                return malformed(reader, "no escape ends like this");
            to = utf8_put(to, (uint32_t)character);
        }
    }
    *to = '\0';
    return made(reader, value_borrow(reader->arena, KITH_STR, text, (size_t)(to - text)), value);
}

static int read_string(struct reader *reader, kith_value **value)
{
    bool escapes;
    const char *text = reader->at + 1;
    int code = skip_string(reader, &escapes);
    if (code < 0)
        return code;
    const char *behind = reader->at, *close = behind - 1;
    size_t size = (size_t)(close - text);
    reader->at = text;
    if (!utf8_is_text(text, size))
        return fail_at(reader, KITH_EMALFORMED, "the string that begins here is not in UTF-8");
    if (escapes)
        code = read_escaped(reader, close, value);
    else
        code = made(reader, value_str(reader->arena, text, size), value);
    if (code == 0)
        reader->at = behind;
    return code;
}

/* ---- containers ---- */

static int read_any(struct reader *reader, kith_value **value, unsigned depth);

/** Goes over what comes behind an item. @param more  receives whether that is a comma */
static int skip_separator(struct reader *reader, char close, bool *more)
{
    skip_space(reader);
    *more = skip(reader, ',');
    if (*more || skip(reader, close))
        return 0;
    return malformed(reader, close == ']' ? "a ',' or ']' is missing" : "a ',' or '}' is missing");
}

/** Whether the container ends before its first item. */
static bool skip_empty(struct reader *reader, char close)
{
    reader->at++;
    skip_space(reader);
    return skip(reader, close);
}

static int read_array(struct reader *reader, kith_value *list, unsigned depth)
{
    int code = 0;
    bool more = !skip_empty(reader, ']');
    while (more && code == 0) {
        kith_value *item;
        code = read_any(reader, &item, depth);
        if (code == 0)
            code = value_extend(list, &item, 1);
        if (code == 0)
            code = skip_separator(reader, ']', &more);
    }
    return code;
}

static int read_name(struct reader *reader, kith_value **name)
{
    skip_space(reader);
    if (look(reader) != '"')
        return malformed(reader, "a name is missing: it begins with '\"'");
    int code = read_string(reader, name);
    if (code < 0)
        return code;
    skip_space(reader);
    return skip(reader, ':') ? 0 : malformed(reader, "a ':' is missing");
}

static int read_object(struct reader *reader, kith_value *dict, unsigned depth)
{
    int code = 0;
    bool more = !skip_empty(reader, '}');
    while (more && code == 0) {
        kith_value *name, *item;
        code = read_name(reader, &name);
        if (code == 0)
            code = read_any(reader, &item, depth);
        if (code == 0)
            code = value_table_put(dict, name, item);
        if (code == 0)
            code = skip_separator(reader, '}', &more);
    }
    return code;
}

/** Makes a container, and reads what is in it. */
static int read_container(struct reader *reader, kith_value **value, bool is_array, unsigned depth)
{
    if (depth == DEPTH_MAX)
        return fail_at(reader, KITH_ELIMIT, "this is nested deeper than 1000");
    kith_value *container = is_array ? value_list(reader->arena, 0) : value_table(reader->arena, KITH_DICT, 0);
    if (!container)
        return reader->arena->last;
    int code = is_array ? read_array(reader, container, depth + 1) : read_object(reader, container, depth + 1);
    return code < 0 ? code : made(reader, container, value);
}

/** @param depth  in how many containers it is */
static int read_any(struct reader *reader, kith_value **value, unsigned depth)
{
    skip_space(reader);
    char first = look(reader);
    if (first == '[' || first == '{')
        return read_container(reader, value, first == '[', depth);
    if (first == '"')
        return read_string(reader, value);
    if (first == '-' || is_digit(first))
        return read_number(reader, value);
    return read_word(reader, value);
}

int kith_json_read(kith_arena *arena, kith_value **value, const void *text, size_t size)
{
    if (!arena || !value || (!text && size > 0))
        return error_fail(-EINVAL, "%s is NULL", !arena ? "arena" : !value ? "value" : "text");
    const char *begin = text ? text : "";
    struct reader reader = { .arena = arena, .begin = begin, .at = begin, .end = begin + size };
    kith_value *read;
    int code = read_any(&reader, &read, 0);
    if (code < 0)
        return code;
    skip_space(&reader);
    if (reader.at < reader.end)
        return malformed(&reader, "something follows the value");
    *value = read;
    return 0;
}
