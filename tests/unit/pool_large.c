/* kith/pool.h: tasks and results of all sizes, the memory that they take, and what a task tells of its failure. */
#include "pools.h"

#include <stdlib.h>
#include <sys/resource.h>

#define BLOCK ((size_t)256 * 1024) /* chunks up to this size share memory */

static int echo(kith_call *call)
{
    size_t size;
    const void *data = kith_call_bytes(call, &size);
    return kith_call_return_bytes(call, data, size);
}

static int give_back(kith_call *call)
{
    return kith_call_return(call, kith_call_args(call));
}

static int fail_with_detail(kith_call *call)
{
    return kith_call_fd(call, "no such descriptor");
}

static int fail_without(kith_call *call)
{
    return call ? -ENOENT : 0;
}

static unsigned char *seeded(size_t size, unsigned seed)
{
    unsigned char *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 31 + i / 251 + seed);
    return data;
}

static void comes_back(size_t size)
{
    unsigned char *data = seeded(size, 0);
    kith_bytes back;
    assert_code(kith_pool_apply_bytes(pool, echo, data, size, &back, NULL), 0);
    assert_int_equal(back.size, size);
    assert_memory_equal(back.data, data, size);
    kith_bytes_free(&back);
    free(data);
}

static void bytes_of_any_size_come_back(void **state)
{
    (void)state;
    for (size_t size = BLOCK - 200; size < BLOCK + 100; size += 33)
        comes_back(size);
    comes_back(1);
    comes_back(3 * BLOCK - 56);
    comes_back(20 * BLOCK + 7);
}

static void many_sizes_at_once_do_not_touch_each_other(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    kith_message messages[COUNT];
    kith_bytes results[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        size_t size = i % 3 == 0 ? 100 + i : i % 3 == 1 ? i * 4000 : i * 17000;
        messages[i] = (kith_message){ seeded(size, i), size };
    }
    for (int times = 0; times < 2; times++) {
        assert_code(kith_pool_map_bytes(pool, echo, messages, COUNT, results, &(kith_task_options){ .chunk = 1 }), 0);
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(results[i].size, messages[i].size);
            assert_memory_equal(results[i].data, messages[i].data, messages[i].size);
            kith_bytes_free(&results[i]);
        }
    }
    for (unsigned i = 0; i < COUNT; i++)
        free((void *)(uintptr_t)messages[i].data);
}

static void memory_of_large_tasks_is_given_back(void **state)
{
    (void)state;
    comes_back(64 * BLOCK);
    wait_until_done();
    assert_in_range(stats().memory, 1, 40 * BLOCK);
}

static void arguments_may_nest_as_deep_as_values(void **state)
{
    (void)state;
    kith_value *value = kith_value_none(arena), *back;
    for (int i = 0; i < KITH_VALUE_DEPTH_MAX; i++)
        value = kith_value_tuple(arena, &value, 1);
    assert_code(kith_pool_apply(pool, give_back, value, arena, &back, NULL), 0);
    assert_int_equal(kith_value_equal(value, back), 1);
}

static void a_failure_tells_no_older_detail(void **state)
{
    (void)state;
    kith_result *results[2];
    kith_outcome outcomes[2];
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1 });
    for (int i = 0; i < 2; i++) {
        kith_entry *work = i == 0 ? fail_with_detail : fail_without;
        assert_code(kith_pool_apply_async(pool, &results[i], work, KITH_NO_ARGS, NULL), 0);
        assert_code(kith_result_wait(results[i], KITH_FOREVER), 0);
        assert_code(kith_result_outcome(results[i], 0, &outcomes[i]), 0);
        assert_int_equal(outcomes[i].code, -ENOENT);
    }
    assert_non_null(strstr(outcomes[0].detail, "no such descriptor"));
    assert_null(strstr(outcomes[1].detail, "no such descriptor"));
    kith_result_free(results[0]);
    kith_result_free(results[1]);
}

/** A pool where address space is short. */
static int make_do(void)
{
    struct rlimit limit;
    kith_pool *small;
    kith_bytes back;
    if (getrlimit(RLIMIT_AS, &limit) < 0)
        return 1;
    limit.rlim_cur = (rlim_t)4 << 30;
    if (setrlimit(RLIMIT_AS, &limit) < 0 || kith_pool_new(&small, &(kith_pool_options){ .workers = 1 }) < 0)
        return 2;
    if (kith_pool_apply_bytes(small, echo, "small", 5, &back, NULL) < 0 || back.size != 5)
        return 3;
    kith_bytes_free(&back);
    return kith_pool_free(small);
}

static void a_pool_makes_do_with_little_address_space(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they need terabytes of it */
#endif
    close_pool();
    assert_int_equal(apart(make_do), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(bytes_of_any_size_come_back),         POOL_TEST(many_sizes_at_once_do_not_touch_each_other),
        POOL_TEST(memory_of_large_tasks_is_given_back), POOL_TEST(arguments_may_nest_as_deep_as_values),
        POOL_TEST(a_failure_tells_no_older_detail),     POOL_TEST(a_pool_makes_do_with_little_address_space),
    };
    if (kith_begin(argc, argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
