/* kith/pool.h: how pools end: closed, terminated, freed, at exit, with their owner; and what a child has of them. */
#include "pools.h"

#include <pthread.h>
#include <sys/resource.h>

static kith_value *number(int value)
{
    return kith_value_pack(arena, "(i)", value);
}

static kith_result *hand_in(kith_entry *work, int value)
{
    kith_result *result;
    assert_code(kith_pool_apply_async(pool, &result, work, number(value), NULL), 0);
    return result;
}

static int give_nothing(kith_call *call)
{
    return call == NULL;
}

/* Does not heed SIGTERM, and says that it is there. */
static int sleep_through(kith_call *call)
{
    signal(SIGTERM, SIG_IGN);
    number_of(call);
    say('r');
    for (;;)
        pause();
    return 0;
}

static int say_and_sleep(kith_call *call)
{
    number_of(call);
    say('r');
    for (;;)
        pause();
    return 0;
}

/* ---- closed ---- */

static void a_closed_pool_takes_no_tasks_and_does_those_it_has(void **state)
{
    (void)state;
    kith_result *result, *running = hand_in(wait_for_it, 1), *waiting[10];
    for (int i = 0; i < 10; i++)
        waiting[i] = hand_in(square, i);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_explained(kith_pool_apply(pool, square, number(1), NULL, NULL, NULL), KITH_ECLOSED);
    assert_explained(kith_pool_apply_async(pool, &result, square, number(1), NULL), KITH_ECLOSED);
    assert_explained(kith_pool_map(pool, square, kith_value_pack(arena, "[i]", 1), NULL, NULL, NULL), KITH_ECLOSED);
    assert_code(kith_pool_join(pool, KITH_MS(1)), -ETIMEDOUT);
    let_go();
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_code(kith_pool_join(pool, KITH_NOWAIT), 0);
    assert_code(kith_result_get(running, NULL, NULL, KITH_NOWAIT), 0);
    kith_result_free(running);
    for (int i = 0; i < 10; i++) {
        assert_code(kith_result_get(waiting[i], NULL, NULL, KITH_NOWAIT), 0);
        kith_result_free(waiting[i]);
    }
    assert_int_equal(stats().workers, 0);
}

static void a_map_that_is_on_its_way_is_done_before_a_closed_pool_ends(void **state)
{
    (void)state;
    kith_result *result;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 5 });
    kith_value *items = kith_value_list(arena), *list = NULL;
    for (int i = 0; i < 500; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    assert_code(kith_pool_map_async(pool, &result, square, items, NULL), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_code(kith_result_get(result, arena, &list, KITH_NOWAIT), 0);
    assert_int_equal(kith_value_length(list), 500);
    kith_result_free(result);
}

static void a_pool_that_had_nothing_to_do_ends_as_well(void **state)
{
    (void)state;
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static void an_open_pool_can_not_be_joined(void **state)
{
    (void)state;
    assert_explained(kith_pool_join(pool, KITH_FOREVER), -EPERM);
}

static void *close_it(void *nothing)
{
    return kith_pool_close(pool) == 0 ? nothing : pool;
}

static void several_threads_join(void **state)
{
    (void)state;
    pthread_t thread;
    kith_result *running = hand_in(wait_for_it, 1);
    assert_int_equal(pthread_create(&thread, NULL, close_it, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    let_go();
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    kith_result_free(running);
}

/* ---- terminated ---- */

static void a_terminated_pool_gives_all_tasks_up(void **state)
{
    (void)state;
    kith_outcome outcome;
    kith_result *results[30], *map;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 100 });
    for (int i = 0; i < 30; i++)
        results[i] = hand_in(say_and_sleep, i);
    assert_int_equal(hear(), 'r');
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < 500; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    assert_code(kith_pool_map_async(pool, &map, square, items, NULL), 0);
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_terminate(pool), 0);
    for (int i = 0; i < 30; i++) {
        assert_code(kith_result_get(results[i], NULL, NULL, KITH_NOWAIT), -ECANCELED);
        assert_code(kith_result_outcome(results[i], 0, &outcome), 0);
        assert_true(strlen(outcome.detail) > 0);
        kith_result_free(results[i]);
    }
    assert_int_equal(kith_result_done(map), 500);
    assert_code(kith_result_get(map, NULL, NULL, KITH_NOWAIT), -ECANCELED);
    kith_result_free(map);
    assert_explained(kith_pool_apply(pool, square, number(1), NULL, NULL, NULL), KITH_ECLOSED);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static void results_that_were_there_stay(void **state)
{
    (void)state;
    kith_value *value = NULL;
    int64_t got = 0;
    kith_result *result = hand_in(square, 12);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    close_pool();
    assert_code(kith_result_get(result, arena, &value, KITH_NOWAIT), 0);
    assert_code(kith_value_as_int(value, &got), 0);
    assert_int_equal(got, 144);
    kith_result_free(result);
}

static void a_closed_pool_can_be_terminated(void **state)
{
    (void)state;
    kith_result *result = hand_in(say_and_sleep, 1);
    assert_int_equal(hear(), 'r');
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_MS(1)), -ETIMEDOUT);
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_NOWAIT), -ECANCELED);
    kith_result_free(result);
}

