/* kith/pool.h: workers that die, stop, or take too long. What they were at is lost, and nothing else. */
#include "pools.h"

#include <pthread.h>

enum { MANY = 300 };

/* In memory that the workers have, too: how often each task was begun. */
static _Atomic int *begun;

/* ---- tasks: the number of each is its index ---- */

static int64_t begin_task(kith_call *call)
{
    int64_t number = number_of(call);
    if (number >= 0 && number < MANY)
        atomic_fetch_add(&begun[number], 1);
    return number;
}

static int give(kith_call *call, int64_t number)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number));
}

static void die_of(int signal)
{
    sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL); /* a sanitizer may handle it */
    raise(signal);
}

static int die_at_4(kith_call *call)
{
    int64_t number = begin_task(call);
    if (number == 4)
        die_of(SIGKILL);
    return give(call, number);
}

static int die_at_each_50(kith_call *call)
{
    int64_t number = begin_task(call);
    if (number % 50 == 3)
        die_of(SIGKILL);
    return give(call, number);
}

static int die_by_signal(kith_call *call)
{
    die_of((int)number_of(call));
    return 0;
}

static int leave_with(kith_call *call)
{
    exit((int)number_of(call));
}

static int end_thread(kith_call *call)
{
    (void)call;
    pthread_exit(NULL);
}

static int die_twice(kith_call *call)
{
    int64_t number = begin_task(call);
    if (kith_call_attempt(call) < 3)
        die_of(SIGKILL);
    return give(call, number);
}

static int sleep_at_4(kith_call *call)
{
    int64_t number = begin_task(call);
    if (number == 4)
        pause();
    return give(call, number);
}

static int stop_at_4(kith_call *call)
{
    int64_t number = begin_task(call);
    if (number == 4)
        raise(SIGSTOP);
    return give(call, number);
}

static int sleep_once(kith_call *call)
{
    int64_t number = begin_task(call);
    if (kith_call_attempt(call) == 1)
        pause();
    return give(call, number);
}

static int take_30_milliseconds(kith_call *call)
{
    int64_t number = begin_task(call);
    usleep(30000);
    return give(call, number);
}

static int take_100_microseconds(kith_call *call)
{
    int64_t number = begin_task(call);
    usleep(100);
    return give(call, number);
}

static int say_and_wait_to_go(kith_call *call)
{
    int64_t number = begin_task(call);
    say('t');
    wait_to_go();
    return give(call, number);
}

/* ---- maps of them ---- */

static kith_value *numbers(int count)
{
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static kith_result *run_map(kith_entry *work, int count, const kith_task_options *options)
{
    kith_result *result;
    assert_code(kith_pool_map_async(pool, &result, work, numbers(count), options), 0);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    return result;
}

static kith_outcome outcome_of(kith_result *result, size_t index)
{
    kith_outcome outcome;
    assert_code(kith_result_outcome(result, index, &outcome), 0);
    return outcome;
}

static void assert_gave_its_number(kith_result *result, size_t index)
{
    kith_value *value = NULL;
    int64_t number = -1;
    assert_code(kith_result_at(result, index, arena, &value), 0);
    assert_code(kith_value_as_int(value, &number), 0);
    assert_int_equal(number, index);
}

/* All but one have succeeded, and all were begun once. */
static void assert_only_4_failed(kith_result *result, size_t count, int code)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(atomic_load(&begun[i]), 1);
        if (i == 4)
            assert_int_equal(outcome_of(result, i).code, code);
        else
            assert_gave_its_number(result, i);
    }
}

/* ---- death ---- */

