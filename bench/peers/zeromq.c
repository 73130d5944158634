/* bench/peers/zeromq.c: ZeroMQ PUSH and PULL over ipc://. Each getter binds an endpoint, each putter connects to all
 * of them. The capacity is parted between the sender's and the receiver's high-water mark. The endpoints are abstract
 * socket names, so no file is left whatever happens. Contexts have threads, so they are made after the fork, and die
 * with the worker. */
#include "reason.h"
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

struct channel {
    struct workload workload;
    pid_t owner;     /* with the number, makes the endpoint's name unique */
    unsigned number; /* of this channel in its process */
    void *context;   /* of this worker, as the socket */
    void *socket;
    zmq_msg_t last; /* the message got before, the getter's until it gets the next */
};

static const char *zeromq_version(void)
{
    static char version[32];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    return version;
}

static int because_zeromq(const char *what)
{
    return because(FAILED, "%s: %s", what, zmq_strerror(zmq_errno()));
}

static int zeromq_open(void **result, const struct workload *workload)
{
    static unsigned channels;
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->workload = *workload;
    channel->owner = getpid();
    channel->number = channels++;
    *result = channel;
    return 0;
}

static void name_endpoint(const struct channel *channel, unsigned getter, char *name, size_t size)
{
    snprintf(name, size, "ipc://@kith-bench-%ld-%u-%u", (long)channel->owner, channel->number, getter);
}

static int bind_one(struct channel *channel, unsigned getter)
{
    char name[64];
    name_endpoint(channel, getter, name, sizeof name);
    return zmq_bind(channel->socket, name) < 0 ? because_zeromq("zmq_bind") : 0;
}

static int connect_all(struct channel *channel)
{
    for (unsigned getter = 0; getter < channel->workload.getters; getter++) {
        char name[64];
        name_endpoint(channel, getter, name, sizeof name);
        if (zmq_connect(channel->socket, name) < 0)
            return because_zeromq("zmq_connect");
    }
    return 0;
}

static int zeromq_join(void *opened, enum role role, unsigned index)
{
    struct channel *channel = opened;
    int limit = (int)(channel->workload.capacity + 1) / 2;
    channel->context = zmq_ctx_new();
    if (!channel->context)
        return because_zeromq("zmq_ctx_new");
    channel->socket = zmq_socket(channel->context, role == ROLE_PUTTER ? ZMQ_PUSH : ZMQ_PULL);
    if (!channel->socket || zmq_msg_init(&channel->last) < 0)
        return because_zeromq("zmq_socket");
    if (zmq_setsockopt(channel->socket, role == ROLE_PUTTER ? ZMQ_SNDHWM : ZMQ_RCVHWM, &limit, sizeof limit) < 0)
        return because_zeromq("zmq_setsockopt");
    return role == ROLE_PUTTER ? connect_all(channel) : bind_one(channel, index);
}

static int zeromq_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    return zmq_send(channel->socket, message, channel->workload.size, 0) < 0 ? because_zeromq("zmq_send") : 0;
}

static ssize_t zeromq_get(void *opened, void *buffer, const void **message)
{
    (void)buffer;
    struct channel *channel = opened;
    if (zmq_msg_recv(&channel->last, channel->socket, 0) < 0)
        return because_zeromq("zmq_msg_recv");
    *message = zmq_msg_data(&channel->last);
    return (ssize_t)zmq_msg_size(&channel->last);
}

static void zeromq_close(void *opened)
{
    free(opened); /* context and socket went with the workers */
}

const struct transport zeromq_transport = {
    .version = zeromq_version,
    .open = zeromq_open,
    .join = zeromq_join,
    .put = zeromq_put,
    .get = zeromq_get,
    .close = zeromq_close,
};
