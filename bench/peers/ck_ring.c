/* bench/peers/ck_ring.c: a ceiling: Concurrency Kit's ring, bare, in shared memory, in the form for one putter and
 * one getter or in that for many. Who waits yields its processor and never sleeps; but within a call one waits for
 * another one without yielding. So a ring of more workers than processors may stand still for as long as a time slice
 * takes, again and again. The library has no call for several messages. */
#include "processors.h"
#include "reason.h"
#include "transport.h"

#include <ck_ring.h>

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

struct message {
    char bytes[64];
};

CK_RING_PROTOTYPE(message, message)

struct shared {
    _Alignas(128) ck_ring_t ring;
    _Alignas(128) struct message slots[];
};

struct channel {
    size_t bytes; /* of the mapping */
    bool single;  /* one putter and one getter */
    struct shared *shared;
};

static const char *ck_version(void)
{
    return CK_VERSION;
}

static int ck_open(void **result, const struct workload *workload)
{
    if (workload->size != sizeof(struct message))
        return because(CANNOT, "its slots have %zu bytes here", sizeof(struct message));
    unsigned workers = workload->putters + workload->getters;
    if (workers > 2 && workers > processors())
        return because(CANNOT, "it spins within a call, which needs a processor for each worker");
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    unsigned slots = 2; /* a power of two; one stays empty */
    while (slots <= workload->capacity)
        slots *= 2;
    channel->single = workload->putters == 1 && workload->getters == 1;
    channel->bytes = sizeof *channel->shared + slots * sizeof(struct message);
    channel->shared = mmap(NULL, channel->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (channel->shared == MAP_FAILED) {
        free(channel);
        return because_errno("mmap");
    }
    ck_ring_init(&channel->shared->ring, slots);
    *result = channel;
    return 0;
}

static bool try_put(struct channel *channel, struct message *message)
{
    struct shared *shared = channel->shared;
    return channel->single ? ck_ring_enqueue_spsc_message(&shared->ring, shared->slots, message)
                           : ck_ring_enqueue_mpmc_message(&shared->ring, shared->slots, message);
}

static bool try_get(struct channel *channel, struct message *message)
{
    struct shared *shared = channel->shared;
    return channel->single ? ck_ring_dequeue_spsc_message(&shared->ring, shared->slots, message)
                           : ck_ring_dequeue_mpmc_message(&shared->ring, shared->slots, message);
}

static int ck_put(void *opened, const void *message)
{
    while (!try_put(opened, (struct message *)message))
        sched_yield();
    return 0;
}

static ssize_t ck_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    while (!try_get(opened, buffer))
        sched_yield();
    return sizeof(struct message);
}

static void ck_close(void *opened)
{
    struct channel *channel = opened;
    munmap(channel->shared, channel->bytes);
    free(channel);
}

const struct transport ck_ring_transport = {
    .version = ck_version,
    .open = ck_open,
    .put = ck_put,
    .get = ck_get,
    .close = ck_close,
    .mapped = true,
    .polls = true,
};
