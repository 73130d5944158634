/* kith/pool.h: tasks that succeed and fail, one by one and many at a time, and their results. */
#include "pools.h"

#include <pthread.h>

/* ---- tasks ---- */

static int add(kith_call *call)
{
    int64_t one, other;
    int code = kith_value_unpack(kith_call_args(call), "(II)", &one, &other);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), one + other));
}

static int count_arguments(kith_call *call)
{
    size_t count = kith_value_length(kith_call_args(call));
    return kith_call_return(call, kith_value_int(kith_call_arena(call), (int64_t)count));
}

static int give_back(kith_call *call)
{
    return kith_call_return(call, kith_value_at(kith_call_args(call), 0));
}

static int give_back_bytes(kith_call *call)
{
    size_t size;
    const void *data = kith_call_bytes(call, &size);
    return kith_call_return_bytes(call, data, size);
}

static int give_nothing(kith_call *call)
{
    return call == NULL;
}

static int give_length(kith_call *call)
{
    size_t size;
    kith_call_bytes(call, &size);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), (int64_t)size));
}

/* Returns its argument, as a failing function does. */
static int fail_with(kith_call *call)
{
    return (int)number_of(call);
}

static int fail_with_a_detail(kith_call *call)
{
    (void)call;
    return kith_process_join(NULL, KITH_NOWAIT);
}

static int fail_unless_even(kith_call *call)
{
    int64_t number = number_of(call);
    return number % 2 ? -ERANGE : kith_call_return(call, kith_value_int(kith_call_arena(call), number));
}

static int return_twice(kith_call *call)
{
    int code = kith_call_return_bytes(call, "first", 5);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), 2));
}

static int print(kith_call *call)
{
    (void)call;
    printf("said"); /* without the end of a line, at which stdout may be flushed */
    return 0;
}

/* ---- one task ---- */

static int64_t as_int(const kith_value *value)
{
    int64_t number = -1;
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

static int64_t apply_int(kith_entry *work, const kith_value *args)
{
    kith_value *value = NULL;
    assert_code(kith_pool_apply(pool, work, args, arena, &value, NULL), 0);
    return as_int(value);
}

static void a_task_gives_a_value(void **state)
{
    (void)state;
    assert_int_equal(apply_int(square, kith_value_pack(arena, "(i)", 7)), 49);
    assert_int_equal(apply_int(add, kith_value_pack(arena, "(ii)", 2, 3)), 5);
    assert_int_equal(apply_int(count_arguments, KITH_NO_ARGS), 0);
    assert_int_equal(apply_int(count_arguments, kith_value_pack(arena, "(isf)", 1, "two", 3.0)), 3);
}

static void a_task_that_gives_nothing_gives_none(void **state)
{
    (void)state;
    kith_value *value = NULL;
    kith_bytes bytes = { NULL, 0 };
    assert_code(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, arena, &value, NULL), 0);
    assert_int_equal(kith_value_kind(value), KITH_NONE);
    assert_code(kith_pool_apply(pool, give_nothing, KITH_NO_ARGS, NULL, NULL, NULL), 0);
    assert_code(kith_pool_apply_bytes(pool, give_nothing, NULL, 0, &bytes, NULL), 0);
    assert_code(kith_pickle_read(arena, &value, bytes.data, bytes.size, NULL), 0);
    assert_int_equal(kith_value_kind(value), KITH_NONE);
    kith_bytes_free(&bytes);
}

static void the_last_result_counts(void **state)
{
    (void)state;
    assert_int_equal(apply_int(return_twice, KITH_NO_ARGS), 2);
}

static void values_of_all_sizes_come_back(void **state)
{
    (void)state;
    for (size_t size = 1; size <= (size_t)16 << 20; size *= 7) {
        unsigned char *data = pattern(size);
        kith_value *given = kith_value_pack(arena, "(v)", kith_value_bytes(arena, data, size)), *value = NULL;
        assert_code(kith_pool_apply(pool, give_back, given, arena, &value, NULL), 0);
        assert_int_equal(kith_value_equal(value, kith_value_at(given, 0)), 1);
        free(data);
    }
}

