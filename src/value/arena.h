/* The arena inside: memory that is taken by moving a pointer, and given back all at once. */
#ifndef KITH_SRC_VALUE_ARENA_H
#define KITH_SRC_VALUE_ARENA_H

#include <kith/value.h>

#include <stdalign.h>
#include <string.h>

#define ARENA_ALIGNMENT 8

struct kith_arena {
    char *next; /* the free part of the block in use */
    char *end;
    struct arena_block *blocks; /* all of them, the one in use first */
    size_t size;                /* of all blocks and adopted memory, in bytes */
    size_t limit;               /* size may not exceed it; SIZE_MAX: no bound. For the time of a reading */
    int error;                  /* the first failure */
};

/** The slow way of arena_take: another block. */
void *arena_take_slowly(kith_arena *arena, size_t size);

/** Takes memory, aligned to ARENA_ALIGNMENT. @param size  at most PTRDIFF_MAX
 *  @return it; NULL when there is none (-ENOMEM) or the limit is reached (KITH_ELIMIT): arena->error and the detail say
 *          so, the error only the first one */
static inline void *arena_take(kith_arena *arena, size_t size)
{
    size_t rounded = (size + (ARENA_ALIGNMENT - 1)) & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (rounded > (size_t)(arena->end - arena->next))
        return arena_take_slowly(arena, size);
    void *memory = arena->next;
    arena->next += rounded;
    return memory;
}

/** Copies bytes into the arena, with a NUL byte behind them. @return as arena_take */
static inline char *arena_copy(kith_arena *arena, const void *bytes, size_t size)
{
    char *copy = arena_take(arena, size + 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

/** Makes memory from malloc the arena's, which frees it when it is reset. @return 0; -ENOMEM: it stays the caller's */
int arena_adopt(kith_arena *arena, void *memory, size_t size);

/** Keeps the first failure, and the detail. @return NULL, so that a maker's failing line reads
 *  `return arena_fail(...)` */
void *arena_fail(kith_arena *arena, int code, const char *format, ...) KITH_PRINTF(3, 4) __attribute__((cold));

#endif
