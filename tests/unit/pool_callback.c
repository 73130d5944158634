/* kith/pool.h: callbacks, error callbacks, and progress: when they are called, with what, and what they may do. */
#include "pools.h"

#include <pthread.h>
#include <time.h>

/* ---- what is told ---- */

/** Written in the keeper's thread, before `calls`. */
static struct {
    _Atomic int calls;
    void *context;
    pthread_t thread;
    int64_t number; /* of a list: its sum */
    size_t length;
    kith_outcome outcome;
    char detail[100];
    int code; /* of what a callback tried */
} told;

static void wait_until_told(int calls)
{
    while (atomic_load(&told.calls) < calls)
        usleep(200);
}

static void note(void *context, kith_value *value)
{
    told.context = context;
    told.thread = pthread_self();
    told.number = 0;
    if (kith_value_kind(value) == KITH_LIST) {
        told.length = kith_value_length(value);
        for (size_t i = 0; i < told.length; i++) {
            int64_t one = 0;
            if (kith_value_as_int(kith_value_at(value, i), &one) == 0)
                told.number += one;
        }
    } else if (kith_value_as_int(value, &told.number) < 0) {
        told.number = -1;
    }
    atomic_fetch_add(&told.calls, 1);
}

static void note_failure(void *context, const kith_outcome *outcome)
{
    told.context = context;
    told.outcome = *outcome;
    snprintf(told.detail, sizeof told.detail, "%s", outcome->detail);
    atomic_fetch_add(&told.calls, 1);
}

static void never(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    told.code = 1;
}

static void never_fails(void *context, const kith_outcome *outcome)
{
    (void)context;
    (void)outcome;
    told.code = 1;
}

static int set_up_told(void **state)
{
    memset(&told, 0, sizeof told);
    return set_up_pool(state);
}

/* ---- tasks ---- */

static int fail_above_three(kith_call *call)
{
    int64_t number = number_of(call);
    return number > 3 ? -EBADMSG : kith_call_return(call, kith_value_int(kith_call_arena(call), number));
}

static int die(kith_call *call)
{
    kill(getpid(), SIGKILL);
    return call == NULL;
}

static kith_value *numbers(int64_t count)
{
    kith_value *items = kith_value_list(arena);
    for (int64_t i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static void hand_in(kith_entry *work, int64_t number, kith_pool_callback *callback)
{
    kith_task_options options = { .callback = callback, .error_callback = never_fails };
    assert_code(kith_pool_apply_async(pool, NULL, work, kith_value_pack(arena, "(I)", number), &options), 0);
}

/* ---- with what ---- */

static void a_result_is_told(void **state)
{
    (void)state;
    kith_task_options options = { .callback = note, .error_callback = never_fails, .context = &options };
    assert_code(kith_pool_apply_async(pool, NULL, square, kith_value_pack(arena, "(i)", 9), &options), 0);
    wait_until_told(1);
    assert_int_equal(told.number, 81);
    assert_ptr_equal(told.context, &options);
    assert_false(pthread_equal(told.thread, pthread_self()));
}

static void it_is_told_once_also_when_it_is_asked_for(void **state)
{
    (void)state;
    kith_result *result;
    kith_task_options options = { .callback = note, .error_callback = never_fails };
    assert_code(kith_pool_apply_async(pool, &result, square, kith_value_pack(arena, "(i)", 9), &options), 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), 0);
    assert_code(kith_result_get(result, NULL, NULL, KITH_FOREVER), 0);
    kith_result_free(result);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0); /* then all has been told */
    assert_int_equal(atomic_load(&told.calls), 1);
}

static void the_results_of_a_map_are_told_as_a_list(void **state)
{
    (void)state;
    kith_task_options options = { .callback = note, .error_callback = never_fails };
    assert_code(kith_pool_map_async(pool, NULL, square, numbers(100), &options), 0);
    wait_until_told(1);
    assert_int_equal(told.length, 100);
    assert_int_equal(told.number, 328350);
}

static void of_no_tasks_an_empty_list_is_told(void **state)
{
    (void)state;
    kith_task_options options = { .callback = note, .error_callback = never_fails };
    told.length = 7;
    assert_code(kith_pool_map_async(pool, NULL, square, numbers(0), &options), 0);
    wait_until_told(1);
    assert_int_equal(told.length, 0);
}

