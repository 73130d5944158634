/* kith/queue.h, KITH_AT_ONCE: calls that wait for nobody, not even for who is in the middle of a call. */
#include "queues.h"

static void make_redelivering(unsigned max_deliveries)
{
    const kith_queue_options options = { .redeliver = 1, .max_deliveries = max_deliveries };
    assert_code(kith_queue_new(&queue, &options), 0);
}

/** Starts a child, and waits until it stays. */
static pid_t begin_to_stay(int (*body)(void))
{
    int step = atomic_load(&board->step);
    pid_t child = begin(body);
    wait_for_step(step + 1);
    return child;
}

static int peek_and_stay(void)
{
    const void *data;
    size_t size;
    EXPECT(kith_queue_peek(queue, &data, &size, KITH_FOREVER) == 0);
    return stay();
}

static int reserve_and_stay(void)
{
    void *data;
    EXPECT(kith_queue_reserve(queue, 8, &data, KITH_FOREVER) == 0);
    return stay();
}

static int get_and_stay(void)
{
    EXPECT(get_number(KITH_FOREVER) != UINT64_MAX);
    return stay();
}

static int reserve_code(size_t size)
{
    void *data;
    return kith_queue_reserve(queue, size, &data, KITH_AT_ONCE);
}

static int put_many_code(void)
{
    const uint64_t number = 1;
    return kith_queue_put_many(queue, &(kith_message){ &number, sizeof number }, 1, KITH_AT_ONCE);
}

static int peek_code(void)
{
    const void *data;
    size_t size;
    return kith_queue_peek(queue, &data, &size, KITH_AT_ONCE);
}

static int get_bytes_code(void)
{
    kith_bytes bytes;
    int code = kith_queue_get_bytes(queue, &bytes, KITH_AT_ONCE);
    if (code == 0)
        kith_bytes_free(&bytes);
    return code;
}

static int get_many_code(void)
{
    uint64_t numbers[2];
    size_t sizes[2];
    return kith_queue_get_many(queue, numbers, sizeof numbers, sizes, 2, KITH_AT_ONCE);
}

/** All calls that get, and what each says. */
static void assert_getting(int code)
{
    assert_code(get_code(KITH_AT_ONCE), code);
    assert_code(get_bytes_code(), code);
    assert_code(get_many_code(), code);
    assert_code(peek_code(), code);
}

/* ---- nobody in the way ---- */

static void it_is_as_nowait_when_nobody_is_in_the_way(void **state)
{
    (void)state;
    make(2, 0);
    assert_getting(KITH_EEMPTY);
    assert_code(put_number(1, KITH_AT_ONCE), 0);
    assert_code(put_many_code(), 1);
    assert_code(put_number(3, KITH_AT_ONCE), KITH_EFULL);
    assert_code(put_many_code(), KITH_EFULL);
    assert_code(reserve_code(8), KITH_EFULL);
    assert_code(get_many_code(), 2);
    assert_code(reserve_code(8), 0);
    assert_code(kith_queue_commit(queue, 8), 0);
    assert_code(peek_code(), 0);
    assert_explained(get_code(KITH_AT_ONCE), -EDEADLK);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_explained(kith_queue_join(queue, KITH_AT_ONCE), -EINVAL); /* it is for putting and getting */
    assert_code(kith_queue_shut(queue), 0);
    assert_explained(get_code(KITH_AT_ONCE), KITH_ECLOSED);
    assert_explained(put_number(1, KITH_AT_ONCE), KITH_ECLOSED);
}

static int get_one(void)
{
    return get_number(KITH_FOREVER) == 5 ? 0 : 1;
}

/** Who sleeps has the word say so; that keeps nobody away. */
static void those_who_sleep_are_not_in_the_way(void **state)
{
    (void)state;
    make(0, 0);
    pid_t sleeper = begin_to_sleep(get_one);
    assert_getting(KITH_EEMPTY);
    assert_code(put_number(5, KITH_AT_ONCE), 0);
    assert_int_equal(end(sleeper), 0);
    assert_getting(KITH_EEMPTY);
}

/* ---- somebody in the middle of a call ---- */

static void who_is_in_the_middle_of_getting_is_not_waited_for(void **state)
{
    (void)state;
    for (int redeliver = 0; redeliver <= 1; redeliver++) {
        assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = redeliver }), 0);
        put_numbers(7, 7);
        pid_t child = begin_to_stay(peek_and_stay);
        assert_getting(-EAGAIN);
        assert_code(put_number(8, KITH_AT_ONCE), 0); /* that is the other side */
        end_by_kill(child);
        assert_int_equal(get_number(KITH_AT_ONCE), 7);
        assert_int_equal(get_number(KITH_AT_ONCE), 8);
        assert_getting(KITH_EEMPTY);
        kith_queue_free(queue);
        queue = NULL;
    }
}

static void who_is_in_the_middle_of_putting_is_not_waited_for(void **state)
{
    (void)state;
    for (int bounded = 0; bounded <= 1; bounded++) {
        make(0, bounded ? 48 : 0);
        pid_t child = begin_to_stay(reserve_and_stay);
        assert_code(put_number(1, KITH_AT_ONCE), -EAGAIN);
        assert_code(put_many_code(), -EAGAIN);
        assert_code(reserve_code(8), -EAGAIN);
        assert_getting(KITH_EEMPTY);
        end_by_kill(child);
        assert_code(put_number(1, KITH_AT_ONCE), 0);
        kith_queue_free(queue);
        queue = NULL;
    }
}

static void that_it_is_full_is_said_whoever_is_in_the_way(void **state)
{
    (void)state;
    make(0, 64);
    put_numbers(1, 2);
    begin_to_stay(reserve_and_stay);
    assert_code(reserve_code(32), KITH_EFULL);
    assert_code(reserve_code(8), -EAGAIN);
}

static int walk_visit(void *context, const void *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return stay();
}

static int walk_and_stay(void)
{
    return kith_queue_walk(queue, walk_visit, NULL);
}

static void that_it_is_empty_is_said_whoever_is_in_the_way(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 1);
    assert_int_equal(get_number(KITH_AT_ONCE), 1); /* not finished, so who walks is shown it */
    begin_to_stay(walk_and_stay);
    assert_getting(KITH_EEMPTY);
    put_numbers(2, 2);
    assert_getting(-EAGAIN);
}

/* ---- redelivery ---- */

static void what_a_dead_getter_had_is_got_at_once(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 1);
    end_by_kill(begin_to_stay(get_and_stay));
    assert_int_equal(get_number(KITH_AT_ONCE), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_getting(KITH_EEMPTY);
}

/** To hand it over may take any time. */
static void poison_is_left_to_who_has_time(void **state)
{
    (void)state;
    make_redelivering(1);
    put_numbers(1, 1);
    end_by_kill(begin_to_stay(get_and_stay));
    assert_getting(-EAGAIN);
    assert_int_equal(stats_now().poisoned, 0);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(stats_now().poisoned, 1);
    assert_getting(KITH_EEMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(it_is_as_nowait_when_nobody_is_in_the_way),
        with_board(those_who_sleep_are_not_in_the_way),
        with_board(who_is_in_the_middle_of_getting_is_not_waited_for),
        with_board(who_is_in_the_middle_of_putting_is_not_waited_for),
        with_board(that_it_is_full_is_said_whoever_is_in_the_way),
        with_board(that_it_is_empty_is_said_whoever_is_in_the_way),
        with_board(what_a_dead_getter_had_is_got_at_once),
        with_board(poison_is_left_to_who_has_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