static void a_value_nests_as_deep_as_can_be_written(void **state)
{
    (void)state;
    kith_value *value = kith_value_list(arena), *back = NULL;
    for (int i = 0; i < 4000; i++) {
        kith_value *outer = kith_value_list(arena);
        assert_code(kith_value_append(outer, value), 0);
        value = outer;
    }
    assert_code(kith_pool_apply(pool, give_back, kith_value_pack(arena, "(v)", value), arena, &back, NULL), 0);
    assert_int_equal(kith_value_equal(value, back), 1);
}

static void a_task_gives_bytes(void **state)
{
    (void)state;
    for (size_t size = 0; size <= (size_t)16 << 20; size = size * 7 + 1) {
        unsigned char *data = pattern(size);
        kith_bytes bytes = { NULL, 0 };
        assert_code(kith_pool_apply_bytes(pool, give_back_bytes, data, size, &bytes, NULL), 0);
        assert_int_equal(bytes.size, size);
        assert_memory_equal(bytes.data, data, size);
        kith_bytes_free(&bytes);
        free(data);
    }
    assert_code(kith_pool_apply_bytes(pool, give_back_bytes, "x", 1, NULL, NULL), 0);
}

static void bytes_and_values_mix(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *value = NULL;
    kith_bytes bytes = { NULL, 0 };
    const void *data;
    size_t size;
    assert_code(kith_pool_apply_bytes_async(pool, &result, give_back_bytes, "kith", 4, NULL), 0);
    assert_code(kith_result_get(result, arena, &value, KITH_FOREVER), 0);
    assert_code(kith_value_as_bytes(value, &data, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "kith", 4);
    kith_result_free(result);
    assert_code(kith_pool_apply_bytes(pool, give_length, "kith", 4, &bytes, NULL), 0);
    assert_code(kith_pickle_read(arena, &value, bytes.data, bytes.size, NULL), 0);
    assert_int_equal(as_int(value), 4);
    kith_bytes_free(&bytes);
}

/* ---- failures ---- */

static void a_negative_code_is_told_as_it_is(void **state)
{
    (void)state;
    kith_value *value = (void *)&state;
    assert_code(kith_pool_apply(pool, fail_with, kith_value_pack(arena, "(i)", -ENOENT), arena, &value, NULL), -ENOENT);
    assert_ptr_equal(value, &state);
    assert_code(kith_pool_apply(pool, fail_with, kith_value_pack(arena, "(i)", KITH_EAUTH), arena, &value, NULL),
                KITH_EAUTH);
}

static void the_detail_comes_along(void **state)
{
    (void)state;
    assert_explained(kith_pool_apply(pool, fail_with_a_detail, KITH_NO_ARGS, NULL, NULL, NULL), -EINVAL);
    assert_string_equal(kith_error_detail(), "process is NULL: start one with kith_process_start");
}

static void what_a_task_prints_is_out_when_its_result_is_there(void **state)
{
    (void)state;
    char text[16] = { 0 };
    FILE *file = tmpfile();
    assert_non_null(file);
    kith_stdio stdio[3] = { [STDOUT_FILENO] = { .kind = KITH_STDIO_FD, .fd = fileno(file) } };
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .process = &(kith_process_options){ .stdio = stdio } });
    assert_code(kith_pool_apply(pool, print, KITH_NO_ARGS, NULL, NULL, NULL), 0);
    assert_int_equal(pread(fileno(file), text, sizeof text, 0), 4);
    assert_string_equal(text, "said");
    fclose(file);
}

