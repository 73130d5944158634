/* Blocks of a heap, in shared memory: the caller sees to it that one thread at a time is here.
 *
 * The truth is in the blocks' headers alone: each has the block's size and whether it is used, in one word, and the
 * next header follows behind the block. So from the first to the last they can be walked over. Every change of the
 * truth is one store to one such word, and before and after each such store the walk leads over whole blocks. All else
 * (lists of free blocks, what is before a block) is derived, and made again from the headers when a thread died in
 * here.
 *
 * Free blocks are kept in lists by size, eight to each power of two, and a bit for each list tells whether it is empty:
 * a block that is large enough is found in a few steps, as in TLSF (Masmano, Ripoll, Crespo, Real: TLSF, a new dynamic
 * memory allocator for real-time systems). Neighbours that are free become one at once.
 */
#ifndef KITH_SRC_DATA_BLOCKS_H
#define KITH_SRC_DATA_BLOCKS_H

#include <kith/heap.h>

#include <stdbool.h>

#define BLOCKS_GRAIN 16
#define BLOCKS_LISTS 280 /* up to 1 TiB */

/** At the start of the memory that the blocks lie in. All offsets are distances from here. */
struct blocks {
    uint64_t first; /* the first block */
    uint64_t end;   /* behind the last: a header of a block that is used and has no size */
    uint64_t filled[(BLOCKS_LISTS + 63) / 64];
    uint64_t lists[BLOCKS_LISTS]; /* the first block of each; 0: none */
};

/** Lays out one free block over all the memory. @param size of the memory, at most KITH_HEAP_MAX */
void blocks_begin(struct blocks *blocks, uint64_t size);

/** Makes anew all that is derived, after a death. @return false when the headers were overwritten */
bool blocks_repair(struct blocks *blocks);

/** @return the offset of new memory; 0 when there is none */
uint64_t blocks_take(struct blocks *blocks, uint64_t size);

/** @return how much fits there; 0 when no used block is there */
uint64_t blocks_capacity(struct blocks *blocks, uint64_t offset);

/** Changes the size of what is there, in place. A used block is there. @return false when there is no room */
bool blocks_resize(struct blocks *blocks, uint64_t offset, uint64_t size);

/** Takes the memory back. A used block is there. */
void blocks_give(struct blocks *blocks, uint64_t offset);

/** Walks over all blocks. @return false when the headers were overwritten */
bool blocks_count(struct blocks *blocks, kith_heap_stats *stats);

#endif
