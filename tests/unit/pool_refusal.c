/* kith/pool.h: what is refused, and what happens when descriptors, threads or processes are short. */
#include "pools.h"

#include "refuse.h"

#include <pthread.h>
#include <sys/resource.h>

static int give_nothing(kith_call *call)
{
    return call == NULL;
}

static int fail_with(kith_call *call)
{
    int64_t code = number_of(call);
    return code == -EINVAL ? kith_process_join(NULL, KITH_NOWAIT) : (int)code;
}

static kith_value *number(int value)
{
    return kith_value_pack(arena, "(i)", value);
}

/* ---- options that are not valid ---- */

static void options_of_pools_are_checked(void **state)
{
    (void)state;
    kith_pool *none = (void *)&state;
    kith_stdio pipes[3] = { { .kind = KITH_STDIO_PIPE } };
    kith_process_options strange_method = { .method = (kith_start_method)9 }, no_fds = { .fd_count = 1 },
                         too_many_fds = { .fd_count = KITH_PROCESS_FDS_MAX }, with_pipes = { .stdio = pipes },
                         no_directory = { .directory = "/nowhere/at/all" };
    const struct {
        kith_pool_options options;
        int code;
    } cases[] = {
        { { .workers = KITH_POOL_WORKERS_MAX + 1 }, -EINVAL },
        { { .max_pending = 1000001 }, -EINVAL },
        { { .initializer = give_nothing, .initializer_args = kith_value_int(arena, 1) }, -EINVAL },
        { { .process = &strange_method }, -EINVAL },
        { { .process = &no_fds }, -EINVAL },
        { { .process = &too_many_fds }, -EINVAL },
        { { .process = &with_pipes }, -EINVAL },
        { { .process = &no_directory }, -ENOENT },
    };
    close_pool();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_explained(kith_pool_new(&none, &cases[i].options), cases[i].code);
        assert_ptr_equal(none, &state);
    }
    assert_explained(kith_pool_new(NULL, NULL), -EINVAL);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    kith_result *result = NULL;
    kith_value *value = NULL, *one = kith_value_pack(arena, "[i]", 1);
    const kith_message no_data = { NULL, 3 };
    assert_explained(kith_pool_apply(NULL, give_nothing, KITH_NO_ARGS, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, NULL, KITH_NO_ARGS, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, give_nothing, one, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, &value, NULL), -EINVAL);
    assert_explained(
        kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, NULL, &(kith_task_options){ .timeout = -2 }), -EINVAL);
    assert_explained(kith_pool_apply_async(NULL, &result, give_nothing, KITH_NO_ARGS, NULL), -EINVAL);
    assert_explained(kith_pool_apply_async(pool, &result, NULL, KITH_NO_ARGS, NULL), -EINVAL);
    assert_explained(kith_pool_apply_bytes(pool, give_nothing, NULL, 1, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_apply_bytes_async(pool, &result, NULL, "x", 1, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, give_nothing, NULL, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, give_nothing, number(1), NULL, &value, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, NULL, one, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, give_nothing, kith_value_int(arena, 1), NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map(NULL, give_nothing, one, NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map_async(pool, &result, give_nothing, kith_value_none(arena), NULL), -EINVAL);
    assert_explained(kith_pool_starmap_async(pool, &result, give_nothing, one, NULL), KITH_ETYPE);
    assert_explained(kith_pool_map_bytes(pool, give_nothing, NULL, 1, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map_bytes_async(pool, &result, give_nothing, &no_data, 1, NULL), -EINVAL);
    assert_explained(kith_pool_close(NULL), -EINVAL);
    assert_explained(kith_pool_terminate(NULL), -EINVAL);
    assert_explained(kith_pool_join(NULL, KITH_NOWAIT), -EINVAL);
    assert_null(result);
    wait_until_done();
    assert_int_equal(stats().done, 0);
}

static kith_value *no_text(void)
{
    kith_arena_reset(arena);
    return kith_value_pack(arena, "(s)", "\xff");
}

static void assert_told(int got, const char *beginning)
{
    assert_explained(got, -EINVAL);
    assert_int_equal(strncmp(kith_error_detail(), beginning, strlen(beginning)), 0);
    assert_non_null(strstr(kith_error_detail(), "UTF-8"));
}

static int return_what_could_not_be_made(kith_call *call)
{
    return kith_call_return(call, kith_value_pack(kith_call_arena(call), "s", "\xff"));
}

static void values_that_could_not_be_made_are_refused(void **state)
{
    (void)state;
    kith_result *result = NULL;
    const char *no_args = "args is NULL: give KITH_NO_ARGS for none; when kith_value_pack gave it: ";
    const char *no_items = "items is NULL: it could not be made: ";
    assert_told(kith_pool_apply(pool, give_nothing, no_text(), NULL, NULL, NULL), no_args);
    assert_told(kith_pool_apply_async(pool, &result, give_nothing, no_text(), NULL), no_args);
    assert_told(kith_pool_map(pool, give_nothing, no_text(), NULL, NULL, NULL), no_items);
    assert_told(kith_pool_map_async(pool, &result, give_nothing, no_text(), NULL), no_items);
    assert_told(kith_pool_apply(pool, return_what_could_not_be_made, KITH_NO_ARGS, NULL, NULL, NULL),
                "value is NULL: it could not be made: ");
    assert_null(result);
}

static void arguments_about_results_are_checked(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *value = NULL;
    kith_outcome outcome;
    kith_bytes bytes;
    assert_code(kith_pool_apply_async(pool, &result, give_nothing, KITH_NO_ARGS, NULL), 0);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    assert_explained(kith_result_wait(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_result_wait(result, -5), -EINVAL);
    assert_explained(kith_result_get(NULL, arena, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_result_get(result, NULL, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_result_at(NULL, 0, arena, &value), -EINVAL);
    assert_explained(kith_result_at(result, 0, NULL, &value), -EINVAL);
    assert_explained(kith_result_at(result, 1, arena, &value), -ENOENT);
    assert_explained(kith_result_bytes_at(NULL, 0, &bytes), -EINVAL);
    assert_explained(kith_result_bytes_at(result, 1, &bytes), -ENOENT);
    assert_explained(kith_result_outcome(NULL, 0, &outcome), -EINVAL);
    assert_explained(kith_result_outcome(result, 0, NULL), -EINVAL);
    assert_explained(kith_result_outcome(result, 1, &outcome), -ENOENT);
    assert_explained(kith_result_cancel(NULL), -EINVAL);
    assert_int_equal(kith_result_ready(NULL), -EINVAL);
    assert_int_equal(kith_result_count(NULL), 0);
    assert_int_equal(kith_result_done(NULL), 0);
    kith_result_free(result);
}

/* ---- initializers that fail ---- */

static void assert_breaks(int returned, int code, const char *why)
{
    kith_result *result;
    open_pool(&(kith_pool_options){ .workers = 2, .initializer = fail_with, .initializer_args = number(returned) });
    if (kith_pool_apply_async(pool, &result, give_nothing, KITH_NO_ARGS, NULL) == 0) {
        assert_explained(kith_result_get(result, NULL, NULL, KITH_FOREVER), code);
        kith_result_free(result);
    }
    assert_explained(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, NULL, NULL), code);
    assert_non_null(strstr(kith_error_detail(), why));
    assert_explained(kith_pool_map(pool, give_nothing, kith_value_pack(arena, "[i]", 1), NULL, NULL, NULL), code);
    assert_explained(kith_pool_join(pool, KITH_FOREVER), -EPERM);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    close_pool();
}

static void an_initializer_that_fails_breaks_the_pool(void **state)
{
    (void)state;
    close_pool();
    assert_breaks(-ENOENT, -ENOENT, "initializer failed");
    assert_breaks(-EINVAL, -EINVAL, "process is NULL");
    assert_breaks(7, KITH_ETASK, "code 7");
}

static void of_a_broken_pool_no_map_goes_on(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < 5000; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    close_pool();
    open_pool(&(kith_pool_options){
        .workers = 1, .max_pending = 100, .initializer = fail_with, .initializer_args = number(-ENOENT) });
    if (kith_pool_map_async(pool, &result, square, items, NULL) == 0) {
        assert_code(kith_result_wait(result, KITH_FOREVER), 0);
        for (size_t i = 0; i < 5000; i++)
            assert_code(kith_result_at(result, i, NULL, NULL), -ENOENT);
        kith_result_free(result);
    }
    assert_int_equal(atomic_load(ran) <= 1, 1); /* the initializer */
}

/* ---- the system is short of something ---- */

static int expect_no_pool(int code)
{
    kith_pool *none = NULL;
    int before = descriptors();
    EXPECT(kith_pool_new(&none, &(kith_pool_options){ .workers = 2 }) == code);
    EXPECT(none == NULL);
    EXPECT(strlen(kith_error_detail()) > 10);
    EXPECT(descriptors() == before);
    EXPECT(kith_process_active_children(NULL, 0) == 0);
    return 0;
}

/* With each number of descriptors that is too small for a pool of one worker. */
static int run_short_of_descriptors(void)
{
    struct rlimit limit;
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int spare = dup(0), needed = 0;
    close(spare); /* the next one that is free; there may be others behind it */
    for (;; needed++) {
        kith_pool *made = NULL;
        int before = descriptors();
        EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)(spare + needed), limit.rlim_max }) == 0);
        int code = kith_pool_new(&made, &(kith_pool_options){ .workers = 1 });
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        EXPECT(code == 0 || code == -EMFILE);
        EXPECT(code == 0 || strlen(kith_error_detail()) > 10);
        EXPECT(kith_pool_free(made) == 0);
        EXPECT(descriptors() == before);
        if (code == 0)
            break;
    }
    EXPECT(needed > 3);
    return 0;
}

static void too_few_descriptors(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(run_short_of_descriptors), 0);
}