static void a_failure_is_told_instead(void **state)
{
    (void)state;
    kith_task_options options = { .callback = never, .error_callback = note_failure, .context = &options };
    assert_code(kith_pool_apply_async(pool, NULL, fail_above_three, kith_value_pack(arena, "(i)", 9), &options), 0);
    wait_until_told(1);
    assert_int_equal(told.outcome.code, -EBADMSG);
    assert_int_equal(told.outcome.index, 0);
    assert_int_equal(told.outcome.attempts, 1);
    assert_true(told.outcome.worker > 0);
    assert_ptr_equal(told.context, &options);
    assert_int_equal(told.code, 0);
}

static void the_first_failure_of_a_map_is_told(void **state)
{
    (void)state;
    kith_task_options options = { .callback = never, .error_callback = note_failure };
    assert_code(kith_pool_map_async(pool, NULL, fail_above_three, numbers(50), &options), 0);
    wait_until_told(1);
    assert_int_equal(told.outcome.code, -EBADMSG);
    assert_int_equal(told.outcome.index, 4);
    wait_until_done();
    assert_int_equal(atomic_load(&told.calls), 1);
    assert_int_equal(told.code, 0);
}

static void a_loss_is_told(void **state)
{
    (void)state;
    kith_task_options options = { .callback = never, .error_callback = note_failure };
    assert_code(kith_pool_apply_async(pool, NULL, die, KITH_NO_ARGS, &options), 0);
    wait_until_told(1);
    assert_int_equal(told.outcome.code, KITH_EWORKERLOST);
    assert_int_equal(told.outcome.exit_code, -SIGKILL);
    assert_true(strlen(told.detail) >= 10);
    assert_int_equal(told.code, 0);
}

static void who_waits_for_a_result_is_told_by_no_callback(void **state)
{
    (void)state;
    kith_task_options options = { .callback = never, .error_callback = never_fails };
    assert_code(kith_pool_apply(pool, square, kith_value_pack(arena, "(i)", 9), arena, NULL, &options), 0);
    assert_code(kith_pool_map(pool, square, numbers(10), arena, NULL, &options), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_int_equal(told.code, 0);
}

static void what_is_given_up_is_told(void **state)
{
    (void)state;
    kith_task_options options = { .callback = never, .error_callback = note_failure };
    assert_code(kith_pool_map_async(pool, NULL, wait_for_it, numbers(10), &options), 0);
    assert_code(kith_pool_terminate(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_int_equal(atomic_load(&told.calls), 1);
    assert_int_equal(told.outcome.code, -ECANCELED);
    assert_int_equal(told.code, 0);
}

/* ---- what they may do ---- */

static void hand_in_another(void *context, kith_value *value)
{
    (void)context;
    int64_t number = 0;
    if (kith_value_as_int(value, &number) < 0)
        return;
    kith_arena *own;
    told.code = kith_arena_new(&own);
    if (told.code < 0)
        return;
    if (number < 1000) /* 2, 4, 16, 256, 65536 */
        told.code = kith_pool_apply_async(pool, NULL, square, kith_value_pack(own, "(I)", number),
                                          &(kith_task_options){ .callback = hand_in_another });
    kith_arena_free(own);
    told.number = number;
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_may_hand_in_tasks(void **state)
{
    (void)state;
    hand_in(square, 2, hand_in_another);
    wait_until_told(4);
    assert_code(told.code, 0);
    assert_int_equal(told.number, 65536);
}

/* The calls that would wait. Each refuses that with a sentence. */
static kith_result *waited_for;

static void wait_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    int codes[] = { kith_pool_apply(pool, square, KITH_NO_ARGS, NULL, NULL, NULL),
                    kith_pool_apply_bytes(pool, square, "", 0, NULL, NULL),
                    kith_pool_map_bytes(pool, square, &(kith_message){ "", 0 }, 1, NULL, NULL),
                    kith_result_wait(waited_for, KITH_FOREVER),
                    kith_result_get(waited_for, NULL, NULL, KITH_FOREVER),
                    kith_pool_free(pool) };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == -EDEADLK && strlen(kith_error_detail()) >= 10)
            told.code++;
        else
            print_message("the call %zu gave %s\n", i, kith_error_name(codes[i]));
    }
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_can_not_wait(void **state)
{
    (void)state;
    assert_code(kith_pool_apply_async(pool, &waited_for, wait_for_it, KITH_NO_ARGS, NULL), 0);
    hand_in(square, 1, wait_in_callback);
    wait_until_told(1);
    assert_int_equal(told.code, 6);
    let_go();
    assert_code(kith_result_wait(waited_for, KITH_FOREVER), 0);
    kith_result_free(waited_for);
}

static void look_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    told.code = kith_result_wait(waited_for, KITH_NOWAIT);
    told.number = kith_result_ready(waited_for);
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_may_look(void **state)
{
    (void)state;
    assert_code(kith_pool_apply_async(pool, &waited_for, wait_for_it, KITH_NO_ARGS, NULL), 0);
    hand_in(square, 1, look_in_callback);
    wait_until_told(1);
    assert_code(told.code, -ETIMEDOUT);
    assert_int_equal(told.number, 0);
    let_go();
    assert_code(kith_result_wait(waited_for, KITH_FOREVER), 0);
    hand_in(square, 1, look_in_callback);
    wait_until_told(2);
    assert_code(told.code, 0);
    assert_int_equal(told.number, 1);
    kith_result_free(waited_for);
}

static void fill_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    for (int i = 0; i < 10 && told.code == 0; i++)
        told.code = kith_pool_apply_async(pool, NULL, wait_for_it, KITH_NO_ARGS, NULL);
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_does_not_wait_for_room(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 4 });
    hand_in(square, 1, fill_in_callback);
    wait_until_told(1);
    assert_code(told.code, -EDEADLK);
    for (int i = 0; i < 4; i++)
        let_go();
    wait_until_done();
}

