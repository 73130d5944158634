/* kith/pool.h: imap and imap_unordered: what they give, and how far ahead they make items. */
#include "alarms.h"
#include "pools.h"

#include <pthread.h>

/* ---- where items come from ---- */

struct source {
    int64_t made;
    int64_t count; /* items; -1: endless */
    int64_t fail_at;
    int code;        /* with which making item fail_at fails; 0: it does not */
    const char *why; /* NULL: it does not say */
};

#define ENDLESS (&(struct source){ .count = -1 })

static int make_number(void *context, kith_arena *own, kith_value **args)
{
    struct source *source = context;
    if (source->code < 0 && source->made == source->fail_at)
        return source->why ? kith_fail(source->code, "%s", source->why) : source->code;
    if (source->made == source->count)
        return 0;
    *args = kith_value_pack(own, "(I)", source->made++);
    return 1;
}

static kith_imap *begin(kith_entry *work, struct source *source, const kith_task_options *options)
{
    kith_imap *imap;
    assert_code(kith_pool_imap(pool, &imap, work, make_number, source, options), 0);
    return imap;
}

static kith_imap *begin_unordered(kith_entry *work, struct source *source, const kith_task_options *options)
{
    kith_imap *imap;
    assert_code(kith_pool_imap_unordered(pool, &imap, work, make_number, source, options), 0);
    return imap;
}

/* ---- what comes ---- */

/** The next result, a number. */
static int64_t take(kith_imap *imap)
{
    kith_value *value;
    int64_t number;
    kith_arena_reset(arena);
    assert_code(kith_imap_next(imap, arena, &value, KITH_FOREVER), 0);
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

static kith_outcome outcome_of(kith_imap *imap)
{
    kith_outcome outcome = { 0 };
    assert_code(kith_imap_outcome(imap, &outcome), 0);
    assert_non_null(outcome.detail);
    return outcome;
}

/** The next task ends like this. */
static void take_failure(kith_imap *imap, int code, size_t index)
{
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), code);
    kith_outcome outcome = outcome_of(imap);
    assert_int_equal(outcome.code, code);
    assert_int_equal(outcome.index, index);
}

static void take_nothing(kith_imap *imap, int code, kith_timeout timeout)
{
    kith_value *value = NULL;
    kith_outcome outcome;
    assert_code(kith_imap_next(imap, arena, &value, timeout), code);
    assert_null(value);
    assert_code(kith_imap_outcome(imap, &outcome), -ENOENT);
}

static void take_the_end(kith_imap *imap)
{
    take_nothing(imap, KITH_EEMPTY, KITH_FOREVER);
    take_nothing(imap, KITH_EEMPTY, KITH_NOWAIT);
}

static void take_squares(kith_imap *imap, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        assert_int_equal(take(imap), i * i);
}

/** Of each number below count there is one square. */
static void take_squares_in_any_order(kith_imap *imap, int64_t count)
{
    char seen[2500] = { 0 };
    assert_in_range(count, 0, sizeof seen);
    for (int64_t i = 0; i < count; i++) {
        int64_t got = take(imap), root = (int64_t)outcome_of(imap).index;
        assert_int_equal(got, root * root);
        assert_true(root < count);
        assert_int_equal(seen[root]++, 0);
    }
}

/* ---- results ---- */