static void a_worker_that_is_killed_loses_its_task(void **state)
{
    (void)state;
    kith_result *result;
    char expected[128];
    kith_value *signal = kith_value_pack(arena, "(i)", SIGKILL);
    assert_code(kith_pool_apply(pool, die_by_signal, signal, NULL, NULL, NULL), KITH_EWORKERLOST);
    assert_code(kith_pool_apply_async(pool, &result, die_by_signal, signal, NULL), 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), KITH_EWORKERLOST);
    kith_outcome outcome = outcome_of(result, 0);
    assert_int_equal(outcome.exit_code, -SIGKILL);
    assert_int_equal(outcome.attempts, 1);
    snprintf(expected, sizeof expected, "task 0 was lost: worker %d was killed by signal 9 (Killed)",
             (int)outcome.worker);
    assert_string_equal(outcome.detail, expected);
    assert_string_equal(kith_error_detail(), expected);
    kith_result_free(result);
    assert_int_equal(stats().lost, 2);
    assert_code(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 3), NULL, NULL, NULL), 0);
}

static void so_does_one_that_crashes(void **state)
{
    (void)state;
    static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGTERM };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        kith_result *result;
        kith_value *signal = kith_value_pack(arena, "(i)", signals[i]);
        assert_code(kith_pool_apply_async(pool, &result, die_by_signal, signal, NULL), 0);
        assert_code(kith_result_wait(result, KITH_FOREVER), 0);
        assert_int_equal(outcome_of(result, 0).code, KITH_EWORKERLOST);
        assert_int_equal(outcome_of(result, 0).exit_code, -signals[i]);
        kith_result_free(result);
    }
}

static void so_does_one_that_exits(void **state)
{
    (void)state;
    for (int code = 0; code < 4; code += 3) {
        kith_result *result;
        assert_code(kith_pool_apply_async(pool, &result, leave_with, kith_value_pack(arena, "(i)", code), NULL), 0);
        assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), KITH_EWORKERLOST);
        assert_int_equal(outcome_of(result, 0).exit_code, code);
        char expected[64];
        snprintf(expected, sizeof expected, "ended with exit code %d in the task", code);
        assert_non_null(strstr(kith_error_detail(), expected));
        kith_result_free(result);
    }
}

/* Those that were forked from the keeper's thread have a second one, which would go on. */
static void so_does_one_that_ends_its_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_code(kith_pool_apply(pool, end_thread, KITH_NO_ARGS, NULL, NULL, NULL), KITH_EWORKERLOST);
        assert_non_null(strstr(kith_error_detail(), "ended with exit code 1 in the task"));
    }
}

static void the_others_of_its_chunk_are_run(void **state)
{
    (void)state;
    static const unsigned chunks[] = { 1, 5, 10, 0 };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        kith_result *result = run_map(die_at_4, 10, &(kith_task_options){ .chunk = chunks[i] });
        assert_only_4_failed(result, 10, KITH_EWORKERLOST);
        assert_int_equal(outcome_of(result, 4).index, 4);
        kith_result_free(result);
        memset(begun, 0, MANY * sizeof *begun);
    }
}

static void a_large_chunk_outlives_several_workers(void **state)
{
    (void)state;
    kith_result *result = run_map(die_at_each_50, MANY, &(kith_task_options){ .chunk = MANY });
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(atomic_load(&begun[i]), 1);
        if (i % 50 == 3)
            assert_int_equal(outcome_of(result, i).code, KITH_EWORKERLOST);
        else
            assert_gave_its_number(result, i);
    }
    kith_result_free(result);
    assert_int_equal(stats().lost, MANY / 50);
    assert_int_equal(stats().replaced, MANY / 50);
}

static void workers_may_be_killed_between_tasks(void **state)
{
    (void)state;
    pid_t pids[2];
    for (int round = 0; round < 5; round++) {
        assert_int_equal(kith_pool_workers(pool, pids, 2), 2);
        assert_int_equal(kill(pids[0], SIGKILL), 0);
        kill(pids[1], SIGKILL);
        for (int i = 0; i < 4; i++)
            assert_code(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", i), NULL, NULL,
                                        &(kith_task_options){ .retries = 3 }),
                        0);
        while (stats().workers < 2)
            usleep(200);
    }
}