static void a_number_above_0_is_a_failure_of_the_task(void **state)
{
    (void)state;
    kith_result *result;
    kith_outcome outcome;
    assert_code(kith_pool_apply_async(pool, &result, fail_with, kith_value_pack(arena, "(i)", 3), NULL), 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), KITH_ETASK);
    assert_code(kith_result_outcome(result, 0, &outcome), 0);
    assert_int_equal(outcome.code, KITH_ETASK);
    assert_int_equal(outcome.exit_code, 3);
    assert_int_equal(outcome.attempts, 1);
    assert_true(outcome.worker > 0);
    assert_string_equal(outcome.detail, "it returned 3");
    kith_result_free(result);
}

static void a_code_that_nobody_knows_is_told_as_a_number(void **state)
{
    (void)state;
    assert_code(kith_pool_apply(pool, fail_with, kith_value_pack(arena, "(i)", -5555), NULL, NULL, NULL), -5555);
    assert_string_equal(kith_error_detail(), "it returned -5555");
}

static void of_a_map_the_first_failure_is_told_and_the_others_run(void **state)
{
    (void)state;
    kith_result *result;
    kith_outcome outcome;
    kith_value *items = kith_value_list(arena), *list = NULL;
    for (int i = 0; i < 50; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    assert_code(kith_pool_map(pool, fail_unless_even, items, arena, &list, NULL), -ERANGE);
    assert_null(list);
    assert_int_equal(atomic_load(ran), 50);
    assert_code(kith_pool_map_async(pool, &result, fail_unless_even, items, NULL), 0);
    assert_code(kith_result_get(result, arena, &list, KITH_FOREVER), -ERANGE);
    for (size_t i = 0; i < 50; i++) {
        kith_value *value = NULL;
        assert_code(kith_result_at(result, i, arena, &value), i % 2 ? -ERANGE : 0);
        if (value)
            assert_int_equal(as_int(value), i);
        assert_code(kith_result_outcome(result, i, &outcome), 0);
        assert_int_equal(outcome.code, i % 2 ? -ERANGE : 0);
        assert_int_equal(outcome.index, i);
    }
    kith_result_free(result);
}

/* ---- many tasks ---- */

static kith_value *numbers(int count)
{
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static void assert_squares(const kith_value *list, size_t count)
{
    assert_int_equal(kith_value_kind(list), KITH_LIST);
    assert_int_equal(kith_value_length(list), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(as_int(kith_value_at(list, i)), i * i);
}

static void a_map_gives_results_in_the_order_of_its_items(void **state)
{
    (void)state;
    for (int count = 0; count <= 20000; count = count * 5 + 1) {
        kith_value *list = NULL;
        assert_code(kith_pool_map(pool, square, numbers(count), arena, &list, NULL), 0);
        assert_squares(list, (size_t)count);
    }
}

static void a_map_goes_on_when_more_are_given_than_there_is_room_for(void **state)
{
    (void)state;
    static const unsigned chunks[] = { 0, 1, 3, 100, 5000 };
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 10 });
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        kith_value *list = NULL;
        kith_task_options options = { .chunk = chunks[i] };
        assert_code(kith_pool_map(pool, square, numbers(2000), arena, &list, &options), 0);
        assert_squares(list, 2000);
    }
}

static void several_maps_take_turns(void **state)
{
    (void)state;
    kith_result *results[8];
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 16 });
    for (int i = 0; i < 8; i++)
        assert_code(kith_pool_map_async(pool, &results[i], square, numbers(500), NULL), 0);
    for (int i = 0; i < 8; i++) {
        kith_value *list = NULL;
        assert_code(kith_result_get(results[i], arena, &list, KITH_FOREVER), 0);
        assert_squares(list, 500);
        kith_result_free(results[i]);
    }
}

/* While a map is fed, others hand in, and neither starves: not even where there is room for one task at a time. */
static void tasks_come_in_between_those_of_a_map(void **state)
{
    (void)state;
    for (unsigned room = 1; room <= 64; room *= 8) {
        kith_result *map;
        close_pool();
        open_pool(&(kith_pool_options){ .workers = 2, .max_pending = room });
        kith_task_options one_by_one = { .chunk = 1 };
        assert_code(kith_pool_map_async(pool, &map, square, numbers(2000), &one_by_one), 0);
        int between = 0;
        while (!kith_result_ready(map)) {
            assert_code(kith_pool_apply_async(pool, NULL, square, kith_value_pack(arena, "(i)", 1), NULL), 0);
            between++;
        }
        assert_true(between >= 3);
        kith_result_free(map);
    }
}

