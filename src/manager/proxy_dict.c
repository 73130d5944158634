/* Dicts and sets, and the iterators of dicts. */
#include "manager/proxy_call.h"

int kith_proxy_get_item(kith_proxy *dict, const kith_value *key, kith_arena *arena, kith_value **item)
{
    return call_value(dict, "__getitem__", GIVEN(key), arena, item);
}

int kith_proxy_set_item(kith_proxy *dict, const kith_value *key, const kith_value *item)
{
    return call_plain(dict, "__setitem__", GIVEN(key, item));
}

int kith_proxy_delete_item(kith_proxy *dict, const kith_value *key)
{
    return call_plain(dict, "__delitem__", GIVEN(key));
}

int kith_proxy_pop_item(kith_proxy *dict, const kith_value *key, kith_arena *arena, kith_value **item)
{
    return call_value(dict, "pop", GIVEN(key), arena, item);
}

int kith_proxy_pop_last(kith_proxy *dict, kith_arena *arena, kith_value **pair)
{
    return call_value(dict, "popitem", GIVEN_NOTHING, arena, pair);
}

int kith_proxy_set_default(kith_proxy *dict, const kith_value *key, const kith_value *item, kith_arena *arena,
                           kith_value **result)
{
    return call_value(dict, "setdefault", GIVEN(key, item), arena, result);
}

int kith_proxy_update(kith_proxy *dict, const kith_value *pairs)
{
    return call_plain(dict, "update", GIVEN(pairs));
}

int kith_proxy_keys(kith_proxy *dict, kith_arena *arena, kith_value **list)
{
    return call_list(dict, "keys", GIVEN_NOTHING, arena, list);
}

int kith_proxy_values(kith_proxy *dict, kith_arena *arena, kith_value **list)
{
    return call_list(dict, "values", GIVEN_NOTHING, arena, list);
}

int kith_proxy_items(kith_proxy *dict, kith_arena *arena, kith_value **list)
{
    return call_list(dict, "items", GIVEN_NOTHING, arena, list);
}

/* ---- sets ---- */

int kith_proxy_add(kith_proxy *set, const kith_value *item)
{
    return call_plain(set, "add", GIVEN(item));
}

int kith_proxy_discard(kith_proxy *set, const kith_value *item)
{
    return call_plain(set, "discard", GIVEN(item));
}

/* ---- iterators ---- */

int kith_proxy_next(kith_proxy *iterator, kith_arena *arena, kith_value **value)
{
    int code = call_value(iterator, "__next__", GIVEN_NOTHING, arena, value);
    if (call_raised(code, "StopIteration"))
        return 0;
    return code < 0 ? code : 1;
}
