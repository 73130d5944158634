/* bench/peers/rte_ring.c: a ceiling: DPDK's ring, bare, in plain shared memory without DPDK's environment, in the
 * form for one putter, one getter, or many. Many use its relaxed tail when they are more than there are processors:
 * nobody then waits within a call for one that has lost its processor. Who waits for room or a message yields and
 * never sleeps. */
#include "processors.h"
#include "reason.h"
#include "transport.h"

#include <rte_ring.h>
#include <rte_version.h>

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOT_BYTES 64

struct channel {
    size_t bytes; /* of the mapping */
    struct rte_ring *ring;
};

static int rte_open(void **result, const struct workload *workload)
{
    if (workload->size != SLOT_BYTES)
        return because(CANNOT, "its slots have %d bytes here", SLOT_BYTES);
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    unsigned slots = rte_align32pow2(workload->capacity + 1); /* one stays empty */
    bool crowded = workload->putters + workload->getters > processors();
    unsigned flags = workload->putters == 1 ? RING_F_SP_ENQ : crowded ? RING_F_MP_RTS_ENQ : 0;
    flags |= workload->getters == 1 ? RING_F_SC_DEQ : crowded ? RING_F_MC_RTS_DEQ : 0;
    channel->bytes = (size_t)rte_ring_get_memsize_elem(SLOT_BYTES, slots);
    channel->ring = mmap(NULL, channel->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (channel->ring == MAP_FAILED) {
        because_errno("mmap");
        goto no_ring;
    }
    if (rte_ring_init(channel->ring, "kith-bench", slots, flags) < 0) {
        because(FAILED, "rte_ring_init");
        goto no_init;
    }
    *result = channel;
    return 0;
no_init:
    munmap(channel->ring, channel->bytes);
no_ring:
    free(channel);
    return FAILED;
}

static int rte_put_many(void *opened, const void *messages, unsigned count)
{
    struct channel *channel = opened;
    const char *next = messages;
    while (count > 0) {
        unsigned put = rte_ring_enqueue_burst_elem(channel->ring, next, SLOT_BYTES, count, NULL);
        if (put == 0)
            sched_yield();
        next += put * SLOT_BYTES;
        count -= put;
    }
    return 0;
}

static int rte_get_many(void *opened, void *buffer, unsigned count)
{
    struct channel *channel = opened;
    unsigned got;
    while ((got = rte_ring_dequeue_burst_elem(channel->ring, buffer, SLOT_BYTES, count, NULL)) == 0)
        sched_yield();
    return (int)got;
}

static int rte_put(void *opened, const void *message)
{
    return rte_put_many(opened, message, 1);
}

static ssize_t rte_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    rte_get_many(opened, buffer, 1);
    return SLOT_BYTES;
}

static void rte_close(void *opened)
{
    struct channel *channel = opened;
    munmap(channel->ring, channel->bytes);
    free(channel);
}

const struct transport rte_ring_transport = {
    .version = rte_version,
    .open = rte_open,
    .put = rte_put,
    .get = rte_get,
    .close = rte_close,
    .put_many = rte_put_many,
    .get_many = rte_get_many,
    .mapped = true,
    .polls = true,
};
