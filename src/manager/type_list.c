/* The kind list. An item is found, counted and removed by ==, as Python has it, but a list that is compared with itself
 * is so by value, since what comes is always a copy. */
#include "base/error.h"
#include "manager/contents.h"
#include "manager/items.h"
#include "manager/kind.h"
#include "manager/list.h"
#include "manager/loans.h"
#include "manager/splice.h"

#include <errno.h>
#include <stdlib.h>

enum { MOST_ITEMS = 1 << 22 }; /* of what a few bytes ask for: [0] * n */

/** Answers what was made of the list's items. @param code  of its making */
static int answer_made(struct request *request, int code, const kith_value *made)
{
    const struct cells *list = list_of(request);
    if (code == 0)
        code = request_answer_value(request, made);
    for (size_t i = 0; code == REQUEST_ANSWERED && i < list->count; i++)
        lend_all(request->server, request->line, list->items[i]);
    return code;
}

/* ---- one item ---- */

static int append(struct request *request)
{
    const kith_value *value;
    struct cell *cell;
    int code = request_arguments(request, "object/", &value);
    if (code == 0)
        code = cell_new(request->server, &cell, value);
    if (code == 0)
        code = cells_append(request->server, list_of(request), cell);
    return code < 0 ? code : request_answer_none(request);
}

static int insert(struct request *request)
{
    const kith_value *index, *value;
    int64_t number;
    struct cells one = { 0 };
    struct cell *cell;
    int code = request_arguments(request, "index/ object/", &index, &value);
    if (code == 0)
        code = request_integer(index, &number);
    if (code == -ERANGE)
        code = error_fail(-EOVERFLOW, "Python int too large to convert to C ssize_t");
    if (code == 0)
        code = cell_new(request->server, &cell, value);
    if (code == 0)
        code = cells_append(request->server, &one, cell);
    if (code == 0)
        code = cells_replace(request->server, list_of(request), index_within(number, list_of(request)->count), 0, &one);
    cells_clear(request->server, &one);
    return code < 0 ? code : request_answer_none(request);
}

static int pop(struct request *request)
{
    struct cells *list = list_of(request);
    const kith_value *index;
    int64_t number = -1;
    size_t place;
    int code = request_arguments(request, "index?/", &index);
    if (code == 0 && index)
        code = request_integer(index, &number);
    if (code == -ERANGE)
        code = error_fail(-EOVERFLOW, "Python int too large to convert to C ssize_t");
    if (code < 0)
        return code;
    if (list->count == 0)
        return error_fail(-ERANGE, "pop from empty list");
    if (!index_place(number, list->count, &place))
        return error_fail(-ERANGE, "pop index out of range");
    struct cell *cell = cells_take(request->server, list, place);
    code = request_answer_cell(request, cell);
    cell_drop(request->server, cell);
    return code;
}

/* ---- finding ---- */

/** Finds the next item that equals what is sought. @param place  where to begin; receives where it is
 *  @return 1; 0 when there is none before stop; a code */
static int find(const struct cells *list, struct cell_sought *sought, size_t *place, size_t stop)
{
    for (size_t i = *place; i < stop && i < list->count; i++) {
        int equal = cell_sought_equal(sought, list->items[i]);
        if (equal != 0) {
            *place = i;
            return equal;
        }
    }
    return 0;
}

/** The cell of the one argument, and where the first item is that equals it. @return as find */
static int find_argument(struct request *request, size_t *place)
{
    const kith_value *value;
    struct cell_sought sought;
    int code = request_arguments(request, "value/", &value);
    if (code == 0)
        code = cell_sought_begin(request->server, &sought, value);
    if (code < 0)
        return code;
    *place = 0;
    code = find(list_of(request), &sought, place, SIZE_MAX);
    cell_sought_end(request->server, &sought);
    return code;
}

static int contains(struct request *request)
{
    size_t place;
    int found = find_argument(request, &place);
    return found < 0 ? found : request_answer_bool(request, found);
}

static int remove_first(struct request *request)
{
    size_t place;
    int found = find_argument(request, &place);
    if (found < 0)
        return found;
    if (!found)
        return error_fail(-EINVAL, "list.remove(x): x not in list");
    cell_drop(request->server, cells_take(request->server, list_of(request), place));
    return request_answer_none(request);
}

