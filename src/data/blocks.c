#include "data/blocks.h"

#include <stdatomic.h>
#include <stddef.h>

/** Before each block's memory. */
struct block {
    _Atomic uint64_t state; /* the truth: size, USED, and a mark of the block's place by which it is known */
    uint64_t before;        /* the size of the block before, 0 for the first; derived */
};

/** In the memory of a free block; derived. */
struct links {
    uint64_t next;
    uint64_t prev; /* 0: it is the first of its list */
};

#define USED UINT64_C(1)
#define SIZE_BITS (UINT64_C(0x0000ffffffffffff) & ~(uint64_t)(BLOCKS_GRAIN - 1))
#define MARK_BITS UINT64_C(0xffff000000000000)
#define SMALLEST (sizeof(struct block) + sizeof(struct links))

_Static_assert(sizeof(struct block) == BLOCKS_GRAIN && sizeof(struct links) == BLOCKS_GRAIN,
               "blocks keep to the grain");

static struct block *at(struct blocks *blocks, uint64_t offset)
{
    return (struct block *)((char *)blocks + offset);
}

static struct links *links_at(struct blocks *blocks, uint64_t offset)
{
    return (struct links *)(at(blocks, offset) + 1);
}

/* ---- the truth ---- */

static uint64_t mark_of(uint64_t offset)
{
    return (offset * UINT64_C(0x9e3779b97f4a7c15)) & MARK_BITS;
}

static uint64_t state_at(struct blocks *blocks, uint64_t offset)
{
    return atomic_load_explicit(&at(blocks, offset)->state, memory_order_relaxed);
}

static uint64_t size_at(struct blocks *blocks, uint64_t offset)
{
    return state_at(blocks, offset) & SIZE_BITS;
}

static bool is_used(struct blocks *blocks, uint64_t offset)
{
    return state_at(blocks, offset) & USED;
}

/** The one way to change the truth. Who is killed has done what comes before in the program and nothing of what comes
 *  behind: the fences keep the compiler to that, and the processor keeps to it anyway. The next owner of the lock sees
 *  all of it, for the kernel told it of the death through the lock's word. */
static void commit(struct blocks *blocks, uint64_t offset, uint64_t size, uint64_t used)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&at(blocks, offset)->state, mark_of(offset) | size | used, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

/** Whether the header of a block is there, as far as can be told from it. */
static bool is_block(struct blocks *blocks, uint64_t offset)
{
    if (offset < blocks->first || offset >= blocks->end || offset % BLOCKS_GRAIN)
        return false;
    uint64_t size = size_at(blocks, offset);
    return (state_at(blocks, offset) & ~(SIZE_BITS | USED)) == mark_of(offset) && size >= SMALLEST &&
           size <= blocks->end - offset;
}

/* ---- lists of free blocks ---- */

/** Blocks of up to 15 grains have a list for each size; then a power of two is split into eight. A larger block never
 *  has a smaller list. */
static unsigned list_of(uint64_t size)
{
    uint64_t grains = size / BLOCKS_GRAIN;
    if (grains < 8)
        return (unsigned)grains;
    unsigned power = 63 - (unsigned)__builtin_clzll(grains);
    return (power - 2) * 8 + (unsigned)(grains >> (power - 3) & 7);
}

static void link_in(struct blocks *blocks, uint64_t offset, uint64_t size)
{
    unsigned list = list_of(size);
    uint64_t next = blocks->lists[list];
    *links_at(blocks, offset) = (struct links){ .next = next };
    if (next)
        links_at(blocks, next)->prev = offset;
    blocks->lists[list] = offset;
    blocks->filled[list / 64] |= UINT64_C(1) << list % 64;
}

static void link_out(struct blocks *blocks, uint64_t offset, uint64_t size)
{
    unsigned list = list_of(size);
    struct links links = *links_at(blocks, offset);
    if (links.next)
        links_at(blocks, links.next)->prev = links.prev;
    if (links.prev)
        links_at(blocks, links.prev)->next = links.next;
    else
        blocks->lists[list] = links.next;
    if (!blocks->lists[list])
        blocks->filled[list / 64] &= ~(UINT64_C(1) << list % 64);
}

/** @return a block of a list that has the size, among the first so many; 0 when there is none */
static uint64_t find_in(struct blocks *blocks, unsigned list, uint64_t size, uint64_t looks)
{
    uint64_t offset = blocks->lists[list];
    for (; offset && looks > 0; looks--, offset = links_at(blocks, offset)->next) {
        if (size_at(blocks, offset) >= size)
            return offset;
    }
    return 0;
}

/** @return the first block of the first list from this one on that has any; 0 when none has */
static uint64_t find_from(struct blocks *blocks, unsigned list)
{
    for (; list < BLOCKS_LISTS; list = (list / 64 + 1) * 64) {
        uint64_t filled = blocks->filled[list / 64] >> list % 64;
        if (filled)
            return blocks->lists[list + (unsigned)__builtin_ctzll(filled)];
    }
    return 0;
}

/** Finds a free block. In the list of its own size some may be too small, in those of larger sizes none is: a few looks
 *  there, then the larger ones, and only when there are none all the rest. */
static uint64_t find(struct blocks *blocks, uint64_t size)
{
    enum { LOOKS = 8 };
    unsigned own = list_of(size);
    uint64_t offset = find_in(blocks, own, size, LOOKS);
    if (!offset)
        offset = find_from(blocks, own + 1);
    if (!offset)
        offset = find_in(blocks, own, size, UINT64_MAX);
    return offset;
}

/* ---- taking and giving ---- */