static int refuse_processes(void)
{
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(refuse(SYS_clone, EAGAIN) == 0);
    _exit(expect_no_pool(-EAGAIN)); /* at exit, the leak sanitizer would want a thread */
}

static void no_processes(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(refuse_processes), 0);
}

/* The C library makes threads by clone3, and forks by clone. The thread that refuses itself new ones is not the first,
 * in which daemons need none. */
static int refuse_threads(void)
{
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(refuse(SYS_clone3, EAGAIN) == 0);
    _exit(expect_no_pool(-EAGAIN));
}

static void no_threads(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(refuse_threads), 0);
}

/* ---- workers that can't be replaced just now ---- */

static int refuse_replacements(void)
{
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 1 }) == 0);
    EXPECT(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, NULL, NULL) == 0);
    pid_t worker;
    EXPECT(kith_pool_workers(pool, &worker, 1) == 1);
    EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 5, limit.rlim_max }) == 0);
    EXPECT(kill(worker, SIGKILL) == 0);
    while (kith_pool_workers(pool, NULL, 0) > 0)
        usleep(200);
    kith_result *result;
    EXPECT(kith_pool_apply_async(pool, &result, give_nothing, KITH_NO_ARGS, NULL) == 0);
    EXPECT(kith_result_wait(result, KITH_MS(30)) == -ETIMEDOUT);
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kith_result_get(result, NULL, NULL, KITH_FOREVER) == 0);
    kith_result_free(result);
    return kith_pool_free(pool);
}

