/* kith/pool.h: who may use a pool, and until when. */
#include "pools.h"

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
    EXPECT(kith_pool_apply(pool, square, KITH_NO_ARGS, NULL, NULL, NULL) == -ECHILD);
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
    assert_explained(kith_pool_apply(pool, have_a_child, KITH_NO_ARGS, arena, NULL, NULL), -EPERM);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(pools_that_were_closed_refuse_tasks),
        POOL_TEST(broken_pools_say_why),
        POOL_TEST(workers_are_asked_to_end),
        POOL_TEST(several_pools_live_beside_each_other),
        POOL_TEST(a_child_can_not_use_it),
        POOL_TEST(workers_have_no_children),
    };
    return cmocka_run_group_tests_name("pool_access", tests, start_first, NULL);
}
