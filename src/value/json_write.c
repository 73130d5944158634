/* Writing JSON: from values straight to the text, as Python's json does it with ensure_ascii=False. What there is to do
 * is little, as texts are in UTF-8 on both sides. */
#include <kith/codec.h>

#include "base/error.h"
#include "base/utf8.h"
#include "value/decimal.h"
#include "value/value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 1000, INDENT_MAX = 31 };

#define TEXT_MAX ((size_t)1 << 30)

struct writer {
    char *text;
    size_t size;
    size_t capacity;
    int indent;
};

static int grow(struct writer *writer, size_t size)
{
    if (size > TEXT_MAX - writer->size)
        return error_fail(KITH_ELIMIT, "the JSON text would be longer than %zu bytes", TEXT_MAX);
    size_t capacity = writer->size + size;
    capacity += capacity / 2 + 64;
    char *text = realloc(writer->text, capacity);
    if (!text)
        return error_fail(-ENOMEM, "no memory for a JSON text of %zu bytes", capacity);
    writer->text = text;
    writer->capacity = capacity;
    return 0;
}

static int put(struct writer *writer, const char *bytes, size_t size)
{
    if (size > writer->capacity - writer->size) {
        int code = grow(writer, size);
        if (code < 0)
            return code;
    }
    memcpy(writer->text + writer->size, bytes, size);
    writer->size += size;
    return 0;
}

/** Begins the line of an item that is in so many containers. */
static int put_line(struct writer *writer, unsigned depth)
{
    static const char spaces[] = "                               ";
    int code = put(writer, "\n", 1);
    for (unsigned i = 0; i < depth && code == 0; i++)
        code = put(writer, spaces, (size_t)writer->indent);
    return code;
}

/** Goes on to the next item of a container. */
static int put_next(struct writer *writer, size_t index, unsigned depth)
{
    int code = index == 0 ? 0 : writer->indent > 0 ? put(writer, ",", 1) : put(writer, ", ", 2);
    return code == 0 && writer->indent > 0 ? put_line(writer, depth) : code;
}

/** Ends a container. */
static int put_end(struct writer *writer, char bracket, size_t count, unsigned depth)
{
    int code = writer->indent > 0 && count > 0 ? put_line(writer, depth) : 0;
    return code == 0 ? put(writer, &bracket, 1) : code;
}

/** Writes a character that may not stand in a JSON string as it is. */
static int put_escape(struct writer *writer, unsigned char character)
{
    static const char specials[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* what it is, and what stands for it */
    for (const char *at = specials; *at; at += 2) {
        if ((unsigned char)*at == character)
            return put(writer, (char[]){ '\\', at[1] }, 2);
    }
    char escape[7];
    snprintf(escape, sizeof escape, "\\u%04x", character);
    return put(writer, escape, 6);
}

static int put_string(struct writer *writer, const char *text, size_t size)
{
    if (!utf8_is_text(text, size))
        return error_fail(KITH_ETYPE, "JSON has no word for a str with lone surrogates");
    int code = put(writer, "\"", 1);
    size_t from = 0;
    for (size_t at = 0; at < size && code == 0; at++) {
        unsigned char character = (unsigned char)text[at];
        if (character >= ' ' && character != '"' && character != '\\')
            continue;
        code = put(writer, text + from, at - from);
        if (code == 0)
            code = put_escape(writer, character);
        from = at + 1;
    }
    if (code == 0)
        code = put(writer, text + from, size - from);
    return code == 0 ? put(writer, "\"", 1) : code;
}

static int put_float(struct writer *writer, double number)
{
    char text[DECIMAL_FLOAT_SIZE];
    if (!isfinite(number))
        return error_fail(-ERANGE, "JSON has no word for %s", isnan(number) ? "NaN" : "infinity");
    return put(writer, text, decimal_float(number, text));
}

static int put_int(struct writer *writer, const kith_value *value)
{
    int64_t number;
    uint64_t large;
    char text[24];
    if (kith_value_as_int(value, &number) == 0)
        snprintf(text, sizeof text, "%" PRId64, number);
    else if (kith_value_as_unsigned(value, &large) == 0)
        snprintf(text, sizeof text, "%" PRIu64, large);
    else
        return error_fail(-ERANGE, "an int has more than 64 bits: write it as a str");
    return put(writer, text, strlen(text));
}

/** What is no container: all that can be a key, too. */
static int put_plain(struct writer *writer, const kith_value *value)
{
    switch (value->kind) {
    case KITH_NONE:
        return put(writer, "null", 4);
    case KITH_BOOL:
        return value->truth ? put(writer, "true", 4) : put(writer, "false", 5);
    case KITH_INT:
        return put_int(writer, value);
    case KITH_FLOAT:
        return put_float(writer, value->real);
    case KITH_STR:
        return put_string(writer, value->bytes.data, value->bytes.size);
    default:
        return error_fail(KITH_ETYPE, "JSON has no word for %s", kith_kind_name(value->kind));
    }
}

static int put_key(struct writer *writer, const kith_value *key)
{
    bool is_str = key->kind == KITH_STR;
    if (kith_value_kind(key) > KITH_STR)
        return error_fail(KITH_ETYPE, "a %s can't be a key in JSON: make it a str", kith_kind_name(key->kind));
    int code = is_str ? 0 : put(writer, "\"", 1);
    if (code == 0)
        code = put_plain(writer, key);
    if (code == 0)
        code = is_str ? put(writer, ": ", 2) : put(writer, "\": ", 3);
    return code;
}

static int put_any(struct writer *writer, const kith_value *value, unsigned depth);

static int put_array(struct writer *writer, const struct sequence *items, unsigned depth)
{
    int code = put(writer, "[", 1);
    for (size_t i = 0; i < items->count && code == 0; i++) {
        code = put_next(writer, i, depth + 1);
        if (code == 0)
            code = put_any(writer, items->items[i], depth + 1);
    }
    return code == 0 ? put_end(writer, ']', items->count, depth) : code;
}

static int put_object(struct writer *writer, const struct table *pairs, unsigned depth)
{
    int code = put(writer, "{", 1);
    for (size_t i = 0; i < pairs->count && code == 0; i++) {
        code = put_next(writer, i, depth + 1);
        if (code == 0)
            code = put_key(writer, pairs->pairs[i].key);
        if (code == 0)
            code = put_any(writer, pairs->pairs[i].item, depth + 1);
    }
    return code == 0 ? put_end(writer, '}', pairs->count, depth) : code;
}

/** @param depth  how many containers it is in */
static int put_any(struct writer *writer, const kith_value *value, unsigned depth)
{
    bool is_array = value->kind == KITH_LIST || value->kind == KITH_TUPLE;
    if (!is_array && value->kind != KITH_DICT)
        return put_plain(writer, value);
    if (depth == DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "the value is nested deeper than %d, or holds itself", DEPTH_MAX);
    return is_array ? put_array(writer, value->sequence, depth) : put_object(writer, value->table, depth);
}

int kith_json_write(const kith_value *value, kith_bytes *text, int indent)
{
    if (!value || !text)
        return error_fail(-EINVAL, "%s is NULL", value ? "text" : "value");
    if (indent < 0 || indent > INDENT_MAX)
        return error_fail(-EINVAL, "an indent of %d: give 0 to %d", indent, INDENT_MAX);
    struct writer writer = { .indent = indent };
    int code = put_any(&writer, value, 0);
    if (code == 0)
        code = put(&writer, "", 1);
    if (code == 0)
        *text = (kith_bytes){ writer.text, writer.size - 1 };
    else
        free(writer.text);
    return code;
}
