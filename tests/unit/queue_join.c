/* kith/queue.h, joining: task_done and join, with and without redelivery. */
#include "alarms.h"
#include "queues.h"

static void make_redelivering(void)
{
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1, .max_items = 2 }), 0);
}

static int join_and_tell(void)
{
    EXPECT(kith_queue_join(queue, KITH_FOREVER) == 0);
    atomic_fetch_add(&board->sum, 1);
    return 0;
}

static int get_and_stay(void)
{
    EXPECT(get_number(KITH_FOREVER) != UINT64_MAX);
    return stay();
}

static int get_and_finish(void)
{
    EXPECT(get_number(KITH_FOREVER) != UINT64_MAX);
    return kith_queue_task_done(queue);
}

/* ---- counting ---- */

static void each_message_is_done_once(void **state)
{
    (void)state;
    make(0, 0);
    assert_explained(kith_queue_task_done(queue), -EPERM);
    put_numbers(1, 2);
    assert_explained(kith_queue_task_done(queue), -EPERM); /* put, and not got */
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_explained(kith_queue_task_done(queue), -EPERM);
    assert_int_equal(stats_now().unfinished, 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static void anybody_says_that_a_message_is_done(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(apart(get_and_finish), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
}

static void a_queue_in_which_nothing_was_put_is_joined(void **state)
{
    (void)state;
    make(0, 0);
    assert_code(kith_queue_join(queue, KITH_FOREVER), 0);
}

/** More than 2^30 messages can't be put here; but all queues begin shortly before the counts overflow. */
static void counts_go_on_past_where_positions_begin_anew(void **state)
{
    (void)state;
    make(0, 0);
    for (uint64_t i = 0; i < 300; i++) {
        put_numbers(i, i);
        assert_int_equal(stats_now().puts, i + 1);
        assert_code(kith_queue_join(queue, KITH_NOWAIT), -ETIMEDOUT);
        assert_int_equal(get_number(KITH_NOWAIT), i);
        assert_int_equal(stats_now().gets, i + 1);
        assert_code(kith_queue_task_done(queue), 0);
        assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
    }
}

/* ---- waiting ---- */

static void join_waits_in_time(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_queue_join(queue, KITH_MS(10)), -ETIMEDOUT);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_join(queue, KITH_MS(10)), -ETIMEDOUT); /* got, and not done */
}

static void joiners_wake_together(void)
{
    pid_t joiners[4];
    put_numbers(1, 2);
    for (int i = 0; i < 4; i++)
        joiners[i] = begin_to_sleep(join_and_tell);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    end_by_kill(joiners[2]);
    assert_int_equal(atomic_load(&board->sum), 0);
    assert_code(kith_queue_task_done(queue), 0);
    for (int i = 0; i < 4; i++) {
        if (i != 2)
            assert_int_equal(end(joiners[i]), 0);
    }
    assert_int_equal(atomic_load(&board->sum), 3);
}

static void all_joiners_are_woken_but_the_killed(void **state)
{
    (void)state;
    make(0, 0);
    joiners_wake_together();
}

static void all_joiners_are_woken_but_the_killed_with_redelivery(void **state)
{
    (void)state;
    make_redelivering();
    joiners_wake_together();
}

static void join_waits_until_what_a_dead_getter_had_is_done(void **state)
{
    (void)state;
    make_redelivering();
    put_numbers(1, 1);
    pid_t getter = begin(get_and_stay);
    wait_for_step(1);
    pid_t joiner = begin_to_sleep(join_and_tell);
    end_by_kill(getter);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), -ETIMEDOUT);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(atomic_load(&board->sum), 0);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(end(joiner), 0);
}

static int put_third(void)
{
    return put_number(3, KITH_FOREVER);
}

static void finishing_wakes_a_putter_and_a_joiner(void **state)
{
    (void)state;
    make_redelivering();
    put_numbers(1, 2);
    assert_code(kith_queue_join(queue, KITH_MS(1)), -ETIMEDOUT);
    pid_t putter = begin_to_sleep(put_third), joiner = begin_to_sleep(join_and_tell);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(end(putter), 0);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 3);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(end(joiner), 0);
}

static void order_of_finishing_does_not_matter(void **state)
{
    (void)state;
    make_redelivering();
    put_numbers(1, 2);
    pid_t getter = begin(get_and_stay);
    wait_for_step(1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 2); /* room and the count go by the oldest */
    assert_code(kith_queue_full(queue), 1);
    end_by_kill(getter);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
}

static void a_handler_interrupts_join(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    alarms_on(alarm_ignored, 0);
    int code = kith_queue_join(queue, KITH_FOREVER);
    alarms_off();
    assert_code(code, -EINTR);
}

static void bad_input_is_explained(void **state)
{
    (void)state;
    assert_explained(kith_queue_task_done(NULL), -EINVAL);
    assert_explained(kith_queue_join(NULL, KITH_NOWAIT), -EINVAL);
    make(0, 0);
    assert_explained(kith_queue_join(queue, -2), -EINVAL);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_task_done(queue), KITH_ECLOSED);
    assert_explained(kith_queue_join(queue, KITH_FOREVER), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(each_message_is_done_once),
        with_board(anybody_says_that_a_message_is_done),
        with_board(a_queue_in_which_nothing_was_put_is_joined),
        with_board(counts_go_on_past_where_positions_begin_anew),
        with_board(join_waits_in_time),
        with_board(all_joiners_are_woken_but_the_killed),
        with_board(all_joiners_are_woken_but_the_killed_with_redelivery),
        with_board(join_waits_until_what_a_dead_getter_had_is_done),
        with_board(finishing_wakes_a_putter_and_a_joiner),
        with_board(order_of_finishing_does_not_matter),
        with_board(a_handler_interrupts_join),
        with_board(bad_input_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
