/* bench/peers/unix_seqpacket.c: Unix sockets that keep messages whole. The send buffer is the kernel's default unless
 * one message would not fit; then the kernel is asked for the length of one, and doubles that for its own needs. */
#include "reason.h"
#include "transport.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel {
    size_t size;
    int ends[2]; /* read here, written there */
};

static int make_room(int end, size_t size)
{
    int bytes;
    socklen_t length = sizeof bytes;
    if (getsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, &length) < 0)
        return because_errno("SO_SNDBUF");
    if ((size_t)bytes >= 2 * size)
        return 0;
    bytes = (int)size;
    if (setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        return because(CANNOT, "needs a larger send buffer than net.core.wmem_max allows");
    return 0;
}

static int seqpacket_open(void **result, const struct workload *workload)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    int code = FAILED;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel->ends) < 0) {
        because_errno("socketpair");
        goto no_sockets;
    }
    code = make_room(channel->ends[1], workload->size);
    if (code < 0)
        goto no_room;
    *result = channel;
    return 0;
no_room:
    close(channel->ends[0]);
    close(channel->ends[1]);
no_sockets:
    free(channel);
    return code;
}

static int seqpacket_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    ssize_t sent = send(channel->ends[1], message, channel->size, 0);
    return sent == (ssize_t)channel->size ? 0 : because_errno("send");
}

static ssize_t seqpacket_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    const struct channel *channel = opened;
    ssize_t got = recv(channel->ends[0], buffer, channel->size, 0);
    return got < 0 ? because_errno("recv") : got;
}

static void seqpacket_close(void *opened)
{
    struct channel *channel = opened;
    close(channel->ends[0]);
    close(channel->ends[1]);
    free(channel);
}

const struct transport unix_seqpacket_transport = {
    .open = seqpacket_open,
    .put = seqpacket_put,
    .get = seqpacket_get,
    .close = seqpacket_close,
};
