/* kith_connect, and connecting anew what was lost. */
#include "base/error.h"
#include "connection/address.h"
#include "connection/connection.h"
#include "connection/handshake.h"
#include "os/random.h"
#include "os/rendezvous.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pauses between two tries: the first, and the longest. */
#define FIRST_PAUSE KITH_MS(10)
#define LAST_PAUSE KITH_MS(1000)

/* How to connect: what a connection that reconnects keeps. */
struct client {
    struct address address;
    struct handshake_terms terms;
    struct auth_key *key;
    struct tls_setup *tls;
};

static void client_free(void *context)
{
    struct client *client = context;
    if (!client)
        return;
    auth_key_free(client->key);
    tls_setup_free(client->tls);
    free(client);
}

/* ---- options ---- */

static int set_tls(struct client *client, const kith_client_options *options)
{
    if (!options->tls)
        return 0;
    if (!client->address.is_tcp)
        return error_fail(-ENOTSUP, "TLS is for TCP: the bytes of a Unix socket never leave this machine");
    return tls_setup_new(&client->tls, options->tls, false, options->authkey, options->authkey_size);
}

static int client_new(struct client **client, const char *address, const kith_client_options *options)
{
    struct client *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a client");
    int code = address_parse(&made->address, address, false);
    if (code == 0)
        code = auth_key_new(&made->key, options->authkey, options->authkey_size);
    if (code == 0)
        code = set_tls(made, options);
    if (code < 0) {
        client_free(made);
        return code;
    }
    bool proved_by_tls = options->tls && options->tls->from_authkey;
    made->terms = (struct handshake_terms){
        .refuse_md5 = options->refuse_md5,
        .key = proved_by_tls ? NULL : made->key,
        .tls = made->tls,
        .host = made->address.host,
    };
    *client = made;
    return 0;
}

/* ---- one try ---- */

/* A connection that is being made. Like one that is made, no child has its socket by chance. */
struct call {
    struct heirloom heirloom;
    int socket;
    struct handshake handshake;
    bool begun; /* the socket is the handshake's */
};

static void drop(void *owner)
{
    struct call *call = owner;
    close(call->socket);
}

static int begin(struct call *call, const struct os_address *address)
{
    *call = (struct call){ .heirloom = { .owner = call, .drop = drop } };
    forks_block();
    call->socket = os_socket_new(address);
    if (call->socket >= 0)
        inherit_add(&call->heirloom);
    forks_allow();
    return call->socket < 0 ? call->socket : 0;
}

/* @param connection  is opened when code is 0; else the socket is closed */
static void end(struct call *call, kith_connection *connection, int code)
{
    forks_block();
    inherit_remove(&call->heirloom);
    if (code == 0)
        connection_open(connection, &call->handshake.channel, true, true);
    else if (call->begun)
        channel_close(&call->handshake.channel, false);
    else
        close(call->socket);
    forks_allow();
}

/* Nothing came in time, or the wait failed. */
static int explain_silence(const struct client *client, int code)
{
    const char *where = client->address.text;
    if (code != -ETIMEDOUT)
        return error_fail(code, "%s, while saying hello to %s", kith_strerror(code), where);
    return error_fail(code, "%s has not proved itself in time: is its listener busy, or has it no %s?", where,
                      client->terms.key ? "authkey" : "TLS");
}

static int shake_hands(struct call *call, const struct client *client, deadline until)
{
    int code = handshake_begin(&call->handshake, call->socket, &client->terms);
    call->begun = code == 0;
    if (code < 0)
        return code;
    while ((code = handshake_step(&call->handshake)) == -EAGAIN) {
        code = deadline_passed(until) ? -ETIMEDOUT : os_poll(call->socket, call->handshake.wants, until);
        if (code < 0)
            return explain_silence(client, code);
    }
    return code;
}

static int explain_connect(const struct client *client, int code)
{
    switch (code) {
    case -ENOENT:
        return error_fail(code, "there is no socket %s: does its listener run?", client->address.text);
    case -ECONNREFUSED:
        return error_fail(code, "nobody listens at %s", client->address.text);
    case -EACCES:
        return error_fail(code, "this user may not connect to %s", client->address.text);
    default:
        return error_fail(code, "can't connect to %s: %s", client->address.text, kith_strerror(code));
    }
}

