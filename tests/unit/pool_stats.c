/* kith/pool.h: what a pool tells of itself. */
#include "pools.h"

static kith_value *number(int64_t n)
{
    return kith_value_pack(arena, "(I)", n);
}

/** Runs a task to its end. @return its code */
static int run_one(kith_entry *work, int64_t n, const kith_task_options *options)
{
    return kith_pool_apply(pool, work, number(n), arena, NULL, options);
}

static int fail_at_once(kith_call *call)
{
    return call ? -EBADMSG : 0;
}

static int die(kith_call *call)
{
    kill(getpid(), SIGKILL);
    return call == NULL;
}

static int die_at_first(kith_call *call)
{
    return kith_call_attempt(call) == 1 ? die(call) : 0;
}

static void wait_until_workers(unsigned count)
{
    while (stats().workers != count)
        usleep(200);
}

static void a_new_pool_has_workers_and_nothing_else(void **state)
{
    (void)state;
    kith_pool_stats now = stats();
    assert_int_equal(now.workers, 2);
    assert_int_equal(now.busy, 0);
    assert_int_equal(now.pending, 0);
    assert_int_equal(now.done, 0);
    assert_int_equal(now.failed, 0);
    assert_int_equal(now.lost, 0);
    assert_int_equal(now.timed_out, 0);
    assert_int_equal(now.retried, 0);
    assert_int_equal(now.replaced, 0);
}

static void the_default_is_a_worker_for_each_cpu(void **state)
{
    (void)state;
    close_pool();
    open_pool(NULL);
    assert_int_equal(stats().workers, kith_cpu_count());
    assert_int_equal(kith_pool_workers(pool, NULL, 0), kith_cpu_count());
}

static void tasks_are_pending_until_they_end(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_code(kith_pool_apply_async(pool, NULL, wait_for_it, number(i), NULL), 0);
    while (stats().busy < 2)
        usleep(200);
    kith_pool_stats now = stats();
    assert_int_equal(now.pending, 5);
    assert_int_equal(now.busy, 2);
    assert_int_equal(now.done, 0);
    assert_true(now.memory > 0);
    for (int i = 0; i < 5; i++)
        let_go();
    wait_until_done();
    assert_int_equal(stats().done, 5);
    while (stats().busy > 0) /* they put the task down after they have reported on it */
        usleep(200);
}

static void how_tasks_end_is_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_code(run_one(square, i, NULL), 0);
    assert_code(run_one(fail_at_once, 0, NULL), -EBADMSG);
    assert_code(run_one(die, 0, NULL), KITH_EWORKERLOST);
    assert_code(run_one(die_at_first, 0, &(kith_task_options){ .retries = 1 }), 0);
    assert_code(run_one(wait_for_it, 0, &(kith_task_options){ .timeout = KITH_MS(10) }), KITH_EOVERTIME);
    kith_pool_stats now = stats();
    assert_int_equal(now.done, 7);
    assert_int_equal(now.failed, 1);
    assert_int_equal(now.lost, 1);
    assert_int_equal(now.timed_out, 1);
    assert_int_equal(now.retried, 1);
    assert_int_equal(now.pending, 0);
    wait_until_workers(2);
    assert_int_equal(stats().replaced, 3);
}

static void workers_that_retire_are_not_counted_as_replaced(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_tasks = 1 });
    for (int i = 0; i < 6; i++)
        assert_code(run_one(square, i, NULL), 0);
    wait_until_workers(2);
    assert_int_equal(stats().replaced, 0);
    assert_int_equal(stats().done, 6);
}

static int tell_pid(kith_call *call)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), getpid()));
}

static void the_workers_are_told_by_their_ids(void **state)
{
    (void)state;
    pid_t pids[3] = { -1, -1, -1 };
    assert_int_equal(kith_pool_workers(pool, pids, 3), 2);
    assert_true(pids[0] > 0 && pids[1] > 0 && pids[0] != pids[1]);
    assert_int_equal(pids[2], -1);
    kith_value *value;
    int64_t pid;
    assert_code(kith_pool_apply(pool, tell_pid, KITH_NO_ARGS, arena, &value, NULL), 0);
    assert_code(kith_value_as_int(value, &pid), 0);
    assert_true(pid == pids[0] || pid == pids[1]);
    pids[1] = -1;
    assert_int_equal(kith_pool_workers(pool, pids, 1), 2);
    assert_int_equal(pids[1], -1);
}

static void a_pool_that_has_ended_has_no_workers(void **state)
{
    (void)state;
    assert_code(run_one(square, 1, NULL), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_int_equal(stats().workers, 0);
    assert_int_equal(stats().done, 1);
    assert_int_equal(kith_pool_workers(pool, NULL, 0), 0);
}

static int ask_as_a_child(void)
{
    kith_pool_stats now;
    EXPECT(kith_pool_get_stats(pool, &now) == -ECHILD);
    EXPECT(kith_pool_workers(pool, NULL, 0) == -ECHILD);
    return 0;
}

static void only_who_made_it_may_ask(void **state)
{
    (void)state;
    assert_int_equal(apart(ask_as_a_child), 0);
}

static void what_is_not_valid_is_refused(void **state)
{
    (void)state;
    kith_pool_stats now;
    assert_explained(kith_pool_get_stats(NULL, &now), -EINVAL);
    assert_explained(kith_pool_get_stats(pool, NULL), -EINVAL);
    assert_explained(kith_pool_workers(NULL, NULL, 0), -EINVAL);
    assert_explained(kith_pool_workers(pool, NULL, 1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(a_new_pool_has_workers_and_nothing_else),
        POOL_TEST(the_default_is_a_worker_for_each_cpu),
        POOL_TEST(tasks_are_pending_until_they_end),
        POOL_TEST(how_tasks_end_is_counted),
        POOL_TEST(workers_that_retire_are_not_counted_as_replaced),
        POOL_TEST(the_workers_are_told_by_their_ids),
        POOL_TEST(a_pool_that_has_ended_has_no_workers),
        POOL_TEST(only_who_made_it_may_ask),
        POOL_TEST(what_is_not_valid_is_refused),
    };
    return cmocka_run_group_tests_name("pool_stats", tests, start_first, NULL);
}
