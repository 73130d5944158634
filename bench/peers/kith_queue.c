/* bench/peers/kith_queue.c: kith's queue, bounded by items as the other bounded transports are. */
#include "reason.h"
#include "transport.h"

#include <kith/queue.h>

#include <stdlib.h>

enum { BATCH_MAX = 256 };

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

static int queue_put_many(void *opened, const void *messages, unsigned count)
{
    struct channel *channel = opened;
    kith_message batch[BATCH_MAX];
    for (unsigned done = 0; done < count;) {
        unsigned size = count - done < BATCH_MAX ? count - done : BATCH_MAX;
        for (unsigned i = 0; i < size; i++)
            batch[i] = (kith_message){ (const char *)messages + (done + i) * channel->size, channel->size };
        int put = kith_queue_put_many(channel->queue, batch, size, KITH_FOREVER);
        if (put < 0)
            return because_kith("kith_queue_put_many", put);
        done += (unsigned)put;
    }
    return 0;
}

static int queue_get_many(void *opened, void *buffer, unsigned count)
{
    struct channel *channel = opened;
    size_t sizes[BATCH_MAX];
    if (count > BATCH_MAX)
        count = BATCH_MAX;
    int got = kith_queue_get_many(channel->queue, buffer, count * channel->size, sizes, count, KITH_FOREVER);
    return got < 0 ? because_kith("kith_queue_get_many", got) : got;
}

static void *queue_reserve(void *opened)
{
    struct channel *channel = opened;
    void *room;
    int code = kith_queue_reserve(channel->queue, channel->size, &room, KITH_FOREVER);
    if (code == 0)
        return room;
    because_kith("kith_queue_reserve", code);
    return NULL;
}

static int queue_commit(void *opened, void *message)
{
    (void)message;
    struct channel *channel = opened;
    int code = kith_queue_commit(channel->queue, channel->size);
    return code < 0 ? because_kith("kith_queue_commit", code) : 0;
}

static ssize_t queue_peek(void *opened, const void **message)
{
    struct channel *channel = opened;
    size_t size;
    int code = kith_queue_peek(channel->queue, message, &size, KITH_FOREVER);
    return code < 0 ? because_kith("kith_queue_peek", code) : (ssize_t)size;
}

static int queue_release(void *opened, const void *message)
{
    (void)message;
    struct channel *channel = opened;
    int code = kith_queue_release(channel->queue, 1);
    return code < 0 ? because_kith("kith_queue_release", code) : 0;
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
    .put_many = queue_put_many,
    .get_many = queue_get_many,
    .reserve = queue_reserve,
    .commit = queue_commit,
    .peek = queue_peek,
    .release = queue_release,
    .mapped = true,
};
