/* kith/queue.h, in place: reserve, commit and cancel; peek and release. */
#include "queues.h"

#include <kith/sync.h>
#include <pthread.h>
#include <sys/sysinfo.h>

static uint64_t *reserve(size_t size)
{
    void *data = NULL;
    assert_code(kith_queue_reserve(queue, size, &data, KITH_NOWAIT), 0);
    assert_int_equal((uintptr_t)data % 8, 0);
    return data;
}

/** @return the number that is shown */
static uint64_t peek(void)
{
    const void *data;
    size_t size;
    assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
    assert_int_equal((uintptr_t)data % 8, 0);
    assert_int_equal(size, sizeof(uint64_t));
    return *(const uint64_t *)data;
}

static int peek_code(kith_timeout timeout)
{
    const void *data;
    size_t size;
    return kith_queue_peek(queue, &data, &size, timeout);
}

/* ---- writing ---- */

static void what_is_written_in_place_is_put_by_commit(void **state)
{
    (void)state;
    make(0, 0);
    *reserve(8) = 7;
    assert_code(kith_queue_empty(queue), 1);
    assert_code(kith_queue_commit(queue, 8), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 7);
    assert_explained(kith_queue_commit(queue, 8), -EPERM);
    assert_explained(kith_queue_cancel(queue), -EPERM);
}

static void less_may_be_committed_than_reserved(void **state)
{
    (void)state;
    make(0, 4096 + 8);
    size_t size;
    memcpy(reserve(4096), "abc", 3);
    assert_code(kith_queue_commit(queue, 3), 0);
    assert_int_equal(stats_now().bytes, 16);
    char data[8];
    assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "abc", 3);
    reserve(0);
    assert_code(kith_queue_commit(queue, 0), 0);
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, 0);
}

static void more_can_not_be_committed_than_reserved(void **state)
{
    (void)state;
    make(0, 0);
    *reserve(8) = 3;
    assert_explained(kith_queue_commit(queue, 9), -EMSGSIZE);
    assert_explained(kith_queue_commit(queue, SIZE_MAX), -EMSGSIZE);
    assert_code(kith_queue_commit(queue, 8), 0); /* the reservation has stayed */
    assert_int_equal(get_number(KITH_NOWAIT), 3);
}