/* ---- retries ---- */

static void what_was_lost_is_begun_again_when_that_was_asked_for(void **state)
{
    (void)state;
    kith_result *result = run_map(die_twice, 6, &(kith_task_options){ .chunk = 3, .retries = 2 });
    for (size_t i = 0; i < 6; i++) {
        assert_gave_its_number(result, i);
        assert_int_equal(outcome_of(result, i).attempts, 3);
        assert_int_equal(atomic_load(&begun[i]), 3);
    }
    kith_result_free(result);
    assert_int_equal(stats().retried, 12);
    assert_int_equal(stats().lost, 0);
}

static void but_not_more_often(void **state)
{
    (void)state;
    kith_result *result = run_map(die_twice, 2, &(kith_task_options){ .retries = 1 });
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(outcome_of(result, i).code, KITH_EWORKERLOST);
        assert_int_equal(outcome_of(result, i).attempts, 2);
        assert_int_equal(atomic_load(&begun[i]), 2);
    }
    kith_result_free(result);
}

/* ---- time limits ---- */

static void a_task_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    kith_result *result = run_map(sleep_at_4, 10, &(kith_task_options){ .chunk = 10, .timeout = KITH_MS(200) });
    assert_only_4_failed(result, 10, KITH_EOVERTIME);
    assert_int_equal(outcome_of(result, 4).exit_code, 0);
    assert_non_null(strstr(outcome_of(result, 4).detail, "task 4 exceeded its time limit of 0.2 s: worker "));
    kith_result_free(result);
    assert_int_equal(stats().timed_out, 1);
    assert_int_equal(stats().lost, 0);
}

static void so_is_one_whose_worker_is_stopped(void **state)
{
    (void)state;
    kith_result *result = run_map(stop_at_4, 10, &(kith_task_options){ .chunk = 5, .timeout = KITH_MS(200) });
    assert_only_4_failed(result, 10, KITH_EOVERTIME);
    kith_result_free(result);
}

static void it_is_begun_again_when_that_was_asked_for(void **state)
{
    (void)state;
    kith_result *result = run_map(sleep_once, 2, &(kith_task_options){ .timeout = KITH_MS(200), .retries = 1 });
    for (size_t i = 0; i < 2; i++) {
        assert_gave_its_number(result, i);
        assert_int_equal(outcome_of(result, i).attempts, 2);
    }
    kith_result_free(result);
}

static void a_limit_is_that_of_each_task_and_of_no_other(void **state)
{
    (void)state;
    kith_result *slow, *quick;
    kith_task_options generous = { .timeout = KITH_SECONDS(60), .chunk = 3 }, strict = { .timeout = KITH_MS(200) };
    assert_code(kith_pool_map_async(pool, &slow, take_30_milliseconds, numbers(6), &generous), 0);
    assert_code(kith_pool_map_async(pool, &quick, square, numbers(20), &strict), 0);
    assert_code(kith_result_get(slow, NULL, NULL, KITH_FOREVER), 0);
    assert_code(kith_result_wait(quick, KITH_FOREVER), 0);
    kith_result_free(slow);
    kith_result_free(quick);
    kith_task_options short_for_all = { .timeout = KITH_MS(200), .chunk = 8 }; /* 8 take longer, but each does not */
    assert_code(kith_pool_map(pool, take_30_milliseconds, numbers(8), NULL, NULL, &short_for_all), 0);
}

/* ---- stopped, with nothing to do ---- */

static void stop_all(void)
{
    pid_t pids[2];
    assert_int_equal(kith_pool_workers(pool, pids, 2), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], SIGSTOP), 0);
}

/** When the keeper sleeps, and is to be told of the result. */
static int close_all_descriptors(kith_call *call)
{
    int64_t number = begin_task(call);
    usleep(50000);
    for (int descriptor = 3; descriptor < 1000; descriptor++)
        close(descriptor);
    return give(call, number);
}