static void a_worker_that_can_not_be_replaced_now_is_replaced_later(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(refuse_replacements), 0);
}

/* Each worker runs one task; some of them, of those that were asked for, find descriptors only when another has ended.
 * To wait with that for what is meant for other lacks, up to a second each time, would take very long. */
static int replace_by_and_by(void)
{
    struct rlimit limit;
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < 60; i++)
        EXPECT(kith_value_append(items, kith_value_int(arena, i)) == 0);
    int spare = dup(0);
    close(spare);
    EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)spare + 12, limit.rlim_max }) == 0);
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 8, .max_tasks = 1 }) == 0);
    int workers = kith_pool_workers(pool, NULL, 0);
    EXPECT(workers > 0 && workers < 8);
    kith_result *result;
    EXPECT(kith_pool_map_async(pool, &result, square, items, NULL) == 0);
    EXPECT(kith_result_get(result, NULL, NULL, KITH_SECONDS(5)) == 0);
    kith_result_free(result);
    return kith_pool_free(pool);
}

static void descriptors_of_a_worker_that_ended_are_used_at_once(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(replace_by_and_by), 0);
}

/* ---- fewer processes than workers ---- */

enum { SOMEBODY = 1954321, SKIPPED = 77 }; /* a user who has no other processes */

static int share_few_processes(void)
{
    if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
        return SKIPPED;
    EXPECT(setrlimit(RLIMIT_NPROC, &(struct rlimit){ 5, 5 }) == 0); /* this one, the keeper, and three of eight */
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 8 }) == 0);
    int workers = kith_pool_workers(pool, NULL, 0);
    EXPECT(workers > 0 && workers < 8);
    EXPECT(kith_pool_apply(pool, square, number(3), NULL, NULL, NULL) == 0);
    _exit(kith_pool_free(pool)); /* at exit, the leak sanitizer would want a thread */
}

static void workers_leave_room_for_the_keeper(void **state)
{
    (void)state;
    close_pool();
    int code = apart(share_few_processes);
    if (code == SKIPPED)
        skip();
    assert_int_equal(code, 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(options_of_pools_are_checked),
        POOL_TEST(arguments_are_checked),
        POOL_TEST(values_that_could_not_be_made_are_refused),
        POOL_TEST(arguments_about_results_are_checked),
        POOL_TEST(an_initializer_that_fails_breaks_the_pool),
        POOL_TEST(of_a_broken_pool_no_map_goes_on),
        POOL_TEST(too_few_descriptors),
        POOL_TEST(no_processes),
        POOL_TEST(no_threads),
        POOL_TEST(a_worker_that_can_not_be_replaced_now_is_replaced_later),
        POOL_TEST(descriptors_of_a_worker_that_ended_are_used_at_once),
        POOL_TEST(workers_leave_room_for_the_keeper),
    };
    if (kith_begin(argc, argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