static void cancel_puts_nothing(void **state)
{
    (void)state;
    make(1, 0);
    *reserve(8) = 1;
    assert_code(kith_queue_cancel(queue), 0);
    assert_code(kith_queue_empty(queue), 1);
    put_numbers(2, 2);
    void *data;
    assert_code(kith_queue_reserve(queue, 8, &data, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_queue_reserve(queue, 8, &data, KITH_MS(5)), KITH_EFULL);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static void who_has_reserved_can_not_put_otherwise(void **state)
{
    (void)state;
    void *data;
    make(0, 0);
    *reserve(8) = 1;
    assert_explained(put_number(2, KITH_NOWAIT), -EDEADLK);
    assert_explained(put_number(2, KITH_FOREVER), -EDEADLK);
    assert_explained(kith_queue_put_many(queue, &(kith_message){ "", 0 }, 1, KITH_FOREVER), -EDEADLK);
    assert_explained(kith_queue_reserve(queue, 8, &data, KITH_FOREVER), -EDEADLK);
    assert_code(kith_queue_commit(queue, 8), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
}

/** While one reserves, locks and other queues come and go, and this one is got from, in whatever order. */
static void other_calls_may_be_made_meanwhile(void **state)
{
    (void)state;
    kith_queue *own, *other;
    kith_lock *lock, *second;
    make(0, 0);
    own = queue;
    put_numbers(1, 2);
    assert_code(kith_queue_new(&other, NULL), 0);
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_new(&second, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    uint64_t *room = reserve(8);
    assert_code(kith_lock_acquire(second, KITH_NOWAIT), 0);
    queue = other;
    uint64_t *room_there = reserve(8);
    *room_there = 20;
    assert_code(kith_lock_release(lock), 0);
    queue = own;
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(peek(), 2);
    *room = 3;
    assert_code(kith_queue_commit(own, 8), 0);
    assert_code(kith_lock_release(second), 0);
    assert_code(kith_queue_release(own, 1), 0);
    assert_code(kith_queue_commit(other, 8), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 3);
    queue = other;
    assert_int_equal(get_number(KITH_NOWAIT), 20);
    queue = own;
    kith_lock_free(lock);
    kith_lock_free(second);
    kith_queue_free(other);
}

static int reserve_and_stay(void)
{
    *reserve(8) = 1;
    return stay();
}

static int put_five(void)
{
    return put_number(5, KITH_FOREVER);
}

static void putters_wait_for_a_reservation_and_its_owner_s_death_ends_it(void **state)
{
    (void)state;
    make(0, 0);
    pid_t owner = begin(reserve_and_stay);
    wait_for_step(1);
    pid_t other = begin_to_sleep(put_five);
    assert_explained(kith_queue_commit(queue, 8), -EPERM); /* it is not this process that has reserved */
    end_by_kill(owner);
    assert_int_equal(end(other), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 5);
    assert_code(kith_queue_empty(queue), 1);
}

static void *reserve_in_a_thread(void *nothing)
{
    *reserve(8) = 1;
    return nothing;
}

static void the_end_of_a_thread_ends_what_it_reserved(void **state)
{
    (void)state;
    pthread_t thread;
    make(0, 0);
    assert_int_equal(pthread_create(&thread, NULL, reserve_in_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(put_number(2, KITH_SECONDS(10)), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static void a_reservation_grows_the_queue_like_a_put(void **state)
{
    (void)state;
    make(0, 0);
    for (uint64_t i = 0; i < 20; i++) {
        size_t size = (size_t)1000 << (i % 12);
        uint64_t *room = reserve(size);
        memset(room, (int)i, size);
        room[0] = i;
        if (i % 3 == 0)
            assert_code(kith_queue_cancel(queue), 0);
        else
            assert_code(kith_queue_commit(queue, size), 0);
    }
    for (uint64_t i = 0; i < 20; i++) {
        const void *data;
        size_t size;
        if (i % 3 == 0)
            continue;
        assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
        assert_int_equal(size, (size_t)1000 << (i % 12));
        assert_int_equal(*(const uint64_t *)data, i);
        assert_int_equal(((const unsigned char *)data)[size - 1], i);
        assert_code(kith_queue_release(queue, 1), 0);
    }
    assert_code(kith_queue_empty(queue), 1);
}

/** More than 2^31 bytes, written where they lie. */
static void a_giant_is_written_and_read_in_place(void **state)
{
    (void)state;
    const uint64_t size = 2560 * (uint64_t)MIB;
    struct sysinfo machine;
    if (sysinfo(&machine) < 0 || (uint64_t)machine.freeram * machine.mem_unit < 3 * size)
        skip();
    make(0, 0);
    uint64_t *room = reserve(size);
    room[0] = 1;
    room[size / 8 - 1] = 2;
    assert_code(kith_queue_commit(queue, size), 0);
    assert_int_equal(stats_now().bytes, size + 8);
    const void *data;
    size_t shown;
    assert_code(kith_queue_peek(queue, &data, &shown, KITH_NOWAIT), 0);
    assert_int_equal(shown, size);
    assert_int_equal(((const uint64_t *)data)[0], 1);
    assert_int_equal(((const uint64_t *)data)[size / 8 - 1], 2);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_true(stats_now().memory <= 4 * MIB);
}

/* ---- reading ---- */

static void release_takes_or_leaves(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 2);
    assert_int_equal(peek(), 1);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_int_equal(peek(), 1);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
    assert_code(peek_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_code(peek_code(KITH_MS(5)), KITH_EEMPTY);
    assert_explained(kith_queue_release(queue, 1), -EPERM);
}

static void who_has_peeked_can_not_get_otherwise(void **state)
{
    (void)state;
    size_t size;
    kith_bytes message;
    make(0, 0);
    put_numbers(1, 1);
    assert_int_equal(peek(), 1);
    assert_explained(get_code(KITH_NOWAIT), -EDEADLK);
    assert_explained(get_code(KITH_FOREVER), -EDEADLK);
    assert_explained(kith_queue_get_bytes(queue, &message, KITH_FOREVER), -EDEADLK);
    assert_explained(kith_queue_get_many(queue, NULL, 0, &size, 1, KITH_FOREVER), -EDEADLK);
    assert_explained(peek_code(KITH_FOREVER), -EDEADLK);
    put_numbers(2, 2);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static int peek_and_stay(void)
{
    EXPECT(peek() == 1);
    return stay();
}

static int get_one_number(void)
{
    return get_number(KITH_FOREVER) == 1 ? 0 : 1;
}

static void getters_wait_for_a_peek_and_the_message_outlives_its_peeker(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    pid_t peeker = begin(peek_and_stay);
    wait_for_step(1);
    assert_explained(kith_queue_release(queue, 1), -EPERM);
    pid_t getter = begin_to_sleep(get_one_number);
    end_by_kill(peeker);
    assert_int_equal(end(getter), 0);
    assert_code(kith_queue_empty(queue), 1);
}

static int put_wait(void)
{
    return put_number(2, KITH_FOREVER);
}

static void taking_what_was_peeked_makes_room(void **state)
{
    (void)state;
    make(1, 0);
    put_numbers(1, 1);
    assert_int_equal(peek(), 1);
    pid_t putter = begin_to_sleep(put_wait);
    assert_code(kith_queue_release(queue, 0), 0);
    assert_code(kith_queue_full(queue), 1);
    assert_int_equal(peek(), 1);
    assert_code(kith_queue_release(queue, 1), 0);
    assert_int_equal(end(putter), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

/* ---- both ---- */

static int reserve_and_peek_and_stay(void)
{
    *reserve(8) = 9;
    EXPECT(peek() == 1);
    return stay();
}

static int get_at_once(void)
{
    EXPECT_REFUSED(get_code(KITH_NOWAIT), -EBUSY);
    return 0;
}

static void who_is_in_the_middle_keeps_others_for_a_second_at_most(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    begin(reserve_and_peek_and_stay);
    wait_for_step(1);
    pid_t getter = begin(get_at_once);
    assert_explained(put_number(2, KITH_NOWAIT), -EBUSY);
    assert_int_equal(end(getter), 0);
}

static int close_in_the_middle(void)
{
    *reserve(8) = 9;
    EXPECT(peek() == 1);
    EXPECT(kith_queue_close(queue) == 0);
    return stay();
}

static void closing_gives_up_what_was_reserved_and_peeked(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    begin(close_in_the_middle);
    wait_for_step(1);
    put_numbers(2, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static void *reserve_and_stay_in_a_thread(void *nothing)
{
    *reserve(8) = 1;
    take_step();
    wait_for_step(2);
    kith_lock *lock;
    if (kith_lock_new(&lock, NULL) == 0 && kith_lock_acquire(lock, KITH_NOWAIT) == 0)
        take_step(); /* the list of what the thread owns is whole */
    kith_lock_free(lock);
    return nothing;
}

/** A word that another thread owns stays mapped, or that thread's list would lead nowhere. */
static int close_while_a_thread_reserves(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, reserve_and_stay_in_a_thread, NULL) == 0);
    wait_for_step(1);
    EXPECT(kith_queue_close(queue) == 0);
    take_step();
    EXPECT(pthread_join(thread, NULL) == 0);
    return atomic_load(&board->step) == 3 ? 0 : 2;
}

static void what_another_thread_reserved_ends_with_it_though_the_queue_is_closed(void **state)
{
    (void)state;
    make(0, 0);
    assert_int_equal(apart(close_while_a_thread_reserves), 0);
    put_numbers(2, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 2);
}

static void bad_input_is_explained(void **state)
{
    (void)state;
    void *room;
    const void *data;
    size_t size;
    assert_explained(kith_queue_reserve(NULL, 1, &room, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_commit(NULL, 1), -EINVAL);
    assert_explained(kith_queue_cancel(NULL), -EINVAL);
    assert_explained(kith_queue_peek(NULL, &data, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_release(NULL, 1), -EINVAL);
    make(0, 64);
    assert_explained(kith_queue_reserve(queue, 1, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_reserve(queue, 1, &room, -3), -EINVAL);
    assert_explained(kith_queue_reserve(queue, (size_t)-1, &room, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_reserve(queue, 57, &room, KITH_NOWAIT), -EMSGSIZE);
    assert_explained(kith_queue_peek(queue, NULL, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_peek(queue, &data, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_peek(queue, &data, &size, -3), -EINVAL);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_reserve(queue, 1, &room, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_queue_commit(queue, 1), KITH_ECLOSED);
    assert_explained(kith_queue_cancel(queue), KITH_ECLOSED);
    assert_explained(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_queue_release(queue, 0), KITH_ECLOSED);
}

static void a_reservation_belongs_to_its_handle(void **state)
{
    (void)state;
    kith_queue *other;
    void *room;
    make(0, 0);
    assert_code(kith_queue_from_fd(&other, kith_queue_share_fd(queue)), 0);
    assert_code(kith_queue_reserve(queue, 8, &room, KITH_NOWAIT), 0);
    assert_explained(kith_queue_commit(other, 8), -EPERM);
    assert_explained(kith_queue_cancel(other), -EPERM);
    kith_queue_free(other); /* and does not end it */
    memcpy(room, "still on", 8);
    assert_code(kith_queue_commit(queue, 8), 0);
    char data[8];
    size_t size;
    assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
    assert_memory_equal(data, "still on", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(what_is_written_in_place_is_put_by_commit),
        with_board(less_may_be_committed_than_reserved),
        with_board(more_can_not_be_committed_than_reserved),
        with_board(cancel_puts_nothing),
        with_board(who_has_reserved_can_not_put_otherwise),
        with_board(other_calls_may_be_made_meanwhile),
        with_board(putters_wait_for_a_reservation_and_its_owner_s_death_ends_it),
        with_board(the_end_of_a_thread_ends_what_it_reserved),
        with_board(a_reservation_grows_the_queue_like_a_put),
        with_board(a_giant_is_written_and_read_in_place),
        with_board(release_takes_or_leaves),
        with_board(who_has_peeked_can_not_get_otherwise),
        with_board(getters_wait_for_a_peek_and_the_message_outlives_its_peeker),
        with_board(taking_what_was_peeked_makes_room),
        with_board(who_is_in_the_middle_keeps_others_for_a_second_at_most),
        with_board(closing_gives_up_what_was_reserved_and_peeked),
        with_board(what_another_thread_reserved_ends_with_it_though_the_queue_is_closed),
        with_board(bad_input_is_explained),
        with_board(a_reservation_belongs_to_its_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
