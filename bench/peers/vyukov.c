/* bench/peers/vyukov.c: a ceiling, not a peer: the bounded queue for many producers and many consumers that Dmitry
 * Vyukov described, bare, in shared memory. Slots of one size; who waits yields its processor again and again and
 * never sleeps; a process that dies between claim and publication stops all others. What it leaves out is what
 * keeping promises costs.
 *
 * A slot is the putter's between claim and publication, and the getter's until it is handed back: so messages can as
 * well be written and read where they lie.
 *
 * Each slot has a turn. A putter owns the slot at position p when its turn is p, and publishes it by p + 1, which is
 * what a getter at position p waits for; the getter hands it to the next lap by p + capacity.
 */
#include "reason.h"
#include "transport.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct slot {
    _Atomic uint64_t turn; /* stored by whoever has done with the slot; read by whoever wants it */
    char message[];
};

struct ring {
    _Alignas(128) _Atomic uint64_t tail; /* claimed by putters */
    _Alignas(128) _Atomic uint64_t head; /* claimed by getters */
    _Alignas(128) char slots[];
};

struct channel {
    size_t size;       /* of a message */
    uint64_t capacity; /* a power of two */
    size_t bytes;      /* of the mapping */
    struct ring *ring;
    uint64_t reserved, peeked; /* positions that this process has claimed and not done with */
};

static struct slot *slot_at(const struct channel *channel, uint64_t position)
{
    size_t stride = sizeof(struct slot) + channel->size;
    return (struct slot *)(channel->ring->slots + (position & (channel->capacity - 1)) * stride);
}

static int vyukov_open(void **result, const struct workload *workload)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    channel->capacity = 1;
    while (channel->capacity < workload->capacity)
        channel->capacity *= 2;
    channel->bytes = sizeof *channel->ring + channel->capacity * (sizeof(struct slot) + channel->size);
    channel->ring = mmap(NULL, channel->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (channel->ring == MAP_FAILED) {
        free(channel);
        return because_errno("mmap");
    }
    for (uint64_t i = 0; i < channel->capacity; i++)
        atomic_init(&slot_at(channel, i)->turn, i);
    *result = channel;
    return 0;
}

/* Claims the next position of the cursor whose slot has its turn, which comes `offset` after the position's own
 * number. */
static struct slot *claim(struct channel *channel, _Atomic uint64_t *cursor, uint64_t offset, uint64_t *claimed)
{
    uint64_t position = atomic_load_explicit(cursor, memory_order_relaxed);
    for (;;) {
        struct slot *slot = slot_at(channel, position);
        /* acquire: pairs with the release of who had the slot before */
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn == position + offset) {
            if (atomic_compare_exchange_weak_explicit(cursor, &position, position + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                *claimed = position;
                return slot;
            }
        } else {
            if ((int64_t)(turn - (position + offset)) < 0) /* full, or empty; else the position was stale */
                sched_yield();
            position = atomic_load_explicit(cursor, memory_order_relaxed);
        }
    }
}

/* Copies a message. One of 64 bytes without a call: it is to be a ceiling. */
static void copy(void *to, const void *from, size_t size)
{
    if (size == 64)
        memcpy(to, from, 64);
    else
        memcpy(to, from, size);
}

static void *vyukov_reserve(void *opened)
{
    struct channel *channel = opened;
    return claim(channel, &channel->ring->tail, 0, &channel->reserved)->message;
}

static int vyukov_commit(void *opened, void *message)
{
    (void)message;
    struct channel *channel = opened;
    struct slot *slot = slot_at(channel, channel->reserved);
    atomic_store_explicit(&slot->turn, channel->reserved + 1, memory_order_release);
    return 0;
}

static ssize_t vyukov_peek(void *opened, const void **message)
{
    struct channel *channel = opened;
    *message = claim(channel, &channel->ring->head, 1, &channel->peeked)->message;
    return (ssize_t)channel->size;
}

static int vyukov_release(void *opened, const void *message)
{
    (void)message;
    struct channel *channel = opened;
    struct slot *slot = slot_at(channel, channel->peeked);
    atomic_store_explicit(&slot->turn, channel->peeked + channel->capacity, memory_order_release);
    return 0;
}

static int vyukov_put(void *opened, const void *message)
{
    struct channel *channel = opened;
    copy(vyukov_reserve(channel), message, channel->size);
    return vyukov_commit(channel, NULL);
}

static ssize_t vyukov_get(void *opened, void *buffer, const void **message)
{
    struct channel *channel = opened;
    const void *slot;
    (void)message;
    vyukov_peek(channel, &slot);
    copy(buffer, slot, channel->size);
    vyukov_release(channel, NULL);
    return (ssize_t)channel->size;
}

static void vyukov_close(void *opened)
{
    struct channel *channel = opened;
    munmap(channel->ring, channel->bytes);
    free(channel);
}

const struct transport vyukov_transport = {
    .open = vyukov_open,
    .put = vyukov_put,
    .get = vyukov_get,
    .close = vyukov_close,
    .reserve = vyukov_reserve,
    .commit = vyukov_commit,
    .peek = vyukov_peek,
    .release = vyukov_release,
    .mapped = true,
    .polls = true,
};