static void a_map_goes_over_tuples_and_sets(void **state)
{
    (void)state;
    kith_value *list = NULL, *set = kith_value_new_set(arena);
    assert_code(kith_pool_map(pool, square, kith_value_pack(arena, "(iii)", 0, 1, 2), arena, &list, NULL), 0);
    assert_squares(list, 3);
    for (int i = 0; i < 3; i++)
        assert_code(kith_value_add(set, kith_value_int(arena, i)), 0);
    assert_code(kith_pool_map(pool, square, set, arena, &list, NULL), 0);
    assert_int_equal(kith_value_length(list), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(as_int(kith_value_at(list, i)), as_int(kith_value_at(set, i)) * as_int(kith_value_at(set, i)));
}

static void results_of_a_map_need_not_be_wanted(void **state)
{
    (void)state;
    assert_code(kith_pool_map(pool, square, numbers(10), NULL, NULL, NULL), 0);
    assert_code(kith_pool_map_async(pool, NULL, square, numbers(10), NULL), 0);
    wait_until_done();
    assert_int_equal(atomic_load(ran), 20);
}

static void starmap_gives_each_task_its_arguments(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *list = NULL;
    kith_value *items = kith_value_pack(arena, "[(ii)(ii)(ii)]", 1, 2, 3, 4, 5, 6);
    assert_code(kith_pool_starmap(pool, add, items, arena, &list, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(as_int(kith_value_at(list, i)), 4 * i + 3);
    assert_code(kith_pool_starmap_async(pool, &result, add, items, NULL), 0);
    assert_code(kith_result_get(result, arena, &list, KITH_FOREVER), 0);
    assert_int_equal(as_int(kith_value_at(list, 2)), 11);
    kith_result_free(result);
}

static void starmap_begins_nothing_when_an_item_is_no_tuple(void **state)
{
    (void)state;
    kith_value *items = kith_value_pack(arena, "[(i)i]", 1, 2);
    assert_explained(kith_pool_starmap(pool, square, items, arena, NULL, NULL), KITH_ETYPE);
    wait_until_done();
    assert_int_equal(atomic_load(ran), 0);
}

static void the_items_of_a_map_may_go_when_it_has_begun(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *list = NULL;
    kith_arena *theirs;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 4 });
    assert_code(kith_arena_new(&theirs), 0);
    kith_value *items = kith_value_list(theirs);
    for (int i = 0; i < 300; i++)
        assert_code(kith_value_append(items, kith_value_int(theirs, i)), 0);
    assert_code(kith_pool_map_async(pool, &result, square, items, NULL), 0);
    kith_arena_free(theirs);
    assert_code(kith_result_get(result, arena, &list, KITH_FOREVER), 0);
    assert_squares(list, 300);
    kith_result_free(result);
}

static void messages_are_mapped(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    kith_message messages[COUNT];
    kith_bytes results[COUNT];
    char texts[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i * 7);
        messages[i] = (kith_message){ texts[i], strlen(texts[i]) };
    }
    messages[1] = (kith_message){ NULL, 0 };
    assert_code(kith_pool_map_bytes(pool, give_back_bytes, messages, COUNT, results, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(results[i].size, messages[i].size);
        if (messages[i].size > 0)
            assert_memory_equal(results[i].data, messages[i].data, messages[i].size);
        kith_bytes_free(&results[i]);
    }
    assert_code(kith_pool_map_bytes(pool, give_back_bytes, NULL, 0, results, NULL), 0);
    assert_code(kith_pool_map_bytes(pool, give_back_bytes, messages, COUNT, NULL, NULL), 0);
}

static void messages_may_go_when_their_map_has_begun(void **state)
{
    (void)state;
    kith_result *result;
    kith_bytes bytes;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .max_pending = 1 });
    char text[] = "one";
    kith_message messages[] = { { "none", 4 }, { text, 3 } };
    assert_code(kith_pool_map_bytes_async(pool, &result, give_back_bytes, messages, 2, NULL), 0);
    memset(text, 0, sizeof text);
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    assert_code(kith_result_bytes_at(result, 1, &bytes), 0);
    assert_int_equal(bytes.size, 3);
    assert_memory_equal(bytes.data, "one", 3);
    kith_bytes_free(&bytes);
    kith_result_free(result);
}

