/* Tokens and proxies as values: how CPython's managers name an object in a pickle (managers.py: Token,
 * RebuildProxy). */
#ifndef KITH_SRC_MANAGER_TOKEN_H
#define KITH_SRC_MANAGER_TOKEN_H

#include <kith/value.h>

#include <stdbool.h>

struct object;
struct server;

/** An address as Python has it: a str for a Unix socket (one that begins with NUL for an abstract name), a tuple of
 *  host and port for TCP. @param address  "unix:...", "tcp:..." @return NULL when there is no memory */
kith_value *token_address(kith_arena *arena, const char *address);

/** Whether an address, as Python has it, is that of a server. A server may call itself by another host than its clients
 *  do: those that mean this machine, or all of its addresses, are like any other. Abstract names may be bytes. A
 *  relative path is one of the working directory, as it is for Python, which keeps it so in tokens.
 *  @param where  "unix:...", with an absolute path, "tcp:..." */
bool token_is_at(const kith_value *address, const char *where);

/** A Token. @return NULL when there is no memory */
kith_value *token_value(kith_arena *arena, const char *type, kith_value *address, const char *id);

/** Takes a Token apart. @return 0; KITH_ETYPE when it is none */
int token_read(const kith_value *token, const char **type, const kith_value **address, const char **id);

/** A proxy as Python pickles it: RebuildProxy(class, token, 'pickle', {}), for AutoProxy with {'exposed': ...}.
 *  @param proxy    the class of multiprocessing.managers; NULL: AutoProxy
 *  @param exposed  a tuple of names, for AutoProxy; may be NULL else */
kith_value *proxy_value(kith_arena *arena, const char *proxy, kith_value *token, kith_value *exposed);

/** The Token in such a value. @return it; NULL when it is no proxy */
const kith_value *proxy_token(const kith_value *value);

/** The object that a proxy stands for. @return it; NULL when the value is no proxy, or one of another server's, or the
 *  object is gone */
struct object *proxy_object(struct server *server, const kith_value *value);

#endif
