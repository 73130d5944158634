/* Has the nth allocation of the library fail, whichever of malloc, calloc and realloc it is. The program's own
 * definitions are taken before the C library's, also by libkith. */
#ifndef KITH_TESTS_UNIT_ALLOCATIONS_H
#define KITH_TESTS_UNIT_ALLOCATIONS_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static struct {
    bool counting;
    unsigned left; /* how many to let through */
    bool struck;
} allocations;

/** Refuses the nth allocation (1 is the next) from now on, once. */
static inline void allocations_refuse(unsigned n)
{
    allocations.left = n;
    allocations.struck = false;
    allocations.counting = true;
}

/** Refuses no more. @return whether one was refused */
static inline bool allocations_relent(void)
{
    allocations.counting = false;
    return allocations.struck;
}

static bool is_refused(void)
{
    if (!allocations.counting || allocations.struck || --allocations.left > 0)
        return false;
    allocations.struck = true;
    errno = ENOMEM;
    return true;
}

/** The function that this program's own one stands in for. */
static void *original(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t size)
{
    static void *(*real)(size_t);
    if (!real)
        *(void **)&real = original("malloc");
    return is_refused() ? NULL : real(size);
}

void *realloc(void *memory, size_t size)
{
    static void *(*real)(void *, size_t);
    if (!real)
        *(void **)&real = original("realloc");
    return is_refused() ? NULL : real(memory, size);
}

void *calloc(size_t count, size_t size)
{
    static void *(*real)(size_t, size_t);
    if (!real)
        *(void **)&real = original("calloc");
    return is_refused() ? NULL : real(count, size);
}

#endif
