/* Has the heap refuse the nth piece of memory, of whatever thread, and counts what is given back.
 *
 * The program's own malloc takes the place of the C library's, and asks it. With AddressSanitizer there is no such
 * malloc, and valgrind puts its own in its place: then nothing is ever refused. */
#ifndef KITH_TESTS_UNIT_SHORTAGE_H
#define KITH_TESTS_UNIT_SHORTAGE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static struct {
    _Atomic unsigned left; /* how many pieces there are before one is refused; 0: none is refused */
    unsigned after;        /* what left becomes then: 1 has all be refused that follow */
    _Atomic bool struck;
    _Atomic long pieces; /* taken and not given back */
} shortage;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHORTAGE_IS_IMPOSSIBLE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHORTAGE_IS_IMPOSSIBLE
#endif
#endif

#ifndef SHORTAGE_IS_IMPOSSIBLE

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static inline bool shortage_strikes(void)
{
    unsigned left = shortage.left;
    while (left > 0 && !atomic_compare_exchange_weak(&shortage.left, &left, left - 1))
        continue;
    if (left != 1)
        return false;
    shortage.left = shortage.after;
    shortage.struck = true;
    errno = ENOMEM;
    return true;
}

static inline void *shortage_count(void *memory)
{
    shortage.pieces += memory != NULL;
    return memory;
}

void *malloc(size_t size)
{
    return shortage_strikes() ? NULL : shortage_count(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return shortage_strikes() ? NULL : shortage_count(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    if (shortage_strikes())
        return NULL;
    void *moved = __libc_realloc(memory, size);
    shortage.pieces += !memory && moved;
    return moved;
}

void free(void *memory)
{
    shortage.pieces -= memory != NULL;
    __libc_free(memory);
}

#endif

/** Refuses the nth piece (1 is the next) from now on, once; and counts anew. */
static inline void shortage_begin(unsigned n)
{
    shortage.pieces = 0;
    shortage.struck = false;
    shortage.after = 0;
    shortage.left = n;
}

/** Refuses the nth piece and all that follow. */
static inline void shortage_begin_for_good(unsigned n)
{
    shortage_begin(n);
    shortage.after = 1;
}

/** Refuses no more. @return whether one was refused */
static inline bool shortage_end(void)
{
    shortage.left = 0;
    return shortage.struck;
}

#endif