static void results_come_in_order(void **state)
{
    (void)state;
    static const kith_task_options cases[] = {
        { 0 }, { .ahead = 1 }, { .ahead = 7 }, { .chunk = 10 }, { .ahead = 7, .chunk = 100 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_imap *imap = begin(square, &(struct source){ .count = 2500 }, &cases[i]);
        take_squares(imap, 0, 2500);
        take_the_end(imap);
        kith_imap_free(imap);
    }
}

static void results_come_as_they_come(void **state)
{
    (void)state;
    static const kith_task_options cases[] = {
        { 0 }, { .ahead = 1 }, { .ahead = 7 }, { .chunk = 10 }, { .ahead = 7, .chunk = 100 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_imap *imap = begin_unordered(square, &(struct source){ .count = 2500 }, &cases[i]);
        take_squares_in_any_order(imap, 2500);
        take_the_end(imap);
        kith_imap_free(imap);
    }
}

static void of_no_items_there_are_no_results(void **state)
{
    (void)state;
    kith_imap *ordered = begin(square, &(struct source){ 0 }, NULL);
    kith_imap *unordered = begin_unordered(square, &(struct source){ 0 }, NULL);
    take_nothing(ordered, KITH_EEMPTY, KITH_NOWAIT);
    take_nothing(unordered, KITH_EEMPTY, KITH_NOWAIT);
    take_the_end(ordered);
    take_the_end(unordered);
    kith_imap_free(ordered);
    kith_imap_free(unordered);
}

static void results_may_be_passed_over(void **state)
{
    (void)state;
    kith_imap *imap = begin(square, &(struct source){ .count = 3 }, NULL);
    assert_code(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), 0);
    assert_int_equal(take(imap), 1);
    assert_int_equal(outcome_of(imap).index, 1);
    assert_int_equal(outcome_of(imap).attempts, 1);
    assert_code(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), 0);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void several_go_at_the_same_time(void **state)
{
    (void)state;
    kith_imap *one = begin(square, &(struct source){ .count = 300 }, &(kith_task_options){ .ahead = 20 });
    kith_imap *other = begin_unordered(square, ENDLESS, &(kith_task_options){ .ahead = 30 });
    for (int64_t i = 0; i < 300; i++) {
        assert_int_equal(take(one), i * i);
        int64_t got = take(other), root = (int64_t)outcome_of(other).index;
        assert_int_equal(got, root * root);
    }
    take_the_end(one);
    kith_imap_free(other);
    kith_imap_free(one);
}

/* What a task returns that is large lies elsewhere than what is small. */
static int bytes_of_size(kith_call *call)
{
    size_t size = (size_t)number_of(call) * 10000;
    unsigned char *bytes = pattern(size);
    int code = bytes ? kith_call_return_bytes(call, bytes, size) : -ENOMEM;
    free(bytes);
    return code;
}

static void results_of_any_size_come(void **state)
{
    (void)state;
    kith_imap *imap = begin(bytes_of_size, &(struct source){ .count = 60 }, &(kith_task_options){ .ahead = 4 });
    unsigned char *expected = pattern(600000);
    assert_non_null(expected);
    for (size_t i = 0; i < 60; i++) {
        kith_value *value;
        const void *bytes;
        size_t size;
        kith_arena_reset(arena);
        assert_code(kith_imap_next(imap, arena, &value, KITH_FOREVER), 0);
        assert_code(kith_value_as_bytes(value, &bytes, &size), 0);
        assert_int_equal(size, i * 10000);
        assert_memory_equal(bytes, expected, size);
    }
    take_the_end(imap);
    free(expected);
    kith_imap_free(imap);
}

/* ---- how far ahead ---- */

static void nothing_is_made_before_it_is_asked_for(void **state)
{
    (void)state;
    struct source source = { .count = -1 };
    kith_imap *imap = begin(square, &source, NULL);
    assert_int_equal(source.made, 0);
    kith_imap_free(imap);
    assert_int_equal(source.made, 0);
}

static void items_are_made_no_further_ahead_than_was_said(void **state)
{
    (void)state;
    struct source source = { .count = -1 };
    kith_imap *imap = begin_unordered(wait_for_it, &source, &(kith_task_options){ .ahead = 10 });
    for (int i = 0; i < 20; i++)
        take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    assert_int_equal(source.made, 10);
    assert_int_equal(stats().pending, 10);
    let_go();
    assert_code(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), 0);
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    assert_int_equal(source.made, 11);
    kith_imap_free(imap);
}

static void a_thousand_are_ahead_when_nothing_is_said(void **state)
{
    (void)state;
    struct source source = { .count = -1 };
    kith_imap *imap = begin(wait_for_it, &source, NULL);
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    assert_int_equal(source.made, 1000);
    kith_imap_free(imap);
}

