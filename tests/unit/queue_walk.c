/* kith/queue.h, walking: what is shown, and what goes on meanwhile. */
#include "queues.h"

#include <pthread.h>

/** What a walk has seen: numbers, and messages of other sizes. */
static struct seen {
    unsigned count;
    uint64_t sum, last;
    bool in_order;
    unsigned enough; /* 0: all */
} seen;

static int see(void *context, const void *data, size_t size)
{
    struct seen *so_far = context;
    uint64_t number = so_far->last + 1;
    if (size == sizeof number)
        memcpy(&number, data, size);
    so_far->in_order = so_far->in_order && number == so_far->last + 1;
    so_far->last = number;
    so_far->sum += number;
    return ++so_far->count == so_far->enough ? 77 : 0;
}

/** @return what the walk returned */
static int walk_from(uint64_t before_first, unsigned enough)
{
    seen = (struct seen){ .last = before_first, .in_order = true, .enough = enough };
    return kith_queue_walk(queue, see, &seen);
}

static void all_messages_are_shown_and_stay(void **state)
{
    (void)state;
    make(0, 0);
    assert_code(walk_from(0, 0), 0);
    assert_int_equal(seen.count, 0);
    put_numbers(1, 5);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    for (int round = 0; round < 2; round++) {
        assert_code(walk_from(1, 0), 0);
        assert_int_equal(seen.count, 4);
        assert_true(seen.in_order);
    }
    assert_code(kith_queue_qsize(queue), 4);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_int_equal(stats_now().unfinished, 5);
}

static void a_walk_ends_when_it_is_told_to(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 5);
    assert_code(walk_from(0, 2), 77);
    assert_int_equal(seen.last, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1); /* and leaves */
}

static void a_walk_goes_through_laps_and_regions(void **state)
{
    (void)state;
    make(0, 0);
    uint64_t put = 0, got = 0;
    for (unsigned round = 1; round < 60; round++) {
        put_numbers(put + 1, put + round * 997);
        put += round * 997;
        for (; got < put - round * 499; got++)
            assert_int_equal(get_number(KITH_NOWAIT), got + 1);
        assert_code(walk_from(got, 0), 0);
        assert_true(seen.in_order);
        assert_int_equal(seen.count, put - got);
    }
}

static void messages_of_all_sizes_are_shown(void **state)
{
    (void)state;
    make(0, 0);
    static unsigned char data[3 * MIB];
    const size_t sizes[] = { 0, 1, 7, 4000, MIB, 3 * MIB, 9 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_code(kith_queue_put(queue, data, sizes[i], KITH_NOWAIT), 0);
    assert_code(walk_from(0, 0), 0);
    assert_int_equal(seen.count, sizeof sizes / sizeof *sizes);
}

static void with_redelivery_what_is_not_done_is_shown(void **state)
{
    (void)state;
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }), 0);
    put_numbers(1, 4);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(walk_from(0, 0), 0);
    assert_int_equal(seen.count, 4);
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(walk_from(1, 0), 0);
    assert_int_equal(seen.count, 3);
    assert_true(seen.in_order);
    assert_code(kith_queue_task_done(queue), 0);
}

/* ---- others ---- */

static int put_more(void *context, const void *data, size_t size)
{
    (void)context, (void)data, (void)size;
    return put_number(9, KITH_NOWAIT);
}

static void what_is_put_meanwhile_is_not_shown(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 3);
    assert_code(kith_queue_walk(queue, put_more, NULL), 0);
    assert_code(kith_queue_qsize(queue), 6);
}

static int try_to_get(void *context, const void *data, size_t size)
{
    (void)data, (void)size;
    *(int *)context = get_code(KITH_NOWAIT);
    return 0;
}

static void nothing_can_be_got_by_who_walks(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    int code = 0;
    assert_code(kith_queue_walk(queue, try_to_get, &code), 0);
    assert_int_equal(code, -EDEADLK);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
}

static int die(void *context, const void *data, size_t size)
{
    (void)context, (void)data, (void)size;
    return raise(SIGKILL);
}

static int walk_and_die(void)
{
    return kith_queue_walk(queue, die, NULL);
}

static void a_death_in_the_middle_changes_nothing(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 3);
    assert_int_equal(apart(walk_and_die), -SIGKILL);
    assert_code(walk_from(0, 0), 0);
    assert_int_equal(seen.count, 3);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
}

enum { TRAFFIC = 20000 };

static void *put_and_get(void *argument)
{
    for (uint64_t number = 1; number <= TRAFFIC; number++) {
        if (put_number(number, KITH_NOWAIT) != 0 || get_number(KITH_FOREVER) == UINT64_MAX)
            *(bool *)argument = true;
    }
    take_step();
    return NULL;
}

static void walks_see_runs_of_what_others_put_and_get(void **state)
{
    (void)state;
    make(0, 0);
    bool failed = false;
    pthread_t other;
    put_numbers(0, 0); /* so that the walk mostly finds something */
    assert_int_equal(pthread_create(&other, NULL, put_and_get, &failed), 0);
    while (atomic_load(&board->step) == 0) {
        int code = walk_from(0, 0);
        assert_code(code, 0);
        assert_true(seen.count <= 2);
        assert_true(seen.last <= TRAFFIC);
    }
    pthread_join(other, NULL);
    assert_false(failed);
}

static void what_can_not_be_walked_is_refused(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    assert_explained(kith_queue_walk(NULL, see, &seen), -EINVAL);
    assert_explained(kith_queue_walk(queue, NULL, &seen), -EINVAL);
    const void *data;
    size_t size;
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_explained(kith_queue_walk(queue, see, &seen), -EDEADLK);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_walk(queue, see, &seen), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(all_messages_are_shown_and_stay),           with_board(a_walk_ends_when_it_is_told_to),
        with_board(a_walk_goes_through_laps_and_regions),      with_board(messages_of_all_sizes_are_shown),
        with_board(with_redelivery_what_is_not_done_is_shown), with_board(what_is_put_meanwhile_is_not_shown),
        with_board(nothing_can_be_got_by_who_walks),           with_board(a_death_in_the_middle_changes_nothing),
        with_board(walks_see_runs_of_what_others_put_and_get), with_board(what_can_not_be_walked_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
