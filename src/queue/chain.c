#include "queue/chain.h"

#include "base/log.h"
#include "os/memory.h"

#include <stdlib.h>
#include <unistd.h>

/* The rings lie behind the shared fields, at offsets that are whole pages whatever the page size, up to 64 KiB. */
#define RINGS_OFFSET ((uint64_t)64 * 1024)
_Static_assert(sizeof(struct queue_shared) <= RINGS_OFFSET, "the rings begin behind the shared fields");

/* Memory is taken a chunk at a time as a ring fills for the first time: what is never used is never there. */
#define BACK_MIN ((uint64_t)64 * 1024)
#define BACK_MAX ((uint64_t)1024 * 1024)

/* A ring that getters drain and putters have left is given back in pieces of this many bytes. */
#define RELEASE_CHUNK ((uint64_t)1024 * 1024)

/* Rings up to this one, 1 MiB, are kept however little is in them. */
#define KEEP_MIN 2u

/* A ring that is grown again so soon, in nanoseconds, after one was given up is kept from then on, until a getter finds
 * nothing to do: new memory for the same messages again and again would cost more than moving them. */
#define REGRET 1000000000

/* Every queue begins shortly before both numbers in a position overflow, so that no test can miss it. */
#define POSITION_START ((POSITION_ITEMS_MASK - 100) << POSITION_UNITS_BITS | (POSITION_UNITS_MASK - 2000))

static uint64_t ring_bytes(uint32_t ring)
{
    return RING_BASE << ring;
}

static uint64_t ring_offset(uint32_t ring)
{
    return RINGS_OFFSET + ring_bytes(ring) - RING_BASE; /* the sizes of all rings before it */
}

/* ---- a process's view ---- */

int chain_create(struct chain *chain)
{
    *chain = (struct chain){ .file = -1 };
    int code = os_memory_file("kith-queue");
    if (code < 0)
        return error_fail(code, "no file of memory for a queue: %s", kith_strerror(code));
    chain->file = code;
    void *header;
    code = os_memory_back(chain->file, 0, RINGS_OFFSET);
    if (code == 0)
        code = os_memory_map(&header, chain->file, 0, RINGS_OFFSET);
    if (code < 0) {
        close(chain->file);
        return error_fail(code, "no shared memory for a queue: %s", kith_strerror(code));
    }
    struct queue_shared *shared = chain->shared = header;
    shared->head_seen = shared->tail_seen = POSITION_START;
    atomic_init(&shared->tail, POSITION_START);
    atomic_init(&shared->head, POSITION_START);
    shared->limit = shared->rings[0].begin = position_units(POSITION_START);
    atomic_init(&shared->rings[0].end, RING_OPEN);
    atomic_init(&shared->keep, KEEP_MIN);
    if (!chain_map(chain, 0)) {
        chain_close(chain);
        return -ENOMEM;
    }
    return 0;
}

void chain_close(struct chain *chain)
{
    for (uint32_t ring = 0; ring < RINGS; ring++) {
        char *memory = atomic_load_explicit(&chain->mapped[ring], memory_order_relaxed);
        if (memory)
            os_memory_unmap(memory, 2 * ring_bytes(ring));
    }
    os_memory_unmap(chain->shared, RINGS_OFFSET);
    close(chain->file);
}

char *chain_map(struct chain *chain, uint32_t ring)
{
    void *memory;
    int code = os_memory_map_twice(&memory, chain->file, ring_offset(ring), ring_bytes(ring));
    if (code < 0) {
        error_fail(code, "no address space to map a ring of %llu bytes: %s", (unsigned long long)ring_bytes(ring),
                   kith_strerror(code));
        return NULL;
    }
    /* A thread that puts and one that gets may both have come here. */
    char *other = NULL;
    if (atomic_compare_exchange_strong_explicit(&chain->mapped[ring], &other, memory, memory_order_acq_rel,
                                                memory_order_acquire))
        return memory;
    os_memory_unmap(memory, 2 * ring_bytes(ring));
    return other;
}

/* ---- putters: called by the owner of their side ---- */

/** The rings of the chain, a bit each. A first ring that getters have just left may be among them. */
static uint32_t rings_in_use(const struct queue_shared *shared)
{
    uint32_t ring = atomic_load_explicit(&shared->first, memory_order_acquire);
    uint32_t used = 1u << ring;
    while (atomic_load_explicit(&shared->rings[ring].end, memory_order_relaxed) != RING_OPEN) {
        ring = shared->rings[ring].next;
        used |= 1u << ring;
    }
    return used;
}

/** The smallest ring that is free, holds so many units, and is not below least. @return RINGS when there is none */
static uint32_t ring_find(const struct queue_shared *shared, uint32_t least, uint64_t units)
{
    uint32_t used = rings_in_use(shared);
    uint32_t ring = least;
    while (ring < RINGS && (used & 1u << ring || ring_units(ring) < units))
        ring++;
    return ring;
}

