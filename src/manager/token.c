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

/** Whether clients may reach a server that listens at one host by the name of another. */
static bool may_be_host(const char *listens, const char *called)
{
    static const char *const many[] = { "", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1" };
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        if (strcmp(listens, many[i]) == 0)
            return true;
    }
    return strcmp(listens, called) == 0;
}

/** Whether an address, as Python has it, is the server's. */
static bool is_own(const struct server *server, const kith_value *address)
{
    struct address own = { 0 };
    const char *name;
    size_t size;
    int port;
    if (address_parse(&own, server->address, true) < 0)
        return false;
    if (own.is_tcp)
        return kith_value_unpack(address, "(si)", &name, &port) == 0 && port == strtol(own.port, NULL, 10) &&
               may_be_host(own.host, name);
    if (kith_value_as_str(address, &name, &size) < 0 || size != strlen(own.name) + own.is_abstract)
        return false;
    return own.is_abstract ? *name == '\0' && memcmp(name + 1, own.name, size - 1) == 0 : strcmp(name, own.name) == 0;
}

struct object *proxy_object(struct server *server, const kith_value *value)
{
    const char *type, *id;
    const kith_value *address, *token = proxy_token(value);
    if (!token || token_read(token, &type, &address, &id) < 0 || !is_own(server, address))
        return NULL;
    return object_find(server, id);
}
