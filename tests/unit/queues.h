/* What the tests of the queue are made of: one queue, a board on which children and the test tell each other how far
 * they are, and children made by fork, of which a failed test leaves none behind. */
#ifndef KITH_TESTS_UNIT_QUEUES_H
#define KITH_TESTS_UNIT_QUEUES_H

#include "../asleep.h"
#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#define MIB ((size_t)1024 * 1024)

/** What children and the test tell each other. */
static struct board {
    _Atomic int step;
    _Atomic uint64_t sum;
} * board;

static kith_queue *queue;
static int descriptors_before;

/** Those that were begun and not yet ended. */
static pid_t crew[160];

static inline int setup(void **state)
{
    (void)state;
    queue = NULL;
    memset(crew, 0, sizeof crew);
    descriptors_before = descriptors();
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board == MAP_FAILED ? -1 : 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof crew / sizeof *crew; i++) {
        if (crew[i] > 0 && kill(crew[i], SIGKILL) == 0)
            apart_wait(crew[i]);
    }
    kith_queue_free(queue);
    assert_int_equal(descriptors(), descriptors_before);
    return munmap(board, sizeof *board);
}

#define with_board(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* ---- children ---- */

/** Starts a child, as apart_start. */
static inline pid_t begin(int (*body)(void))
{
    size_t i = 0;
    while (crew[i] > 0)
        i++;
    assert_true(i < sizeof crew / sizeof *crew);
    crew[i] = apart_start(body);
    assert_true(crew[i] > 0);
    return crew[i];
}

/** Waits for its end, as apart_wait. */
static inline int end(pid_t child)
{
    for (size_t i = 0; i < sizeof crew / sizeof *crew; i++)
        crew[i] = crew[i] == child ? 0 : crew[i];
    return apart_wait(child);
}

static inline void end_by_kill(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(end(child), -SIGKILL);
}

/** Stops it, and waits until it stands. SIGCONT lets it go on. */
static inline void stop(pid_t child)
{
    int status;
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
}

/** Starts a child that will sleep in a call, and waits until it does. */
static inline pid_t begin_to_sleep(int (*body)(void))
{
    pid_t child = begin(body);
    while (!in_futex(child))
        sched_yield();
    return child;
}

static inline void wait_for_step(int step)
{
    while (atomic_load(&board->step) < step)
        sched_yield();
}

static inline void take_step(void)
{
    atomic_fetch_add(&board->step, 1);
}

/** Says that it has come so far, and waits for the end. */
static inline int stay(void)
{
    take_step();
    for (;;)
        pause();
    return 1;
}

/* ---- the queue and its messages ---- */

static inline void make(uint64_t max_items, uint64_t max_bytes)
{
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .max_items = max_items, .max_bytes = max_bytes }), 0);
}

static inline int put_number(uint64_t number, kith_timeout timeout)
{
    return kith_queue_put(queue, &number, sizeof number, timeout);
}

/** @return the number; UINT64_MAX when there is none, or something else than a number */
static inline uint64_t get_number(kith_timeout timeout)
{
    uint64_t number;
    size_t size;
    int code = kith_queue_get(queue, &number, sizeof number, &size, timeout);
    return code == 0 && size == sizeof number ? number : UINT64_MAX;
}

/** What a get says that finds nothing, or should. */
static inline int get_code(kith_timeout timeout)
{
    uint64_t number;
    size_t size;
    return kith_queue_get(queue, &number, sizeof number, &size, timeout);
}

static inline void put_numbers(uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        assert_code(put_number(number, KITH_NOWAIT), 0);
}

static inline kith_queue_stats stats_now(void)
{
    kith_queue_stats stats;
    assert_code(kith_queue_get_stats(queue, &stats), 0);
    return stats;
}

static inline void fill(unsigned char *data, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 7 + seed);
}

/** For processes in which cmocka's assertions do not work. */
#define EXPECT_REFUSED(call, code)                                                  \
    do {                                                                            \
        int got = (call);                                                           \
        if (got != (code) || strlen(kith_error_detail()) < 10)                      \
            fprintf(stderr, "%s: %s\n", kith_error_name(got), kith_error_detail()); \
        EXPECT(got == (code) && strlen(kith_error_detail()) >= 10);                 \
    } while (0)

#endif