/** The block that holds so much memory, with its header. 0: none does */
static uint64_t size_for(struct blocks *blocks, uint64_t size)
{
    if (size > blocks->end)
        return 0;
    size = (size + sizeof(struct block) + BLOCKS_GRAIN - 1) & ~(uint64_t)(BLOCKS_GRAIN - 1);
    return size < SMALLEST ? SMALLEST : size;
}

/** Of a block (used, or free and on no list) and what is free behind it, `total` bytes in all, makes a used block, and
 *  a free one of the rest. The header of the rest comes first: no walk leads there yet. Then one store makes both
 *  blocks what they are to be. */
static void carve(struct blocks *blocks, uint64_t offset, uint64_t total, uint64_t size)
{
    uint64_t rest = total - size;
    if (rest < SMALLEST) {
        commit(blocks, offset, total, USED);
        at(blocks, offset + total)->before = total;
        return;
    }
    commit(blocks, offset + size, rest, 0);
    commit(blocks, offset, size, USED);
    at(blocks, offset + size)->before = size;
    at(blocks, offset + total)->before = rest;
    link_in(blocks, offset + size, rest);
}

uint64_t blocks_take(struct blocks *blocks, uint64_t size)
{
    size = size_for(blocks, size);
    uint64_t offset = size ? find(blocks, size) : 0;
    if (!offset)
        return 0;
    uint64_t total = size_at(blocks, offset);
    link_out(blocks, offset, total);
    carve(blocks, offset, total, size);
    return offset + sizeof(struct block);
}

uint64_t blocks_capacity(struct blocks *blocks, uint64_t offset)
{
    offset -= sizeof(struct block); /* below 0 it is a huge number, and no block's */
    /* A header that stayed behind in the middle of what is now a larger block is one of a free block: no used block is
     * ever joined to another. */
    return is_block(blocks, offset) && is_used(blocks, offset) ? size_at(blocks, offset) - sizeof(struct block) : 0;
}

bool blocks_resize(struct blocks *blocks, uint64_t offset, uint64_t size)
{
    offset -= sizeof(struct block);
    size = size_for(blocks, size);
    uint64_t total = size_at(blocks, offset);
    uint64_t after = offset + total;
    uint64_t free = is_used(blocks, after) ? 0 : size_at(blocks, after);
    if (!size || size > total + free)
        return false;
    if (free)
        link_out(blocks, after, free);
    carve(blocks, offset, total + free, size);
    return true;
}

void blocks_give(struct blocks *blocks, uint64_t offset)
{
    offset -= sizeof(struct block);
    uint64_t size = size_at(blocks, offset);
    commit(blocks, offset, size, 0);
    /* Each store makes a free block reach over its free neighbour, whose header then is in the middle of it. */
    uint64_t after = offset + size;
    if (!is_used(blocks, after)) {
        link_out(blocks, after, size_at(blocks, after));
        size += size_at(blocks, after);
        commit(blocks, offset, size, 0);
    }
    uint64_t before = at(blocks, offset)->before;
    if (before && !is_used(blocks, offset - before)) {
        offset -= before;
        link_out(blocks, offset, before);
        size += before;
        commit(blocks, offset, size, 0);
    }
    at(blocks, offset + size)->before = size;
    link_in(blocks, offset, size);
}

/* ---- all of them ---- */

void blocks_begin(struct blocks *blocks, uint64_t size)
{
    const uint64_t grain = BLOCKS_GRAIN;
    *blocks = (struct blocks){
        .first = (sizeof *blocks + grain - 1) / grain * grain,
        .end = size / grain * grain - sizeof(struct block),
    };
    size = blocks->end - blocks->first;
    commit(blocks, blocks->end, 0, USED);
    commit(blocks, blocks->first, size, 0);
    at(blocks, blocks->first)->before = 0;
    at(blocks, blocks->end)->before = size;
    link_in(blocks, blocks->first, size);
}

/** A free block reaches over all free ones behind it: who freed them may have died before that. @return its size */
static uint64_t join_free(struct blocks *blocks, uint64_t offset)
{
    uint64_t size = size_at(blocks, offset);
    while (is_block(blocks, offset + size) && !is_used(blocks, offset + size)) {
        size += size_at(blocks, offset + size);
        commit(blocks, offset, size, 0);
    }
    return size;
}

bool blocks_repair(struct blocks *blocks)
{
    for (unsigned i = 0; i < BLOCKS_LISTS; i++)
        blocks->lists[i] = 0;
    for (unsigned i = 0; i < sizeof blocks->filled / sizeof *blocks->filled; i++)
        blocks->filled[i] = 0;
    uint64_t offset = blocks->first, before = 0;
    while (is_block(blocks, offset)) {
        bool used = is_used(blocks, offset);
        uint64_t size = used ? size_at(blocks, offset) : join_free(blocks, offset);
        at(blocks, offset)->before = before;
        if (!used)
            link_in(blocks, offset, size);
        before = size;
        offset += size;
    }
    at(blocks, blocks->end)->before = before;
    return offset == blocks->end;
}

bool blocks_count(struct blocks *blocks, kith_heap_stats *stats)
{
    uint64_t offset = blocks->first;
    *stats = (kith_heap_stats){ 0 };
    for (; is_block(blocks, offset); offset += size_at(blocks, offset)) {
        uint64_t holds = size_at(blocks, offset) - sizeof(struct block);
        if (is_used(blocks, offset)) {
            stats->used += holds;
            stats->blocks++;
        } else {
            stats->free += holds;
            if (holds > stats->largest)
                stats->largest = holds;
        }
    }
    return offset == blocks->end;
}
