/* kith/queue.h, redelivery: what a getter that ends has not finished is got by another; how often; poison; seats. */
#include "queues.h"

#include <pthread.h>

static void make_redelivering(unsigned max_deliveries, uint64_t max_items)
{
    const kith_queue_options options = { .redeliver = 1, .max_deliveries = max_deliveries, .max_items = max_items };
    assert_code(kith_queue_new(&queue, &options), 0);
}

static int get_and_stay(void)
{
    EXPECT(get_number(KITH_FOREVER) != UINT64_MAX);
    return stay();
}

/** A child that has got one message, and does not finish it. */
static pid_t begin_getter(void)
{
    int step = atomic_load(&board->step);
    pid_t child = begin(get_and_stay);
    wait_for_step(step + 1);
    return child;
}

static int get_and_tell(void)
{
    uint64_t number = get_number(KITH_FOREVER);
    EXPECT(number != UINT64_MAX);
    atomic_fetch_add(&board->sum, number);
    EXPECT(kith_queue_task_done(queue) == 0);
    return 0;
}

/* ---- delivery ---- */

static void what_is_finished_is_not_delivered_again(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    assert_int_equal(apart(get_and_tell), 0);
    assert_int_equal(atomic_load(&board->sum), 1);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    const kith_queue_stats stats = stats_now();
    assert_int_equal(stats.unfinished, 0);
    assert_int_equal(stats.puts, 1);
    assert_int_equal(stats.gets, 1);
    assert_int_equal(stats.redelivered, 0);
}

static void what_a_killed_getter_had_comes_before_all_others(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 4);
    pid_t first = begin_getter(), second = begin_getter();
    assert_code(kith_queue_qsize(queue), 2); /* what somebody got does not count */
    assert_int_equal(stats_now().unfinished, 4);
    assert_int_equal(get_number(KITH_NOWAIT), 3);
    assert_code(kith_queue_deliveries(queue), 1);
    assert_code(kith_queue_task_done(queue), 0);
    end_by_kill(second);
    end_by_kill(first);
    assert_code(kith_queue_empty(queue), 0);
    static const uint64_t order[] = { 1, 2, 4 };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(get_number(KITH_NOWAIT), order[i]);
        assert_code(kith_queue_deliveries(queue), i < 2 ? 2 : 1);
        assert_code(kith_queue_task_done(queue), 0);
    }
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(stats_now().redelivered, 2);
    assert_int_equal(stats_now().unfinished, 0);
}

static void it_is_not_empty_while_a_dead_getter_s_are_to_be_got(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    pid_t getter = begin_getter();
    assert_code(kith_queue_empty(queue), 1);
    end_by_kill(getter);
    assert_code(kith_queue_empty(queue), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_empty(queue), 1);
}

static void deliveries_are_counted_from_death_to_death(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    for (int i = 0; i < 4; i++)
        end_by_kill(begin_getter());
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_deliveries(queue), 5);
    assert_int_equal(stats_now().redelivered, 4);
}

static int get_three_finish_one(void)
{
    for (uint64_t i = 1; i <= 3; i++)
        EXPECT(get_number(KITH_NOWAIT) == i);
    return kith_queue_task_done(queue);
}

static void a_process_that_ends_orderly_leaves_its_messages_to_others(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 3);
    assert_int_equal(apart(get_three_finish_one), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_int_equal(get_number(KITH_NOWAIT), 3);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
}

static void *get_in_a_thread(void *number)
{
    *(uint64_t *)number = get_number(KITH_NOWAIT);
    return NULL;
}