/* @param reached  set when there was somebody, so that no other address need be tried */
static int try_one(const struct client *client, const struct os_address *address, kith_connection *connection,
                   deadline connect_until, deadline until, bool *reached)
{
    struct call call;
    int code = begin(&call, address);
    if (code < 0)
        return explain_connect(client, code == -EAFNOSUPPORT ? -ENETUNREACH : code);
    code = os_socket_connect(call.socket, address, connect_until);
    if (code < 0) {
        code = explain_connect(client, code);
    } else {
        *reached = true;
        if (!client->tls)
            address_warn_of_others(address, "connection to");
        code = shake_hands(&call, client, until);
    }
    end(&call, connection, code);
    return code;
}

/* When the first of so many addresses has to be given up: a host that does not answer at one is not to cost the time
 * for all. */
static deadline share(deadline until, int addresses)
{
    if (until == OS_FOREVER || until == DEADLINE_PASSED || addresses == 1)
        return until;
    int64_t now = os_clock_now();
    return until <= now ? until : now + (until - now) / addresses;
}

static int try_all(const struct client *client, kith_connection *connection, deadline until)
{
    struct os_address found[ADDRESS_TRIED_MAX];
    int count = address_find(&client->address, found);
    int code = count;
    bool reached = false;
    for (int i = 0; i < count; i++) {
        code = try_one(client, &found[i], connection, share(until, count - i), until, &reached);
        if (code == 0 || code == -EINTR || reached)
            break;
    }
    return code;
}

/* ---- until it is done ---- */

/* Waits, a little less long than others who lost the same listener. @return 0, -EINTR */
static int pause_for(kith_timeout length, deadline until)
{
    unsigned char luck = 0;
    (void)os_random(&luck, sizeof luck);
    deadline end = os_clock_now() + length / 2 + length / 2 * luck / 256;
    int code = os_poll(-1, OS_POLL_READ, end < until ? end : until);
    return code == -ETIMEDOUT ? 0 : code;
}

static bool is_not_there_yet(int code)
{
    return code == -ENOENT || code == -ECONNREFUSED;
}

/* Tries until it is done, or the time is over. */
static int keep_trying(const struct client *client, kith_connection *connection, deadline until)
{
    kith_timeout pause = FIRST_PAUSE;
    int code;
    while (is_not_there_yet(code = try_all(client, connection, until)) && !deadline_passed(until)) {
        int waited = pause_for(pause, until);
        if (waited < 0)
            return error_fail(waited, "%s, while waiting for a listener at %s", kith_strerror(waited),
                              client->address.text);
        pause = pause < LAST_PAUSE / 2 ? 2 * pause : LAST_PAUSE;
    }
    return code;
}

static int renew(kith_connection *connection, void *context, deadline until)
{
    return keep_trying(context, connection, until);
}

static int open_first(kith_connection *connection, struct client *client, const kith_client_options *options,
                      deadline until)
{
    int code = options->retry ? keep_trying(client, connection, until) : try_all(client, connection, until);
    if (code == 0 && options->max_message)
        code = kith_connection_set_max_message(connection, options->max_message);
    return code;
}

int kith_connect(kith_connection **connection, const char *address, const kith_client_options *options,
                 kith_timeout timeout)
{
    static const kith_client_options defaults;
    struct client *client = NULL;
    deadline until;
    if (!options)
        options = &defaults;
    int code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    if (!connection)
        return error_fail(-EINVAL, "connection is NULL: give the address of a kith_connection pointer");
    code = client_new(&client, address, options);
    if (!client)
        return code;
    kith_connection *made = connection_new();
    if (made)
        connection_read_ahead(made, false);
    code = made ? open_first(made, client, options, until) : error_fail(-ENOMEM, "no memory for a connection");
    if (code == 0 && options->reconnect) {
        connection_set_renewal(made, &(struct renewal){ .renew = renew, .end = client_free, .context = client });
        client = NULL;
    }
    client_free(client);
    if (code < 0)
        kith_connection_free(made);
    else
        *connection = made;
    return code;
}