static void an_item_that_can_not_be_pickled_is_a_task_that_failed(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *items = kith_value_list(arena), *bad = kith_value_list(arena), *value = NULL;
    for (int i = 0; i < KITH_VALUE_DEPTH_MAX + 1; i++) {
        kith_value *outer = kith_value_list(arena);
        assert_code(kith_value_append(outer, bad), 0);
        bad = outer;
    }
    assert_code(kith_value_append(items, kith_value_int(arena, 1)), 0);
    assert_code(kith_value_append(items, bad), 0);
    assert_code(kith_value_append(items, kith_value_int(arena, 3)), 0);
    assert_explained(kith_pool_map(pool, square, items, arena, &value, NULL), KITH_ELIMIT);
    assert_int_equal(atomic_load(ran), 2);
    /* The one alone is refused. */
    assert_explained(kith_pool_apply_async(pool, &result, square, kith_value_pack(arena, "(v)", bad), NULL),
                     KITH_ELIMIT);
}

/* ---- results ---- */

static void a_result_is_asked_for_until_it_is_there(void **state)
{
    (void)state;
    kith_result *result;
    kith_value *value = NULL;
    kith_bytes bytes;
    kith_outcome outcome;
    assert_code(kith_pool_apply_async(pool, &result, square_or_wait, kith_value_pack(arena, "(i)", 10), NULL), 0);
    assert_int_equal(kith_result_ready(result), 0);
    assert_int_equal(kith_result_count(result), 1);
    assert_int_equal(kith_result_done(result), 0);
    assert_code(kith_result_wait(result, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_result_wait(result, KITH_MS(1)), -ETIMEDOUT);
    assert_code(kith_result_get(result, arena, &value, KITH_MS(1)), -ETIMEDOUT);
    assert_explained(kith_result_at(result, 0, arena, &value), -EAGAIN);
    assert_explained(kith_result_bytes_at(result, 0, &bytes), -EAGAIN);
    assert_explained(kith_result_outcome(result, 0, &outcome), -EAGAIN);
    assert_explained(kith_result_at(result, 1, arena, &value), -ENOENT);
    let_go();
    assert_code(kith_result_get(result, arena, &value, KITH_FOREVER), 0);
    assert_int_equal(as_int(value), 100);
    assert_int_equal(kith_result_ready(result), 1);
    assert_int_equal(kith_result_done(result), 1);
    assert_code(kith_result_get(result, arena, &value, KITH_NOWAIT), 0); /* once more */
    assert_int_equal(as_int(value), 100);
    assert_code(kith_result_at(result, 0, arena, &value), 0);
    assert_code(kith_result_outcome(result, 0, &outcome), 0);
    assert_int_equal(outcome.code, 0);
    assert_string_equal(outcome.detail, "");
    kith_result_free(result);
    kith_result_free(NULL);
}

static void tasks_go_on_without_their_handle(void **state)
{
    (void)state;
    kith_result *result;
    assert_code(kith_pool_apply_async(pool, &result, wait_for_it, kith_value_pack(arena, "(i)", 1), NULL), 0);
    kith_result_free(result);
    assert_code(kith_pool_apply_async(pool, NULL, square, kith_value_pack(arena, "(i)", 1), NULL), 0);
    let_go();
    wait_until_done();
    assert_int_equal(atomic_load(ran), 2);
}

static void what_has_not_begun_can_be_given_up(void **state)
{
    (void)state;
    kith_result *results[4], *map;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1 });
    for (int i = 0; i < 4; i++)
        assert_code(kith_pool_apply_async(pool, &results[i], wait_for_it, kith_value_pack(arena, "(i)", i), NULL), 0);
    while (atomic_load(ran) < 1)
        usleep(100);
    assert_code(kith_pool_map_async(pool, &map, square, numbers(5000), NULL), 0);
    assert_code(kith_result_cancel(map), 0);
    assert_code(kith_result_wait(map, KITH_FOREVER), 0);
    assert_code(kith_result_get(map, NULL, NULL, KITH_NOWAIT), -ECANCELED);
    assert_explained(kith_result_cancel(map), -EALREADY);
    assert_code(kith_result_cancel(results[2]), 0);
    assert_int_equal(kith_result_ready(results[2]), 1);
    assert_explained(kith_result_cancel(results[0]), -EALREADY); /* it runs */
    for (int i = 0; i < 3; i++)
        let_go();
    for (int i = 0; i < 4; i++) {
        assert_code(kith_result_get(results[i], NULL, NULL, KITH_FOREVER), i == 2 ? -ECANCELED : 0);
        kith_result_free(results[i]);
    }
    kith_result_free(map);
    assert_int_equal(atomic_load(ran), 3);
}