static int count(struct request *request)
{
    const struct cells *list = list_of(request);
    const kith_value *value;
    struct cell_sought sought;
    int code = request_arguments(request, "value/", &value);
    if (code == 0)
        code = cell_sought_begin(request->server, &sought, value);
    if (code < 0)
        return code;
    int64_t times = 0;
    for (size_t place = 0; (code = find(list, &sought, &place, SIZE_MAX)) == 1; place++)
        times++;
    cell_sought_end(request->server, &sought);
    return code < 0 ? code : request_answer_int(request, times);
}

static int not_in_list(struct request *request, const kith_value *value)
{
    kith_bytes text;
    int code = contents_text(value, CONTENTS_ERROR_MAX, &text);
    if (code < 0)
        return code;
    code = request_raise(request, "ValueError", "%s is not in list", (const char *)text.data);
    kith_bytes_free(&text);
    return code;
}

static int index_of(struct request *request)
{
    const struct cells *list = list_of(request);
    const kith_value *value, *start, *stop;
    int64_t from = 0, to = INT64_MAX;
    struct cell_sought sought;
    int code = request_arguments(request, "value/ start?/ stop?/", &value, &start, &stop);
    if (code == 0)
        code = index_clamp(&from, start, false);
    if (code == 0)
        code = index_clamp(&to, stop, false);
    if (code == 0)
        code = cell_sought_begin(request->server, &sought, value);
    if (code < 0)
        return code;
    size_t place = index_within(from, list->count);
    code = find(list, &sought, &place, index_within(to, list->count));
    cell_sought_end(request->server, &sought);
    if (code < 0)
        return code;
    return code ? request_answer_int(request, (int64_t)place) : not_in_list(request, value);
}

/* ---- the whole ---- */

static int length(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_int(request, (int64_t)list_of(request)->count);
}

static int value(struct request *request)
{
    return splice_list(request, list_of(request), NULL);
}

static int copy(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : value(request);
}

static int repr(struct request *request)
{
    kith_value *list;
    int code = contents_list(request->arena, list_of(request), NULL, &list);
    return code < 0 ? code : contents_show(request, list);
}

static int clear(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    cells_clear(request->server, list_of(request));
    return request_answer_none(request);
}

static int reverse(struct request *request)
{
    struct cells *list = list_of(request);
    int code = request_arguments(request, "");
    for (size_t i = 0; code == 0 && i < list->count / 2; i++) {
        struct cell *cell = list->items[i];
        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = cell;
    }
    return code < 0 ? code : request_answer_none(request);
}

/** An iterator, as Python pickles one. */
static int reversed(struct request *request)
{
    kith_value *list;
    int code = request_arguments(request, "");
    if (code == 0)
        code = contents_list(request->arena, list_of(request), NULL, &list);
    if (code < 0)
        return code;
    kith_value *callable = kith_object_global(request->arena, "builtins", "reversed");
    kith_value *iterator = kith_object_call(request->arena, callable, kith_value_tuple(request->arena, &list, 1));
    return answer_made(request, kith_arena_error(request->arena), iterator);
}

/* ---- with others ---- */

static int extend(struct request *request)
{
    const kith_value *value;
    struct cells more = { 0 }, *list = list_of(request);
    int code = request_arguments(request, "iterable/", &value);
    if (code == 0)
        code = items_gather(request, value, false, &more);
    if (code == 0)
        code = cells_replace(request->server, list, list->count, 0, &more);
    cells_clear(request->server, &more);
    return code < 0 ? code : request_answer_none(request);
}

static int add(struct request *request)
{
    const kith_value *other;
    kith_value *list = NULL;
    int code = request_arguments(request, "value/", &other);
    if (code == 0 && kith_value_kind(other) != KITH_LIST)
        code = error_fail(KITH_ETYPE, "can only concatenate list (not \"%s\") to list", contents_type_name(other));
    if (code == 0)
        code = contents_list(request->arena, list_of(request), NULL, &list);
    for (size_t i = 0; code == 0 && i < kith_value_length(other); i++)
        code = kith_value_append(list, kith_value_at(other, i));
    return answer_made(request, code, list);
}

