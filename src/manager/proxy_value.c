/* Any object as a value or a text; namespaces, and single values. */
#include "manager/proxy_call.h"

#include <stdlib.h>

int kith_proxy_get_value(kith_proxy *proxy, kith_arena *arena, kith_value **value)
{
    kith_value *came;
    int code = client_check(value, "value");
    if (code == 0)
        code = call_value(proxy, "#GETVALUE", GIVEN_NOTHING, arena, &came);
    if (code == 0)
        code = value_from_array(arena, &came);
    if (code == 0)
        *value = came;
    return code;
}

static int copy_text(const kith_value *value, kith_bytes *text)
{
    const char *from;
    size_t size;
    int code = kith_value_as_str(value, &from, &size);
    if (code < 0)
        return code;
    char *copy = malloc(size + 1);
    if (!copy)
        return error_fail(-ENOMEM, "no memory for a text of %zu bytes", size);
    memcpy(copy, from, size + 1);
    text->data = copy;
    text->size = size;
    return 0;
}

int kith_proxy_repr(kith_proxy *proxy, kith_bytes *text)
{
    kith_arena *own;
    kith_value *value;
    int code = client_check(text, "text");
    if (code == 0)
        code = kith_arena_new(&own);
    if (code < 0)
        return code;
    code = call_value(proxy, "__repr__", GIVEN_NOTHING, own, &value);
    if (code == 0)
        code = copy_text(value, text);
    kith_arena_free(own);
    return code;
}

/* ---- Namespace ---- */

static int check_name(const char *name)
{
    int code = client_check(name, "name");
    if (code == 0 && !value_is_text(name, strlen(name)))
        code = error_fail(-EINVAL, "name is no UTF-8");
    return code;
}

int kith_proxy_get_attribute(kith_proxy *name_space, const char *name, kith_arena *arena, kith_value **value)
{
    int code = check_name(name);
    if (code < 0)
        return code;
    kith_value text = argument_text(name);
    return call_value(name_space, "__getattribute__", GIVEN(&text), arena, value);
}

int kith_proxy_set_attribute(kith_proxy *name_space, const char *name, const kith_value *value)
{
    int code = check_name(name);
    if (code < 0)
        return code;
    kith_value text = argument_text(name);
    return call_plain(name_space, "__setattr__", GIVEN(&text, value));
}

int kith_proxy_delete_attribute(kith_proxy *name_space, const char *name)
{
    int code = check_name(name);
    if (code < 0)
        return code;
    kith_value text = argument_text(name);
    return call_plain(name_space, "__delattr__", GIVEN(&text));
}

/* ---- Value ---- */

int kith_proxy_load(kith_proxy *value, kith_arena *arena, kith_value **content)
{
    return call_value(value, "get", GIVEN_NOTHING, arena, content);
}

int kith_proxy_store(kith_proxy *value, const kith_value *content)
{
    return call_plain(value, "set", GIVEN(content));
}