static void of_a_chunk_that_runs_the_rest_can_be_given_up(void **state)
{
    (void)state;
    kith_result *map;
    kith_value *value = NULL;
    kith_outcome outcome;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1 });
    assert_code(kith_pool_map_async(pool, &map, square_or_wait, numbers(8), &(kith_task_options){ .chunk = 8 }), 0);
    while (atomic_load(ran) < 1)
        usleep(100);
    assert_code(kith_result_cancel(map), 0);
    let_go();
    assert_code(kith_result_wait(map, KITH_FOREVER), 0);
    assert_code(kith_result_at(map, 0, arena, &value), 0);
    assert_code(kith_result_at(map, 7, arena, &value), -ECANCELED);
    assert_code(kith_result_outcome(map, 7, &outcome), 0);
    assert_int_equal(outcome.worker, 0);
    assert_int_equal(outcome.attempts, 0);
    kith_result_free(map);
    assert_int_equal(atomic_load(ran), 1);
}

static void *get_it(void *result)
{
    return kith_result_wait(result, KITH_FOREVER) == 0 ? result : NULL;
}

static void several_threads_wait_for_one_result(void **state)
{
    (void)state;
    kith_result *result;
    pthread_t threads[4];
    assert_code(kith_pool_apply_async(pool, &result, wait_for_it, kith_value_pack(arena, "(i)", 1), NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_it, result), 0);
    let_go();
    for (int i = 0; i < 4; i++) {
        void *got;
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_ptr_equal(got, result);
    }
    kith_result_free(result);
}

static void *apply_many(void *failures)
{
    kith_arena *own;
    if (kith_arena_new(&own) < 0)
        return failures;
    for (int i = 0; i < 300; i++) {
        kith_value *value = NULL;
        int64_t number = -1;
        kith_arena_reset(own);
        if (kith_pool_apply(pool, square, kith_value_pack(own, "(i)", i), own, &value, NULL) < 0 ||
            kith_value_as_int(value, &number) < 0 || number != (int64_t)i * i)
            atomic_fetch_add((_Atomic int *)failures, 1);
    }
    kith_arena_free(own);
    return failures;
}

static void several_threads_hand_in(void **state)
{
    (void)state;
    pthread_t threads[4];
    _Atomic int failures = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, apply_many, (void *)&failures), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failures, 0);
}

/* ---- signals ---- */

static pthread_t waiter;
static _Atomic bool interrupted;

static void note(int signal)
{
    (void)signal;
}

