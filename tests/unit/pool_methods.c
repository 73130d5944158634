/* kith/pool.h: workers that are forks, fresh images, or a forkserver's children: what is the same for all of them. */
#include "entries.h"

static kith_pool *pool;

static void open_by(void **state, const kith_pool_options *options)
{
    kith_process_options process = by(state);
    kith_pool_options mine = options ? *options : (kith_pool_options){ 0 };
    mine.workers = mine.workers > 0 ? mine.workers : 2;
    mine.process = &process;
    assert_code(kith_pool_new(&pool, &mine), 0);
}

static int tear_down_pool(void **state)
{
    if (kith_pool_free(pool) < 0)
        return -1;
    pool = NULL;
    return tear_down_entries(state);
}

static kith_value *numbers(int64_t count)
{
    kith_value *items = kith_value_list(arena);
    for (int64_t i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static int64_t as_int(const kith_value *value)
{
    int64_t number;
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

/* ---- tasks ---- */

KITH_ENTRY(square)
{
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

KITH_ENTRY(reverse)
{
    size_t size;
    const unsigned char *bytes = kith_call_bytes(call, &size);
    unsigned char *reversed = malloc(size + 1);
    if (!bytes || !reversed)
        return 1;
    for (size_t i = 0; i < size; i++)
        reversed[i] = bytes[size - 1 - i];
    int code = kith_call_return_bytes(call, reversed, size);
    free(reversed);
    return code;
}

KITH_ENTRY(die_at_first)
{
    if (kith_call_attempt(call) == 1)
        kill(getpid(), SIGKILL);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), kith_call_attempt(call)));
}

KITH_ENTRY(wait_by_pipe)
{
    wait_by(call);
    return 0;
}

KITH_ENTRY(fail_with_a_sentence)
{
    int64_t number;
    return kith_value_unpack(kith_call_args(call), "(I)", &number); /* there is a str */
}

KITH_ENTRY(tell_environment)
{
    const char *value = getenv("KITH_TEST");
    return kith_call_return(call, kith_value_str(kith_call_arena(call), value ? value : "nothing"));
}

static int64_t added;

KITH_ENTRY(begin_to_add)
{
    return kith_value_unpack(kith_call_args(call), "(I)", &added);
}

KITH_ENTRY(add)
{
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), number + added));
}

/* ---- tests ---- */

static void values_are_mapped(void **state)
{
    kith_value *list;
    open_by(state, NULL);
    assert_code(kith_pool_map(pool, square, numbers(300), arena, &list, NULL), 0);
    assert_int_equal(kith_value_length(list), 300);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(as_int(kith_value_at(list, i)), i * i);
}

static void bytes_are_mapped(void **state)
{
    static const kith_message messages[] = { { "one", 3 }, { "", 0 }, { "a\0b", 3 } };
    kith_bytes results[3];
    open_by(state, NULL);
    assert_code(kith_pool_map_bytes(pool, reverse, messages, 3, results, NULL), 0);
    assert_int_equal(results[0].size, 3);
    assert_memory_equal(results[0].data, "eno", 3);
    assert_int_equal(results[1].size, 0);
    assert_memory_equal(results[2].data, "b\0a", 3);
    for (int i = 0; i < 3; i++)
        kith_bytes_free(&results[i]);
}

static int make_number(void *context, kith_arena *own, kith_value **args)
{
    int64_t *next = context;
    if (*next == 200)
        return 0;
    *args = kith_value_pack(own, "(I)", (*next)++);
    return 1;
}

static void a_walk_goes_over_results(void **state)
{
    int64_t next = 0;
    kith_imap *imap;
    kith_value *value;
    open_by(state, NULL);
    assert_code(kith_pool_imap(pool, &imap, square, make_number, &next, &(kith_task_options){ .ahead = 9 }), 0);
    for (int64_t i = 0; i < 200; i++) {
        assert_code(kith_imap_next(imap, arena, &value, KITH_FOREVER), 0);
        assert_int_equal(as_int(value), i * i);
    }
    assert_code(kith_imap_next(imap, arena, &value, KITH_FOREVER), KITH_EEMPTY);
    kith_imap_free(imap);
}

static void a_worker_that_dies_is_replaced(void **state)
{
    kith_value *value;
    open_by(state, &(kith_pool_options){ .workers = 1 });
    assert_explained(kith_pool_apply(pool, die_at_first, KITH_NO_ARGS, arena, NULL, NULL), KITH_EWORKERLOST);
    assert_code(kith_pool_apply(pool, die_at_first, KITH_NO_ARGS, arena, &value, &(kith_task_options){ .retries = 1 }),
                0);
    assert_int_equal(as_int(value), 2);
}

