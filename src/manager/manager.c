/* The handle of a client: how it connects, and how it ends. */
#include "base/error.h"
#include "connection/address.h"
#include "connection/connection.h"
#include "manager/exception.h"
#include "manager/server_call.h"
#include "manager/start.h"
#include "process/forks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- what client.h promises ---- */

int client_check(const void *pointer, const char *what)
{
    exception_forget();
    return pointer ? 0 : error_fail(-EINVAL, "%s is NULL", what);
}

int client_deadline(kith_timeout timeout, deadline *until)
{
    exception_forget();
    return deadline_from(timeout, until);
}

kith_timeout client_timeout(deadline until)
{
    if (until == OS_FOREVER)
        return KITH_FOREVER;
    int64_t left = until - os_clock_now();
    return left > 0 ? left : KITH_NOWAIT;
}

deadline client_patience(const kith_manager *manager, deadline until)
{
    deadline patience;
    if (deadline_from(manager->patience, &patience) < 0)
        return until;
    return patience < until ? patience : until;
}

static int connect_again(const kith_manager *manager, kith_connection **connection, const kith_client_options *options,
                         deadline until)
{
    int code;
    do
        code = kith_connect(connection, manager->address, options, client_timeout(until));
    while (code == -EINTR);
    if (code == 0)
        connection_be_greedy(*connection);
    return code;
}

int client_connect(const kith_manager *manager, kith_connection **connection, deadline until)
{
    int code = connect_again(manager, connection, &manager->client, until);
    if (code == -ENOENT || code == -ECONNREFUSED || code == KITH_EEOF || code == -ECONNRESET)
        return error_fail(KITH_ECLOSED, "the server at %s is gone", manager->address);
    return code;
}

/* ---- what the options point to ---- */

static int copy_text(const char **copy, const char *text)
{
    *copy = text ? strdup(text) : NULL;
    return text && !*copy ? -ENOMEM : 0;
}

static int copy_tls(kith_manager *manager, const kith_tls_options *tls)
{
    if (!tls)
        return 0;
    kith_tls_options *copy = &manager->tls;
    copy->from_authkey = tls->from_authkey;
    int code = copy_text(&copy->certificate, tls->certificate);
    if (code == 0)
        code = copy_text(&copy->key, tls->key);
    if (code == 0)
        code = copy_text(&copy->authorities, tls->authorities);
    if (code == 0)
        code = copy_text(&copy->host, tls->host);
    manager->client.tls = copy;
    return code;
}

static int copy_key(kith_manager *manager, const void *key, size_t size)
{
    if (!key)
        return 0;
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy)
        return -ENOMEM;
    if (size)
        memcpy(copy, key, size);
    manager->client.authkey = copy;
    manager->client.authkey_size = size;
    return 0;
}

/* Connections are made also after the program has changed its working directory. */
static int copy_address(kith_manager *manager, const char *address)
{
    struct address parts;
    int code = address_parse(&parts, address, false);
    if (code < 0)
        return code;
    address_make_absolute(&parts);
    manager->is_tcp = parts.is_tcp;
    manager->address = strdup(parts.text);
    return manager->address ? 0 : error_fail(-ENOMEM, "no memory for an address");
}

static int copy_options(kith_manager *manager, const kith_manager_options *options)
{
    manager->client.refuse_md5 = options->refuse_md5;
    manager->client.max_message = options->max_message;
    manager->no_shared_memory = options->no_shared_memory;
    int code = copy_key(manager, options->authkey, options->authkey_size);
    if (code == 0)
        code = copy_tls(manager, options->tls);
    return code < 0 ? error_fail(code, "no memory for a manager") : 0;
}

static void free_manager(kith_manager *manager)
{
    pthread_mutex_destroy(&manager->keeping);
    free((void *)manager->client.authkey);
    free((void *)manager->tls.certificate);
    free((void *)manager->tls.key);
    free((void *)manager->tls.authorities);
    free((void *)manager->tls.host);
    free(manager->address);
    free(manager);
}

/* ---- connecting ---- */

/* Sees whether the server can be used, and whose it is. Failures are told as kith_connect tells them. */
static int meet(kith_manager *manager, bool retry, deadline until)
{
    kith_connection *connection;
    kith_client_options options = manager->client;
    options.retry = retry;
    int code = connect_again(manager, &connection, &options, until);
    if (code == 0)
        code = server_call_hello(manager, connection, until);
    manager->is_kith = code == 1;
    return code < 0 ? code : 0;
}

int kith_manager_connect(kith_manager **manager, const char *address, const kith_manager_options *options,
                         kith_timeout timeout)
{
    static const kith_manager_options defaults;
    static _Atomic uint64_t serial;
    deadline until;
    int code = client_check(manager, "manager");
    if (code == 0)
        code = client_check(address, "address");
    if (code == 0)
        code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    if (!options)
        options = &defaults;
    kith_manager *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a manager");
    pthread_mutex_init(&made->keeping, NULL);
    made->patience = timeout;
    made->serial = 1 + atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    atomic_init(&made->generation, forks_generation());
    atomic_init(&made->life, 1);
    code = copy_address(made, address);
    if (code == 0)
        code = copy_options(made, options);
    if (code == 0)
        code = meet(made, options->retry, until);
    if (code < 0)
        free_manager(made);
    else
        *manager = made;
    return code;
}

/* ---- the rest ---- */

const char *kith_manager_address(const kith_manager *manager)
{
    return manager ? manager->address : "";
}

const void *kith_manager_authkey(const kith_manager *manager, size_t *size)
{
    if (size)
        *size = manager ? manager->client.authkey_size : 0;
    return manager ? manager->client.authkey : NULL;
}

int kith_manager_is_kith(const kith_manager *manager)
{
    return manager && manager->is_kith;
}

int kith_manager_number_of_objects(kith_manager *manager)
{
    kith_arena *arena;
    kith_value *result;
    int64_t number = 0;
    int code = client_check(manager, "manager");
    if (code == 0)
        code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    code = server_call(manager, &(struct question){ .method = "number_of_objects" }, arena, &result, OS_FOREVER);
    if (code == 0)
        code = kith_value_as_int(result, &number);
    if (code == 0 && number > INT_MAX)
        code = error_fail(-EOVERFLOW, "the server has %lld objects", (long long)number);
    kith_arena_free(arena);
    return code < 0 ? code : (int)number;
}

int kith_manager_shutdown(kith_manager *manager)
{
    int code = client_check(manager, "manager");
    return code < 0 ? code : server_call_for(manager, "shutdown", NULL, OS_FOREVER);
}

void kith_manager_free(kith_manager *manager)
{
    if (!manager)
        return;
    if (manager->server)
        start_undo(manager);
    thread_lines_free(manager);
    free_manager(manager);
}