static void who_takes_slowly_slows_down_who_makes(void **state)
{
    (void)state;
    static kith_imap *(*const beginnings[])(kith_entry *, struct source *,
                                            const kith_task_options *) = { begin, begin_unordered };
    for (size_t i = 0; i < 2; i++) {
        struct source source = { .count = -1 };
        kith_imap *imap = beginnings[i](square, &source, &(kith_task_options){ .ahead = 16 });
        for (int taken = 1; taken <= 100; taken++) {
            take(imap);
            wait_until_done(); /* workers are as far as they can get */
            assert_true(source.made >= taken);
            assert_true(source.made < taken + 16);
        }
        kith_imap_free(imap);
    }
}

/** Each item takes until the result of the one before is there, and longer than items of one chunk may. */
static int make_slowly(void *context, kith_arena *own, kith_value **args)
{
    wait_until_done();
    usleep(2000);
    return make_number(context, own, args);
}

static void who_makes_slowly_holds_no_results_up(void **state)
{
    (void)state;
    struct source source = { .count = -1 };
    kith_imap *imap;
    assert_code(kith_pool_imap(pool, &imap, square, make_slowly, &source, NULL), 0);
    for (int64_t i = 0; i < 20; i++) {
        assert_int_equal(take(imap), i * i);
        assert_true(source.made <= i + 2);
    }
    kith_imap_free(imap);
}

static void a_long_task_holds_up_those_behind_it_in_order(void **state)
{
    (void)state;
    struct source source = { .count = 12 };
    kith_imap *imap = begin(square_or_wait, &source, &(kith_task_options){ .ahead = 4, .chunk = 1 });
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    while (stats().pending > 1)
        usleep(200);
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    assert_int_equal(source.made, 4);
    let_go();
    take_squares(imap, 0, 10);
    let_go();
    take_squares(imap, 10, 12);
    take_the_end(imap);
    kith_imap_free(imap);
}

static int wait_at_zero(kith_call *call)
{
    int64_t number = number_of(call);
    if (number == 0)
        wait_to_go();
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

static void a_long_task_holds_up_nobody_else(void **state)
{
    (void)state;
    kith_imap *imap =
        begin_unordered(wait_at_zero, &(struct source){ .count = 500 }, &(kith_task_options){ .ahead = 4, .chunk = 1 });
    char seen[500] = { 0 };
    for (int i = 1; i < 500; i++) {
        take(imap);
        size_t index = outcome_of(imap).index;
        assert_in_range(index, 1, 499);
        assert_int_equal(seen[index]++, 0);
    }
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    let_go();
    assert_int_equal(take(imap), 0);
    assert_int_equal(outcome_of(imap).index, 0);
    take_the_end(imap);
    kith_imap_free(imap);
}

/* ---- waiting ---- */

static void it_waits_as_long_as_was_said(void **state)
{
    (void)state;
    kith_imap *imap = begin(square_or_wait, &(struct source){ .count = 2 }, NULL);
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    take_nothing(imap, -ETIMEDOUT, KITH_MS(5));
    let_go();
    take_squares(imap, 0, 2);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void a_pool_that_others_fill_is_not_waited_for_longer(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .max_pending = 2 });
    kith_value *args = kith_value_pack(arena, "(i)", 1);
    for (int i = 0; i < 2; i++)
        assert_code(kith_pool_apply_async(pool, NULL, wait_for_it, args, NULL), 0);
    struct source source = { .count = 5 };
    kith_imap *imap = begin(square, &source, NULL);
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    take_nothing(imap, -ETIMEDOUT, KITH_MS(5));
    assert_int_equal(source.made, 1); /* it is kept */
    let_go();
    let_go();
    take_squares(imap, 0, 5);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void more_ahead_than_the_pool_takes_is_no_harm(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 3 });
    kith_imap *imap = begin(square, &(struct source){ .count = 500 }, &(kith_task_options){ .ahead = 100 });
    take_squares(imap, 0, 500);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void a_signal_interrupts_who_waits(void **state)
{
    (void)state;
    kith_imap *imap = begin(square_or_wait, &(struct source){ .count = 2 }, NULL);
    alarms_on(alarm_ignored, 0);
    int code = kith_imap_next(imap, NULL, NULL, KITH_FOREVER);
    alarms_off();
    assert_code(code, -EINTR);
    let_go();
    take_squares(imap, 0, 2);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void *terminate(void *nothing)
{
    while (atomic_load(ran) < 2)
        usleep(200);
    return kith_pool_terminate(pool) == 0 ? nothing : &pool;
}

static void who_waits_is_told_when_the_pool_is_terminated(void **state)
{
    (void)state;
    kith_imap *imap = begin(wait_for_it, &(struct source){ .count = 2 }, NULL);
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, terminate, NULL), 0);
    take_failure(imap, -ECANCELED, 0);
    take_failure(imap, -ECANCELED, 1);
    take_the_end(imap); /* for all had been made */
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    kith_imap_free(imap);
}