static void close_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    told.code = kith_pool_close(pool);
    if (told.code == 0)
        told.code = kith_pool_join(pool, KITH_FOREVER);
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_may_close_the_pool_but_not_join_it(void **state)
{
    (void)state;
    hand_in(square, 1, close_in_callback);
    wait_until_told(1);
    assert_code(told.code, -EDEADLK);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static void terminate_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    told.code = kith_pool_terminate(pool);
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_may_terminate_the_pool(void **state)
{
    (void)state;
    hand_in(square, 1, terminate_in_callback);
    wait_until_told(1);
    assert_code(told.code, 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static kith_imap *_Atomic walk; /* NULL: it may not be freed yet, or was */

static int make_without_end(void *context, kith_arena *own, kith_value **args)
{
    (void)context;
    *args = kith_value_pack(own, "(i)", 1);
    return 1;
}

static void free_walk_in_callback(void *context, size_t done, size_t total)
{
    (void)context;
    (void)done;
    (void)total;
    kith_imap_free(atomic_exchange(&walk, NULL));
    atomic_fetch_add(&told.calls, 1);
}

static void a_callback_may_end_the_walk_that_it_tells_of(void **state)
{
    (void)state;
    kith_imap *imap;
    kith_task_options options = { .progress = free_walk_in_callback, .ahead = 4 };
    assert_code(kith_pool_imap(pool, &imap, wait_for_it, make_without_end, NULL, &options), 0);
    assert_code(kith_imap_next(imap, NULL, NULL, KITH_NOWAIT), -ETIMEDOUT);
    wait_until_told(1);
    atomic_store(&walk, imap);
    let_go();
    wait_until_told(2);
    let_go();
    let_go();
    wait_until_done();
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_int_equal(atomic_load(&told.calls), 2);
}

/* ---- progress ---- */

static struct {
    size_t calls, first_done, first_total, done, total, backwards;
} seen;

static void watch(void *context, size_t done, size_t total)
{
    (void)context;
    if (seen.calls++ == 0) {
        seen.first_done = done;
        seen.first_total = total;
    }
    seen.backwards += seen.calls > 2 && done <= seen.done && done < total;
    seen.done = done;
    seen.total = total;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int a_millisecond(kith_call *call)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return call == NULL;
}

static void progress_is_told_at_the_beginning_now_and_then_and_at_the_end(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    double began = seconds();
    assert_code(
        kith_pool_map(pool, a_millisecond, numbers(500), arena, NULL, &(kith_task_options){ .progress = watch }), 0);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    double took = seconds() - began;
    assert_int_equal(seen.first_done, 0);
    assert_int_equal(seen.first_total, 500);
    assert_int_equal(seen.done, 500);
    assert_int_equal(seen.total, 500);
    assert_int_equal(seen.backwards, 0);
    assert_true(seen.calls > 3);
    assert_true((double)seen.calls <= took * 20 + 2);
    size_t calls = seen.calls;
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    assert_int_equal(seen.calls, calls);
}

static void who_waits_goes_on_after_the_end_was_told(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        kith_result *result;
        memset(&seen, 0, sizeof seen);
        assert_code(kith_pool_map_async(pool, &result, square, numbers(3), &(kith_task_options){ .progress = watch }),
                    0);
        assert_code(
            round % 2 ? kith_result_wait(result, KITH_FOREVER) : kith_result_get(result, NULL, NULL, KITH_FOREVER), 0);
        assert_int_equal(seen.done, 3);
        assert_int_equal(seen.total, 3);
        kith_result_free(result);
    }
}

static void wait_at_the_end(void *context, size_t done, size_t total)
{
    if (done == total)
        *(int *)context = kith_pool_apply(pool, square, KITH_NO_ARGS, NULL, NULL, NULL);
}

static void nor_can_progress_wait_in_whatever_thread_it_is_told(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        int code = 0;
        kith_task_options options = { .progress = wait_at_the_end, .context = &code };
        assert_code(kith_pool_map(pool, square, numbers(3), arena, NULL, &options), 0);
        assert_int_equal(code, -EDEADLK);
    }
}

static void of_no_tasks_progress_is_told_twice(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_code(kith_pool_map(pool, square, numbers(0), arena, NULL, &(kith_task_options){ .progress = watch }), 0);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.done, 0);
    assert_int_equal(seen.total, 0);
}

