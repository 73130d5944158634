#include "manager/slice.h"

#include "base/error.h"
#include "value/name.h"
#include "value/number.h"

#include <errno.h>

bool index_is_negative(const kith_value *value)
{
    return number_order(value, &(kith_value){ .kind = KITH_INT }) < 0;
}

int index_clamp(int64_t *number, const kith_value *value, bool may_be_none)
{
    if (!value || (may_be_none && kith_value_kind(value) == KITH_NONE))
        return 0;
    int code = kith_value_as_int(value, number);
    if (code == -ERANGE) {
        *number = index_is_negative(value) ? INT64_MIN : INT64_MAX;
        return 0;
    }
    return code == 0 ? 0
                     : error_fail(KITH_ETYPE, "slice indices must be integers %sor have an __index__ method",
                                  may_be_none ? "or None " : "");
}

int index_read(int64_t *index, const kith_value *value, const char *what)
{
    int code = kith_value_as_int(value, index);
    if (code == -ERANGE)
        return error_fail(code, "cannot fit 'int' into an index-sized integer");
    if (code == 0)
        return 0;
    bool is_array = what[0] == 'a';
    return is_array
               ? error_fail(KITH_ETYPE, "array indices must be integers")
               : error_fail(KITH_ETYPE, "%s indices must be integers or slices, not %s", what, value_type_name(value));
}

size_t index_within(int64_t index, size_t length)
{
    if (index < 0)
        return (uint64_t)0 - (uint64_t)index > length ? 0 : length - (size_t)((uint64_t)0 - (uint64_t)index);
    return (uint64_t)index > length ? length : (size_t)index;
}

bool index_place(int64_t index, size_t length, size_t *place)
{
    uint64_t at = index < 0 ? (uint64_t)length + (uint64_t)index : (uint64_t)index;
    if (at >= length) /* one that is too far below 0 comes out beyond all lengths */
        return false;
    *place = (size_t)at;
    return true;
}

bool slice_is(const kith_value *value)
{
    return kith_object_get_form(value) == KITH_OBJECT_CALL &&
           (kith_object_is(value, "builtins", "slice") || kith_object_is(value, "__builtin__", "slice"));
}

/** Where a slice that goes upwards or downwards begins or ends, within what there is. */
static int64_t bound(int64_t index, int64_t length, bool upwards)
{
    int64_t lowest = upwards ? 0 : -1, highest = upwards ? length : length - 1;
    if (index < 0)
        index += length;
    return index < lowest ? lowest : index > highest ? highest : index;
}

int slice_read(struct slice *slice, const kith_value *value, size_t size)
{
    const kith_value *args = kith_object_args(value);
    int64_t step = 1, length = (int64_t)size;
    int code = index_clamp(&step, kith_value_at(args, 2), true);
    if (code == 0 && step == 0)
        code = error_fail(-EINVAL, "slice step cannot be zero");
    if (step < -INT64_MAX)
        step = -INT64_MAX;
    int64_t start = step > 0 ? 0 : INT64_MAX, stop = step > 0 ? INT64_MAX : INT64_MIN;
    if (code == 0)
        code = index_clamp(&start, kith_value_at(args, 0), true);
    if (code == 0)
        code = index_clamp(&stop, kith_value_at(args, 1), true);
    if (code < 0)
        return code;
    start = bound(start, length, step > 0);
    stop = bound(stop, length, step > 0);
    int64_t span = step > 0 ? stop - start : start - stop;
    uint64_t stride = step > 0 ? (uint64_t)step : (uint64_t)-step;
    *slice = (struct slice){ .start = start,
                             .step = step,
                             .count = span > 0 ? (size_t)(((uint64_t)span - 1) / stride + 1) : 0 };
    return 0;
}
