/* kith/queue.h: take and finish, messages that a process holds in place. */
#include "queues.h"
#include "refuse.h"

#include <pthread.h>

static void make_redelivering(uint64_t max_items)
{
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1, .max_items = max_items }), 0);
}

static int take_code(kith_timeout timeout)
{
    const void *data;
    size_t size;
    return kith_queue_take(queue, &data, &size, timeout);
}

/** @return where the number lies; NULL when there is none */
static const uint64_t *take(kith_timeout timeout)
{
    const void *data;
    size_t size;
    int code = kith_queue_take(queue, &data, &size, timeout);
    return code == 0 && size == sizeof(uint64_t) && (uintptr_t)data % 8 == 0 ? data : NULL;
}

static const uint64_t *take_number(uint64_t number)
{
    const uint64_t *data = take(KITH_NOWAIT);
    assert_non_null(data);
    assert_int_equal(*data, number);
    return data;
}

/** Runs it in a thread of its own. @return what it returned */
static void *in_a_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static void *take_in_a_thread(void *nothing)
{
    (void)nothing;
    return (void *)(uintptr_t)take(KITH_NOWAIT);
}

static void *finish_in_a_thread(void *data)
{
    return kith_queue_finish(queue, data) == 0 ? NULL : queue;
}

/* ---- taking and finishing ---- */

static void what_is_taken_is_finished_in_any_order(void **state)
{
    (void)state;
    make_redelivering(3);
    put_numbers(1, 3);
    const uint64_t *first = take_number(1), *second = take_number(2), *third = take_number(3);
    assert_code(take_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_code(take_code(KITH_AT_ONCE), KITH_EEMPTY);
    assert_code(kith_queue_finish(queue, second), 0);
    assert_code(put_number(4, KITH_NOWAIT), KITH_EFULL); /* the oldest one keeps its room */
    assert_code(kith_queue_finish(queue, first), 0);
    put_numbers(4, 5);
    assert_code(put_number(6, KITH_NOWAIT), KITH_EFULL);
    assert_int_equal(*third, 3);
    assert_int_equal(*take_number(4), 4);
    assert_code(kith_queue_finish(queue, third), 0);
    assert_int_equal(stats_now().unfinished, 2);
}

static void others_get_meanwhile_and_task_done_is_about_theirs(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 2);
    const uint64_t *held = take_number(1);
    assert_explained(kith_queue_task_done(queue), -EPERM);
    assert_explained(kith_queue_deliveries(queue), -EPERM);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_task_done(queue), 0);
    assert_explained(kith_queue_task_done(queue), -EPERM);
    assert_int_equal(*held, 1);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static void any_thread_may_finish_and_the_one_that_took_may_end(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 2);
    uint64_t *first = in_a_thread(take_in_a_thread, NULL);
    const uint64_t *second = take_number(2);
    assert_code(get_code(KITH_MS(20)), KITH_EEMPTY); /* nothing comes again */
    assert_int_equal(*first, 1);
    assert_null(in_a_thread(finish_in_a_thread, first));
    assert_null(in_a_thread(finish_in_a_thread, (void *)(uintptr_t)second));
    assert_int_equal(stats_now().unfinished, 0);
}

