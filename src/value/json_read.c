/* Reading JSON: Jansson's tree of a text, made into values. docs/design/json.md has the reasons.
 *
 * Jansson collects each token in a buffer and does not look whether that could grow: where it could not, characters are
 * lost, and with the quote that ends a string it loses all hold. So it is given an array of two: a filler, a string as
 * long as the longest token, and the text. Memory that fails for the filler is noticed before its end, and what comes
 * behind it finds room. */
#include <kith/codec.h>

#include "base/error.h"
#include "value/value.h"

#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>

enum { DEPTH_MAX = 1000 };

/* ---- from a tree to values ---- */

static int convert(kith_arena *arena, kith_value **value, json_t *json, unsigned depth);

/** Each item is given back when it is converted: null takes its place. */
static int convert_array(kith_arena *arena, kith_value *list, json_t *array, unsigned depth)
{
    size_t count = json_array_size(array);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        kith_value *item;
        code = convert(arena, &item, json_array_get(array, i), depth);
        if (code == 0)
            code = value_extend(list, &item, 1);
        json_array_set_new(array, i, json_null());
    }
    return code;
}

static int convert_object(kith_arena *arena, kith_value *dict, json_t *object, unsigned depth)
{
    int code = 0;
    for (void *at = json_object_iter(object); at && code == 0; at = json_object_iter_next(object, at)) {
        kith_value *item, *key = value_str(arena, json_object_iter_key(at), json_object_iter_key_len(at));
        code = key ? convert(arena, &item, json_object_iter_value(at), depth) : arena->last;
        if (code == 0)
            code = value_table_put(dict, key, item);
        json_object_iter_set_new(object, at, json_null());
    }
    return code;
}

/** What is no container. @return it; NULL when there is no memory */
static kith_value *convert_plain(kith_arena *arena, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_STRING:
        return value_str(arena, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return kith_value_int(arena, json_integer_value(json));
    case JSON_REAL:
        return kith_value_float(arena, json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return kith_value_bool(arena, json_is_true(json));
    default:
        return kith_value_none(arena);
    }
}

/** @param depth  in how many containers it is. @return 0, KITH_ELIMIT, -ENOMEM */
static int convert(kith_arena *arena, kith_value **value, json_t *json, unsigned depth)
{
    bool is_array = json_is_array(json), is_object = json_is_object(json);
    if ((is_array || is_object) && depth == DEPTH_MAX)
        return error_fail(KITH_ELIMIT, "the JSON text is nested deeper than %d", DEPTH_MAX);
    kith_value *made = is_array    ? value_list(arena, json_array_size(json))
                       : is_object ? value_table(arena, KITH_DICT, json_object_size(json))
                                   : convert_plain(arena, json);
    int code = made ? 0 : arena->last;
    if (is_array && made)
        code = convert_array(arena, made, json, depth + 1);
    else if (is_object && made)
        code = convert_object(arena, made, json, depth + 1);
    if (code == 0)
        *value = made;
    return code;
}

/* ---- from a text to a tree ---- */

enum { FILLER, FILLER_END, TEXT, TEXT_END, PIECES };

struct feed {
    kith_buffer pieces[PIECES]; /* what is still to be given to Jansson */
    size_t size;                /* of all, at first */
};

/** Gives Jansson the next bytes; none where memory failed. Numbers reset errno, but no number comes in the filler. */
static size_t feed_next(void *bytes, size_t room, void *context)
{
    struct feed *feed = context;
    kith_buffer *piece = feed->pieces;
    while (piece < &feed->pieces[TEXT_END] && piece->size == 0)
        piece++;
    size_t size = errno == ENOMEM ? 0 : piece->size < room ? piece->size : room;
    memcpy(bytes, piece->data, size);
    *piece = (kith_buffer){ (const char *)piece->data + size, piece->size - size };
    return size;
}

/** @return no less than the length of each token: the longest piece between commas and colons outside of strings */
static size_t longest_token(const char *text, size_t size)
{
    size_t longest = 0, begin = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted && (text[i] == ',' || text[i] == ':'))
            begin = i;
        if (i - begin >= longest)
            longest = i - begin + 1;
    }
    return longest;
}

/** Jansson finds the point of a number where the locale has it, if that is one byte long: so it works in the locale
 *  "C". */
static json_t *parse(struct feed *feed, json_error_t *error)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* is there already: nothing is made for it */
    locale_t before = uselocale(plain);
    errno = 0;
    json_t *json = json_load_callback(feed_next, feed, JSON_ALLOW_NUL, error);
    uselocale(before);
    freelocale(plain);
    return json;
}

/** What Jansson says, as a code and a sentence. The filler is its first line. */
static int explain(const json_error_t *error, size_t size)
{
    enum json_error_code why = json_error_code(error);
    const char *what = error->text;
    if (errno == ENOMEM)
        return error_fail(-ENOMEM, "no memory to read a JSON text");
    if (why == json_error_stack_overflow)
        return error_fail(KITH_ELIMIT, "the JSON text is nested deeper than %d", DEPTH_MAX);
    if (why != json_error_end_of_input_expected && (size_t)error->position >= size)
        what = "the text ends too early";
    return error_fail(why == json_error_numeric_overflow ? -ERANGE : KITH_EMALFORMED, "line %d, column %d: %s",
                      error->line - 1, error->column, what);
}

/** @param filler  size bytes: what opens the array, and its first string without its end */
static int read_text(kith_arena *arena, kith_value **value, const void *text, size_t size, const kith_buffer *filler)
{
    struct feed feed = { { *filler, { "\",\n", 3 }, { text, size }, { "]", 1 } }, filler->size + 3 + size + 1 };
    json_error_t error;
    json_t *json = parse(&feed, &error);
    int code = 0;
    if (!json)
        code = explain(&error, feed.size);
    else if (json_array_size(json) != 2)
        code =
            error_fail(KITH_EMALFORMED, "the text has %zu values side by side: JSON is one", json_array_size(json) - 1);
    else
        code = convert(arena, value, json_array_get(json, 1), 0);
    json_decref(json);
    return code;
}

int kith_json_read(kith_arena *arena, kith_value **value, const void *text, size_t size)
{
    if (!arena || !value || (!text && size > 0))
        return error_fail(-EINVAL, "%s is NULL", !arena ? "arena" : !value ? "value" : "text");
    const char *begin = text ? text : "", *nul = memchr(begin, '\0', size);
    if (nul) /* Jansson takes some for spaces */
        return error_fail(KITH_EMALFORMED, "a NUL byte at offset %zu: JSON has none", (size_t)(nul - begin));
    size_t longest = longest_token(begin, size), quoted = 16;
    while (quoted <= longest) /* Jansson's buffer doubles from 16 on, so it never does for the quote behind these */
        quoted *= 2;
    kith_buffer filler = { malloc(1 + quoted), 1 + quoted };
    if (!filler.data)
        return error_fail(-ENOMEM, "no memory to read a JSON text");
    memset((char *)filler.data, ' ', filler.size);
    memcpy((char *)filler.data, "[\"", 2);
    int code = read_text(arena, value, begin, size, &filler);
    free((char *)filler.data);
    return code;
}
