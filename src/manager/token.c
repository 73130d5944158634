/* Tokens and proxies as values. Python pickles a Token as its class without __init__ and a state of three, and a proxy
 * as a call of RebuildProxy. */
#include "manager/token.h"

#include "base/error.h"
#include "connection/address.h"
#include "manager/server.h"

#include <stdlib.h>
#include <string.h>

static const char module[] = "multiprocessing.managers";

/* ---- making: a NULL that comes out of one call makes the next fail, too ---- */

kith_value *token_address(kith_arena *arena, const char *address)
{
    struct address parts = { 0 };
    if (address_parse(&parts, address, true) < 0)
        return NULL;
    if (parts.is_tcp)
        return kith_value_pack(arena, "(si)", parts.host, (int)strtol(parts.port, NULL, 10));
    if (!parts.is_abstract)
        return kith_value_str(arena, parts.name);
    char name[sizeof parts.name + 1] = ""; /* begins with a NUL byte */
    size_t size = strlen(parts.name);
    memcpy(name + 1, parts.name, size);
    return kith_value_str_sized(arena, name, 1 + size);
}

kith_value *token_value(kith_arena *arena, const char *type, kith_value *address, const char *id)
{
    kith_value *class = kith_object_global(arena, module, "Token");
    kith_value *token = kith_object_new(arena, class, kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *state = kith_value_pack(arena, "(svs)", type, address, id);
    return kith_object_add_step(token, KITH_STEP_STATE, NULL, state) == 0 ? token : NULL;
}

kith_value *proxy_value(kith_arena *arena, const char *proxy, kith_value *token, kith_value *exposed)
{
    kith_value *class = kith_object_global(arena, module, proxy ? proxy : "AutoProxy");
    kith_value *rebuild = kith_object_global(arena, module, "RebuildProxy");
    bool is_auto = !proxy && exposed;
    kith_value *kwargs = is_auto ? kith_value_pack(arena, "{sv}", "exposed", exposed) : kith_value_dict(arena);
    return kith_object_call(arena, rebuild, kith_value_pack(arena, "(vvsv)", class, token, "pickle", kwargs));
}

/* ---- reading ---- */

int token_read(const kith_value *token, const char **type, const kith_value **address, const char **id)
{
    if (!kith_object_is(token, module, "Token"))
        return error_fail(KITH_ETYPE, "a %s is no Token", kith_kind_name(kith_value_kind(token)));
    kith_value *where;
    int code = kith_value_unpack(kith_object_state(token), "(svs)", type, &where, id);
    if (code < 0)
        return error_fail(KITH_ETYPE, "a Token has a type, an address and an id: %s", kith_error_detail());
    *address = where;
    return 0;
}

const kith_value *proxy_token(const kith_value *value)
{
    if (kith_object_get_form(value) != KITH_OBJECT_CALL || !kith_object_is(value, module, "RebuildProxy"))
        return NULL;
    const kith_value *token = kith_value_at(kith_object_args(value), 1);
    return kith_object_get_form(token) != KITH_OBJECT_GLOBAL && kith_object_is(token, module, "Token") ? token : NULL;
}

/* ---- objects of this server ---- */

/** Whether a host is this machine, or all of its addresses. */
static bool is_here(const char *host)
{
    static const char *const many[] = { "", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1" };
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        if (strcmp(host, many[i]) == 0)
            return true;
    }
    return false;
}

/* Whether the path of a Unix socket, or its abstract name with a NUL before it, is the one of an address. */
static bool is_name_of(const char *name, size_t size, const struct address *where)
{
    bool is_abstract = size > 0 && *name == '\0';
    return is_abstract == where->is_abstract && size == strlen(where->name) + where->is_abstract &&
           memcmp(name + where->is_abstract, where->name, size - where->is_abstract) == 0;
}

static bool is_relative(const char *name, size_t size)
{
    return size > 0 && size <= OS_ADDRESS_NAME_MAX && *name != '/' && !memchr(name, '\0', size);
}

bool token_is_at(const kith_value *address, const char *where)
{
    struct address own = { 0 };
    const char *host, *text;
    const void *name;
    size_t size;
    int port;
    if (address_parse(&own, where, true) < 0)
        return false;
    if (own.is_tcp)
        return kith_value_unpack(address, "(si)", &host, &port) == 0 && port == strtol(own.port, NULL, 10) &&
               (strcmp(own.host, host) == 0 || is_here(own.host) || is_here(host));
    if (kith_value_as_str(address, &text, &size) == 0)
        name = text;
    else if (kith_value_as_bytes(address, &name, &size) < 0)
        return false;
    if (is_name_of(name, size, &own) || !is_relative(name, size))
        return is_name_of(name, size, &own);
    struct address absolute = { 0 };
    memcpy(absolute.name, name, size);
    address_make_absolute(&absolute);
    return is_name_of(absolute.name, strlen(absolute.name), &own);
}

/* Python's tokens have the path that was given to it: this server's, too, by which it may have been given its own. */
static bool is_ours(const struct server *server, const kith_value *address)
{
    return token_is_at(address, server->place) || token_is_at(address, server->address);
}

struct object *proxy_object(struct server *server, const kith_value *value)
{
    const char *type, *id;
    const kith_value *address, *token = proxy_token(value);
    if (!token || token_read(token, &type, &address, &id) < 0 || !is_ours(server, address))
        return NULL;
    return object_find(server, id);
}