/* Sends signals to the thread that waits, until it says that it was interrupted. */
static void *interrupt_it(void *nothing)
{
    while (!atomic_load(&interrupted)) {
        pthread_kill(waiter, SIGUSR1);
        usleep(1000);
    }
    return nothing;
}

static void begin_to_interrupt(pthread_t *thread)
{
    struct sigaction action = { .sa_handler = note };
    sigaction(SIGUSR1, &action, NULL);
    waiter = pthread_self();
    atomic_store(&interrupted, false);
    assert_int_equal(pthread_create(thread, NULL, interrupt_it, NULL), 0);
}

static void end_to_interrupt(pthread_t thread)
{
    atomic_store(&interrupted, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_signal_interrupts_who_waits(void **state)
{
    (void)state;
    kith_result *result;
    pthread_t thread;
    assert_code(kith_pool_apply_async(pool, &result, wait_for_it, kith_value_pack(arena, "(i)", 1), NULL), 0);
    begin_to_interrupt(&thread);
    assert_code(kith_result_wait(result, KITH_FOREVER), -EINTR);
    end_to_interrupt(thread);
    let_go();
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    kith_result_free(result);
}

static void a_map_that_is_interrupted_gives_up_what_has_not_begun(void **state)
{
    (void)state;
    pthread_t thread;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .max_pending = 3 });
    begin_to_interrupt(&thread);
    assert_code(kith_pool_map(pool, wait_for_it, numbers(100), NULL, NULL, NULL), -EINTR);
    end_to_interrupt(thread);
    let_go();
    wait_until_done();
    assert_true(atomic_load(ran) <= 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(a_task_gives_a_value),
        POOL_TEST(a_task_that_gives_nothing_gives_none),
        POOL_TEST(the_last_result_counts),
        POOL_TEST(values_of_all_sizes_come_back),
        POOL_TEST(a_value_nests_as_deep_as_can_be_written),
        POOL_TEST(a_task_gives_bytes),
        POOL_TEST(bytes_and_values_mix),
        POOL_TEST(a_negative_code_is_told_as_it_is),
        POOL_TEST(the_detail_comes_along),
        POOL_TEST(what_a_task_prints_is_out_when_its_result_is_there),
        POOL_TEST(a_number_above_0_is_a_failure_of_the_task),
        POOL_TEST(a_code_that_nobody_knows_is_told_as_a_number),
        POOL_TEST(of_a_map_the_first_failure_is_told_and_the_others_run),
        POOL_TEST(a_map_gives_results_in_the_order_of_its_items),
        POOL_TEST(a_map_goes_on_when_more_are_given_than_there_is_room_for),
        POOL_TEST(several_maps_take_turns),
        POOL_TEST(tasks_come_in_between_those_of_a_map),
        POOL_TEST(a_map_goes_over_tuples_and_sets),
        POOL_TEST(results_of_a_map_need_not_be_wanted),
        POOL_TEST(starmap_gives_each_task_its_arguments),
        POOL_TEST(starmap_begins_nothing_when_an_item_is_no_tuple),
        POOL_TEST(the_items_of_a_map_may_go_when_it_has_begun),
        POOL_TEST(messages_are_mapped),
        POOL_TEST(messages_may_go_when_their_map_has_begun),
        POOL_TEST(an_item_that_can_not_be_pickled_is_a_task_that_failed),
        POOL_TEST(a_result_is_asked_for_until_it_is_there),
        POOL_TEST(tasks_go_on_without_their_handle),
        POOL_TEST(what_has_not_begun_can_be_given_up),
        POOL_TEST(of_a_chunk_that_runs_the_rest_can_be_given_up),
        POOL_TEST(several_threads_wait_for_one_result),
        POOL_TEST(several_threads_hand_in),
        POOL_TEST(a_signal_interrupts_who_waits),
        POOL_TEST(a_map_that_is_interrupted_gives_up_what_has_not_begun),
    };
    if (kith_begin(argc, argv) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