static void *walk_over_squares(void *nothing)
{
    struct source source = { .count = 2000 };
    kith_arena *own = NULL;
    kith_imap *imap = NULL;
    kith_value *value;
    int64_t number, count = 0;
    int code = kith_arena_new(&own);
    if (code == 0)
        code = kith_pool_imap(pool, &imap, square, make_number, &source, &(kith_task_options){ .ahead = 50 });
    while (code == 0) {
        kith_arena_reset(own);
        code = kith_imap_next(imap, own, &value, KITH_FOREVER);
        if (code == 0 && (kith_value_as_int(value, &number) < 0 || number != count * count))
            code = -EBADMSG;
        count += code == 0;
    }
    kith_imap_free(imap);
    kith_arena_free(own);
    return code == KITH_EEMPTY && count == 2000 ? nothing : &pool;
}

static void several_threads_walk(void **state)
{
    (void)state;
    pthread_t threads[4];
    void *failed;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, walk_over_squares, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static kith_imap *asked_in_callback;
static _Atomic int code_in_callback;

static void ask_in_callback(void *context, kith_value *value)
{
    (void)context;
    (void)value;
    atomic_store(&code_in_callback, kith_imap_next(asked_in_callback, NULL, NULL, KITH_FOREVER));
}

static void in_a_callback_nobody_waits(void **state)
{
    (void)state;
    atomic_store(&code_in_callback, 0);
    asked_in_callback = begin(wait_for_it, &(struct source){ .count = 1 }, NULL);
    kith_value *args = kith_value_pack(arena, "(i)", 1);
    assert_code(kith_pool_apply_async(pool, NULL, square, args, &(kith_task_options){ .callback = ask_in_callback }),
                0);
    while (atomic_load(&code_in_callback) == 0)
        usleep(200);
    assert_code(atomic_load(&code_in_callback), -EDEADLK);
    let_go();
    assert_code(kith_imap_next(asked_in_callback, NULL, NULL, KITH_FOREVER), 0);
    take_the_end(asked_in_callback);
    kith_imap_free(asked_in_callback);
}

/* ---- failures ---- */

/** Each third fails. */
static int fail_at_times(kith_call *call)
{
    int64_t number = number_of(call);
    if (number % 3 == 1)
        return -EBADMSG;
    if (number % 3 == 2)
        return 7;
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

static void tasks_that_fail_do_so_each_by_itself(void **state)
{
    (void)state;
    static const kith_task_options cases[] = { { 0 }, { .chunk = 5 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_imap *imap = begin(fail_at_times, &(struct source){ .count = 99 }, &cases[i]);
        for (size_t n = 0; n < 99; n += 3) {
            assert_int_equal(take(imap), n * n);
            assert_int_equal(outcome_of(imap).code, 0);
            take_failure(imap, -EBADMSG, n + 1);
            take_failure(imap, KITH_ETASK, n + 2);
            assert_int_equal(outcome_of(imap).exit_code, 7);
        }
        take_the_end(imap);
        kith_imap_free(imap);
    }
}

static int die_at_five(kith_call *call)
{
    int64_t number = number_of(call);
    if (number == 5)
        kill(getpid(), SIGKILL);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

static void a_worker_that_dies_costs_one_result(void **state)
{
    (void)state;
    static const kith_task_options cases[] = { { 0 }, { .chunk = 8 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_imap *imap = begin(die_at_five, &(struct source){ .count = 50 }, &cases[i]);
        take_squares(imap, 0, 5);
        take_failure(imap, KITH_EWORKERLOST, 5);
        assert_int_equal(outcome_of(imap).exit_code, -SIGKILL);
        assert_true(outcome_of(imap).worker > 0);
        take_squares(imap, 6, 50);
        take_the_end(imap);
        kith_imap_free(imap);
    }
}

static void a_worker_that_dies_costs_one_result_in_any_order(void **state)
{
    (void)state;
    kith_imap *imap = begin_unordered(die_at_five, &(struct source){ .count = 50 }, &(kith_task_options){ .chunk = 8 });
    char seen[50] = { 0 };
    for (int i = 0; i < 50; i++) {
        int code = kith_imap_next(imap, NULL, NULL, KITH_FOREVER);
        size_t index = outcome_of(imap).index;
        assert_code(code, index == 5 ? KITH_EWORKERLOST : 0);
        assert_int_equal(seen[index]++, 0);
    }
    take_the_end(imap);
    kith_imap_free(imap);
}

static int die_at_first(kith_call *call)
{
    int64_t number = number_of(call);
    if (number % 10 == 5 && kith_call_attempt(call) == 1)
        kill(getpid(), SIGKILL);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

static void what_was_lost_is_tried_again_when_asked_for(void **state)
{
    (void)state;
    kith_imap *imap = begin(die_at_first, &(struct source){ .count = 30 }, &(kith_task_options){ .retries = 1 });
    for (int64_t i = 0; i < 30; i++) {
        assert_int_equal(take(imap), i * i);
        assert_int_equal(outcome_of(imap).attempts, i % 10 == 5 ? 2 : 1);
    }
    take_the_end(imap);
    kith_imap_free(imap);
}

static void a_task_that_exceeds_its_time_fails(void **state)
{
    (void)state;
    kith_imap *imap =
        begin(wait_at_zero, &(struct source){ .count = 5 }, &(kith_task_options){ .timeout = KITH_MS(200) });
    take_failure(imap, KITH_EOVERTIME, 0);
    take_squares(imap, 1, 5);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void an_item_that_can_not_be_made_ends_the_walk(void **state)
{
    (void)state;
    struct source source = { .count = 100, .fail_at = 7, .code = -EIO };
    kith_imap *imap = begin(square, &source, NULL);
    take_squares(imap, 0, 7);
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), -EIO);
    take_the_end(imap);
    assert_int_equal(source.made, 7);
    kith_imap_free(imap);
}

static void why_an_item_could_not_be_made_is_told(void **state)
{
    (void)state;
    struct source sources[] = { { .code = -ENOENT, .why = "the list of files is not there" }, { .code = -ENOENT } };
    const char *sentences[] = { "item 0 could not be made: the list of files is not there",
                                "item 0 could not be made: there is no such thing" };
    for (size_t i = 0; i < 2; i++) {
        kith_imap *imap = begin(square, &sources[i], NULL);
        assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), -ENOENT);
        assert_string_equal(kith_error_detail(), sentences[i]);
        kith_imap_free(imap);
    }
}

static int make_a_list(void *context, kith_arena *own, kith_value **args)
{
    (void)context;
    *args = kith_value_list(own);
    return 1;
}

static int make_a_fault(void *context, kith_arena *own, kith_value **args)
{
    (void)context;
    *args = kith_value_pack(own, "(s)", "\xff");
    return 1;
}

static int make_none_once(void *context, kith_arena *own, kith_value **args)
{
    (void)own;
    *args = NULL;
    return (*(int *)context)++ == 0;
}

static int count_args(kith_call *call)
{
    return kith_call_return(call,
                            kith_value_int(kith_call_arena(call), (int64_t)kith_value_length(kith_call_args(call))));
}

static void arguments_are_a_tuple_or_none(void **state)
{
    (void)state;
    kith_imap *imap;
    int made = 0;
    assert_code(kith_pool_imap(pool, &imap, square, make_a_list, NULL, NULL), 0);
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), -EINVAL);
    take_the_end(imap);
    kith_imap_free(imap);
    assert_code(kith_pool_imap(pool, &imap, square, make_a_fault, NULL, NULL), 0);
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), -EILSEQ);
    assert_non_null(strstr(kith_error_detail(), "UTF-8"));
    take_the_end(imap);
    kith_imap_free(imap);
    assert_code(kith_pool_imap(pool, &imap, count_args, make_none_once, &made, NULL), 0);
    assert_int_equal(take(imap), 0);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void what_is_not_valid_is_refused(void **state)
{
    (void)state;
    struct source none = { 0 };
    kith_imap *imap = NULL;
    kith_outcome outcome;
    assert_explained(kith_pool_imap(NULL, &imap, square, make_number, &none, NULL), -EINVAL);
    assert_explained(kith_pool_imap(pool, NULL, square, make_number, &none, NULL), -EINVAL);
    assert_explained(kith_pool_imap(pool, &imap, NULL, make_number, &none, NULL), -EINVAL);
    assert_explained(kith_pool_imap(pool, &imap, square, NULL, &none, NULL), -EINVAL);
    assert_explained(kith_pool_imap(pool, &imap, square, make_number, &none, &(kith_task_options){ .timeout = -2 }),
                     -EINVAL);
    assert_null(imap);
    assert_explained(kith_imap_next(NULL, NULL, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_imap_outcome(NULL, &outcome), -EINVAL);
    kith_imap_free(NULL);
    imap = begin(square, &none, NULL);
    kith_value *value;
    assert_explained(kith_imap_next(imap, NULL, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_imap_next(imap, arena, &value, -2), -EINVAL);
    assert_explained(kith_imap_outcome(imap, NULL), -EINVAL);
    assert_explained(kith_imap_outcome(imap, &outcome), -ENOENT);
    kith_imap_free(imap);
}

/* ---- the end ---- */

static void what_has_not_begun_is_given_up_with_the_walk(void **state)
{
    (void)state;
    kith_imap *imap = begin(wait_for_it, ENDLESS, &(kith_task_options){ .ahead = 100, .chunk = 10 });
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    while (atomic_load(ran) < 2)
        usleep(200);
    kith_imap_free(imap);
    let_go();
    let_go();
    wait_until_done();
    assert_int_equal(atomic_load(ran), 2);
    kith_value *args = kith_value_pack(arena, "(i)", 7), *value; /* and the pool goes on */
    assert_code(kith_pool_apply(pool, square, args, arena, &value, NULL), 0);
}

static void a_walk_may_end_anywhere(void **state)
{
    (void)state;
    for (int64_t taken = 0; taken < 60; taken++) {
        kith_imap *imap = begin(square, ENDLESS, &(kith_task_options){ .ahead = 20 });
        take_squares(imap, 0, taken);
        kith_imap_free(imap);
    }
    wait_until_done();
}

static void a_pool_that_is_closed_gives_what_was_handed_in(void **state)
{
    (void)state;
    struct source source = { .count = -1 };
    kith_imap *imap = begin(square, &source, &(kith_task_options){ .ahead = 10 });
    take_squares(imap, 0, 1);
    assert_code(kith_pool_close(pool), 0);
    int64_t taken = 1;
    kith_value *value;
    int code;
    while ((code = kith_imap_next(imap, arena, &value, KITH_FOREVER)) == 0) {
        int64_t number;
        assert_code(kith_value_as_int(value, &number), 0);
        assert_int_equal(number, taken * taken);
        taken++;
    }
    assert_explained(code, KITH_ECLOSED);
    assert_true(taken <= source.made);
    take_the_end(imap);
    kith_imap_free(imap);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
}

static void a_pool_that_is_terminated_gives_up_what_was_handed_in(void **state)
{
    (void)state;
    kith_imap *imap = begin(wait_for_it, ENDLESS, &(kith_task_options){ .ahead = 10 });
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    assert_code(kith_pool_terminate(pool), 0);
    for (size_t i = 0; i < 10; i++)
        take_failure(imap, -ECANCELED, i);
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), KITH_ECLOSED);
    take_the_end(imap);
    kith_imap_free(imap);
}

