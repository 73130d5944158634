#include "pool/store.h"

#include "base/error.h"
#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many free blocks keep their memory: to get a block's anew takes as long as some hundred tasks. */
enum { KEEP = 32 };

/* What is known of a block. */
struct block {
    uint32_t chunks; /* that lie in it and live; not of a run's */
    uint32_t run;    /* how many blocks the run has, of its first; IN_RUN of its others; else 0 */
};

#define IN_RUN UINT32_MAX
#define NO_BLOCK SIZE_MAX

/* Blocks are numbered from the store's beginning. A block is free when it has no chunks, is of no run, and is not the
 * one that is being filled. Free ones have memory when they are kept, and else none; all others have. */
struct store {
    const struct board *board;
    size_t limit; /* how many blocks there can be */
    struct block *blocks;
    size_t count;      /* of blocks, all that were ever used */
    size_t capacity;   /* of the array */
    size_t low;        /* no block before this one is free, but those that are kept */
    size_t filling;    /* the block that takes chunks; NO_BLOCK: none yet */
    size_t filled;     /* bytes of it */
    size_t kept[KEEP]; /* the one that was freed last is taken first: it may still be in a cache */
    size_t kept_count;
    size_t backed; /* blocks that have memory */
};

int store_new(struct store **store, const struct board *board)
{
    struct store *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a pool's store");
    made->board = board;
    made->limit = (board->shared->size - board->shared->store) / STORE_BLOCK;
    made->filling = NO_BLOCK;
    made->filled = STORE_BLOCK;
    *store = made;
    return 0;
}

void store_free(struct store *store)
{
    if (store)
        free(store->blocks);
    free(store);
}

static uint64_t place_of(const struct store *store, size_t block)
{
    return store->board->shared->store + block * STORE_BLOCK;
}

static bool is_free(const struct store *store, size_t block)
{
    return block >= store->count ||
           (block != store->filling && store->blocks[block].chunks == 0 && store->blocks[block].run == 0);
}

/** Sees to it that the first count blocks are known. */
static int know(struct store *store, size_t count)
{
    if (count > store->limit)
        return error_fail(-ENOSPC, "the pool's store is full: it holds %zu MiB of tasks that are on their way",
                          store->limit * STORE_BLOCK / 1024 / 1024);
    if (count > store->capacity) {
        size_t capacity = count > 2 * store->capacity ? count + 16 : 2 * store->capacity;
        struct block *blocks = realloc(store->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return error_fail(-ENOMEM, "no memory to keep account of %zu MiB of tasks",
                              count * STORE_BLOCK / 1024 / 1024);
        store->blocks = blocks;
        store->capacity = capacity;
    }
    if (count > store->count) {
        memset(store->blocks + store->count, 0, (count - store->count) * sizeof *store->blocks);
        store->count = count;
    }
    return 0;
}

/** Gives free blocks memory, some of which may be kept. */
static int back(struct store *store, size_t block, size_t count)
{
    int code = os_memory_back(store->board->file, place_of(store, block), count * STORE_BLOCK);
    if (code < 0)
        return error_fail(code, "no shared memory for %zu KiB more of tasks: %s", count * STORE_BLOCK / 1024,
                          kith_strerror(code));
    store->backed += count;
    return 0;
}

/* ---- runs of blocks ---- */

/** The first place where so many free blocks are in a row: those beyond the last one are free, too. */
static size_t find_row(const struct store *store, size_t count)
{
    size_t row = 0, block = 0;
    while (row < count && block < store->count)
        row = is_free(store, block++) ? row + 1 : 0;
    return block - row;
}

/** Takes blocks off those that are kept. */
static void unkeep(struct store *store, size_t block, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < store->kept_count; i++) {
        if (store->kept[i] < block || store->kept[i] >= block + count)
            store->kept[left++] = store->kept[i];
    }
    store->backed -= store->kept_count - left;
    store->kept_count = left;
}

static int allocate_run(struct store *store, size_t size, uint64_t *place)
{
    if (size > store->limit * STORE_BLOCK)
        return error_fail(-EMSGSIZE, "tasks of %zu bytes in one piece are more than the pool's store can hold: %zu MiB",
                          size, store->limit * STORE_BLOCK / 1024 / 1024);
    size_t count = (size + STORE_BLOCK - 1) / STORE_BLOCK;
    size_t block = find_row(store, count);
    int code = know(store, block + count);
    if (code == 0)
        code = back(store, block, count);
    if (code < 0)
        return code;
    unkeep(store, block, count);
    store->blocks[block].run = (uint32_t)count;
    for (size_t i = 1; i < count; i++)
        store->blocks[block + i].run = IN_RUN;
    *place = place_of(store, block);
    return 0;
}

/** Frees blocks in a row. Those that are not kept give their memory back. */
static void free_row(struct store *store, size_t block, size_t count)
{
    if (block < store->low)
        store->low = block;
    for (; count > 0 && store->kept_count < KEEP; block++, count--)
        store->kept[store->kept_count++] = block;
    if (count == 0)
        return;
    os_memory_punch(store->board->file, place_of(store, block), count * STORE_BLOCK);
    store->backed -= count;
}

static void release_run(struct store *store, size_t block)
{
    size_t count = store->blocks[block].run;
    memset(store->blocks + block, 0, count * sizeof *store->blocks);
    free_row(store, block, count);
}

/* ---- chunks ---- */

/** Goes on filling another block. The one before has chunks, and is freed with the last of them. */
static int fill_next(struct store *store)
{
    size_t block;
    if (store->kept_count > 0) {
        block = store->kept[--store->kept_count];
    } else {
        for (block = store->low; !is_free(store, block); block++)
            continue;
        int code = know(store, block + 1);
        if (code == 0)
            code = back(store, block, 1);
        if (code < 0)
            return code;
        store->low = block + 1;
    }
    store->filling = block;
    store->filled = 0;
    return 0;
}

int store_allocate(struct store *store, size_t size, uint64_t *place)
{
    if (size > STORE_BLOCK)
        return allocate_run(store, size, place);
    size_t rounded = (size + BOARD_LINE - 1) / BOARD_LINE * BOARD_LINE;
    if (rounded > STORE_BLOCK - store->filled) {
        int code = fill_next(store);
        if (code < 0)
            return code;
    }
    *place = place_of(store, store->filling) + store->filled;
    store->filled += rounded;
    store->blocks[store->filling].chunks++;
    return 0;
}

void store_release(struct store *store, uint64_t place)
{
    size_t block = (place - store->board->shared->store) / STORE_BLOCK;
    if (store->blocks[block].run)
        release_run(store, block);
    else if (--store->blocks[block].chunks > 0)
        return;
    else if (block == store->filling)
        store->filled = 0;
    else
        free_row(store, block, 1);
}

uint64_t store_memory(const struct store *store)
{
    return store->board->shared->store + store->backed * STORE_BLOCK;
}