static void a_worker_that_does_not_heed_is_killed(void **state)
{
    (void)state;
    pid_t pids[2];
    kith_result *result = hand_in(sleep_through, 1);
    assert_int_equal(hear(), 'r');
    assert_int_equal(kith_pool_workers(pool, pids, 2), 2);
    kill(pids[0], SIGSTOP); /* nor does one that is stopped */
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_join(pool, KITH_SECONDS(60)), 0);
    assert_int_equal(kith_pool_workers(pool, pids, 2), 0);
    kith_result_free(result);
}

/* ---- freed ---- */

static void a_pool_is_freed_whatever_it_is_at(void **state)
{
    (void)state;
    kith_result *result;
    close_pool();
    open_pool(NULL);
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1 });
    result = hand_in(say_and_sleep, 1);
    assert_int_equal(hear(), 'r');
    close_pool();
    assert_int_equal(kith_result_ready(result), 1);
    kith_result_free(result);
    open_pool(&(kith_pool_options){ .workers = 1 });
    assert_code(kith_pool_close(pool), 0);
    close_pool();
    assert_code(kith_pool_free(NULL), 0);
}

static size_t descriptors_now(void)
{
    return (size_t)descriptors();
}

static void pools_leave_nothing_behind(void **state)
{
    (void)state;
    close_pool();
    size_t before = descriptors_now();
    for (int i = 0; i < 20; i++) {
        open_pool(&(kith_pool_options){ .workers = 3 });
        assert_code(kith_pool_apply(pool, square, number(1), NULL, NULL, NULL), 0);
        close_pool();
    }
    assert_int_equal(descriptors_now(), before);
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

static void it_takes_no_more_descriptors_than_it_says(void **state)
{
    (void)state;
    close_pool();
    size_t before = descriptors_now();
    open_pool(&(kith_pool_options){ .workers = 4 });
    assert_int_equal(descriptors_now() - before, 4 * 2 + 4);
}

/* ---- workers that retire ---- */

static void a_worker_that_has_run_its_tasks_is_replaced(void **state)
{
    (void)state;
    kith_value *list = NULL;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_tasks = 7 });
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < 100; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    for (unsigned chunk = 0; chunk < 20; chunk += 9) {
        kith_task_options options = { .chunk = chunk };
        assert_code(kith_pool_map(pool, square, items, arena, &list, &options), 0);
        for (size_t i = 0; i < 100; i++) {
            int64_t got = -1;
            assert_code(kith_value_as_int(kith_value_at(list, i), &got), 0);
            assert_int_equal(got, i * i);
        }
    }
    assert_int_equal(atomic_load(ran), 300);
    assert_int_equal(stats().lost, 0);
}