static void ignore(void *context, size_t done, size_t total)
{
    (void)context;
    (void)done;
    (void)total;
}

static void a_walk_may_outlive_its_pool(void **state)
{
    (void)state;
    kith_imap *imap = begin(wait_for_it, ENDLESS, &(kith_task_options){ .ahead = 3 });
    struct source source = { .count = -1 };
    kith_imap *fresh = begin(square, &source, &(kith_task_options){ .progress = ignore });
    take_nothing(imap, -ETIMEDOUT, KITH_NOWAIT);
    close_pool();
    for (size_t i = 0; i < 3; i++)
        take_failure(imap, -ECANCELED, i);
    assert_explained(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_imap_next(fresh, NULL, NULL, KITH_FOREVER), KITH_ECLOSED);
    take_the_end(fresh);
    assert_int_equal(source.made, 0); /* nobody would have run it */
    kith_imap_free(fresh);
    kith_imap_free(imap);
}

static int refuse(kith_call *call)
{
    (void)call;
    return -EBADMSG;
}

static void a_broken_pool_ends_the_walk(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .initializer = refuse });
    kith_imap *imap;
    int code = kith_pool_imap(pool, &imap, square, make_number, ENDLESS, NULL);
    if (code == 0) { /* it did not know yet */
        while ((code = kith_imap_next(imap, NULL, NULL, KITH_FOREVER)) != KITH_EEMPTY)
            assert_explained(code, -EBADMSG);
        kith_imap_free(imap);
    } else {
        assert_explained(code, -EBADMSG);
    }
}