static void what_is_held_stays_as_laps_go_round(void **state)
{
    (void)state;
    static unsigned char data[30000], wanted[30000];
    const void *held;
    size_t size;
    make_redelivering(0);
    fill(wanted, sizeof wanted, 5);
    put_numbers(1, 1);
    assert_code(kith_queue_put(queue, wanted, sizeof wanted, KITH_NOWAIT), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(kith_queue_take(queue, &held, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, sizeof wanted);
    for (int i = 0; i < 200; i++) {
        fill(data, sizeof data, (size_t)i);
        assert_code(kith_queue_put(queue, data, (size_t)i * 149, KITH_NOWAIT), 0);
        assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
        assert_code(kith_queue_task_done(queue), 0);
    }
    assert_true(stats_now().memory > MIB); /* all of it stays behind the one that is held */
    assert_memory_equal(held, wanted, sizeof wanted);
    assert_code(kith_queue_finish(queue, held), 0);
    const kith_queue_stats stats = stats_now();
    assert_int_equal(stats.unfinished, 0);
    assert_int_equal(stats.bytes, 0);
}

static void an_empty_message_is_held_too(void **state)
{
    (void)state;
    const void *data = NULL;
    size_t size = 1;
    make_redelivering(0);
    assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), 0);
    assert_code(kith_queue_take(queue, &data, &size, KITH_NOWAIT), 0);
    assert_non_null(data);
    assert_int_equal(size, 0);
    assert_code(kith_queue_finish(queue, data), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

/* ---- those who wait ---- */

static int put_five(void)
{
    return put_number(5, KITH_FOREVER);
}

static int join_all(void)
{
    return kith_queue_join(queue, KITH_FOREVER);
}

static int get_until_shut(void)
{
    return get_code(KITH_FOREVER) == KITH_ECLOSED ? 0 : 1;
}

static int take_and_finish(void)
{
    const uint64_t *data = take(KITH_FOREVER);
    EXPECT(data && *data == 5);
    return kith_queue_finish(queue, data);
}

static void finishing_wakes_who_waits_for_it(void **state)
{
    (void)state;
    make_redelivering(1);
    put_numbers(1, 1);
    const uint64_t *held = take_number(1);
    pid_t putter = begin_to_sleep(put_five);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_int_equal(end(putter), 0);
    held = take_number(5);
    pid_t joiner = begin_to_sleep(join_all);
    assert_code(kith_queue_shut(queue), 0);
    pid_t getter = begin_to_sleep(get_until_shut);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_int_equal(end(joiner), 0);
    assert_int_equal(end(getter), 0);
    assert_explained(take_code(KITH_FOREVER), KITH_ECLOSED);
}

static void who_waits_to_take_is_woken_by_a_put(void **state)
{
    (void)state;
    make_redelivering(0);
    pid_t child = begin_to_sleep(take_and_finish);
    put_numbers(5, 5);
    assert_int_equal(end(child), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

/* ---- finishing while another is in the middle of getting ---- */

static int peek_until_step_two(void)
{
    const void *data;
    size_t size;
    EXPECT(kith_queue_peek(queue, &data, &size, KITH_FOREVER) == 0);
    take_step();
    wait_for_step(2);
    EXPECT(kith_queue_release(queue, 0) == 0);
    return 0;
}

static int peek_and_stay(void)
{
    const void *data;
    size_t size;
    EXPECT(kith_queue_peek(queue, &data, &size, KITH_FOREVER) == 0);
    return stay();
}

static void it_waits_for_nobody_and_who_peeks_makes_the_room(void **state)
{
    (void)state;
    make_redelivering(2);
    put_numbers(1, 2);
    const uint64_t *held = take_number(1);
    pid_t child = begin(peek_until_step_two);
    wait_for_step(1);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_code(put_number(3, KITH_NOWAIT), KITH_EFULL);
    take_step();
    assert_int_equal(end(child), 0);
    assert_code(put_number(3, KITH_NOWAIT), 0);
}

static void when_who_peeks_is_killed_the_next_one_makes_the_room(void **state)
{
    (void)state;
    make_redelivering(2);
    put_numbers(1, 2);
    const uint64_t *held = take_number(1);
    pid_t child = begin(peek_and_stay);
    wait_for_step(1);
    assert_code(kith_queue_finish(queue, held), 0);
    end_by_kill(child);
    held = take_number(2);
    assert_code(put_number(3, KITH_NOWAIT), 0);
    assert_code(kith_queue_finish(queue, held), 0);
}

static void who_has_peeked_may_finish(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make_redelivering(2);
    put_numbers(1, 2);
    const uint64_t *held = take_number(1);
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_explained(take_code(KITH_NOWAIT), -EDEADLK);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_code(put_number(3, KITH_NOWAIT), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static int sleep_in_get(void)
{
    return get_number(KITH_FOREVER) == 3 ? 0 : 1;
}

static void sleeping_getters_are_no_hindrance(void **state)
{
    (void)state;
    make_redelivering(2);
    put_numbers(1, 2);
    const uint64_t *first = take_number(1), *second = take_number(2);
    pid_t getter = begin_to_sleep(sleep_in_get);
    assert_code(kith_queue_finish(queue, first), 0);
    assert_code(kith_queue_finish(queue, second), 0);
    assert_int_equal(stats_now().unfinished, 0);
    put_numbers(3, 3);
    assert_int_equal(end(getter), 0);
}

/* ---- deaths, forks, closing ---- */

static int take_two_and_stay(void)
{
    const uint64_t *first = take(KITH_NOWAIT), *second = take(KITH_NOWAIT);
    EXPECT(first && second);
    EXPECT(kith_queue_finish(queue, second) == 0);
    return stay();
}

static void what_a_killed_process_held_comes_again(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 3);
    pid_t child = begin(take_two_and_stay);
    wait_for_step(1);
    assert_code(kith_queue_qsize(queue), 1);
    end_by_kill(child);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(kith_queue_deliveries(queue), 2);
    assert_code(kith_queue_task_done(queue), 0);
    const uint64_t *held = take_number(3);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static int take_and_stay(void)
{
    EXPECT(take(KITH_FOREVER));
    return stay();
}

static void who_waits_to_take_is_woken_by_a_death(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(5, 5);
    pid_t first = begin(take_and_stay);
    wait_for_step(1);
    pid_t second = begin_to_sleep(take_and_finish);
    end_by_kill(first);
    assert_int_equal(end(second), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static const uint64_t *parents;

static int be_a_child(void)
{
    EXPECT(*parents == 1); /* it may look */
    EXPECT_REFUSED(kith_queue_finish(queue, parents), -EPERM);
    const uint64_t *mine = take(KITH_NOWAIT);
    EXPECT(mine && *mine == 2);
    EXPECT_REFUSED(kith_queue_finish(queue, parents), -EPERM);
    EXPECT(kith_queue_finish(queue, mine) == 0);
    EXPECT(kith_queue_close(queue) == 0);
    return descriptors() == descriptors_before ? 0 : 2;
}

static void a_child_made_by_fork_finishes_nothing_of_its_parent_s(void **state)
{
    (void)state;
    make_redelivering(0);
    put_numbers(1, 2);
    parents = take_number(1);
    assert_int_equal(apart(be_a_child), 0);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_int_equal(stats_now().unfinished, 2);
    assert_int_equal(*parents, 1);
    assert_code(kith_queue_finish(queue, parents), 0);
    assert_int_equal(stats_now().unfinished, 0);
}

static void closing_gives_up_what_is_held(void **state)
{
    (void)state;
    kith_queue *closed;
    make_redelivering(0);
    put_numbers(1, 2);
    const uint64_t *held = take_number(1);
    closed = queue;
    assert_code(kith_queue_from_fd(&queue, kith_queue_share_fd(closed)), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(kith_queue_close(closed), 0);
    assert_explained(kith_queue_finish(closed, held), KITH_ECLOSED);
    kith_queue_free(closed);
    assert_int_equal(*take_number(1), 1);
}

static void a_handle_that_holds_nothing_leaves_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        make_redelivering(0);
        assert_code(take_code(KITH_NOWAIT), KITH_EEMPTY);
        if (round == 1) {
            put_numbers(1, 1);
            assert_code(kith_queue_finish(queue, take_number(1)), 0);
        }
        assert_code(kith_queue_close(queue), 0);
        assert_int_equal(descriptors(), descriptors_before);
        kith_queue_free(queue);
        queue = NULL;
    }
}

static void note_poison(void *context, const void *data, size_t size, unsigned deliveries)
{
    (void)context;
    (void)size;
    atomic_fetch_add(&board->sum, *(const uint64_t *)data * 100 + deliveries);
}

static void poison_is_not_given(void **state)
{
    (void)state;
    const kith_queue_options options = { .redeliver = 1, .max_deliveries = 1 };
    assert_code(kith_queue_new(&queue, &options), 0);
    assert_code(kith_queue_set_poison(queue, note_poison, NULL), 0);
    put_numbers(7, 8);
    pid_t child = begin(take_and_stay);
    wait_for_step(1);
    end_by_kill(child);
    const uint64_t *held = take_number(8);
    assert_int_equal(atomic_load(&board->sum), 701);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_code(kith_queue_join(queue, KITH_NOWAIT), 0);
}

/* ---- many threads ---- */

enum { TAKERS = 3, MESSAGES = 3000, POOL = 8 };

/** What one took another finishes: each leaves its message in a place of the pool, for that which lay there. */
static const uint64_t *_Atomic pool[POOL];

static void *take_and_swap(void *nothing)
{
    for (;;) {
        const void *data;
        size_t size;
        int code = kith_queue_take(queue, &data, &size, KITH_FOREVER);
        if (code < 0)
            return code == KITH_ECLOSED ? nothing : queue;
        const uint64_t *message = data;
        uint64_t number = *message;
        const uint64_t *other = number < MESSAGES - POOL ? atomic_exchange(&pool[number % POOL], message) : message;
        if (!other)
            continue;
        atomic_fetch_add(&board->sum, *other);
        if (kith_queue_finish(queue, other) < 0)
            return queue;
    }
}

static void threads_finish_what_others_took(void **state)
{
    (void)state;
    pthread_t threads[TAKERS];
    void *result;
    make_redelivering(64);
    memset((void *)pool, 0, sizeof pool);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_swap, NULL), 0);
    for (uint64_t number = 0; number < MESSAGES; number++) {
        /* The last ones leave nothing in the pool, where a few could fill the queue. */
        while (put_number(number, KITH_MS(1)) == KITH_EFULL) {
            for (int i = 0; i < POOL; i++) {
                const uint64_t *left = atomic_exchange(&pool[i], NULL);
                if (left) {
                    atomic_fetch_add(&board->sum, *left);
                    assert_code(kith_queue_finish(queue, left), 0);
                }
            }
        }
    }
    while (kith_queue_empty(queue) == 0)
        sched_yield();
    assert_code(kith_queue_shut(queue), 0);
    while (stats_now().unfinished > 0) {
        for (int i = 0; i < POOL; i++) {
            const uint64_t *left = atomic_exchange(&pool[i], NULL);
            if (left) {
                atomic_fetch_add(&board->sum, *left);
                assert_code(kith_queue_finish(queue, left), 0);
            }
        }
        sched_yield();
    }
    for (int i = 0; i < TAKERS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(atomic_load(&board->sum), (uint64_t)MESSAGES * (MESSAGES - 1) / 2);
    assert_int_equal(stats_now().redelivered, 0);
}

/* ---- refusals ---- */

static int no_thread_can_be_started(void)
{
    EXPECT(refuse(SYS_clone3, EAGAIN) == 0 && refuse(SYS_clone, EAGAIN) == 0);
    EXPECT_REFUSED(take_code(KITH_NOWAIT), -EAGAIN);
    EXPECT(get_number(KITH_NOWAIT) == 1);
    _exit(0); /* the leak check at exit would need a thread */
}

static void refusals_are_explained(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    make(0, 0);
    put_numbers(1, 1);
    assert_explained(take_code(KITH_NOWAIT), -EPERM);
    kith_queue_free(queue);
    make_redelivering(0);
    assert_explained(kith_queue_take(NULL, &data, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_take(queue, NULL, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_take(queue, &data, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(take_code(-3), -EINVAL);
    assert_explained(kith_queue_finish(NULL, board), -EINVAL);
    assert_explained(kith_queue_finish(queue, NULL), -EINVAL);
    assert_explained(kith_queue_finish(queue, board), -EPERM); /* nothing was ever taken */
    put_numbers(1, 2);
    assert_int_equal(apart(no_thread_can_be_started), 0);
    const uint64_t *held = take(KITH_SECONDS(10)); /* the dead one's, in whatever order */
    assert_non_null(held);
    assert_explained(kith_queue_finish(queue, held + 1), -EPERM);
    assert_code(kith_queue_finish(queue, held), 0);
    assert_explained(kith_queue_finish(queue, held), -EPERM);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(take_code(KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_queue_finish(queue, held), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(what_is_taken_is_finished_in_any_order),
        with_board(others_get_meanwhile_and_task_done_is_about_theirs),
        with_board(any_thread_may_finish_and_the_one_that_took_may_end),
        with_board(what_is_held_stays_as_laps_go_round),
        with_board(an_empty_message_is_held_too),
        with_board(finishing_wakes_who_waits_for_it),
        with_board(who_waits_to_take_is_woken_by_a_put),
        with_board(it_waits_for_nobody_and_who_peeks_makes_the_room),
        with_board(when_who_peeks_is_killed_the_next_one_makes_the_room),
        with_board(who_has_peeked_may_finish),
        with_board(sleeping_getters_are_no_hindrance),
        with_board(what_a_killed_process_held_comes_again),
        with_board(who_waits_to_take_is_woken_by_a_death),
        with_board(a_child_made_by_fork_finishes_nothing_of_its_parent_s),
        with_board(closing_gives_up_what_is_held),
        with_board(a_handle_that_holds_nothing_leaves_nothing),
        with_board(poison_is_not_given),
        with_board(threads_finish_what_others_took),
        with_board(refusals_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
