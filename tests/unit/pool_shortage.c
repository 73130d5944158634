/* kith/pool.h: every piece of memory refused in turn, in whatever thread, and in the workers that are forked meanwhile:
 * each call succeeds or says why not, each task ends, and nothing is left behind. */
#include "pools.h"
#include "shortage.h"

static int give_back(kith_call *call)
{
    return kith_call_return(call, kith_value_at(kith_call_args(call), 0));
}

static kith_value *words; /* a list of texts, of the test's own arena: too long to lie beside their state */

static void ignore_value(void *context, kith_value *value)
{
    (void)context;
    (void)value;
}

static void ignore_failure(void *context, const kith_outcome *outcome)
{
    (void)context;
    (void)outcome;
}

/* ---- what is done, each with a new pool. @return 0, or the code of what failed ---- */

static int do_nothing(void)
{
    return 0;
}

static int do_apply(void)
{
    return kith_pool_apply(pool, give_back, kith_value_pack(arena, "(v)", kith_value_at(words, 0)), arena, NULL, NULL);
}

static int do_map(void)
{
    kith_arena *own;
    kith_value *list;
    int code = kith_arena_new(&own);
    if (code < 0)
        return code;
    code = kith_pool_map(pool, give_back, words, own, &list, &(kith_task_options){ .chunk = 70 });
    if (code == 0 && kith_value_equal(list, words) != 1)
        code = -EBADMSG;
    kith_arena_free(own);
    return code;
}

static int do_async(void)
{
    kith_task_options options = { .callback = ignore_value, .error_callback = ignore_failure, .retries = 1 };
    kith_result *result;
    int code = kith_pool_map_async(pool, &result, give_back, words, &options);
    if (code < 0)
        return code;
    code = kith_result_get(result, NULL, NULL, KITH_FOREVER);
    kith_result_free(result);
    return code;
}

static int make_word(void *context, kith_arena *own, kith_value **args)
{
    size_t *next = context;
    if (*next == 20)
        return 0;
    *args = kith_value_pack(own, "(v)", kith_value_at(words, (*next)++));
    return 1;
}

static int walk(int begin(kith_pool *, kith_imap **, kith_entry *, kith_pool_next *, void *, const kith_task_options *))
{
    size_t next = 0;
    kith_imap *imap;
    int failed = 0;
    int code = begin(pool, &imap, give_back, make_word, &next, &(kith_task_options){ .ahead = 5 });
    if (code < 0)
        return code;
    while ((code = kith_imap_next(imap, NULL, NULL, KITH_FOREVER)) != KITH_EEMPTY)
        failed = code < 0 ? code : failed;
    kith_imap_free(imap);
    return failed;
}

static int do_imap(void)
{
    return walk(kith_pool_imap);
}

static int do_imap_unordered(void)
{
    return walk(kith_pool_imap_unordered);
}

/* ---- each piece refused ---- */

static int in_a_pool(int act(void))
{
    int code = kith_pool_new(&pool, &(kith_pool_options){ .workers = 1 });
    if (code < 0)
        return code;
    code = act();
    kith_pool_free(pool);
    pool = NULL;
    return code;
}

/** Whether memory or what came of its lack is the reason: no thread, or ten workers that could not begin. */
static bool is_shortage(int code)
{
    return code == -ENOMEM || code == -EAGAIN || code == KITH_EWORKERLOST;
}

static void refuse_each(int act(void))
{
    bool struck = true;
    assert_code(in_a_pool(act), 0); /* what stays is there then */
    int before = descriptors();
    for (unsigned n = 1; struck; n++) {
        shortage_begin(n);
        int code = in_a_pool(act);
        struck = shortage_end();
        long left = shortage.pieces;
        if (code != 0 && !is_shortage(code))
            print_error("without piece %u: %s: %s\n", n, kith_error_name(code), kith_error_detail());
        assert_true(code == 0 || is_shortage(code));
        if (left != 0)
            print_error("without piece %u, %ld pieces were left\n", n, left);
        assert_int_equal(left, 0);
        assert_int_equal(descriptors(), before);
    }
}

static void a_pool_begins_and_ends(void **state)
{
    (void)state;
    refuse_each(do_nothing);
}

static void a_task_is_applied(void **state)
{
    (void)state;
    refuse_each(do_apply);
}

static void tasks_are_mapped(void **state)
{
    (void)state;
    refuse_each(do_map);
}

static void tasks_are_mapped_and_told_of(void **state)
{
    (void)state;
    refuse_each(do_async);
}

static void tasks_are_walked_over(void **state)
{
    (void)state;
    refuse_each(do_imap);
}

static void tasks_are_walked_over_as_they_come(void **state)
{
    (void)state;
    refuse_each(do_imap_unordered);
}

/* ---- in the keeper's thread ---- */

static int give_much(kith_call *call)
{
    static const char much[300000];
    wait_to_go();
    return kith_call_return_bytes(call, much, sizeof much);
}

static void a_result_that_there_is_no_memory_for_is_a_failure_and_holds_nothing_up(void **state)
{
    (void)state;
    kith_result *result;
    assert_code(kith_pool_new(&pool, &(kith_pool_options){ .workers = 1 }), 0);
    assert_code(kith_pool_apply_async(pool, &result, give_much, KITH_NO_ARGS, NULL), 0);
    shortage_begin_for_good(1);
    let_go();
    int code = kith_result_wait(result, KITH_SECONDS(10));
    bool struck = shortage_end();
    assert_code(code, 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_NOWAIT), struck ? -ENOMEM : 0);
    kith_result_free(result);
    assert_code(do_apply(), 0);
    assert_code(kith_pool_free(pool), 0);
}

static int make_words(void **state)
{
    if (set_up(state) < 0 || kith_arena_new(&arena) < 0)
        return -1;
    words = kith_value_list(arena);
    for (int i = 0; i < 100; i++)
        if (kith_value_append(words, kith_value_str(arena, "a text that does not lie beside the state of its task")))
            return -1;
    return 0;
}

static int free_words(void **state)
{
    shortage_end();
    kith_arena_free(arena);
    return tear_down(state);
}

#define SHORTAGE_TEST(name) cmocka_unit_test_setup_teardown(name, make_words, free_words)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(a_pool_begins_and_ends),
        SHORTAGE_TEST(a_task_is_applied),
        SHORTAGE_TEST(tasks_are_mapped),
        SHORTAGE_TEST(tasks_are_mapped_and_told_of),
        SHORTAGE_TEST(tasks_are_walked_over),
        SHORTAGE_TEST(tasks_are_walked_over_as_they_come),
        SHORTAGE_TEST(a_result_that_there_is_no_memory_for_is_a_failure_and_holds_nothing_up),
    };
    return cmocka_run_group_tests_name("pool_shortage", tests, start_first, NULL);
}