/* ---- progress ---- */

struct told {
    _Atomic int calls;
    size_t first_done, first_total, done, total;
    int backwards;
};

static void note(void *context, size_t done, size_t total)
{
    struct told *told = context;
    if (atomic_load(&told->calls) == 0) {
        told->first_done = done;
        told->first_total = total;
    }
    told->backwards += done < told->done;
    told->done = done;
    told->total = total;
    atomic_fetch_add(&told->calls, 1);
}

static void progress_is_told_from_the_beginning_to_the_end(void **state)
{
    (void)state;
    struct told told = { 0 };
    kith_imap *imap = begin(square, &(struct source){ .count = 1000 },
                            &(kith_task_options){ .progress = note, .context = &told, .ahead = 50 });
    take_squares(imap, 0, 1000);
    take_the_end(imap);
    assert_true(atomic_load(&told.calls) >= 2);
    assert_int_equal(told.first_done, 0);
    assert_int_equal(told.first_total, 0);
    assert_int_equal(told.done, 1000);
    assert_int_equal(told.total, 1000);
    assert_int_equal(told.backwards, 0);
    kith_imap_free(imap);
}

static void progress_is_not_told_after_the_walk(void **state)
{
    (void)state;
    struct told *told = calloc(1, sizeof *told); /* freed memory would be noticed */
    assert_non_null(told);
    kith_imap *imap = begin(square, ENDLESS, &(kith_task_options){ .progress = note, .context = told });
    take_squares(imap, 0, 100);
    kith_imap_free(imap);
    memset(told, 0xff, sizeof *told);
    assert_code(kith_pool_close(pool), 0);
    assert_code(kith_pool_join(pool, KITH_FOREVER), 0);
    for (size_t i = 0; i < sizeof *told; i++)
        assert_int_equal(((unsigned char *)told)[i], 0xff);
    free(told);
}

