/* bench/peers/sysv_msg.c: System V message queues. The queue is made as long as the others' where that is allowed; a
 * message can't be longer than kernel.msgmax, which is the whole system's and stays as it is. */
#include "reason.h"
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

/* What msgsnd and msgrcv want: a type, then the message. */
struct envelope {
    long type;
    char message[];
};

struct channel {
    size_t size;
    int queue;
    struct envelope *envelope; /* each process has its own after the fork */
};

static void lengthen(int queue, size_t bytes)
{
    struct msqid_ds state;
    if (msgctl(queue, IPC_STAT, &state) < 0 || state.msg_qbytes >= bytes)
        return;
    state.msg_qbytes = bytes;
    msgctl(queue, IPC_SET, &state); /* without privilege it stays at kernel.msgmnb */
}

/* Whether the kernel takes messages of that size. */
static int check_size(size_t size)
{
    struct msginfo limits;
    if (msgctl(0, IPC_INFO, (struct msqid_ds *)&limits) < 0)
        return errno == ENOSYS ? because(CANNOT, "this kernel has none") : because_errno("msgctl");
    if (size > (size_t)limits.msgmax)
        return because(CANNOT, "kernel.msgmax is %d", limits.msgmax);
    return 0;
}

static int sysv_open(void **result, const struct workload *workload)
{
    int code = check_size(workload->size);
    if (code < 0)
        return code;
    struct channel *channel = calloc(1, sizeof *channel);
    struct envelope *envelope = calloc(1, sizeof *envelope + workload->size);
    if (!channel || !envelope) {
        because(FAILED, "no memory");
        goto no_queue;
    }
    envelope->type = 1;
    *channel = (struct channel){ .size = workload->size, .envelope = envelope };
    channel->queue = msgget(IPC_PRIVATE, 0600);
    if (channel->queue < 0) {
        because_errno("msgget");
        goto no_queue;
    }
    lengthen(channel->queue, workload->capacity * workload->size);
    *result = channel;
    return 0;
no_queue:
    free(envelope);
    free(channel);
    return FAILED;
}

static int sysv_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    memcpy(channel->envelope->message, message, channel->size);
    return msgsnd(channel->queue, channel->envelope, channel->size, 0) < 0 ? because_errno("msgsnd") : 0;
}

static ssize_t sysv_get(void *opened, void *buffer, const void **message)
{
    (void)buffer;
    const struct channel *channel = opened;
    ssize_t got = msgrcv(channel->queue, channel->envelope, channel->size, 0, 0);
    *message = channel->envelope->message;
    return got < 0 ? because_errno("msgrcv") : got;
}

static void sysv_close(void *opened)
{
    struct channel *channel = opened;
    msgctl(channel->queue, IPC_RMID, NULL);
    free(channel->envelope);
    free(channel);
}

const struct transport sysv_msg_transport = {
    .open = sysv_open,
    .put = sysv_put,
    .get = sysv_get,
    .close = sysv_close,
};
