/* bench/peers/streams.c: pipe(2) and Unix stream sockets, both of them bare bytes with the kernel's default buffers.
 *
 * Messages need no frame, as all have one size. Several processes may share an end while a message is at most 4,096
 * bytes (PIPE_BUF): Linux writes and reads such a message in one piece. A longer one would be mixed with those of the
 * others.
 */
#include "reason.h"
#include "transport.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel {
    size_t size;
    int ends[2]; /* read here, written there */
};

static int open_stream(void **result, const struct workload *workload, int (*make)(int ends[2]))
{
    if (workload->size > PIPE_BUF && (workload->putters > 1 || workload->getters > 1))
        return because(CANNOT, "several processes on one end would tear messages of more than %d bytes", PIPE_BUF);
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    if (make(channel->ends) < 0) {
        free(channel);
        return because_errno("making the stream");
    }
    *result = channel;
    return 0;
}

static int make_pipe(int ends[2])
{
    return pipe(ends);
}

static int make_sockets(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int pipe_open(void **result, const struct workload *workload)
{
    return open_stream(result, workload, make_pipe);
}

static int socket_open(void **result, const struct workload *workload)
{
    return open_stream(result, workload, make_sockets);
}

static int stream_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    const char *bytes = message;
    for (size_t done = 0; done < channel->size;) {
        ssize_t count = write(channel->ends[1], bytes + done, channel->size - done);
        if (count < 0)
            return because_errno("write");
        done += (size_t)count;
    }
    return 0;
}

static ssize_t stream_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    const struct channel *channel = opened;
    char *bytes = buffer;
    for (size_t done = 0; done < channel->size;) {
        ssize_t count = read(channel->ends[0], bytes + done, channel->size - done);
        if (count < 0)
            return because_errno("read");
        if (count == 0)
            return because(FAILED, "the stream ended");
        done += (size_t)count;
    }
    return (ssize_t)channel->size;
}

static void stream_close(void *opened)
{
    struct channel *channel = opened;
    close(channel->ends[0]);
    close(channel->ends[1]);
    free(channel);
}

const struct transport pipe_transport = {
    .open = pipe_open,
    .put = stream_put,
    .get = stream_get,
    .close = stream_close,
};

const struct transport unix_stream_transport = {
    .open = socket_open,
    .put = stream_put,
    .get = stream_get,
    .close = stream_close,
};