/* ---- processes and memory ---- */

static kith_imap *inherited;

static int use_inherited(void)
{
    EXPECT(kith_imap_next(inherited, NULL, NULL, KITH_NOWAIT) == -ECHILD);
    kith_imap_free(inherited);
    kith_pool_free(pool);
    return 0;
}

static void a_child_can_free_what_it_inherited_and_no_more(void **state)
{
    (void)state;
    inherited = begin(square, &(struct source){ .count = 100 }, NULL);
    take_squares(inherited, 0, 10);
    assert_int_equal(apart(use_inherited), 0);
    take_squares(inherited, 10, 100);
    take_the_end(inherited);
    kith_imap_free(inherited);
}

static void nor_may_it_lose_what_is_on_its_way(void **state)
{
    (void)state;
    inherited = begin(square, ENDLESS, NULL);
    take_squares(inherited, 0, 10);
    assert_int_equal(apart(use_inherited), 0); /* the leak sanitizer looks there, too */
    take_squares(inherited, 10, 100);
    kith_imap_free(inherited);
}

static int a_kilobyte(kith_call *call)
{
    static const char bytes[1024];
    return kith_call_return_bytes(call, bytes, sizeof bytes);
}

static int make_a_kilobyte(void *context, kith_arena *own, kith_value **args)
{
    static const char bytes[1024];
    *args = kith_value_pack(own, "(y)", bytes, sizeof bytes);
    return (*(int *)context)-- > 0;
}