static void a_thread_that_ends_leaves_its_messages_to_others(void **state)
{
    (void)state;
    pthread_t thread;
    uint64_t number = 0;
    make_redelivering(0, 0);
    put_numbers(7, 7);
    assert_int_equal(pthread_create(&thread, NULL, get_in_a_thread, &number), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(number, 7);
    assert_int_equal(get_number(KITH_SECONDS(10)), 7); /* the kernel may tell the join before the death */
    assert_code(kith_queue_deliveries(queue), 2);
}

static int get_and_close(void)
{
    EXPECT(get_number(KITH_NOWAIT) == 1);
    EXPECT(kith_queue_close(queue) == 0);
    return stay();
}

static void who_closes_gives_its_messages_back(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    begin(get_and_close);
    assert_int_equal(get_number(KITH_SECONDS(10)), 1);
}

static int be_another_and_finish(void)
{
    EXPECT(kith_queue_task_done(queue) == -EPERM);
    EXPECT(kith_queue_deliveries(queue) == -EPERM);
    EXPECT(kith_queue_close(queue) == 0);
    return descriptors() == descriptors_before ? 0 : 2;
}

static void a_child_made_by_fork_has_none_of_its_parent_s_messages(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(apart(be_another_and_finish), 0);
    assert_code(kith_queue_task_done(queue), 0);
}

static void room_is_made_by_finishing(void **state)
{
    (void)state;
    make_redelivering(0, 2);
    put_numbers(1, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(put_number(3, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_queue_full(queue), 1);
    assert_code(kith_queue_empty(queue), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(put_number(3, KITH_NOWAIT), 0);
    assert_code(kith_queue_task_done(queue), 0);
    assert_explained(kith_queue_task_done(queue), -EPERM);
}

static void a_batch_is_got_and_finished_one_by_one(void **state)
{
    (void)state;
    uint64_t numbers[4];
    size_t sizes[4];
    make_redelivering(0, 0);
    put_numbers(1, 5);
    pid_t first = begin_getter();
    assert_code(kith_queue_get_many(queue, numbers, sizeof numbers, sizes, 4, KITH_NOWAIT), 4);
    assert_int_equal(numbers[0], 2);
    assert_int_equal(numbers[3], 5);
    end_by_kill(first);
    assert_code(kith_queue_get_many(queue, numbers, sizeof numbers, sizes, 4, KITH_NOWAIT), 1);
    assert_int_equal(numbers[0], 1);
    for (int i = 0; i < 5; i++)
        assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

/** Records that are not finished stay while laps come and go, and the queue grows and shrinks. */
static void unfinished_messages_stay_whole_as_laps_go_round(void **state)
{
    (void)state;
    static unsigned char data[30000], wanted[30000];
    size_t size;
    make_redelivering(0, 0);
    size_t put = 0, got = 0;
    for (int wave = 0; wave < 40; wave++) {
        for (int i = 0; i < (wave % 8 + 1) * 4; i++, put++) {
            fill(data, put * 7919 % sizeof data, put);
            assert_code(kith_queue_put(queue, data, put * 7919 % sizeof data, KITH_NOWAIT), 0);
        }
        for (; got + 3 < put; got++) {
            assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
            assert_int_equal(size, got * 7919 % sizeof data);
            fill(wanted, size, got);
            assert_memory_equal(data, wanted, size);
            if (got >= 5)
                assert_code(kith_queue_task_done(queue), 0); /* of the one that was got five before */
        }
    }
    assert_int_equal(stats_now().unfinished, put - got + 5);
}

static int get_two_finish_the_first(void)
{
    EXPECT(get_number(KITH_NOWAIT) == 2);
    take_step();
    EXPECT(get_number(KITH_FOREVER) == 1); /* it was put before the other, and got after it */
    return kith_queue_task_done(queue);
}

static void task_done_goes_by_the_order_of_getting(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, 2);
    pid_t first = begin_getter(), second = begin(get_two_finish_the_first);
    wait_for_step(2);
    end_by_kill(first);
    assert_int_equal(end(second), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_deliveries(queue), 3);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
}

/* ---- sleeping getters ---- */

static void a_sleeping_getter_is_woken_by_a_death(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(5, 5);
    pid_t first = begin_getter();
    pid_t second = begin_to_sleep(get_and_tell);
    end_by_kill(first);
    assert_int_equal(end(second), 0);
    assert_int_equal(atomic_load(&board->sum), 5);
}

static int join_in_vain(void)
{
    return kith_queue_join(queue, KITH_MS(300)) == -ETIMEDOUT ? 0 : 1;
}

static void who_joins_takes_no_getter_s_wake_up(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(5, 5);
    pid_t had = begin_getter();
    pid_t joiner = begin_to_sleep(join_in_vain);
    pid_t getter = begin_to_sleep(get_and_tell);
    stop(joiner); /* what it had been woken for would be nobody's */
    end_by_kill(had);
    assert_int_equal(end(getter), 0);
    assert_int_equal(atomic_load(&board->sum), 5);
    end_by_kill(joiner);
}

static void who_joins_does_not_wait_for_who_peeks(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make_redelivering(0, 0);
    put_numbers(5, 6);
    end_by_kill(begin_getter());
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    pid_t joiner = begin(join_in_vain);
    assert_int_equal(end(joiner), 0);
    assert_code(kith_queue_release(queue, 0), 0);
}

static void sleeping_getters_are_woken_by_deaths_one_by_one(void **state)
{
    (void)state;
    pid_t had[3], sleep[3];
    make_redelivering(0, 0);
    put_numbers(1, 3);
    for (int i = 0; i < 3; i++)
        had[i] = begin_getter();
    for (int i = 0; i < 3; i++)
        sleep[i] = begin_to_sleep(get_and_tell);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(had[i], SIGKILL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(end(had[i]), -SIGKILL);
        assert_int_equal(end(sleep[i]), 0);
    }
    assert_int_equal(atomic_load(&board->sum), 1 + 2 + 3);
}

static int find_nothing_then_get_and_stay(void)
{
    EXPECT(get_code(KITH_MS(20)) == KITH_EEMPTY);
    take_step();
    wait_for_step(2);
    return get_and_stay();
}

/** The sleeper is stopped, so that a message comes and goes without it; then it sleeps on with what it knew. */
static void who_slept_before_a_getter_came_is_woken_by_its_death(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    pid_t sleeper = begin_to_sleep(get_and_tell);
    stop(sleeper);
    pid_t other = begin(find_nothing_then_get_and_stay);
    wait_for_step(1);
    put_numbers(9, 9);
    take_step();
    wait_for_step(3);
    assert_code(get_code(KITH_MS(20)), KITH_EEMPTY);
    assert_int_equal(kill(sleeper, SIGCONT), 0);
    while (!in_futex(sleeper))
        sched_yield();
    end_by_kill(other);
    assert_int_equal(end(sleeper), 0);
    assert_int_equal(atomic_load(&board->sum), 9);
}

static void a_killed_sleeper_hands_a_death_on(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(6, 6);
    pid_t first = begin_getter();
    pid_t second = begin_to_sleep(get_and_tell), third = begin_to_sleep(get_and_tell);
    stop(second);
    assert_int_equal(kill(first, SIGKILL), 0);
    end_by_kill(second);
    assert_int_equal(end(first), -SIGKILL);
    assert_int_equal(end(third), 0);
    assert_int_equal(atomic_load(&board->sum), 6);
}

/* ---- in place ---- */

static void release_takes_what_peek_has_shown(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    uint64_t number;
    make_redelivering(0, 0);
    put_numbers(1, 2);
    pid_t first = begin_getter();
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    memcpy(&number, data, sizeof number);
    assert_int_equal(number, 2);
    assert_explained(kith_queue_deliveries(queue), -EPERM);
    end_by_kill(first); /* message 1 would come first now */
    assert_code(kith_queue_release(queue, 1), 0);
    assert_code(kith_queue_deliveries(queue), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_deliveries(queue), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static void a_peek_at_what_a_dead_getter_had_may_leave_it_there(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make_redelivering(0, 0);
    put_numbers(1, 1);
    end_by_kill(begin_getter());
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_deliveries(queue), 2);
}

static void who_peeks_finishes_nothing(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make_redelivering(0, 0);
    put_numbers(1, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_explained(kith_queue_task_done(queue), -EDEADLK);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_code(kith_queue_task_done(queue), 0);
}

static void a_get_that_is_refused_leaves_a_peek_as_it_was(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make_redelivering(0, 0);
    put_numbers(1, 2);
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_explained(kith_queue_get(queue, NULL, 0, &size, KITH_NOWAIT), -EDEADLK);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_int_equal(stats_now().unfinished, 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static void a_peek_outlasts_another_handle(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    kith_queue *other;
    make_redelivering(0, 0);
    put_numbers(1, 2);
    assert_code(kith_queue_from_fd(&other, kith_queue_share_fd(queue)), 0);
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    kith_queue_free(other);
    assert_explained(kith_queue_release(queue, 1), -EPERM);
    assert_int_equal(stats_now().items, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_task_done(queue), 0);
}

/* ---- poison ---- */

static void note_poison(void *context, const void *data, size_t size, unsigned deliveries)
{
    uint64_t number = 0;
    memcpy(&number, data, size < sizeof number ? size : sizeof number);
    atomic_fetch_add(&board->sum, number * 100 + deliveries);
    if (context)
        raise(SIGKILL);
}

static void poison_is_handed_over_and_not_delivered_again(void **state)
{
    (void)state;
    make_redelivering(2, 0);
    assert_code(kith_queue_set_poison(queue, note_poison, NULL), 0);
    put_numbers(1, 2);
    for (int i = 0; i < 2; i++)
        end_by_kill(begin_getter());
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_int_equal(atomic_load(&board->sum), 1 * 100 + 2);
    assert_int_equal(stats_now().redelivered, 1);
    const kith_queue_stats stats = stats_now();
    assert_int_equal(stats.poisoned, 1);
    assert_int_equal(stats.unfinished, 1);
    assert_code(kith_queue_deliveries(queue), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0); /* poison counts as done */
}

static void poison_that_nobody_handles_is_dropped(void **state)
{
    (void)state;
    make_redelivering(1, 1);
    put_numbers(1, 1);
    end_by_kill(begin_getter());
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(stats_now().poisoned, 1);
    assert_code(put_number(2, KITH_NOWAIT), 0); /* and its room is free */
}

static int die_of_poison(void)
{
    EXPECT(kith_queue_set_poison(queue, note_poison, board) == 0);
    return get_code(KITH_NOWAIT) ? 1 : 2;
}

static void a_death_in_the_poison_function_calls_another_s(void **state)
{
    (void)state;
    make_redelivering(1, 0);
    assert_code(kith_queue_set_poison(queue, note_poison, NULL), 0);
    put_numbers(1, 1);
    end_by_kill(begin_getter());
    assert_int_equal(apart(die_of_poison), -SIGKILL);
    assert_int_equal(atomic_load(&board->sum), 1 * 100 + 1);
    assert_int_equal(stats_now().poisoned, 0);
    atomic_store(&board->sum, 0);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(atomic_load(&board->sum), 1 * 100 + 1); /* told the same */
    assert_int_equal(stats_now().redelivered, 0);
    assert_int_equal(stats_now().poisoned, 1);
    assert_int_equal(stats_now().unfinished, 0);
}

static void poison_is_parked_in_another_queue(void **state)
{
    (void)state;
    kith_queue *parking;
    uint64_t number = 0;
    size_t size;
    make_redelivering(1, 0);
    assert_code(kith_queue_new(&parking, NULL), 0);
    assert_code(kith_queue_set_poison(queue, kith_queue_park, parking), 0);
    put_numbers(8, 8);
    end_by_kill(begin_getter());
    int code = get_code(KITH_NOWAIT);
    int parked = kith_queue_get(parking, &number, sizeof number, &size, KITH_NOWAIT);
    kith_queue_free(parking);
    assert_code(code, KITH_EEMPTY);
    assert_code(parked, 0);
    assert_int_equal(number, 8);
}

static void poison_ends_a_batch(void **state)
{
    (void)state;
    uint64_t numbers[4];
    size_t sizes[4];
    make_redelivering(2, 0);
    assert_code(kith_queue_set_poison(queue, note_poison, NULL), 0);
    put_numbers(1, 2);
    pid_t one = begin_getter(), two = begin_getter();
    end_by_kill(one);
    end_by_kill(begin_getter()); /* message 1: twice now */
    end_by_kill(two);
    assert_code(kith_queue_get_many(queue, numbers, sizeof numbers, sizes, 4, KITH_NOWAIT), 1);
    assert_int_equal(numbers[0], 2);
    assert_int_equal(stats_now().poisoned, 0);
    assert_code(kith_queue_get_many(queue, numbers, sizeof numbers, sizes, 4, KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(stats_now().poisoned, 1);
}

/* ---- seats ---- */

static void *get_and_wait_in_a_thread(void *nothing)
{
    if (get_number(KITH_FOREVER) != UINT64_MAX)
        stay();
    return nothing;
}

/** A process all of whose threads, as many as may, have a message each. */
static int take_all_seats(void)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (int i = 0; i < KITH_QUEUE_GETTERS_MAX; i++)
        EXPECT(pthread_create(&thread, &small, get_and_wait_in_a_thread, NULL) == 0);
    for (;;)
        pause();
    return 1;
}

static void there_is_a_limit_to_getters_with_messages(void **state)
{
    (void)state;
    make_redelivering(0, 0);
    put_numbers(1, KITH_QUEUE_GETTERS_MAX + 1);
    pid_t child = begin(take_all_seats);
    wait_for_step(KITH_QUEUE_GETTERS_MAX);
    const void *data;
    size_t size;
    assert_explained(get_code(KITH_NOWAIT), -EAGAIN);
    assert_explained(kith_queue_peek(queue, &data, &size, KITH_FOREVER), -EAGAIN);
    assert_explained(kith_queue_get_many(queue, NULL, 0, &size, 1, KITH_FOREVER), -EAGAIN);
    end_by_kill(child);
    /* The dead do not keep their seats. */
    for (uint64_t i = 1; i <= KITH_QUEUE_GETTERS_MAX + 1; i++) {
        assert_int_equal(get_number(KITH_NOWAIT), i);
        assert_code(kith_queue_deliveries(queue), i <= KITH_QUEUE_GETTERS_MAX ? 2 : 1);
        assert_code(kith_queue_task_done(queue), 0);
    }
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
    put_numbers(1, 1);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
}

/* ---- bad input ---- */

static void bad_input_is_explained(void **state)
{
    (void)state;
    assert_explained(kith_queue_new(&queue, &(kith_queue_options){ .max_deliveries = 1 }), -EINVAL);
    kith_queue_options options = { .redeliver = 1, .max_deliveries = KITH_QUEUE_DELIVERIES_MAX + 1 };
    assert_explained(kith_queue_new(&queue, &options), -EINVAL);
    assert_null(queue);
    assert_explained(kith_queue_deliveries(NULL), -EINVAL);
    assert_explained(kith_queue_set_poison(NULL, NULL, NULL), -EINVAL);
    make(0, 0);
    put_numbers(1, 1);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_explained(kith_queue_deliveries(queue), -EPERM); /* this queue does not redeliver */
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_deliveries(queue), KITH_ECLOSED);
    assert_explained(kith_queue_set_poison(queue, NULL, NULL), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(what_is_finished_is_not_delivered_again),
        with_board(what_a_killed_getter_had_comes_before_all_others),
        with_board(it_is_not_empty_while_a_dead_getter_s_are_to_be_got),
        with_board(deliveries_are_counted_from_death_to_death),
        with_board(a_process_that_ends_orderly_leaves_its_messages_to_others),
        with_board(a_thread_that_ends_leaves_its_messages_to_others),
        with_board(who_closes_gives_its_messages_back),
        with_board(a_child_made_by_fork_has_none_of_its_parent_s_messages),
        with_board(room_is_made_by_finishing),
        with_board(a_batch_is_got_and_finished_one_by_one),
        with_board(unfinished_messages_stay_whole_as_laps_go_round),
        with_board(task_done_goes_by_the_order_of_getting),
        with_board(a_sleeping_getter_is_woken_by_a_death),
        with_board(who_joins_takes_no_getter_s_wake_up),
        with_board(who_joins_does_not_wait_for_who_peeks),
        with_board(sleeping_getters_are_woken_by_deaths_one_by_one),
        with_board(who_slept_before_a_getter_came_is_woken_by_its_death),
        with_board(a_killed_sleeper_hands_a_death_on),
        with_board(release_takes_what_peek_has_shown),
        with_board(a_peek_at_what_a_dead_getter_had_may_leave_it_there),
        with_board(who_peeks_finishes_nothing),
        with_board(a_get_that_is_refused_leaves_a_peek_as_it_was),
        with_board(a_peek_outlasts_another_handle),
        with_board(poison_is_handed_over_and_not_delivered_again),
        with_board(poison_that_nobody_handles_is_dropped),
        with_board(a_death_in_the_poison_function_calls_another_s),
        with_board(poison_is_parked_in_another_queue),
        with_board(poison_ends_a_batch),
        with_board(there_is_a_limit_to_getters_with_messages),
        with_board(bad_input_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
