/* bench/peers/kith_pipe.c: kith's one-way pipe: framed messages over a Unix stream socket. It allocates each message
 * that it receives; that is its way and is measured with it. As it is, and reading ahead, as connections do that are
 * one process's own. */
#include "reason.h"
#include "transport.h"

#include <kith/connection.h>

#include <stdlib.h>

struct channel {
    size_t size;
    kith_connection *receiver;
    kith_connection *sender;
    kith_bytes last; /* the message got before, the getter's until it gets the next */
};

static int because_kith(const char *what, int code)
{
    return because(FAILED, "%s: %s %s", what, kith_strerror(code), kith_error_detail());
}

static int open_with(void **result, const struct workload *workload, const kith_pipe_options *options)
{
    if (workload->putters > 1 || workload->getters > 1)
        return because(CANNOT, "one process sends on an end, and one receives");
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    int code = kith_pipe(&channel->receiver, &channel->sender, options);
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
