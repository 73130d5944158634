/* The arena inside: memory that is taken by moving a pointer, and given back all at once. */
#ifndef KITH_SRC_VALUE_ARENA_H
#define KITH_SRC_VALUE_ARENA_H

#include <kith/value.h>

#include <stdalign.h>
#include <string.h>

#define ARENA_ALIGNMENT 8

/* With AddressSanitizer each piece has a guard behind it, and nobody may touch what is free, or ended with a reset. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_IS_GUARDED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_IS_GUARDED
#endif
#endif

#ifdef ARENA_IS_GUARDED
#define ARENA_GUARD ARENA_ALIGNMENT
void __asan_poison_memory_region(const volatile void *memory, size_t size);
void __asan_unpoison_memory_region(const volatile void *memory, size_t size);
#define arena_forbid(memory, size) __asan_poison_memory_region((memory), (size))
#define arena_allow(memory, size) __asan_unpoison_memory_region((memory), (size))
#else
#define ARENA_GUARD 0
#define arena_forbid(memory, size) ((void)(memory), (void)(size))
#define arena_allow(memory, size) ((void)(memory), (void)(size))
#endif

struct kith_arena {
    char *next; /* the free part of the block in use */
    char *end;
    struct arena_block *blocks;    /* all of them, the one in use first */
    struct arena_adopted *adopted; /* memory that came from elsewhere */
    size_t size;                   /* of all blocks and adopted memory, in bytes */
    size_t common;                 /* of it, what is in blocks for many pieces */
    size_t least;                  /* how large the next block is at least */
    size_t limit;                  /* size may not exceed it; SIZE_MAX: no bound. For the time of a reading */
    uint64_t work;                 /* the steps that comparing keys may still take, all together; UINT64_MAX: no bound.
                                      For the time of a reading: hostile keys could take their square */
    int error;                     /* the first failure */
    int last;                      /* the last one, for who has but a NULL to tell from */
};

/** What a piece takes of its block. */
static inline size_t arena_round(size_t size)
{
    return ((size + (ARENA_ALIGNMENT - 1)) & ~(size_t)(ARENA_ALIGNMENT - 1)) + ARENA_GUARD;
}

/** The slow way of arena_take: another block. */
void *arena_take_slowly(kith_arena *arena, size_t size);

/** Takes memory, aligned to ARENA_ALIGNMENT. @param size  at most PTRDIFF_MAX
 *  @return it; NULL when there is none (-ENOMEM) or the limit is reached (KITH_ELIMIT): arena->error and the detail say
 *          so, the error only the first one */
static inline void *arena_take(kith_arena *arena, size_t size)
{
    size_t rounded = arena_round(size);
    if (rounded > (size_t)(arena->end - arena->next))
        return arena_take_slowly(arena, size);
    void *memory = arena->next;
    arena->next += rounded;
    arena_allow(memory, size);
    return memory;
}

/** What is free in the block in use, for who does not know yet how much it will be: it may be written to, and the next
 *  arena_take of up to capacity bytes gives it. @return where; NULL when capacity is 0 */
static inline void *arena_room(kith_arena *arena, size_t *capacity)
{
    size_t left = (size_t)(arena->end - arena->next) & ~(size_t)(ARENA_ALIGNMENT - 1);
    *capacity = left > ARENA_GUARD ? left - ARENA_GUARD : 0;
    arena_allow(arena->next, *capacity);
    return *capacity ? arena->next : NULL;
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

/** Takes a larger piece for what is in a smaller one: the same, longer, where nothing was taken since.
 *  @param old  may be NULL when old_size is 0. @return as arena_take */
void *arena_grow(kith_arena *arena, void *old, size_t old_size, size_t size);

/** Makes memory from malloc the arena's, which frees it when it is reset.
 *  @return 0; or a code: it stays the caller's */
int arena_adopt(kith_arena *arena, void *memory, size_t size);

/** Keeps the first failure, and the detail. @return NULL, so that a maker's failing line reads
 *  `return arena_fail(...)` */
void *arena_fail(kith_arena *arena, int code, const char *format, ...) KITH_PRINTF(3, 4) __attribute__((cold));

#endif
