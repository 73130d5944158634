/* bench/peers/posix_mq.c: POSIX message queues. The privileged may pass the limits of /proc/sys/fs/mqueue; others get
 * what these allow, and cannot have long messages. The name is unlinked at once: workers inherit the descriptor. */
#include "reason.h"
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct channel {
    size_t size;
    mqd_t queue;
};

static mqd_t open_unnamed(size_t size, long capacity)
{
    struct mq_attr attributes = { .mq_maxmsg = capacity, .mq_msgsize = (long)size };
    char name[64];
    snprintf(name, sizeof name, "/kith-bench-%ld", (long)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    if (queue != (mqd_t)-1)
        mq_unlink(name);
    return queue;
}

/* What a user's queues may take in all; only the privileged can lift it. */
static void lift_limit(void)
{
    struct rlimit limit = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
    (void)setrlimit(RLIMIT_MSGQUEUE, &limit); /* when it fails, mq_open tells whether that matters */
}

/* Why mq_open failed. */
static int explain(void)
{
    switch (errno) {
    case EINVAL:
    case EMFILE:
        return because(CANNOT, "fs.mqueue.msgsize_max or RLIMIT_MSGQUEUE forbids messages of this size");
    case ENOSYS:
        return because(CANNOT, "this kernel has none");
    default:
        return because_errno("mq_open");
    }
}

static int mq_channel_open(void **result, const struct workload *workload)
{
    enum { USUAL_CAPACITY = 10 }; /* fs.mqueue.msg_max as Linux sets it */
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    lift_limit();
    channel->queue = open_unnamed(workload->size, workload->capacity);
    if (channel->queue == (mqd_t)-1)
        channel->queue = open_unnamed(workload->size, USUAL_CAPACITY);
    if (channel->queue == (mqd_t)-1) {
        int code = explain();
        free(channel);
        return code;
    }
    *result = channel;
    return 0;
}

static int mq_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    return mq_send(channel->queue, message, channel->size, 0) < 0 ? because_errno("mq_send") : 0;
}

static ssize_t mq_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    const struct channel *channel = opened;
    ssize_t got = mq_receive(channel->queue, buffer, channel->size, NULL);
    return got < 0 ? because_errno("mq_receive") : got;
}

static void mq_channel_close(void *opened)
{
    struct channel *channel = opened;
    mq_close(channel->queue);
    free(channel);
}

const struct transport posix_mq_transport = {
    .open = mq_channel_open,
    .put = mq_put,
    .get = mq_get,
    .close = mq_channel_close,
};
