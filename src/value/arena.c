/* The arena: blocks from the heap, each cut from its front to its end. Blocks grow with what the others hold, so that
 * their number stays small; what is large gets a block of its own, and the one in use stays in use. */
#include "value/arena.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_LEAST = 4096, BLOCK_MOST = 1 << 20, KEPT = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* with this header */
    alignas(ARENA_ALIGNMENT) char memory[];
};

/* Memory that came from elsewhere. The note itself lies in a block. */
struct arena_adopted {
    struct arena_adopted *next;
    void *memory;
};

void *arena_fail(kith_arena *arena, int code, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    error_fail(code, "%s", sentence);
    if (!arena)
        return NULL;
    arena->last = code;
    if (!arena->error)
        arena->error = code;
    return NULL;
}

/** Lets memory be taken from a block, and puts it first. */
static void use(kith_arena *arena, struct arena_block *block)
{
    block->next = arena->blocks;
    arena->blocks = block;
    arena->next = block->memory;
    arena->end = (char *)block + block->size;
    arena_forbid(block->memory, block->size - sizeof *block);
}

/** How large a block to make for a piece of memory: with room for more where the limit allows it.
 *  @return 0 when not even the piece itself is allowed */
static size_t block_size(const kith_arena *arena, size_t piece)
{
    size_t room = arena->limit > arena->size ? arena->limit - arena->size : 0;
    size_t needed = sizeof(struct arena_block) + piece;
    size_t wished = arena->common > arena->least ? arena->common : arena->least;
    if (wished > BLOCK_MOST)
        wished = BLOCK_MOST;
    if (wished > room)
        wished = room & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (needed > wished || (piece >= wished / 4 && needed > arena->least))
        wished = needed;
    return wished <= room ? wished : 0;
}

void *arena_take_slowly(kith_arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX - sizeof(struct arena_block) - ARENA_ALIGNMENT - ARENA_GUARD)
        return arena_fail(arena, -ENOMEM, "%zu bytes are more than any memory", size);
    size_t piece = arena_round(size);
    size_t whole = block_size(arena, piece);
    if (whole == 0)
        return arena_fail(arena, KITH_ELIMIT, "the values take more than the %zu bytes that are allowed", arena->limit);
    struct arena_block *block = malloc(whole);
    if (!block)
        return arena_fail(arena, -ENOMEM, "no memory for values: %zu bytes more are needed", whole);
    block->size = whole;
    arena->size += whole;
    bool own = whole == sizeof *block + piece;
    if (!own)
        arena->common += whole;
    if (own && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
        return block->memory;
    }
    use(arena, block);
    return arena_take(arena, size);
}

void *arena_grow(kith_arena *arena, void *old, size_t old_size, size_t size)
{
    if (old && (char *)old + arena_round(old_size) == arena->next &&
        arena_round(size) <= (size_t)(arena->end - (char *)old)) {
        arena->next = old;
        return arena_take(arena, size);
    }
    void *memory = arena_take(arena, size);
    if (memory && old_size)
        memcpy(memory, old, old_size);
    return memory;
}

int arena_adopt(kith_arena *arena, void *memory, size_t size)
{
    struct arena_adopted *adopted = arena_take(arena, sizeof *adopted);
    if (!adopted)
        return arena->last;
    *adopted = (struct arena_adopted){ .next = arena->adopted, .memory = memory };
    arena->adopted = adopted;
    arena->size += size;
    return 0;
}

int kith_arena_new(kith_arena **arena)
{
    if (!arena)
        return error_fail(-EINVAL, "arena is NULL: give where to store it");
    kith_arena *made = malloc(sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for an arena");
    *made = (kith_arena){ .limit = SIZE_MAX, .work = UINT64_MAX, .least = BLOCK_LEAST };
    *arena = made;
    return 0;
}

/** Gives all memory back but for one block, which it takes out. @return the largest that may be kept; NULL: there is
 *  none */
static struct arena_block *give_back(kith_arena *arena)
{
    for (struct arena_adopted *adopted = arena->adopted; adopted; adopted = adopted->next)
        free(adopted->memory);
    struct arena_block *kept = NULL, *next;
    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        if (block->size <= KEPT && (!kept || block->size > kept->size)) {
            free(kept);
            kept = block;
        } else {
            free(block);
        }
    }
    return kept;
}

void kith_arena_reset(kith_arena *arena)
{
    if (!arena)
        return;
    /* What needed several blocks gets one that is large enough the next time: for all, where so much may be kept. */
    size_t least = arena->size <= KEPT ? arena->size : arena->common;
    least = least < BLOCK_LEAST ? BLOCK_LEAST : least < KEPT ? least : KEPT;
    struct arena_block *kept = give_back(arena);
    if (kept && kept->size < least) {
        free(kept);
        kept = NULL;
    }
    *arena = (kith_arena){ .limit = SIZE_MAX, .work = UINT64_MAX, .least = least };
    if (kept) {
        arena->size = arena->common = kept->size;
        use(arena, kept);
    }
}

void kith_arena_free(kith_arena *arena)
{
    if (!arena)
        return;
    free(give_back(arena));
    free(arena);
}

int kith_arena_error(const kith_arena *arena)
{
    return arena ? arena->error : error_fail(-EINVAL, "arena is NULL");
}

size_t kith_arena_size(const kith_arena *arena)
{
    return arena ? arena->size : 0;
}