/* 40 MB go through, and as much comes back; 1,000 tasks are 2 MB. */
static void memory_does_not_grow_with_what_goes_through(void **state)
{
    (void)state;
    kith_imap *imap;
    int left = 40000;
    uint64_t most = 0;
    size_t before = 0;
    assert_code(kith_pool_imap(pool, &imap, a_kilobyte, make_a_kilobyte, &left, NULL), 0);
    for (int i = 0; i < 40000; i++) {
        assert_code(kith_imap_next(imap, NULL, NULL, KITH_FOREVER), 0);
        if (i == 4000)
            before = resident();
        uint64_t memory = i % 100 == 0 ? stats().memory : 0;
        most = memory > most ? memory : most;
    }
    take_the_end(imap);
    kith_imap_free(imap);
    assert_in_range(most, 1, 8 << 20);
    assert_true(resident() < before + (8 << 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(results_come_in_order),
        POOL_TEST(results_come_as_they_come),
        POOL_TEST(of_no_items_there_are_no_results),
        POOL_TEST(results_may_be_passed_over),
        POOL_TEST(several_go_at_the_same_time),
        POOL_TEST(results_of_any_size_come),
        POOL_TEST(nothing_is_made_before_it_is_asked_for),
        POOL_TEST(items_are_made_no_further_ahead_than_was_said),
        POOL_TEST(a_thousand_are_ahead_when_nothing_is_said),
        POOL_TEST(who_takes_slowly_slows_down_who_makes),
        POOL_TEST(who_makes_slowly_holds_no_results_up),
        POOL_TEST(a_long_task_holds_up_those_behind_it_in_order),
        POOL_TEST(a_long_task_holds_up_nobody_else),
        POOL_TEST(it_waits_as_long_as_was_said),
        POOL_TEST(a_pool_that_others_fill_is_not_waited_for_longer),
        POOL_TEST(more_ahead_than_the_pool_takes_is_no_harm),
        POOL_TEST(a_signal_interrupts_who_waits),
        POOL_TEST(who_waits_is_told_when_the_pool_is_terminated),
        POOL_TEST(several_threads_walk),
        POOL_TEST(in_a_callback_nobody_waits),
        POOL_TEST(tasks_that_fail_do_so_each_by_itself),
        POOL_TEST(a_worker_that_dies_costs_one_result),
        POOL_TEST(a_worker_that_dies_costs_one_result_in_any_order),
        POOL_TEST(what_was_lost_is_tried_again_when_asked_for),
        POOL_TEST(a_task_that_exceeds_its_time_fails),
        POOL_TEST(an_item_that_can_not_be_made_ends_the_walk),
        POOL_TEST(why_an_item_could_not_be_made_is_told),
        POOL_TEST(arguments_are_a_tuple_or_none),
        POOL_TEST(what_is_not_valid_is_refused),
        POOL_TEST(what_has_not_begun_is_given_up_with_the_walk),
        POOL_TEST(a_walk_may_end_anywhere),
        POOL_TEST(a_pool_that_is_closed_gives_what_was_handed_in),
        POOL_TEST(a_pool_that_is_terminated_gives_up_what_was_handed_in),
        POOL_TEST(a_walk_may_outlive_its_pool),
        POOL_TEST(a_broken_pool_ends_the_walk),
        POOL_TEST(progress_is_told_from_the_beginning_to_the_end),
        POOL_TEST(progress_is_not_told_after_the_walk),
        POOL_TEST(a_child_can_free_what_it_inherited_and_no_more),
        POOL_TEST(nor_may_it_lose_what_is_on_its_way),
        POOL_TEST(memory_does_not_grow_with_what_goes_through),
    };
    return cmocka_run_group_tests_name("pool_imap", tests, start_first, NULL);
}
