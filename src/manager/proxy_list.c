/* Lists and arrays, and what all containers have in common. */
#include "manager/proxy_call.h"

/* ---- containers ---- */

int kith_proxy_length(kith_proxy *container)
{
    return call_count(container, "__len__", GIVEN_NOTHING);
}

int kith_proxy_contains(kith_proxy *container, const kith_value *value)
{
    return call_count(container, "__contains__", GIVEN(value));
}

/* ---- slices ---- */

static kith_value *bound(kith_arena *arena, int64_t number)
{
    return number == KITH_OMITTED ? kith_value_none(arena) : kith_value_int(arena, number);
}

/* Python's slice(start, stop, step), in an arena of its own. @return 0; -ENOMEM */
static int new_slice(kith_arena **arena, kith_value **slice, int64_t start, int64_t stop, int64_t step)
{
    int code = kith_arena_new(arena);
    if (code < 0)
        return code;
    kith_value *bounds[] = { bound(*arena, start), bound(*arena, stop), bound(*arena, step) };
    *slice =
        kith_object_call(*arena, kith_object_global(*arena, "builtins", "slice"), kith_value_tuple(*arena, bounds, 3));
    code = kith_arena_error(*arena);
    if (code < 0)
        kith_arena_free(*arena);
    return code;
}

int kith_proxy_slice(kith_proxy *list, int64_t start, int64_t stop, int64_t step, kith_arena *arena, kith_value **items)
{
    kith_arena *own;
    kith_value *slice;
    int code = new_slice(&own, &slice, start, stop, step);
    if (code < 0)
        return code;
    code = call_list(list, "__getitem__", GIVEN(slice), arena, items);
    kith_arena_free(own);
    return code;
}

int kith_proxy_set_slice(kith_proxy *list, int64_t start, int64_t stop, int64_t step, const kith_value *items)
{
    kith_arena *own;
    kith_value *slice;
    int code = new_slice(&own, &slice, start, stop, step);
    if (code < 0)
        return code;
    code = call_plain(list, "__setitem__", GIVEN(slice, items));
    kith_arena_free(own);
    return code;
}

/* CPython's lists are not cleared, but all of their items deleted. */
int kith_proxy_clear(kith_proxy *container)
{
    kith_arena *own;
    kith_value *all;
    int code = call_plain(container, "clear", GIVEN_NOTHING);
    if (!call_raised(code, "AttributeError"))
        return code;
    code = new_slice(&own, &all, KITH_OMITTED, KITH_OMITTED, KITH_OMITTED);
    if (code < 0)
        return code;
    code = call_plain(container, "__delitem__", GIVEN(all));
    kith_arena_free(own);
    return code;
}

/* ---- items ---- */

int kith_proxy_at(kith_proxy *list, int64_t index, kith_arena *arena, kith_value **item)
{
    kith_value place = argument_int(index);
    return call_value(list, "__getitem__", GIVEN(&place), arena, item);
}

int kith_proxy_set_at(kith_proxy *list, int64_t index, const kith_value *item)
{
    kith_value place = argument_int(index);
    return call_plain(list, "__setitem__", GIVEN(&place, item));
}

int kith_proxy_delete_at(kith_proxy *list, int64_t index)
{
    kith_value place = argument_int(index);
    return call_plain(list, "__delitem__", GIVEN(&place));
}

int kith_proxy_append(kith_proxy *list, const kith_value *item)
{
    return call_plain(list, "append", GIVEN(item));
}

int kith_proxy_extend(kith_proxy *list, const kith_value *items)
{
    return call_plain(list, "extend", GIVEN(items));
}

int kith_proxy_insert(kith_proxy *list, int64_t index, const kith_value *item)
{
    kith_value place = argument_int(index);
    return call_plain(list, "insert", GIVEN(&place, item));
}

int kith_proxy_pop_at(kith_proxy *list, int64_t index, kith_arena *arena, kith_value **item)
{
    kith_value place = argument_int(index);
    return call_value(list, "pop", GIVEN(&place), arena, item);
}

int kith_proxy_remove(kith_proxy *list, const kith_value *item)
{
    return call_plain(list, "remove", GIVEN(item));
}

int kith_proxy_index(kith_proxy *list, const kith_value *item, int64_t *index)
{
    int code = client_check(index, "index");
    return code < 0 ? code : call_number(list, "index", GIVEN(item), index);
}

int kith_proxy_count(kith_proxy *list, const kith_value *item)
{
    return call_count(list, "count", GIVEN(item));
}

/* ---- the order ---- */

int kith_proxy_sort(kith_proxy *list, int descending)
{
    kith_arena *own;
    if (!descending)
        return call_plain(list, "sort", GIVEN_NOTHING);
    int code = kith_arena_new(&own);
    if (code < 0)
        return code;
    const struct question question = { .method = "sort", .kwargs = kith_value_pack(own, "{s:b}", "reverse", 1) };
    code = question.kwargs ? proxy_call(list, &question, NULL, NULL, OS_FOREVER) : kith_arena_error(own);
    kith_arena_free(own);
    return code;
}

int kith_proxy_reverse(kith_proxy *list)
{
    return call_plain(list, "reverse", GIVEN_NOTHING);
}