/** Sees to it that the ring has memory for so many units from its start. */
static int ring_back(struct chain *chain, uint32_t ring, uint64_t units)
{
    struct ring *shared = &chain->shared->rings[ring];
    uint64_t have = shared->backed * UNIT;
    uint64_t want = units * UNIT;
    if (want <= have)
        return 0;
    uint64_t chunk = ring_bytes(ring) / 8;
    chunk = chunk < BACK_MIN ? BACK_MIN : chunk > BACK_MAX ? BACK_MAX : chunk;
    want = (want + chunk - 1) / chunk * chunk;
    if (want > ring_bytes(ring))
        want = ring_bytes(ring);
    int code = os_memory_back(chain->file, ring_offset(ring) + have, want - have);
    if (code < 0)
        return error_fail(code, "no memory to queue %llu more bytes: %s", (unsigned long long)(want - have),
                          kith_strerror(code));
    shared->backed = want / UNIT;
    return 0;
}

/** Makes ring "next" follow ring "last" at the tail. Until the store of end nobody but us sees any of it. */
static void ring_link(struct queue_shared *shared, uint32_t last, uint32_t next)
{
    uint64_t at = position_units(atomic_load_explicit(&shared->tail, memory_order_relaxed));
    shared->limit = at; /* so that the next put looks where it is, whoever makes it */
    shared->rings[last].next = next;
    /* release: pairs with the acquire in chain_follow and kith_queue_get, who may read begin and next then. */
    atomic_store_explicit(&shared->rings[last].end, at, memory_order_release);
    shared->last = next;
}

/** Empties a free ring and gives it memory for a first record at the tail. */
static int ring_prepare(struct chain *chain, uint32_t ring, uint64_t units)
{
    struct ring *shared = &chain->shared->rings[ring];
    shared->begin = position_units(atomic_load_explicit(&chain->shared->tail, memory_order_relaxed));
    atomic_store_explicit(&shared->end, RING_OPEN, memory_order_relaxed);
    if (!ring_memory(chain, ring))
        return -ENOMEM;
    return ring_back(chain, ring, units);
}

/** Links a bigger ring behind the last one, which is full. */
static int chain_grow(struct chain *chain, uint32_t last, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    uint32_t ring = ring_find(shared, last + 1, units);
    if (ring == RINGS)
        ring = ring_find(shared, 0, units);
    if (ring == RINGS)
        return error_fail(-ENOSPC, "the queue can't grow any more: all rings are in use");
    int code = ring_prepare(chain, ring, units);
    if (code < 0)
        return code;
    if (ring > atomic_load_explicit(&shared->keep, memory_order_relaxed) && os_clock_now() - shared->shrunk_at < REGRET)
        atomic_store_explicit(&shared->keep, ring, memory_order_relaxed);
    ring_link(shared, last, ring);
    kith_log(KITH_LOG_DEBUG, "queue grows to a ring of %llu KiB", (unsigned long long)ring_bytes(ring) / 1024);
    return 0;
}

