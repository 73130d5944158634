/* bench/peers/kith_queue.c: kith's queue, bounded by items as the other bounded transports are. */
#include "reason.h"
#include "transport.h"

#include <kith/queue.h>

#include <stdlib.h>

struct channel {
    size_t size;
    kith_queue *queue;
};

static int because_kith(const char *what, int code)
{
    return because(FAILED, "%s: %s %s", what, kith_strerror(code), kith_error_detail());
}

static int queue_open(void **result, const struct workload *workload)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    int code = kith_queue_new(&channel->queue, &(kith_queue_options){ .max_items = workload->capacity });
    if (code < 0) {
        free(channel);
        return because_kith("kith_queue_new", code);
    }
    *result = channel;
    return 0;
}

static int queue_put(void *opened, const void *message)
{
    struct channel *channel = opened;
    int code = kith_queue_put(channel->queue, message, channel->size, KITH_FOREVER);
    return code < 0 ? because_kith("kith_queue_put", code) : 0;
}

static ssize_t queue_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    struct channel *channel = opened;
    size_t size;
    int code = kith_queue_get(channel->queue, buffer, channel->size, &size, KITH_FOREVER);
    return code < 0 ? because_kith("kith_queue_get", code) : (ssize_t)size;
}

static void queue_close(void *opened)
{
    struct channel *channel = opened;
    kith_queue_free(channel->queue);
    free(channel);
}

const struct transport kith_queue_transport = {
    .version = kith_version,
    .open = queue_open,
    .put = queue_put,
    .get = queue_get,
    .close = queue_close,
    .mapped = true,
};