/* ---- other processes ---- */

static int use_in_a_child(void)
{
    kith_result *result = NULL;
    EXPECT(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, NULL, NULL) == -ECHILD);
    EXPECT(strlen(kith_error_detail()) > 10);
    EXPECT(kith_pool_apply_async(pool, &result, give_nothing, KITH_NO_ARGS, NULL) == -ECHILD);
    EXPECT(kith_pool_map_bytes(pool, give_nothing, NULL, 0, NULL, NULL) == -ECHILD);
    EXPECT(kith_pool_close(pool) == -ECHILD);
    EXPECT(kith_pool_terminate(pool) == -ECHILD);
    EXPECT(kith_pool_join(pool, KITH_NOWAIT) == -ECHILD);
    return 0;
}

static kith_result *inherited;

static int free_in_a_child(void)
{
    int before = descriptors();
    EXPECT(kith_result_wait(inherited, KITH_NOWAIT) == -ECHILD);
    kith_result_free(inherited);
    EXPECT(kith_pool_free(pool) == 0);
    EXPECT(descriptors() < before);
    return 0;
}

static void in_a_forked_child_a_pool_can_only_be_freed(void **state)
{
    (void)state;
    inherited = hand_in(wait_for_it, 1);
    assert_int_equal(apart(use_in_a_child), 0);
    assert_int_equal(apart(free_in_a_child), 0);
    let_go();
    assert_code(kith_result_get(inherited, NULL, NULL, KITH_FOREVER), 0); /* the parent's is as it was */
    kith_result_free(inherited);
    assert_code(kith_pool_apply(pool, square, number(3), NULL, NULL, NULL), 0);
}

/* The workers hold `living`. */
static int leave_with_a_pool(void)
{
    static kith_pool *own;
    static kith_result *result;
    if (kith_pool_new(&own, &(kith_pool_options){ .workers = 2 }) < 0 ||
        kith_pool_apply_async(own, &result, say_and_sleep, kith_value_pack(arena, "(i)", 1), NULL) < 0)
        return 1;
    return hear() == 'r' ? 0 : 1;
}

static void at_exit_a_pool_ends_by_itself(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(leave_with_a_pool), 0);
    give_living_away();
    wait_until_dead();
}

static int be_killed_with_a_pool(void)
{
    if (leave_with_a_pool() == 0)
        raise(SIGKILL);
    return 1;
}

static void when_its_owner_is_killed_so_are_the_workers(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(be_killed_with_a_pool), -SIGKILL);
    give_living_away();
    wait_until_dead();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(a_closed_pool_takes_no_tasks_and_does_those_it_has),
        POOL_TEST(a_map_that_is_on_its_way_is_done_before_a_closed_pool_ends),
        POOL_TEST(a_pool_that_had_nothing_to_do_ends_as_well),
        POOL_TEST(an_open_pool_can_not_be_joined),
        POOL_TEST(several_threads_join),
        POOL_TEST(a_terminated_pool_gives_all_tasks_up),
        POOL_TEST(results_that_were_there_stay),
        POOL_TEST(a_closed_pool_can_be_terminated),
        POOL_TEST(a_worker_that_does_not_heed_is_killed),
        POOL_TEST(a_pool_is_freed_whatever_it_is_at),
        POOL_TEST(pools_leave_nothing_behind),
        POOL_TEST(it_takes_no_more_descriptors_than_it_says),
        POOL_TEST(a_worker_that_has_run_its_tasks_is_replaced),
        POOL_TEST(in_a_forked_child_a_pool_can_only_be_freed),
        POOL_TEST(at_exit_a_pool_ends_by_itself),
        POOL_TEST(when_its_owner_is_killed_so_are_the_workers),
    };
    if (kith_begin(argc, argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
