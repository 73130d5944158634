/* The kind Array: an array.array of Python's, of the same typecodes and ranges. */
#include "base/error.h"
#include "manager/array.h"
#include "manager/contents.h"
#include "manager/items.h"
#include "manager/kind.h"
#include "manager/slice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct array *array_of(const struct request *request)
{
    return request->object->state;
}

static int length(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_int(request, (int64_t)array_of(request)->count);
}

/* ---- reading ---- */

static int answer_slice(struct request *request, const kith_value *index)
{
    const struct array *array = array_of(request);
    struct slice slice;
    struct array part;
    int code = slice_read(&slice, index, array->count);
    if (code == 0)
        code = array_new(&part, array->typecode);
    if (code == 0)
        code = array_resize(NULL, &part, slice.count);
    if (code < 0)
        return code;
    for (size_t i = 0; i < slice.count; i++)
        memcpy(part.data + i * part.width, array->data + slice_at(&slice, i) * part.width, part.width);
    kith_value *value = array_value(&part, request->arena);
    array_free(NULL, &part);
    return contents_answer(request, kith_arena_error(request->arena), value);
}

static int read_place(struct request *request, const kith_value *index, const char *beyond, size_t *place)
{
    int64_t number;
    int code = index_read(&number, index, "array");
    if (code == 0 && !index_place(number, array_of(request)->count, place))
        code = error_fail(-ERANGE, "%s", beyond);
    return code;
}

static int get_item(struct request *request)
{
    const kith_value *index;
    size_t place;
    int code = request_arguments(request, "index/", &index);
    if (code == 0 && slice_is(index))
        return answer_slice(request, index);
    if (code == 0)
        code = read_place(request, index, "array index out of range", &place);
    if (code < 0)
        return code;
    kith_value *item = array_get(array_of(request), place, request->arena);
    return contents_answer(request, kith_arena_error(request->arena), item);
}

/* ---- changing ---- */

/** Replaces a slice of step 1 by another array, of any length. */
static int replace(struct server *server, struct array *array, const struct slice *slice, const struct array *by)
{
    size_t width = array->width, start = (size_t)slice->start, rest = array->count - start - slice->count;
    size_t count = array->count - slice->count + by->count;
    int code = count > array->count ? array_resize(server, array, count) : 0;
    if (code < 0)
        return code;
    memmove(array->data + (start + by->count) * width, array->data + (start + slice->count) * width, rest * width);
    if (by->count > 0)
        memcpy(array->data + start * width, by->data, by->count * width);
    return count < array->count ? array_resize(server, array, count) : 0;
}

/** Takes the items of a slice out. */
static int delete_slice(struct server *server, struct array *array, struct slice slice)
{
    if (slice.step < 0 && slice.count > 0)
        slice = (struct slice){ (int64_t)slice_at(&slice, slice.count - 1), -slice.step, slice.count };
    size_t kept = 0, gone = 0, width = array->width;
    for (size_t place = 0; place < array->count; place++) {
        if (gone < slice.count && place == slice_at(&slice, gone))
            gone++;
        else
            memmove(array->data + kept++ * width, array->data + place * width, width);
    }
    return array_resize(server, array, kept);
}

static int set_slice(struct request *request, const kith_value *index, const kith_value *value)
{
    struct array *array = array_of(request), by;
    struct slice slice;
    int code = slice_read(&slice, index, array->count);
    if (code == 0 && !array_is(value))
        code = error_fail(KITH_ETYPE, "can only assign array (not \"%s\") to array slice", contents_type_name(value));
    if (code == 0)
        code = array_read(&by, value);
    if (code < 0)
        return code;
    if (by.typecode != array->typecode)
        code = error_fail(KITH_ETYPE, "bad argument type for built-in operation");
    else if (slice.step == 1)
        code = replace(request->server, array, &slice, &by);
    else if (by.count == 0) /* where Python's lists complain, its arrays take the items out */
        code = delete_slice(request->server, array, slice);
    else if (by.count != slice.count)
        code = error_fail(-EINVAL, "attempt to assign array of size %zu to extended slice of size %zu", by.count,
                          slice.count);
    for (size_t i = 0; code == 0 && slice.step != 1 && i < by.count; i++)
        memcpy(array->data + slice_at(&slice, i) * array->width, by.data + i * array->width, array->width);
    array_free(NULL, &by);
    return code < 0 ? code : request_answer_none(request);
}

static int set_item(struct request *request)
{
    const kith_value *index, *value;
    size_t place;
    int code = request_arguments(request, "index/ value/", &index, &value);
    if (code == 0 && slice_is(index))
        return set_slice(request, index, value);
    if (code == 0)
        code = read_place(request, index, "array assignment index out of range", &place);
    if (code == 0)
        code = array_set(array_of(request), place, value);
    return code < 0 ? code : request_answer_none(request);
}

/* ---- the whole ---- */

static int value(struct request *request)
{
    kith_value *whole = array_value(array_of(request), request->arena);
    return contents_answer(request, kith_arena_error(request->arena), whole);
}

