/* kith/pool.h: how many tasks are handed to a worker at a time. What the log tells is looked at, by tests whose pool is
 * in a process apart, and what workers do of it. */
#include "pools.h"

#include <time.h>

/* ---- the log ---- */

static int log_file;
static size_t sizes[256]; /* the chunks that were told of, in order */
static size_t told;
static char reasons[1 << 16];

/** Runs the function in a process whose log goes to the file, and reads that. */
static void run_logged(int (*body)(void))
{
    log_file = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_file >= 0);
    int code = apart(body);
    ssize_t size = pread(log_file, reasons, sizeof reasons - 1, 0);
    close(log_file);
    assert_int_equal(code, 0);
    assert_true(size >= 0);
    reasons[size] = 0;
    told = 0;
    for (const char *at = reasons; (at = strstr(at, "chunks of ")) && told < 256; at++)
        sizes[told++] = strtoul(at + strlen("chunks of "), NULL, 10);
}

static size_t largest(void)
{
    size_t most = 0;
    for (size_t i = 0; i < told; i++)
        most = sizes[i] > most ? sizes[i] : most;
    return most;
}

static int tells(const char *reason)
{
    return strstr(reasons, reason) != NULL;
}

/* ---- what is run apart: a map of numbers, in 2 workers ---- */

static int map_numbers(kith_entry *work, int64_t count, unsigned max_pending, const kith_task_options *options)
{
    EXPECT(dup2(log_file, STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_arena_new(&arena) == 0);
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 2, .max_pending = max_pending }) == 0);
    EXPECT(kith_log_to_stderr(KITH_LOG_DEBUG) == 0);
    kith_value *items = kith_value_list(arena);
    for (int64_t i = 0; i < count; i++)
        EXPECT(kith_value_append(items, kith_value_int(arena, i)) == 0);
    EXPECT(kith_pool_map(pool, work, items, arena, NULL, options) == 0);
    EXPECT(kith_pool_free(pool) == 0);
    kith_arena_free(arena);
    return 0;
}

static int nothing(kith_call *call)
{
    return call == NULL;
}

static int make_nothing(void *context, kith_arena *own, kith_value **args)
{
    (void)own;
    *args = NULL;
    return (*(int *)context)-- > 0;
}

static int two_milliseconds(kith_call *call)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    return call == NULL;
}

/** Quick at first, then not. */
static int slower_and_slower(kith_call *call)
{
    int64_t number;
    if (kith_value_unpack(kith_call_args(call), "(I)", &number) < 0)
        return 1;
    return number < 5000 ? 0 : two_milliseconds(call);
}

static int map_quick(void)
{
    return map_numbers(nothing, 30000, 0, NULL);
}

static void quick_tasks_go_many_at_a_time(void **state)
{
    (void)state;
    run_logged(map_quick);
    assert_int_equal(sizes[0], 1);
    assert_true(largest() >= 64);
    assert_true(largest() <= 30000 / 2 / 4);
    for (size_t i = 1; i < told; i++)
        assert_true(sizes[i] < 8 * sizes[i - 1]); /* four times at most; what was told may have grown to twice since */
    assert_true(sizes[told - 1] <= 2);            /* in the end, so that no worker is left without */
    assert_true(tells("chunks of 1: it is not known yet what the tasks take"));
    assert_true(tells(" us on average"));
    assert_true(tells("a quarter of each worker's part"));
}

static int map_quick_with_little_room(void)
{
    return map_numbers(nothing, 3000, 32, NULL);
}

static void a_pool_that_takes_few_tasks_gets_small_chunks(void **state)
{
    (void)state;
    run_logged(map_quick_with_little_room);
    assert_in_range(largest(), 1, 32 / 2 / 4);
}

static int map_slow(void)
{
    return map_numbers(two_milliseconds, 30, 0, NULL);
}

static void slow_tasks_go_one_at_a_time(void **state)
{
    (void)state;
    run_logged(map_slow);
    assert_int_equal(largest(), 1);
    assert_int_equal(told, 1); /* for it does not change */
}

static int map_slower(void)
{
    return map_numbers(slower_and_slower, 5300, 100, NULL);
}

static void tasks_that_become_slow_go_one_at_a_time_then(void **state)
{
    (void)state;
    run_logged(map_slower);
    assert_true(largest() > 4);
    assert_int_equal(sizes[told - 1], 1);
    assert_true(tells("chunks of 1: the tasks take"));
}

static int map_by_the_hundred(void)
{
    return map_numbers(nothing, 1050, 0, &(kith_task_options){ .chunk = 100 });
}

static void what_was_asked_for_is_done(void **state)
{
    (void)state;
    run_logged(map_by_the_hundred);
    assert_int_equal(sizes[0], 100);
    assert_int_equal(sizes[told - 1], 50);
    assert_int_equal(told, 2);
    assert_true(tells("as asked"));
}