static void the_ready_made_line_shows_the_end_when_the_map_is_done(void **state)
{
    (void)state;
    char text[200] = { 0 };
    kith_progress_line line = { .label = "squares", .fd = said[1] };
    kith_task_options options = { .progress = kith_progress_show, .context = &line };
    assert_code(kith_pool_map(pool, square, numbers(200), arena, NULL, &options), 0);
    assert_true(readable(said[0], 0));
    assert_true(read(said[0], text, sizeof text - 1) > 0);
    assert_ptr_equal(strstr(text, "squares  100 %  200/200  "), text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

#define TOLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_told, tear_down_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOLD_TEST(a_result_is_told),
        TOLD_TEST(it_is_told_once_also_when_it_is_asked_for),
        TOLD_TEST(the_results_of_a_map_are_told_as_a_list),
        TOLD_TEST(of_no_tasks_an_empty_list_is_told),
        TOLD_TEST(a_failure_is_told_instead),
        TOLD_TEST(the_first_failure_of_a_map_is_told),
        TOLD_TEST(a_loss_is_told),
        TOLD_TEST(who_waits_for_a_result_is_told_by_no_callback),
        TOLD_TEST(what_is_given_up_is_told),
        TOLD_TEST(a_callback_may_hand_in_tasks),
        TOLD_TEST(a_callback_can_not_wait),
        TOLD_TEST(a_callback_may_look),
        TOLD_TEST(a_callback_does_not_wait_for_room),
        TOLD_TEST(a_callback_may_close_the_pool_but_not_join_it),
        TOLD_TEST(a_callback_may_terminate_the_pool),
        TOLD_TEST(a_callback_may_end_the_walk_that_it_tells_of),
        TOLD_TEST(progress_is_told_at_the_beginning_now_and_then_and_at_the_end),
        TOLD_TEST(who_waits_goes_on_after_the_end_was_told),
        TOLD_TEST(nor_can_progress_wait_in_whatever_thread_it_is_told),
        TOLD_TEST(of_no_tasks_progress_is_told_twice),
        TOLD_TEST(the_ready_made_line_shows_the_end_when_the_map_is_done),
    };
    return cmocka_run_group_tests_name("pool_callback", tests, start_first, NULL);
}
