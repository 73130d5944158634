/* How a fuzzer ends when it has found something, how it watches memory, and small things that several need. */
#include "fuzz.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\nthe library's last word: %s\n", file, line, what,
            kith_error_detail());
    abort();
}

void fuzz_require_code(const char *file, int line, const char *what, int code, const int *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code == allowed[i])
            return;
    }
    fprintf(stderr, "%s is %d, %s\n", what, code, kith_error_name(code));
    fuzz_fail(file, line, "the code is one of those that may be");
}

kith_arena *fuzz_arena(void)
{
    kith_arena *arena;
    REQUIRE_CODE(kith_arena_new(&arena), 0);
    return arena;
}

uint64_t fuzz_number_at(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* ---- memory, as AddressSanitizer tells it: sanitizer/allocator_interface.h ---- */

__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                                                    void (*on_free)(const volatile void *));
__attribute__((weak)) size_t __sanitizer_get_allocated_size(const volatile void *memory);

static _Atomic ptrdiff_t live;
static _Atomic ptrdiff_t peak;

static void on_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    ptrdiff_t now = atomic_fetch_add_explicit(&live, (ptrdiff_t)size, memory_order_relaxed) + (ptrdiff_t)size;
    if (now > atomic_load_explicit(&peak, memory_order_relaxed))
        atomic_store_explicit(&peak, now, memory_order_relaxed);
}

static void on_free(const volatile void *memory)
{
    if (memory)
        atomic_fetch_sub_explicit(&live, (ptrdiff_t)__sanitizer_get_allocated_size(memory), memory_order_relaxed);
}

void fuzz_watch_memory(void)
{
    static bool installed;
    if (!installed && __sanitizer_install_malloc_and_free_hooks)
        REQUIRE(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
    installed = true;
    atomic_store_explicit(&live, 0, memory_order_relaxed);
    atomic_store_explicit(&peak, 0, memory_order_relaxed);
}

size_t fuzz_memory_peak(void)
{
    return (size_t)atomic_load_explicit(&peak, memory_order_relaxed);
}