/** Its child returns as well. */
static int fork_a_child(kith_call *call)
{
    int64_t number = begin_task(call);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        return 0;
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? give(call, number) : -2;
}

static void a_child_that_a_task_forks_is_no_worker(void **state)
{
    (void)state;
    kith_task_options options = { .timeout = KITH_SECONDS(10) };
    assert_code(kith_pool_apply(pool, fork_a_child, kith_value_pack(arena, "(i)", 1), NULL, NULL, &options), 0);
}

static void one_that_closes_all_descriptors_is_heard_of(void **state)
{
    (void)state;
    int64_t number = 0;
    kith_value *value;
    for (int i = 1; i < 4; i++) {
        const kith_value *args = kith_value_pack(arena, "(i)", i);
        assert_code(kith_pool_apply(pool, close_all_descriptors, args, arena, &value, NULL), 0);
        assert_code(kith_value_as_int(value, &number), 0);
        assert_int_equal(number, i);
    }
    assert_int_equal(stats().lost, 0);
}

static void idle_workers_that_are_stopped_hold_nothing_up(void **state)
{
    (void)state;
    assert_code(kith_pool_map(pool, square, numbers(10), NULL, NULL, NULL), 0);
    stop_all();
    assert_code(kith_pool_map(pool, square, numbers(10), NULL, NULL, NULL), 0);
    assert_int_equal(stats().lost, 0);
}

static void nor_does_one_whose_fellow_works(void **state)
{
    (void)state;
    kith_result *long_one;
    pid_t pids[2];
    assert_code(kith_pool_apply_async(pool, &long_one, say_and_wait_to_go, kith_value_pack(arena, "(i)", 0), NULL), 0);
    assert_int_equal(hear(), 't');
    assert_int_equal(kith_pool_workers(pool, pids, 2), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], SIGSTOP), 0); /* the one that works, too: it may be */
    assert_code(kith_pool_map(pool, square, numbers(10), NULL, NULL, NULL), 0);
    assert_int_equal(kith_result_ready(long_one), 0);
    for (int i = 0; i < 2; i++)
        kill(pids[i], SIGCONT);
    let_go();
    assert_code(kith_result_get(long_one, NULL, NULL, KITH_FOREVER), 0);
    kith_result_free(long_one);
    assert_int_equal(stats().lost, 0);
}

static void a_pool_ends_also_when_workers_are_stopped(void **state)
{
    (void)state;
    assert_code(kith_pool_map(pool, square, numbers(10), NULL, NULL, NULL), 0);
    stop_all();
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_SECONDS(50)), 0);
}

/* ---- all together ---- */

static _Atomic bool enough;

static void *kill_now_and_then(void *signal)
{
    unsigned turn = 0;
    while (!atomic_load(&enough)) {
        pid_t pids[3];
        int count = kith_pool_workers(pool, pids, 3);
        if (count > 0)
            kill(pids[turn++ % (unsigned)count], *(int *)signal);
        usleep(3000);
    }
    return NULL;
}

static void run_while(int signal, const kith_task_options *options)
{
    pthread_t thread;
    int again = 0;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 3 });
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, kill_now_and_then, &signal), 0);
    kith_result *result = run_map(take_100_microseconds, MANY, options);
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < MANY; i++) {
        int code = outcome_of(result, i).code;
        if (code == 0)
            assert_gave_its_number(result, i);
        else
            assert_true(code == KITH_EWORKERLOST || code == KITH_EOVERTIME);
        int times = atomic_load(&begun[i]);
        assert_true(times >= 1 || code != 0); /* a worker may die when it has begun a task, but not come to count it */
        again += times > 1 ? times - 1 : 0;
    }
    assert_true(again <= (int)stats().retried);
    kith_result_free(result);
}

static void nothing_is_run_twice_nor_forgotten_while_workers_are_killed(void **state)
{
    (void)state;
    run_while(SIGKILL, &(kith_task_options){ .chunk = 7 });
    assert_int_equal(stats().retried, 0);
}