static void a_worker_that_takes_too_long_is_replaced(void **state)
{
    kith_value *value;
    open_by(state, &(kith_pool_options){ .workers = 1 });
    kith_task_options options = { .timeout = KITH_MS(20) };
    assert_explained(kith_pool_apply(pool, wait_by_pipe, KITH_NO_ARGS, arena, NULL, &options), KITH_EOVERTIME);
    assert_code(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 3), arena, &value, NULL), 0);
    assert_int_equal(as_int(value), 9);
}

static void a_worker_that_retires_is_replaced(void **state)
{
    kith_value *list;
    open_by(state, &(kith_pool_options){ .workers = 2, .max_tasks = 5 });
    assert_code(kith_pool_map(pool, square, numbers(30), arena, &list, NULL), 0);
    assert_int_equal(as_int(kith_value_at(list, 29)), 29 * 29);
}

static void what_was_wrong_is_told_in_a_sentence(void **state)
{
    open_by(state, NULL);
    kith_value *args = kith_value_pack(arena, "(s)", "no number");
    assert_explained(kith_pool_apply(pool, fail_with_a_sentence, args, arena, NULL, NULL), KITH_ETYPE);
}

static void an_initializer_runs_in_each_worker(void **state)
{
    kith_value *list;
    open_by(state, &(kith_pool_options){ .workers = 2,
                                         .max_tasks = 3,
                                         .initializer = begin_to_add,
                                         .initializer_args = kith_value_pack(arena, "(I)", (int64_t)1000) });
    assert_code(kith_pool_map(pool, add, numbers(20), arena, &list, NULL), 0);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(as_int(kith_value_at(list, i)), 1000 + i);
}

static void an_initializer_that_fails_breaks_the_pool(void **state)
{
    open_by(state, &(kith_pool_options){ .workers = 2, .initializer = begin_to_add });
    assert_explained(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 3), arena, NULL, NULL), KITH_ETYPE);
}

static void settings_of_processes_are_those_of_workers(void **state)
{
    kith_value *value;
    const char *text;
    kith_process_options process = by(state);
    process.environment = (const char *const[]){ "KITH_TEST=something", NULL };
    assert_code(kith_pool_new(&pool, &(kith_pool_options){ .workers = 1, .process = &process }), 0);
    process.environment = NULL; /* it was copied */
    assert_code(kith_pool_apply(pool, tell_environment, KITH_NO_ARGS, arena, &value, NULL), 0);
    assert_code(kith_value_as_str(value, &text, NULL), 0);
    assert_string_equal(text, "something");
}

static int no_entry_point(kith_call *call)
{
    return call == NULL;
}

static void what_no_image_would_find_is_refused(void **state)
{
    bool fork = *(const kith_start_method *)*state == KITH_FORK;
    open_by(state, NULL);
    int code = kith_pool_apply(pool, no_entry_point, KITH_NO_ARGS, arena, NULL, NULL);
    fork ? assert_code(code, 0) : assert_explained(code, -EINVAL);
    kith_pool *other = NULL;
    kith_process_options process = by(state);
    code = kith_pool_new(&other, &(kith_pool_options){ .initializer = no_entry_point, .process = &process });
    fork ? assert_code(code, 0) : assert_explained(code, -EINVAL);
    assert_code(kith_pool_free(other), 0);
}

#define POOL_TEST_BY(name, method, number)                                                \
    {                                                                                     \
#name "/" #method, name, set_up_entries, tear_down_pool, (void *)&methods[number] \
    }
#define POOL_TESTS(name) POOL_TEST_BY(name, fork, 0), POOL_TEST_BY(name, spawn, 1), POOL_TEST_BY(name, forkserver, 2)

int main(int argc, char **argv)
{
    if (kith_begin(argc, argv) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        POOL_TESTS(values_are_mapped),
        POOL_TESTS(bytes_are_mapped),
        POOL_TESTS(a_walk_goes_over_results),
        POOL_TESTS(a_worker_that_dies_is_replaced),
        POOL_TESTS(a_worker_that_takes_too_long_is_replaced),
        POOL_TESTS(a_worker_that_retires_is_replaced),
        POOL_TESTS(what_was_wrong_is_told_in_a_sentence),
        POOL_TESTS(an_initializer_runs_in_each_worker),
        POOL_TESTS(an_initializer_that_fails_breaks_the_pool),
        POOL_TESTS(settings_of_processes_are_those_of_workers),
        POOL_TESTS(what_no_image_would_find_is_refused),
    };
    return cmocka_run_group_tests_name("pool_methods", tests, start_first, NULL);
}