static int walk(void)
{
    int left = 20000;
    kith_imap *imap;
    EXPECT(dup2(log_file, STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 2 }) == 0);
    EXPECT(kith_log_to_stderr(KITH_LOG_DEBUG) == 0);
    EXPECT(kith_pool_imap(pool, &imap, nothing, make_nothing, &left, &(kith_task_options){ .ahead = 800 }) == 0);
    for (int i = 0; i < 20000; i++)
        EXPECT(kith_imap_next(imap, NULL, NULL, KITH_FOREVER) == 0);
    EXPECT(kith_imap_next(imap, NULL, NULL, KITH_FOREVER) == KITH_EEMPTY);
    kith_imap_free(imap);
    EXPECT(kith_pool_free(pool) == 0);
    return 0;
}

static void a_walk_has_several_chunks_for_each_worker(void **state)
{
    (void)state;
    run_logged(walk);
    assert_int_equal(sizes[0], 1);
    assert_true(largest() > 16);
    assert_true(largest() <= 800 / 2 / 4);
}

/* ---- what comes of it ---- */

static int tell_pid(kith_call *call)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), getpid()));
}

static kith_value *numbers(int64_t count)
{
    kith_value *items = kith_value_list(arena);
    for (int64_t i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static int64_t int_at(const kith_value *list, size_t index)
{
    int64_t number;
    assert_code(kith_value_as_int(kith_value_at(list, index), &number), 0);
    return number;
}

static void a_chunk_is_one_workers(void **state)
{
    (void)state;
    kith_value *pids;
    assert_code(kith_pool_map(pool, tell_pid, numbers(95), arena, &pids, &(kith_task_options){ .chunk = 10 }), 0);
    assert_int_equal(kith_value_length(pids), 95);
    for (size_t i = 0; i < 95; i++)
        assert_int_equal(int_at(pids, i), int_at(pids, i / 10 * 10));
}

static void a_worker_that_retires_leaves_the_rest_of_its_chunk_to_others(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_tasks = 7 });
    kith_value *pids;
    assert_code(kith_pool_map(pool, tell_pid, numbers(60), arena, &pids, &(kith_task_options){ .chunk = 20 }), 0);
    for (size_t i = 0; i < 60; i++) {
        int same = 0;
        for (size_t j = 0; j < 60; j++)
            same += int_at(pids, i) == int_at(pids, j);
        assert_in_range(same, 1, 7);
    }
    assert_int_equal(stats().lost, 0);
}

/** The tasks that are divisible by 10 kill their worker. */
static int die_at_times(kith_call *call)
{
    int64_t number = number_of(call);
    if (number % 10 == 0)
        kill(getpid(), SIGKILL);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

static void a_worker_that_dies_leaves_the_rest_of_its_chunk_to_others(void **state)
{
    (void)state;
    kith_result *result;
    assert_code(kith_pool_map_async(pool, &result, die_at_times, numbers(30), &(kith_task_options){ .chunk = 30 }), 0);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    for (size_t i = 0; i < 30; i++) {
        kith_value *value;
        int64_t number;
        assert_code(kith_result_at(result, i, arena, &value), i % 10 == 0 ? KITH_EWORKERLOST : 0);
        if (i % 10 == 0)
            continue;
        assert_code(kith_value_as_int(value, &number), 0);
        assert_int_equal(number, i * i);
    }
    kith_result_free(result);
    assert_int_equal(atomic_load(ran), 30); /* none was begun twice */
    assert_int_equal(stats().lost, 3);
}

static void each_task_of_a_chunk_has_its_own_time_limit(void **state)
{
    (void)state;
    kith_result *result;
    kith_task_options options = { .chunk = 120, .timeout = KITH_MS(200) };
    assert_code(kith_pool_map_async(pool, &result, two_milliseconds, numbers(120), &options), 0);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0); /* that is 240 ms for all */
    assert_code(kith_result_get(result, NULL, NULL, KITH_NOWAIT), 0);
    kith_result_free(result);
}

static void what_a_chunk_has_not_begun_can_be_given_up(void **state)
{
    (void)state;
    kith_result *result;
    assert_code(kith_pool_map_async(pool, &result, square_or_wait, numbers(9), &(kith_task_options){ .chunk = 9 }), 0);
    while (atomic_load(ran) == 0)
        usleep(200);
    assert_code(kith_result_cancel(result), 0);
    let_go();
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    assert_code(kith_result_at(result, 0, NULL, NULL), 0);
    for (size_t i = 1; i < 9; i++)
        assert_explained(kith_result_at(result, i, NULL, NULL), -ECANCELED);
    kith_result_free(result);
    assert_int_equal(atomic_load(ran), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(quick_tasks_go_many_at_a_time),
        TEST(a_pool_that_takes_few_tasks_gets_small_chunks),
        TEST(slow_tasks_go_one_at_a_time),
        TEST(tasks_that_become_slow_go_one_at_a_time_then),
        TEST(what_was_asked_for_is_done),
        TEST(a_walk_has_several_chunks_for_each_worker),
        POOL_TEST(a_chunk_is_one_workers),
        POOL_TEST(a_worker_that_retires_leaves_the_rest_of_its_chunk_to_others),
        POOL_TEST(a_worker_that_dies_leaves_the_rest_of_its_chunk_to_others),
        POOL_TEST(each_task_of_a_chunk_has_its_own_time_limit),
        POOL_TEST(what_a_chunk_has_not_begun_can_be_given_up),
    };
    return cmocka_run_group_tests_name("pool_chunks", tests, start_first, NULL);
}
