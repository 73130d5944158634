/* bench/peers/kith_pipe.c: kith's connections: framed messages over a Unix stream socket. Each message that is received
 * is allocated; that is their way and is measured with it. A one-way pipe; one that reads ahead; one through shared
 * memory; and what a client and a listener make between processes that are no relatives. */
#include "reason.h"
#include "transport.h"

#include <kith/connection.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct channel {
    size_t size;
    char address[40];        /* of what is no pipe */
    kith_listener *listener; /* the getter's */
    kith_connection *receiver;
    kith_connection *sender;
    kith_bytes last; /* the message got before, the getter's until it gets the next */
};

static int because_kith(const char *what, int code)
{
    return because(FAILED, "%s: %s %s", what, kith_strerror(code), kith_error_detail());
}

static int new_channel(struct channel **channel, const struct workload *workload)
{
    if (workload->putters > 1 || workload->getters > 1)
        return because(CANNOT, "one process sends on an end, and one receives");
    *channel = calloc(1, sizeof **channel);
    if (!*channel)
        return because(FAILED, "no memory");
    (*channel)->size = workload->size;
    return 0;
}

static int open_with(void **result, const struct workload *workload, const kith_pipe_options *options)
{
    struct channel *channel;
    int code = new_channel(&channel, workload);
    if (code < 0)
        return code;
    code = kith_pipe(&channel->receiver, &channel->sender, options);
    if (code < 0) {
        free(channel);
        return because_kith("kith_pipe", code);
    }
    *result = channel;
    return 0;
}

static int pipe_open(void **result, const struct workload *workload)
{
    return open_with(result, workload, &(kith_pipe_options){ .one_way = 1 });
}

static int ahead_open(void **result, const struct workload *workload)
{
    return open_with(result, workload, &(kith_pipe_options){ .one_way = 1, .read_ahead = 1 });
}

static int shared_open(void **result, const struct workload *workload)
{
    return open_with(result, workload, &(kith_pipe_options){ .one_way = 1, .shared_memory = 1 });
}

static int pipe_put(void *opened, const void *message)
{
    struct channel *channel = opened;
    int code = kith_connection_send(channel->sender, message, channel->size, KITH_FOREVER);
    return code < 0 ? because_kith("kith_connection_send", code) : 0;
}

static ssize_t pipe_get(void *opened, void *buffer, const void **message)
{
    (void)buffer;
    struct channel *channel = opened;
    kith_bytes_free(&channel->last);
    int code = kith_connection_recv(channel->receiver, &channel->last, KITH_FOREVER);
    if (code < 0)
        return because_kith("kith_connection_recv", code);
    *message = channel->last.data;
    return (ssize_t)channel->last.size;
}

/* ---- between processes that are no relatives ---- */

static int socket_open(void **result, const struct workload *workload)
{
    static unsigned opened; /* for a name of its own each */
    struct channel *channel;
    int code = new_channel(&channel, workload);
    if (code < 0)
        return code;
    snprintf(channel->address, sizeof channel->address, "unix:@kith-bench-%d-%u", (int)getpid(), opened++);
    *result = channel;
    return 0;
}

/** The getter listens, and accepts when it first gets; the putter, which joins later, connects. */
static int socket_join(void *opened, enum role role, unsigned index)
{
    (void)index;
    struct channel *channel = opened;
    int code = role == ROLE_GETTER ? kith_listener_new(&channel->listener, channel->address, NULL)
                                   : kith_connect(&channel->sender, channel->address, NULL, KITH_FOREVER);
    return code < 0 ? because_kith(channel->address, code) : 0;
}

static ssize_t socket_get(void *opened, void *buffer, const void **message)
{
    struct channel *channel = opened;
    if (!channel->receiver) {
        int code = kith_listener_accept(channel->listener, &channel->receiver, KITH_FOREVER);
        if (code < 0)
            return because_kith("kith_listener_accept", code);
    }
    return pipe_get(opened, buffer, message);
}

static void pipe_close(void *opened)
{
    struct channel *channel = opened;
    kith_connection_free(channel->sender);
    kith_connection_free(channel->receiver);
    free(channel);
}

const struct transport kith_pipe_transport = {
    .version = kith_version,
    .open = pipe_open,
    .put = pipe_put,
    .get = pipe_get,
    .close = pipe_close,
};

const struct transport kith_pipe_ahead_transport = {
    .version = kith_version,
    .open = ahead_open,
    .put = pipe_put,
    .get = pipe_get,
    .close = pipe_close,
};

const struct transport kith_pipe_shared_transport = {
    .version = kith_version,
    .open = shared_open,
    .put = pipe_put,
    .get = pipe_get,
    .close = pipe_close,
};

const struct transport kith_socket_transport = {
    .version = kith_version,
    .open = socket_open,
    .join = socket_join,
    .put = pipe_put,
    .get = socket_get,
    .close = pipe_close,
};