/** The items as a list, those of characters as one text. */
static int read_items(const struct array *array, kith_arena *arena, kith_value **items)
{
    bool is_text = array->typecode == 'u' || array->typecode == 'w';
    kith_value *list = kith_value_list(arena);
    char *text = is_text ? malloc(4 * array->count + 1) : NULL;
    size_t size = 0;
    for (size_t i = 0; (!is_text || text) && i < array->count; i++) {
        const char *character;
        size_t length_of = 0;
        kith_value *item = array_get(array, i, arena);
        if (!is_text)
            (void)kith_value_append(list, item);
        else if (kith_value_as_str(item, &character, &length_of) == 0)
            memcpy(text + size, character, length_of);
        size += length_of;
    }
    *items = is_text && text ? kith_value_str_sized(arena, text, size) : list;
    free(text);
    return is_text && !*items ? -ENOMEM : kith_arena_error(arena);
}

static int repr(struct request *request)
{
    const struct array *array = array_of(request);
    kith_value *items;
    kith_bytes shown;
    int code = read_items(array, request->arena, &items);
    if (code == 0)
        code = contents_text(items, CONTENTS_TEXT_MAX, &shown);
    if (code < 0)
        return code;
    size_t size = sizeof "array('i', )" + shown.size;
    char *text = malloc(size);
    if (text && array->count > 0)
        snprintf(text, size, "array('%c', %s)", array->typecode, (const char *)shown.data);
    else if (text)
        snprintf(text, size, "array('%c')", array->typecode);
    kith_value *all = text ? kith_value_str(request->arena, text) : NULL;
    free(text);
    kith_bytes_free(&shown);
    return all ? request_answer_value(request, all) : error_fail(-ENOMEM, "no memory to show an Array");
}

/* ---- beginning and end ---- */

static void end(struct server *server, void *state)
{
    array_free(server, state);
    free(state);
}

/** What array.array refuses to begin with. */
static int check_content(const struct array *array, const kith_value *content)
{
    bool is_text = array->typecode == 'u' || array->typecode == 'w';
    if (!is_text && kith_value_kind(content) == KITH_STR)
        return error_fail(KITH_ETYPE, "cannot use a str to initialize an array with typecode '%c'", array->typecode);
    return 0;
}

/** Bytes are the numbers themselves. */
static int fill_with_bytes(struct server *server, struct array *array, const void *data, size_t size)
{
    if (size % array->width)
        return error_fail(-EINVAL, "bytes length not a multiple of item size");
    int code = array_resize(server, array, size / array->width);
    if (code == 0 && size > 0)
        memcpy(array->data, data, size);
    return code;
}

static int fill_with_items(struct request *request, struct array *array, const kith_value *content)
{
    struct items items;
    kith_value *item;
    int code = items_begin(&items, request, content);
    if (code < 0)
        return code;
    size_t count = 0;
    while ((code = items_next(&items, &item)) == 1) {
        code = count < array->count ? 0 : array_resize(request->server, array, 2 * count + 8);
        if (code == 0)
            code = array_set(array, count++, item);
        if (code < 0)
            return code;
    }
    return code < 0 ? code : array_resize(request->server, array, count);
}

static int fill(struct request *request, struct array *array, const kith_value *content)
{
    const void *data;
    size_t size;
    int code = check_content(array, content);
    if (code < 0)
        return code;
    if (kith_value_as_bytes(content, &data, &size) == 0)
        return fill_with_bytes(request->server, array, data, size);
    return fill_with_items(request, array, content);
}

static int read_typecode(const kith_value *value, struct array *array)
{
    const char *text;
    size_t size;
    if (kith_value_as_str(value, &text, &size) < 0 || size != 1)
        return error_fail(KITH_ETYPE, "array() argument 1 must be a unicode character, not %s",
                          contents_type_name(value));
    return array_new(array, *text);
}

static int make(struct request *request, void **state)
{
    const kith_value *typecode, *content, *lock;
    struct array made;
    int code = request_arguments(request, "typecode sequence lock?", &typecode, &content, &lock);
    if (code == 0)
        code = read_typecode(typecode, &made);
    if (code < 0)
        return code;
    struct array *array = malloc(sizeof *array);
    if (!array)
        return error_fail(-ENOMEM, "no memory for an Array");
    *array = made;
    code = fill(request, array, content);
    if (code < 0)
        end(request->server, array);
    else
        *state = array;
    return code;
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    (void)server;
    kith_value *made = array_value(state, arena);
    if (!made)
        return kith_arena_error(arena);
    *saved = made;
    return 0;
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    struct array read, *array = NULL;
    int code = array_is(saved) ? array_read(&read, saved)
                               : error_fail(KITH_EMALFORMED, "what an Array was kept as is no array");
    if (code < 0)
        return code;
    array = malloc(sizeof *array);
    code = array ? array_new(array, read.typecode) : error_fail(-ENOMEM, "no memory for an Array");
    if (code == 0)
        code = fill_with_bytes(server, array, read.data, read.count * read.width);
    array_free(NULL, &read);
    if (code == 0)
        *state = array;
    else
        free(array);
    return code;
}

static const struct kind_method methods[] = {
    { "__getitem__", get_item, true },
    { "__len__", length, true },
    { "__setitem__", set_item, false },
};

const struct kind kind_array = {
    .name = "Array",
    .proxy = "ArrayProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
