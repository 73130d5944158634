#include "manager/array.h"

#include "base/error.h"
#include "base/utf8.h"
#include "manager/server.h"
#include "manager/slice.h"
#include "value/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum form { SIGNED, UNSIGNED, REAL, CHARACTER };

/** A typecode. An int that does not fit is refused in the words of the widest of what CPython reads it as in turn. */
static const struct code {
    char typecode;
    unsigned char width;
    unsigned char form;
} codes[] = {
    { 'b', sizeof(signed char), SIGNED }, { 'B', sizeof(unsigned char), UNSIGNED },
    { 'u', sizeof(wchar_t), CHARACTER },  { 'w', sizeof(uint32_t), CHARACTER },
    { 'h', sizeof(short), SIGNED },       { 'H', sizeof(unsigned short), UNSIGNED },
    { 'i', sizeof(int), SIGNED },         { 'I', sizeof(unsigned), UNSIGNED },
    { 'l', sizeof(long), SIGNED },        { 'L', sizeof(unsigned long), UNSIGNED },
    { 'q', sizeof(long long), SIGNED },   { 'Q', sizeof(unsigned long long), UNSIGNED },
    { 'f', sizeof(float), REAL },         { 'd', sizeof(double), REAL },
};

static const struct code *code_of(char typecode)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].typecode == typecode)
            return &codes[i];
    }
    return NULL;
}

int array_new(struct array *array, char typecode)
{
    const struct code *code = code_of(typecode);
    if (!code)
        return error_fail(-EINVAL, "bad typecode (must be b, B, u, h, H, i, I, l, L, q, Q, f or d)");
    *array = (struct array){ .typecode = typecode, .width = code->width };
    return 0;
}

int array_resize(struct server *server, struct array *array, size_t count)
{
    size_t before = array->count * array->width, after;
    if (__builtin_mul_overflow(count, array->width, &after) || after > PTRDIFF_MAX)
        return error_fail(-ENOMEM, "no array has %zu items", count);
    if (server && after > before && !server_take_memory(server, after - before))
        return error_fail(-ENOMEM, "the server may keep no more: its max_memory is reached");
    unsigned char *data = realloc(array->data, after ? after : 1);
    if (!data) {
        if (server && after > before)
            server_give_memory(server, after - before);
        return error_fail(-ENOMEM, "no memory for an array of %zu items", count);
    }
    if (after > before)
        memset(data + before, 0, after - before);
    else if (server)
        server_give_memory(server, before - after);
    array->data = data;
    array->count = count;
    return 0;
}

void array_free(struct server *server, struct array *array)
{
    if (server)
        server_give_memory(server, array->count * array->width);
    free(array->data);
    array->data = NULL;
    array->count = 0;
}

/* ---- items ---- */

/** The bits of an item, with those of its sign above. */
static uint64_t get_bits(const struct array *array, size_t index, bool is_signed)
{
    const unsigned char *at = array->data + index * array->width;
    uint64_t bits = 0;
    memcpy(&bits, at, array->width); /* all machines of today that this runs on are little-endian */
    unsigned unused = (unsigned)(64 - 8 * array->width);
    return is_signed ? (uint64_t)((int64_t)(bits << unused) >> unused) : bits;
}

static kith_value *get_character(const struct array *array, size_t index, kith_arena *arena)
{
    char text[4];
    uint64_t bits = get_bits(array, index, false);
    if (bits > 0x10ffff)
        bits = 0xfffd;
    return kith_value_str_sized(arena, text, (size_t)(utf8_put(text, (uint32_t)bits) - text));
}

kith_value *array_get(const struct array *array, size_t index, kith_arena *arena)
{
    const struct code *code = code_of(array->typecode);
    const unsigned char *at = array->data + index * array->width;
    float single;
    double real;
    switch (code->form) {
    case SIGNED:
        return kith_value_int(arena, (int64_t)get_bits(array, index, true));
    case UNSIGNED:
        return kith_value_unsigned(arena, get_bits(array, index, false));
    case CHARACTER:
        return get_character(array, index, arena);
    default:
        memcpy(&single, at, sizeof single);
        if (array->width == sizeof real)
            memcpy(&real, at, sizeof real);
        return kith_value_float(arena, array->width == sizeof real ? real : (double)single);
    }
}

int array_next(const struct array *array, kith_arena *arena, size_t index, kith_value **item)
{
    if (index >= array->count)
        return 0;
    *item = array_get(array, index, arena);
    return *item ? 1 : kith_arena_error(arena);
}

static int no_integer(const kith_value *item)
{
    return error_fail(KITH_ETYPE, "'%s' object cannot be interpreted as an integer", value_type_name(item));
}

/** Refuses a number that is beyond its type. @param name  what CPython calls it */
static int beyond(const char *name, bool above)
{
    return error_fail(-EOVERFLOW, "%s is %s", name, above ? "greater than maximum" : "less than minimum");
}

static int set_signed(const struct array *array, const kith_value *item, uint64_t *bits)
{
    int64_t number;
    int code = kith_value_as_int(item, &number);
    if (code == -ERANGE)
        return error_fail(-EOVERFLOW, array->typecode == 'q' ? "int too big to convert"
                                                             : "Python int too large to convert to C long");
    if (code < 0)
        return no_integer(item);
    if (array->typecode == 'b' && (number < INT16_MIN || number > INT16_MAX))
        return beyond("signed short integer", number > 0);
    if (array->typecode == 'b' && (number < INT8_MIN || number > INT8_MAX))
        return beyond("signed char", number > 0);
    if (array->typecode == 'h' && (number < INT16_MIN || number > INT16_MAX))
        return beyond("signed short integer", number > 0);
    if (array->typecode == 'i' && (number < INT32_MIN || number > INT32_MAX))
        return beyond("signed integer", number > 0);
    *bits = (uint64_t)number;
    return 0;
}

