/* kith/pool.h: what pools refuse, and whom; and what they do not. */
#include "pools.h"

#include <sys/resource.h>

static kith_value *one(void)
{
    return kith_value_pack(arena, "(i)", 1);
}

static kith_result *hand_in(kith_entry *work)
{
    kith_result *result;
    assert_code(kith_pool_apply_async(pool, &result, work, one(), NULL), 0);
    return result;
}

static void join(void)
{
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static int make_one(void *context, kith_arena *own, kith_value **args)
{
    (void)context;
    *args = kith_value_pack(own, "(i)", 1);
    return 1;
}

/** All ways to hand in a task are refused like this. */
static void expect_refusals(int code)
{
    kith_result *result;
    kith_imap *imap;
    kith_message message = { "", 0 };
    kith_value *items = kith_value_pack(arena, "[i]", 1), *tuples = kith_value_pack(arena, "[(i)]", 1);
    assert_explained(kith_pool_apply(pool, square, one(), arena, NULL, NULL), code);
    assert_explained(kith_pool_apply_async(pool, &result, square, one(), NULL), code);
    assert_explained(kith_pool_apply_bytes(pool, square, "", 0, NULL, NULL), code);
    assert_explained(kith_pool_apply_bytes_async(pool, &result, square, "", 0, NULL), code);
    assert_explained(kith_pool_map(pool, square, items, arena, NULL, NULL), code);
    assert_explained(kith_pool_map_async(pool, &result, square, items, NULL), code);
    assert_explained(kith_pool_starmap(pool, square, tuples, arena, NULL, NULL), code);
    assert_explained(kith_pool_starmap_async(pool, &result, square, tuples, NULL), code);
    assert_explained(kith_pool_map_bytes(pool, square, &message, 1, NULL, NULL), code);
    assert_explained(kith_pool_map_bytes_async(pool, &result, square, &message, 1, NULL), code);
    assert_explained(kith_pool_imap(pool, &imap, square, make_one, NULL, NULL), code);
    assert_explained(kith_pool_imap_unordered(pool, &imap, square, make_one, NULL, NULL), code);
}

static void pools_that_were_closed_refuse_tasks(void **state)
{
    (void)state;
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_close(pool), 0);
    expect_refusals(KITH_ECLOSED);
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_close(pool), 0);
    expect_refusals(KITH_ECLOSED);
    join();
    join();
    expect_refusals(KITH_ECLOSED);
    assert_code(kith_pool_terminate(pool), 0);
}

static int refuse(kith_call *call)
{
    return call ? -EBADMSG : 0;
}

static void broken_pools_say_why(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .initializer = refuse });
    while (stats().workers > 0)
        usleep(200);
    expect_refusals(-EBADMSG);
    assert_code(kith_pool_close(pool), 0);
    join();
    expect_refusals(-EBADMSG);
}

/* ---- who may ---- */

static kith_result *inherited;

static int use_as_a_child(void)
{
    kith_message message = { "", 0 };
    EXPECT(kith_pool_apply(pool, square, NULL, NULL, NULL, NULL) == -ECHILD);
    EXPECT(kith_pool_map_bytes(pool, square, &message, 1, NULL, NULL) == -ECHILD);
    EXPECT(kith_pool_close(pool) == -ECHILD);
    EXPECT(kith_pool_terminate(pool) == -ECHILD);
    EXPECT(kith_pool_join(pool, KITH_FOREVER) == -ECHILD);
    EXPECT(kith_result_wait(inherited, KITH_FOREVER) == -ECHILD);
    EXPECT(kith_result_cancel(inherited) == -ECHILD);
    EXPECT(strlen(kith_error_detail()) > 10);
    kith_result_free(inherited);
    EXPECT(kith_pool_free(pool) == 0);
    EXPECT(kith_pool_new(&pool, &(kith_pool_options){ .workers = 1 }) == 0); /* but it may have its own */
    EXPECT(kith_pool_apply_bytes(pool, wait_for_it, "", 0, NULL, NULL) == 0);
    EXPECT(kith_pool_free(pool) == 0);
    return 0;
}

static void a_child_can_not_use_it(void **state)
{
    (void)state;
    inherited = hand_in(wait_for_it);
    while (atomic_load(ran) < 1)
        usleep(200);
    pid_t child = apart_start(use_as_a_child);
    let_go();
    let_go(); /* one for each */
    assert_int_equal(apart_wait(child), 0);
    assert_code(kith_result_get(inherited, NULL, NULL, KITH_FOREVER), 0);
    kith_result_free(inherited);
    assert_code(kith_pool_apply(pool, square, one(), arena, NULL, NULL), 0);
}

static int have_a_child(kith_call *call)
{
    (void)call;
    return kith_process_start(NULL, return_it, NULL, NULL);
}