/** How often a list is to be repeated; below 0 is 0. */
static int read_times(struct request *request, size_t *times)
{
    const kith_value *value;
    int64_t number;
    int code = request_arguments(request, "value/", &value);
    if (code == 0)
        code = request_integer(value, &number);
    if (code == -ERANGE)
        code = error_fail(-EOVERFLOW, "cannot fit 'int' into an index-sized integer");
    if (code < 0)
        return code;
    *times = number < 0 ? 0 : (size_t)number;
    const struct cells *list = list_of(request);
    if (*times > 1 && list->count > 0 && *times > MOST_ITEMS / list->count)
        return error_fail(-ENOMEM, "a list has at most %d items here", MOST_ITEMS);
    return contents_check(list, NULL, *times);
}

static int multiply(struct request *request)
{
    size_t times;
    kith_value *once = NULL, *list = kith_value_list(request->arena);
    int code = read_times(request, &times);
    if (code == 0)
        code = contents_list(request->arena, list_of(request), NULL, &once);
    size_t count = kith_value_length(once);
    for (size_t i = 0; code == 0 && i < times * count; i++)
        code = kith_value_append(list, kith_value_at(once, i % count));
    return answer_made(request, code, list);
}

static int multiply_in_place(struct request *request)
{
    struct cells *list = list_of(request);
    size_t times, once = list->count;
    int code = read_times(request, &times);
    if (code == 0 && times == 0)
        cells_clear(request->server, list);
    if (code == 0 && times > 1)
        code = cells_reserve(request->server, list, once * (times - 1));
    for (size_t i = once; code == 0 && i < once * times; i++)
        list->items[list->count++] = cell_hold(list->items[i - once]);
    return code < 0 ? code : value(request);
}

/* ---- beginning and end ---- */

static int make(struct request *request, void **state)
{
    const kith_value *iterable;
    int code = request_arguments(request, "iterable?/", &iterable);
    struct cells *list = code == 0 ? calloc(1, sizeof *list) : NULL;
    if (!list)
        return code < 0 ? code : error_fail(-ENOMEM, "no memory for a list");
    if (iterable)
        code = items_gather(request, iterable, false, list);
    if (code == 0) {
        *state = list;
        return 0;
    }
    cells_clear(request->server, list);
    free(list);
    return code;
}

static void end(struct server *server, void *state)
{
    cells_clear(server, state);
    free(state);
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    const struct cells *list = state;
    kith_value *made = kith_value_list(arena), *item;
    int code = made ? contents_check(list, NULL, 1) : kith_arena_error(arena);
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        code = cell_save(server, list->items[i], arena, &item);
        if (code == 0)
            code = kith_value_append(made, item);
    }
    if (code == 0)
        *saved = made;
    return code;
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    if (kith_value_kind(saved) != KITH_LIST)
        return error_fail(KITH_EMALFORMED, "a list is kept as a list");
    struct cells *list = calloc(1, sizeof *list);
    int code = list ? 0 : error_fail(-ENOMEM, "no memory for a list");
    for (size_t i = 0; code == 0 && i < kith_value_length(saved); i++) {
        struct cell *cell;
        code = cell_load(server, &cell, kith_value_at(saved, i), false);
        if (code == 0)
            code = cells_append(server, list, cell);
    }
    if (code == 0)
        *state = list;
    else if (list)
        end(server, list);
    return code;
}

static const struct kind_method methods[] = {
    { "__add__", add, true },
    { "__contains__", contains, true },
    { "__delitem__", list_delete_item, false },
    { "__getitem__", list_get_item, true },
    { "__imul__", multiply_in_place, false },
    { "__len__", length, true },
    { "__mul__", multiply, true },
    { "__reversed__", reversed, true },
    { "__rmul__", multiply, true },
    { "__setitem__", list_set_item, false },
    { "append", append, false },
    { "clear", clear, false },
    { "copy", copy, true },
    { "count", count, true },
    { "extend", extend, false },
    { "index", index_of, true },
    { "insert", insert, false },
    { "pop", pop, false },
    { "remove", remove_first, false },
    { "reverse", reverse, false },
    { "sort", list_sort, false },
};

const struct kind kind_list = {
    .name = "list",
    .proxy = "ListProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