/** B and H, which CPython reads as a long first. */
static int set_small_unsigned(const struct array *array, const kith_value *item, uint64_t *bits)
{
    int64_t number;
    int code = kith_value_as_int(item, &number);
    if (code == -ERANGE)
        return error_fail(-EOVERFLOW, "Python int too large to convert to C long");
    if (code < 0)
        return no_integer(item);
    if (array->typecode == 'H' && (number < INT32_MIN || number > INT32_MAX))
        return beyond("signed integer", number > 0);
    if (number < 0 || number > (array->typecode == 'B' ? UINT8_MAX : UINT16_MAX))
        return beyond(array->typecode == 'B' ? "unsigned byte integer" : "unsigned short", number > 0);
    *bits = (uint64_t)number;
    return 0;
}

static int set_unsigned(const struct array *array, const kith_value *item, uint64_t *bits)
{
    bool is_quad = array->typecode == 'Q';
    int code = kith_value_as_unsigned(item, bits);
    if (code == KITH_ETYPE)
        return no_integer(item);
    int sign = code == 0 ? 0 : index_is_negative(item) ? -1 : 1;
    if (sign < 0)
        return error_fail(-EOVERFLOW, is_quad ? "can't convert negative int to unsigned"
                                              : "can't convert negative value to unsigned int");
    if (sign > 0)
        return error_fail(-EOVERFLOW,
                          is_quad ? "int too big to convert" : "Python int too large to convert to C unsigned long");
    if (array->typecode == 'I' && *bits > UINT32_MAX)
        return beyond("unsigned int", true);
    return 0;
}

static int set_character(const struct array *array, const kith_value *item, uint64_t *bits)
{
    const char *text;
    size_t size;
    if (kith_value_as_str(item, &text, &size) < 0 || size == 0 || utf8_character(text, size, true) != size)
        return error_fail(KITH_ETYPE, "array item must be %sunicode character%s", array->typecode == 'w' ? "a " : "",
                          array->typecode == 'w' ? ", not a string" : "");
    unsigned char first = (unsigned char)*text;
    uint32_t point = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    *bits = point;
    return 0;
}

static int set_real(const struct array *array, const kith_value *item, uint64_t *bits)
{
    double real;
    int code = kith_value_as_float(item, &real);
    if (code == -ERANGE)
        return error_fail(-EOVERFLOW, "int too large to convert to float");
    if (code < 0)
        return error_fail(KITH_ETYPE, "must be real number, not %s", value_type_name(item));
    float single = (float)real;
    if (array->width == sizeof real)
        memcpy(bits, &real, sizeof real);
    else
        memcpy(bits, &single, sizeof single);
    return 0;
}

int array_set(struct array *array, size_t index, const kith_value *item)
{
    int form = code_of(array->typecode)->form;
    uint64_t bits = 0;
    int code = form == SIGNED                    ? set_signed(array, item, &bits)
               : form == REAL                    ? set_real(array, item, &bits)
               : form == CHARACTER               ? set_character(array, item, &bits)
               : array->width < sizeof(unsigned) ? set_small_unsigned(array, item, &bits)
                                                 : set_unsigned(array, item, &bits);
    if (code == 0)
        memcpy(array->data + index * array->width, &bits, array->width);
    return code;
}

/* ---- as values ---- */

kith_value *array_value(const struct array *array, kith_arena *arena)
{
    char typecode[2] = { array->typecode };
    kith_value *class = kith_object_global(arena, "array", "array");
    kith_value *data = kith_value_bytes(arena, array->data, array->count * array->width);
    return kith_object_call(arena, class, kith_value_pack(arena, "(sv)", typecode, data));
}

bool array_is(const kith_value *value)
{
    return kith_object_get_form(value) == KITH_OBJECT_CALL &&
           (kith_object_is(value, "array", "array") || kith_object_is(value, "array", "_array_reconstructor"));
}

/** Fills an array with bytes, or with the items of a list. */
static int fill(struct array *array, const kith_value *content)
{
    const void *data;
    size_t size, count = kith_value_length(content);
    if (kith_value_as_bytes(content, &data, &size) == 0) {
        if (size % array->width)
            return error_fail(-EINVAL, "bytes length not a multiple of item size");
        int code = array_resize(NULL, array, size / array->width);
        if (code == 0 && size > 0)
            memcpy(array->data, data, size);
        return code;
    }
    int code = array_resize(NULL, array, count);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = array_set(array, i, kith_value_at(content, i));
    return code;
}

int array_read(struct array *array, const kith_value *value)
{
    const kith_value *args = kith_object_args(value);
    bool rebuilt = kith_object_is(value, "array", "_array_reconstructor"); /* (class, typecode, format, bytes) */
    const char *typecode;
    int code = kith_value_as_str(kith_value_at(args, rebuilt), &typecode, NULL);
    if (code == 0)
        code = array_new(array, *typecode);
    if (code < 0)
        return code;
    const kith_value *content = kith_value_at(args, rebuilt ? 3 : 1);
    code = content ? fill(array, content) : array_resize(NULL, array, 0);
    if (code < 0)
        array_free(NULL, array);
    return code;
}

int array_begin(const kith_value **list, kith_arena *arena, const kith_value *value)
{
    struct array array;
    int code = array_read(&array, value);
    if (code < 0)
        return code;
    kith_value *made = kith_value_list(arena);
    for (size_t i = 0; i < array.count; i++)
        (void)kith_value_append(made, array_get(&array, i, arena));
    array_free(NULL, &array);
    *list = made;
    return kith_arena_error(arena);
}