static void workers_have_no_children(void **state)
{
    (void)state;
    assert_explained(kith_pool_apply(pool, have_a_child, NULL, arena, NULL, NULL), -EPERM);
}

static void several_pools_live_beside_each_other(void **state)
{
    (void)state;
    kith_pool *other;
    assert_code(kith_pool_new(&other, &(kith_pool_options){ .workers = 1 }), 0);
    kith_result *result = hand_in(wait_for_it);
    assert_code(kith_pool_apply(other, square, one(), arena, NULL, NULL), 0);
    assert_code(kith_pool_free(other), 0);
    let_go();
    assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), 0);
    kith_result_free(result);
}

static void say_goodbye(int number)
{
    (void)number;
    say('b');
    _exit(0);
}

static int handle_the_signal(kith_call *call)
{
    signal(SIGTERM, say_goodbye);
    return wait_for_it(call);
}

static void workers_are_asked_to_end(void **state)
{
    (void)state;
    kith_result *result = hand_in(handle_the_signal);
    while (atomic_load(ran) < 1)
        usleep(200);
    assert_code(kith_pool_terminate(pool), 0);
    assert_int_equal(hear(), 'b');
    join();
    kith_result_free(result);
}

/* ---- what is refused ---- */

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    kith_pool *none = NULL;
    kith_stdio pipes[3] = { { .kind = KITH_STDIO_PIPE }, { 0 }, { 0 } };
    kith_process_options piped = { .stdio = pipes };
    kith_pool_options cases[] = {
        { .workers = KITH_POOL_WORKERS_MAX + 1 },
        { .max_pending = 1000001 },
        { .initializer = square, .initializer_args = kith_value_pack(arena, "[i]", 1) },
        { .process = &piped },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_explained(kith_pool_new(&none, &cases[i]), -EINVAL);
    assert_explained(kith_pool_new(NULL, NULL), -EINVAL);
    assert_null(none);
}

static void calls_without_what_they_need_are_refused(void **state)
{
    (void)state;
    kith_value *value;
    kith_result *result = NULL;
    assert_explained(kith_pool_apply(NULL, square, NULL, arena, &value, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, NULL, NULL, arena, &value, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, square, NULL, NULL, &value, NULL), -EINVAL);
    assert_explained(kith_pool_apply(pool, square, kith_value_list(arena), arena, &value, NULL), -EINVAL);
    assert_explained(kith_pool_apply_bytes(pool, square, NULL, 1, NULL, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, square, NULL, arena, &value, NULL), -EINVAL);
    assert_explained(kith_pool_map(pool, square, one(), NULL, &value, NULL), -EINVAL);
    assert_explained(kith_pool_map_bytes_async(pool, &result, square, NULL, 1, NULL), -EINVAL);
    assert_explained(kith_pool_apply_async(pool, &result, square, one(), &(kith_task_options){ .timeout = -7 }),
                     -EINVAL);
    assert_explained(kith_pool_close(NULL), -EINVAL);
    assert_explained(kith_pool_terminate(NULL), -EINVAL);
    assert_explained(kith_pool_join(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_result_wait(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_result_cancel(NULL), -EINVAL);
    assert_null(result);
}

/** With each number of descriptors that is too few, a pool is refused, and leaves nothing; then there is one. */
static int make_with_few_descriptors(void)
{
    EXPECT(run(return_it, NULL) == 0); /* once a process, the library opens one that stays */
    int before = descriptors(), code = -EMFILE;
    for (rlim_t limit = (rlim_t)before; code < 0; limit++) {
        EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ limit, 1024 }) == 0);
        code = kith_pool_new(&pool, &(kith_pool_options){ .workers = 2 });
        EXPECT(code == 0 || (code == -EMFILE && strlen(kith_error_detail()) > 10));
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 1024 });
        EXPECT(code == 0 || descriptors() == before);
        EXPECT(code == 0 || waitpid(-1, NULL, WNOHANG) == -1);
    }
    EXPECT(kith_pool_apply_bytes(pool, square, "", 0, NULL, NULL) == 0);
    EXPECT(kith_pool_free(pool) == 0);
    EXPECT(descriptors() == before);
    return 0;
}

static void too_few_descriptors_leave_nothing_behind(void **state)
{
    (void)state;
    close_pool();
    assert_int_equal(apart(make_with_few_descriptors), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(pools_that_were_closed_refuse_tasks),
        POOL_TEST(broken_pools_say_why),
        POOL_TEST(workers_are_asked_to_end),
        POOL_TEST(several_pools_live_beside_each_other),
        POOL_TEST(a_child_can_not_use_it),
        POOL_TEST(workers_have_no_children),
        POOL_TEST(options_out_of_range_are_refused),
        POOL_TEST(calls_without_what_they_need_are_refused),
        POOL_TEST(too_few_descriptors_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("pool_refusal", tests, start_first, NULL);
}