/** The last ring. An owner of the side that died may have linked one without saying so in "last". */
static uint32_t chain_last(struct queue_shared *shared)
{
    while (atomic_load_explicit(&shared->rings[shared->last].end, memory_order_relaxed) != RING_OPEN)
        shared->last = shared->rings[shared->last].next;
    return shared->last;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int chain_make_room(struct chain *chain, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    for (;;) {
        uint32_t last = chain_last(shared);
        struct ring *ring = &shared->rings[last];
        /* In this order: when the first ring is the last one, the head that we see lies in it. acquire: pairs with the
         * getters' stores; they have copied out what lies before the head. */
        uint32_t first = atomic_load_explicit(&shared->first, memory_order_acquire);
        position head = shared->head_seen = atomic_load_explicit(&shared->head, memory_order_acquire);
        uint64_t queued = units_between(position_units(head), position_units(tail));
        if (items_between(head, tail) >= shared->max_items || queued + units > shared->max_units)
            return KITH_EFULL;
        uint64_t put =
            units_between(ring->begin, position_units(tail)); /* since the ring began; of use in its first lap */
        uint64_t room = ring_units(last) - (first == last ? queued : put);
        int code;
        if (units > room) {
            code = chain_grow(chain, last, units);
            if (code < 0)
                return code;
            continue;
        }
        uint64_t backed = UINT64_MAX;
        if (ring->backed < ring_units(last)) {
            code = ring_back(chain, last, least(put + units, ring_units(last)));
            if (code < 0)
                return code;
            if (ring->backed < ring_units(last))
                backed = ring->backed - put;
        }
        uint64_t free = least(least(room, shared->max_units - queued), backed);
        shared->limit = (position_units(tail) + free) & POSITION_UNITS_MASK;
        return 0;
    }
}

/* ---- getters: called by the owner of their side ---- */

/** Gives memory of a ring back that no putter can touch now: it is closed, or free with the putters' side in our hands. */
static void ring_punch(struct chain *chain, uint32_t ring, uint64_t offset, uint64_t size)
{
    chain->shared->rings[ring].backed =
        0; /* first, so that a death in between leaves nothing that is thought to be there */
    os_memory_punch(chain->file, ring_offset(ring) + offset, size);
}

static bool ring_kept(const struct queue_shared *shared, uint32_t ring)
{
    return ring == 0 || ring <= atomic_load_explicit(&shared->keep, memory_order_relaxed);
}

void chain_follow(struct chain *chain)
{
    struct queue_shared *shared = chain->shared;
    uint64_t head = position_units(atomic_load_explicit(&shared->head, memory_order_relaxed));
    uint32_t ring = atomic_load_explicit(&shared->first, memory_order_relaxed);
    /* acquire: pairs with ring_link. */
    while (atomic_load_explicit(&shared->rings[ring].end, memory_order_acquire) == head) {
        uint32_t next = shared->rings[ring].next;
        /* While it still is the first ring no putter takes it. */
        if (!ring_kept(shared, ring))
            ring_punch(chain, ring, 0, ring_bytes(ring));
        /* release: pairs with the acquire in rings_in_use; from here on the ring is the putters' again. */
        atomic_store_explicit(&shared->first, next, memory_order_release);
        ring = next;
    }
}

/** Gives back what was read, from one record to the next, of a ring that no putter will ever touch again, chunk by
 * chunk. */
static void release_read(struct chain *chain, uint32_t ring, uint64_t end, position from, position to)
{
    uint64_t mask = ring_units(ring) - 1;
    uint64_t begin = chain->shared->rings[ring].begin;
    uint64_t chunk = RELEASE_CHUNK / UNIT;
    uint64_t after = units_between(begin, position_units(to)) & mask;
    uint64_t start = (units_between(begin, position_units(from)) & mask) / chunk * chunk;
    uint64_t stop = after / chunk * chunk;
    if (start == stop)
        return;
    /* What is left to read may have wrapped around into the first of these chunks: then leave it for later. */
    if (((start - after) & mask) < units_between(position_units(to), end))
        return;
    if (start > stop) {
        ring_punch(chain, ring, start * UNIT, (mask + 1 - start) * UNIT);
        start = 0;
    }
    if (stop > start)
        ring_punch(chain, ring, start * UNIT, (stop - start) * UNIT);
}

/** Has putters go on in a smaller ring, one that holds so many units, if there is one. The putters' side is in our hands. */
static void chain_shrink(struct chain *chain, uint32_t ring, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    uint32_t smaller = ring_find(shared, 0, units);
    if (smaller >= ring || ring_prepare(chain, smaller, 0) < 0)
        return;
    ring_link(shared, ring, smaller);
    shared->shrunk_at = os_clock_now();
    chain_follow(chain);
}

/** Takes the putters' side in hand if none of them is at it right now; else the next get tries again. */
static bool putters_hold(struct os_thread *self, struct queue_shared *shared)
{
    return word_try_acquire(self, &shared->put.word);
}

static void putters_let_go(struct os_thread *self, struct queue_shared *shared)
{
    if (!word_try_release(self, &shared->put.word))
        word_pass(&shared->put.word);
}

void chain_release(struct os_thread *self, struct chain *chain, position from, position to)
{
    struct queue_shared *shared = chain->shared;
    uint32_t ring = atomic_load_explicit(&shared->first, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&shared->rings[ring].end, memory_order_acquire);
    if (end == position_units(to)) {
        chain_follow(chain);
        return;
    }
    if (end != RING_OPEN) {
        if (!ring_kept(shared, ring))
            release_read(chain, ring, end, from, to);
        return;
    }
    position tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    uint64_t queued = units_between(position_units(to), position_units(tail));
    if (ring <= KEEP_MIN || queued > ring_units(ring) / 8 || !putters_hold(self, shared))
        return;
    /* Four times what is queued and one message like this one: enough not to grow again for the next one. But nothing at all
     * for nothing queued, if that message filled most of the ring. */
    uint64_t wanted = 4 * (queued + units_between(position_units(from), position_units(to)));
    chain_shrink(chain, ring, queued == 0 && wanted > ring_units(ring) / 2 ? 1 : wanted);
    putters_let_go(self, shared);
}

void chain_release_idle(struct os_thread *self, struct chain *chain)
{
    struct queue_shared *shared = chain->shared;
    if (!putters_hold(self, shared))
        return;
    uint32_t first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    atomic_store_explicit(&shared->keep, 0, memory_order_relaxed);
    if (first > 0 && atomic_load_explicit(&shared->rings[first].end, memory_order_relaxed) == RING_OPEN)
        chain_shrink(chain, first, 1);
    uint32_t used = rings_in_use(shared);
    for (uint32_t ring = 1; ring < RINGS; ring++) {
        if (!(used & 1u << ring) && shared->rings[ring].backed > 0)
            ring_punch(chain, ring, 0, ring_bytes(ring));
    }
    atomic_store_explicit(&shared->keep, KEEP_MIN, memory_order_relaxed);
    putters_let_go(self, shared);
}
