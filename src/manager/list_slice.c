#include "base/error.h"
#include "manager/items.h"
#include "manager/list.h"
#include "manager/slice.h"
#include "manager/splice.h"

#include <errno.h>

static int answer_slice(struct request *request, const kith_value *index)
{
    struct slice slice;
    int code = slice_read(&slice, index, list_of(request)->count);
    return code < 0 ? code : splice_list(request, list_of(request), &slice);
}

int list_get_item(struct request *request)
{
    const struct cells *list = list_of(request);
    const kith_value *index;
    int64_t number;
    size_t place;
    int code = request_arguments(request, "index/", &index);
    if (code < 0)
        return code;
    if (slice_is(index))
        return answer_slice(request, index);
    code = index_read(&number, index, "list");
    if (code < 0)
        return code;
    if (!index_place(number, list->count, &place))
        return error_fail(-ERANGE, "list index out of range");
    return request_answer_cell(request, list->items[place]);
}

/* ---- changing slices ---- */

/** Puts cells in the place of those of a slice, one for one: the holds change places. */
static void exchange(struct cells *list, const struct slice *slice, struct cells *by)
{
    for (size_t i = 0; i < slice->count; i++) {
        struct cell **at = &list->items[slice_at(slice, i)], *old = *at;
        *at = by->items[i];
        by->items[i] = old;
    }
}

static int set_slice(struct request *request, const struct slice *slice, const kith_value *value)
{
    struct cells *list = list_of(request), by = { 0 };
    int code = items_gather(request, value, false, &by);
    if (code == KITH_ETYPE)
        code = error_fail(code,
                          slice->step == 1 ? "can only assign an iterable" : "must assign iterable to extended slice");
    if (code == 0 && slice->step == 1)
        code = cells_replace(request->server, list, (size_t)slice->start, slice->count, &by);
    else if (code == 0 && by.count != slice->count)
        code = error_fail(-EINVAL, "attempt to assign sequence of size %zu to extended slice of size %zu", by.count,
                          slice->count);
    else if (code == 0)
        exchange(list, slice, &by);
    cells_clear(request->server, &by);
    return code < 0 ? code : request_answer_none(request);
}

/** Takes the cells of a slice out, whose step is above 0, and closes the gaps. */
static int delete_upwards(struct request *request, const struct slice *slice)
{
    struct cells *list = list_of(request), gone = { 0 };
    int code = cells_reserve(request->server, &gone, slice->count);
    if (code < 0 || slice->count == 0)
        return code;
    size_t kept = (size_t)slice->start;
    for (size_t place = kept; place < list->count; place++) {
        if (gone.count < slice->count && place == slice_at(slice, gone.count))
            gone.items[gone.count++] = list->items[place];
        else
            list->items[kept++] = list->items[place];
    }
    list->count = kept;
    cells_clear(request->server, &gone);
    return 0;
}

static int delete_slice(struct request *request, const kith_value *index)
{
    struct slice slice;
    int code = slice_read(&slice, index, list_of(request)->count);
    if (code < 0)
        return code;
    if (slice.step < 0 && slice.count > 0)
        slice = (struct slice){ (int64_t)slice_at(&slice, slice.count - 1), -slice.step, slice.count };
    code = slice.step == 1 ? cells_replace(request->server, list_of(request), (size_t)slice.start, slice.count, NULL)
                           : delete_upwards(request, &slice);
    return code < 0 ? code : request_answer_none(request);
}

/* ---- changing items ---- */

/** The place of an item that is to be changed. */
static int read_place(struct request *request, const kith_value *index, size_t *place)
{
    int64_t number;
    int code = index_read(&number, index, "list");
    if (code == 0 && !index_place(number, list_of(request)->count, place))
        code = error_fail(-ERANGE, "list assignment index out of range");
    return code;
}

int list_set_item(struct request *request)
{
    const kith_value *index, *value;
    int code = request_arguments(request, "index/ value/", &index, &value);
    if (code < 0)
        return code;
    if (slice_is(index)) {
        struct slice slice;
        code = slice_read(&slice, index, list_of(request)->count);
        return code < 0 ? code : set_slice(request, &slice, value);
    }
    size_t place;
    struct cell *cell;
    code = read_place(request, index, &place);
    if (code == 0)
        code = cell_new(request->server, &cell, value);
    if (code < 0)
        return code;
    struct cell *old = list_of(request)->items[place];
    list_of(request)->items[place] = cell;
    cell_drop(request->server, old);
    return request_answer_none(request);
}

int list_delete_item(struct request *request)
{
    const kith_value *index;
    size_t place;
    int code = request_arguments(request, "index/", &index);
    if (code == 0 && slice_is(index))
        return delete_slice(request, index);
    if (code == 0)
        code = read_place(request, index, &place);
    if (code < 0)
        return code;
    cell_drop(request->server, cells_take(request->server, list_of(request), place));
    return request_answer_none(request);
}
