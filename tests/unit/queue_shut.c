/* kith/queue.h, the end of putting, and statistics. */
#include "queues.h"

static int put_forever(void)
{
    return -put_number(1, KITH_FOREVER);
}

static int get_forever(void)
{
    return -get_code(KITH_FOREVER);
}

/* Exit codes are small: what the calls above give when the queue is shut. */
#define CLOSED (-KITH_ECLOSED & 0xff)

/* ---- shut ---- */

static void nothing_is_put_after_shut_and_what_is_queued_is_drained(void **state)
{
    (void)state;
    void *data;
    make(0, 0);
    put_numbers(1, 2);
    assert_code(kith_queue_shut(queue), 0);
    assert_code(kith_queue_shut(queue), 0);
    assert_int_equal(stats_now().shut, 1);
    assert_explained(put_number(3, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(put_number(3, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_put_many(queue, &(kith_message){ "", 0 }, 1, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_reserve(queue, 0, &data, KITH_FOREVER), KITH_ECLOSED);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_FOREVER), 2);
    const void *shown;
    size_t size;
    assert_explained(get_code(KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(get_code(KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_get_many(queue, NULL, 0, &size, 1, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_peek(queue, &shown, &size, KITH_FOREVER), KITH_ECLOSED);
}

static void shut_wakes_all_who_wait_to_get(void **state)
{
    (void)state;
    pid_t getters[3];
    make(0, 0);
    for (int i = 0; i < 3; i++)
        getters[i] = begin_to_sleep(get_forever);
    assert_code(kith_queue_shut(queue), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(getters[i]), CLOSED);
}

static void shut_wakes_all_who_wait_to_put(void **state)
{
    (void)state;
    pid_t putters[3];
    make(1, 0);
    put_numbers(1, 1);
    for (int i = 0; i < 3; i++)
        putters[i] = begin_to_sleep(put_forever);
    assert_code(kith_queue_shut(queue), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(putters[i]), CLOSED);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(get_code(KITH_NOWAIT), KITH_ECLOSED);
}

static int shut_it(void)
{
    return kith_queue_shut(queue) == 0 ? 0 : 1;
}

/** Who waits for the lock alone may be left asleep with putters that wait for room; shut may not. */
static void shut_does_not_wait_for_room(void **state)
{
    (void)state;
    void *data;
    make(2, 0);
    put_numbers(1, 1);
    assert_code(kith_queue_reserve(queue, 8, &data, KITH_NOWAIT), 0);
    pid_t putter = begin_to_sleep(put_forever), shutter = begin_to_sleep(shut_it);
    assert_code(kith_queue_commit(queue, 8), 0); /* the queue is full now */
    assert_int_equal(end(shutter), 0);
    assert_int_equal(end(putter), CLOSED);
}

static int reserve_and_stay(void)
{
    void *data;
    EXPECT(kith_queue_reserve(queue, 8, &data, KITH_FOREVER) == 0);
    return stay();
}

static void a_putter_in_the_middle_keeps_a_queue_from_being_shut(void **state)
{
    (void)state;
    void *data;
    make(0, 0);
    assert_code(kith_queue_reserve(queue, 8, &data, KITH_NOWAIT), 0);
    assert_explained(kith_queue_shut(queue), -EDEADLK);
    assert_code(kith_queue_cancel(queue), 0);
    pid_t other = begin(reserve_and_stay);
    wait_for_step(1);
    assert_explained(kith_queue_shut(queue), -EBUSY);
    assert_int_equal(stats_now().shut, 0);
    end_by_kill(other);
    assert_code(kith_queue_shut(queue), 0);
}

static int get_and_stay(void)
{
    EXPECT(get_number(KITH_FOREVER) == 1);
    return stay();
}

/** What somebody still has may come back. */
static void with_redelivery_a_shut_queue_is_drained_when_all_is_done(void **state)
{
    (void)state;
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }), 0);
    put_numbers(1, 1);
    pid_t holder = begin(get_and_stay);
    wait_for_step(1);
    assert_code(kith_queue_shut(queue), 0);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_code(get_code(KITH_MS(5)), KITH_EEMPTY);
    pid_t one = begin_to_sleep(get_forever);
    end_by_kill(holder);
    assert_int_equal(end(one), 0); /* it got the message, and ended with it */
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    one = begin_to_sleep(get_forever);
    pid_t two = begin_to_sleep(get_forever);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(end(one), CLOSED);
    assert_int_equal(end(two), CLOSED);
    assert_code(get_code(KITH_FOREVER), KITH_ECLOSED);
}

static void a_message_that_was_reserved_before_is_put_before(void **state)
{
    (void)state;
    void *data;
    make(0, 0);
    assert_code(kith_queue_reserve(queue, 8, &data, KITH_NOWAIT), 0);
    memcpy(data, &(uint64_t){ 5 }, 8);
    pid_t shutter = begin_to_sleep(shut_it);
    assert_code(kith_queue_commit(queue, 8), 0);
    assert_int_equal(end(shutter), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 5);
    assert_code(get_code(KITH_NOWAIT), KITH_ECLOSED);
}

/* ---- statistics ---- */

static void statistics_tell_what_has_happened(void **state)
{
    (void)state;
    make(3, 0);
    put_numbers(1, 3);
    pid_t putter = begin_to_sleep(put_forever);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(end(putter), 0);
    for (int i = 0; i < 3; i++)
        assert_true(get_number(KITH_NOWAIT) != UINT64_MAX);
    kith_queue_stats stats = stats_now();
    assert_int_equal(stats.puts, 4);
    assert_int_equal(stats.gets, 4);
    assert_true(stats.put_waits >= 1);
    assert_int_equal(stats.get_waits, 0);
    assert_int_equal(stats.items, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.unfinished, 4);
    assert_int_equal(stats.items_high, 3);
    assert_int_equal(stats.bytes_high, 3 * 16);
    assert_true(stats.memory >= 64 * 1024 && stats.memory <= 1024 * 1024);
    assert_int_equal(stats.shut, 0);
    put_numbers(1, 2);
    stats = stats_now();
    assert_int_equal(stats.items, 2);
    assert_int_equal(stats.bytes, 2 * 16);
    assert_code(get_code(KITH_NOWAIT), 0);
    assert_code(get_code(KITH_NOWAIT), 0);
    pid_t getter = begin_to_sleep(get_forever);
    put_numbers(1, 1);
    end(getter);
    assert_true(stats_now().get_waits >= 1);
}

static int put_and_get_many(void)
{
    while (atomic_load(&board->step) == 0) {
        for (uint64_t i = 0; i < 100; i++)
            EXPECT(put_number(i, KITH_NOWAIT) == 0);
        for (uint64_t i = 0; i < 100; i++)
            EXPECT(get_number(KITH_NOWAIT) == i);
    }
    return 0;
}

static void counts_only_grow_while_others_are_at_it(void **state)
{
    (void)state;
    make(0, 0);
    pid_t other = begin(put_and_get_many);
    kith_queue_stats before = stats_now();
    for (int i = 0; i < 100000; i++) {
        const kith_queue_stats stats = stats_now();
        assert_true(stats.gets >= before.gets && stats.gets - before.gets < 1 << 28);
        assert_true(stats.puts >= stats.gets && stats.puts - stats.gets <= 100);
        before = stats;
    }
    take_step();
    assert_int_equal(end(other), 0);
}

static void bad_input_is_explained(void **state)
{
    (void)state;
    kith_queue_stats stats;
    assert_explained(kith_queue_shut(NULL), -EINVAL);
    assert_explained(kith_queue_get_stats(NULL, &stats), -EINVAL);
    make(0, 0);
    assert_explained(kith_queue_get_stats(queue, NULL), -EINVAL);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_shut(queue), KITH_ECLOSED);
    assert_explained(kith_queue_get_stats(queue, &stats), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(nothing_is_put_after_shut_and_what_is_queued_is_drained),
        with_board(shut_wakes_all_who_wait_to_get),
        with_board(shut_wakes_all_who_wait_to_put),
        with_board(shut_does_not_wait_for_room),
        with_board(a_putter_in_the_middle_keeps_a_queue_from_being_shut),
        with_board(with_redelivery_a_shut_queue_is_drained_when_all_is_done),
        with_board(a_message_that_was_reserved_before_is_put_before),
        with_board(statistics_tell_what_has_happened),
        with_board(counts_only_grow_while_others_are_at_it),
        with_board(bad_input_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