static void nor_with_retries_more_often_than_asked_for(void **state)
{
    (void)state;
    run_while(SIGKILL, &(kith_task_options){ .chunk = 4, .retries = 20 });
    assert_int_equal(stats().lost, 0);
}

static void nor_while_workers_are_stopped(void **state)
{
    (void)state;
    run_while(SIGSTOP, &(kith_task_options){ .chunk = 3, .timeout = KITH_MS(20) });
    assert_int_equal(stats().retried, 0);
}

/* ---- before they are ready ---- */

static int die_at_once(kith_call *call)
{
    (void)call;
    die_of(SIGKILL);
    return 0;
}

/* The first few die, as the argument says. */
static int die_a_few_times(kith_call *call)
{
    if (number_of(call) >= 0 && atomic_load(ran) <= 4)
        die_of(SIGKILL);
    return 0;
}

static void workers_may_die_in_their_initializer_some_times(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){
        .workers = 1, .initializer = die_a_few_times, .initializer_args = kith_value_pack(arena, "(i)", 0) });
    assert_code(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 3), NULL, NULL, NULL), 0);
    assert_int_equal(stats().replaced, 4);
}

static void ten_times_in_a_row_break_the_pool(void **state)
{
    (void)state;
    kith_result *result;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .initializer = die_at_once });
    int code = kith_pool_map_async(pool, &result, square, numbers(10), NULL);
    if (code == 0) {
        assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), KITH_EWORKERLOST);
        assert_non_null(strstr(kith_error_detail(), "10 workers in a row ended before they were ready"));
        kith_result_free(result);
    }
    assert_explained(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 3), NULL, NULL, NULL),
                     KITH_EWORKERLOST);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

/* ---- before and after ---- */

static int set_up_deaths(void **state)
{
    begun = mmap(NULL, MANY * sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return begun == MAP_FAILED ? -1 : set_up_pool(state);
}

static int tear_down_deaths(void **state)
{
    munmap(begun, MANY * sizeof *begun);
    return tear_down_pool(state);
}

#define DEATH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_deaths, tear_down_deaths)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        DEATH_TEST(a_worker_that_is_killed_loses_its_task),
        DEATH_TEST(so_does_one_that_crashes),
        DEATH_TEST(so_does_one_that_exits),
        DEATH_TEST(so_does_one_that_ends_its_thread),
        DEATH_TEST(the_others_of_its_chunk_are_run),
        DEATH_TEST(a_large_chunk_outlives_several_workers),
        DEATH_TEST(workers_may_be_killed_between_tasks),
        DEATH_TEST(what_was_lost_is_begun_again_when_that_was_asked_for),
        DEATH_TEST(but_not_more_often),
        DEATH_TEST(a_task_that_takes_too_long_is_ended),
        DEATH_TEST(so_is_one_whose_worker_is_stopped),
        DEATH_TEST(it_is_begun_again_when_that_was_asked_for),
        DEATH_TEST(a_limit_is_that_of_each_task_and_of_no_other),
        DEATH_TEST(a_child_that_a_task_forks_is_no_worker),
        DEATH_TEST(one_that_closes_all_descriptors_is_heard_of),
        DEATH_TEST(idle_workers_that_are_stopped_hold_nothing_up),
        DEATH_TEST(nor_does_one_whose_fellow_works),
        DEATH_TEST(a_pool_ends_also_when_workers_are_stopped),
        DEATH_TEST(nothing_is_run_twice_nor_forgotten_while_workers_are_killed),
        DEATH_TEST(nor_with_retries_more_often_than_asked_for),
        DEATH_TEST(nor_while_workers_are_stopped),
        DEATH_TEST(workers_may_die_in_their_initializer_some_times),
        DEATH_TEST(ten_times_in_a_row_break_the_pool),
    };
    if (kith_begin(argc, argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
