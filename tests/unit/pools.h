/* What the tests of pools are made of: a pool, tasks that do as they are told, and what they count.
 *
 * Tasks run in workers that are forks of the test: so they say and wait by the pipes of family.h, and count in memory
 * that both have. */
#ifndef KITH_TESTS_UNIT_POOLS_H
#define KITH_TESTS_UNIT_POOLS_H

#include "family.h"

#include <stdatomic.h>
#include <sys/mman.h>

static kith_pool *pool;
static kith_arena *arena;
static _Atomic int *ran; /* how many tasks have begun */

/* ---- tasks: each has a number for its argument ---- */

static inline int64_t number_of(kith_call *call)
{
    int64_t number = -1;
    atomic_fetch_add(ran, 1);
    return kith_value_unpack(kith_call_args(call), "(I)", &number) < 0 ? -1 : number;
}

static inline int square(kith_call *call)
{
    int64_t number = number_of(call);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

/** Those that are divisible by 10 wait until they may go. */
static inline int square_or_wait(kith_call *call)
{
    int64_t number = number_of(call);
    if (number % 10 == 0)
        wait_to_go();
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

/** All wait until they may go. */
static inline int wait_for_it(kith_call *call)
{
    number_of(call);
    wait_to_go();
    return 0;
}

/* ---- before and after ---- */

static inline void open_pool(const kith_pool_options *options)
{
    assert_code(kith_pool_new(&pool, options), 0);
}

static inline void close_pool(void)
{
    assert_code(kith_pool_free(pool), 0);
    pool = NULL;
}

static inline kith_pool_stats stats(void)
{
    kith_pool_stats now;
    assert_code(kith_pool_get_stats(pool, &now), 0);
    return now;
}

/** The resident memory of this process, in bytes. Where a sanitizer watches, nothing can be said of it. */
static inline size_t resident(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
#endif
}

/** Waits until all tasks that were handed in have ended. */
static inline void wait_until_done(void)
{
    while (stats().pending > 0)
        usleep(200);
}

static inline int set_up_pool(void **state)
{
    ran = mmap(NULL, sizeof *ran, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ran == MAP_FAILED || set_up(state) < 0 || kith_arena_new(&arena) < 0)
        return -1;
    return kith_pool_new(&pool, &(kith_pool_options){ .workers = 2 });
}

static inline int tear_down_pool(void **state)
{
    kith_pool_free(pool);
    pool = NULL;
    kith_arena_free(arena);
    munmap(ran, sizeof *ran);
    return tear_down(state);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pool, tear_down_pool)

#endif
