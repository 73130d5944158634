/* kith/queue.h, batches: put_many and get_many. */
#include "alarms.h"
#include "queues.h"

enum { BATCH = 2000 };

static uint64_t numbers[BATCH];
static kith_message messages[BATCH];
static uint64_t got[BATCH];
static size_t sizes[BATCH];

/** Makes the first so many messages numbers from here on. */
static const kith_message *batch(uint64_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = first + i;
        messages[i] = (kith_message){ &numbers[i], sizeof *numbers };
    }
    return messages;
}

static int put_batch(uint64_t first, unsigned count, kith_timeout timeout)
{
    return kith_queue_put_many(queue, batch(first, count), count, timeout);
}

static int get_batch(unsigned count, kith_timeout timeout)
{
    return kith_queue_get_many(queue, got, count * sizeof *got, sizes, count, timeout);
}

static void assert_got(unsigned count, uint64_t first)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(sizes[i], sizeof *got);
        assert_int_equal(got[i], first + i);
    }
}

/* ---- order, laps ---- */

static void a_batch_keeps_its_order(void **state)
{
    (void)state;
    make(0, 0);
    assert_code(put_batch(1, 5, KITH_NOWAIT), 5);
    put_numbers(6, 6);
    assert_code(get_batch(3, KITH_NOWAIT), 3);
    assert_got(3, 1);
    assert_code(get_batch(10, KITH_FOREVER), 3); /* what is there, and no wait for more */
    assert_got(3, 4);
    assert_code(get_batch(10, KITH_NOWAIT), KITH_EEMPTY);
    assert_code(get_batch(10, KITH_MS(5)), KITH_EEMPTY);
}

static void batches_straddle_laps_and_regions(void **state)
{
    (void)state;
    make(0, 0);
    uint64_t put = 0, taken = 0;
    for (unsigned round = 0; round < 400; round++) {
        unsigned count = 1 + round * 37 % BATCH;
        assert_code(put_batch(put, count, KITH_NOWAIT), (int)count);
        put += count;
        while (put - taken > round * 997 % 40000) {
            unsigned most = 1 + round * 91 % BATCH;
            int code = get_batch(most, KITH_NOWAIT);
            assert_true(code > 0);
            assert_got((unsigned)code, taken);
            taken += (unsigned)code;
        }
    }
    while (taken < put) {
        int code = get_batch(BATCH, KITH_NOWAIT);
        assert_true(code > 0);
        assert_got((unsigned)code, taken);
        taken += (unsigned)code;
    }
    assert_code(kith_queue_empty(queue), 1);
}

static void one_batch_fills_many_regions(void **state)
{
    (void)state;
    enum { BIG = 40000, COUNT = 300 };
    static unsigned char data[BIG], wanted[BIG];
    make(0, 0);
    fill(data, BIG, 3);
    for (unsigned i = 0; i < COUNT; i++)
        messages[i] = (kith_message){ data, BIG - i };
    assert_code(kith_queue_put_many(queue, messages, COUNT, KITH_NOWAIT), COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_code(kith_queue_get_many(queue, wanted, BIG, sizes, COUNT, KITH_NOWAIT), 1); /* no room for two */
        assert_int_equal(sizes[0], BIG - i);
        assert_memory_equal(data, wanted, BIG - i);
    }
}

/* ---- bounds ---- */

static void as_many_are_put_as_there_is_room_for(void **state)
{
    (void)state;
    make(3, 0);
    assert_code(put_batch(1, 5, KITH_NOWAIT), 3);
    assert_code(put_batch(9, 2, KITH_NOWAIT), KITH_EFULL);
    assert_code(put_batch(9, 2, KITH_MS(5)), KITH_EFULL);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(put_batch(4, 2, KITH_MS(5)), 1);
    assert_code(get_batch(5, KITH_NOWAIT), 3);
    assert_got(3, 2);
}

static void bytes_bound_a_batch(void **state)
{
    (void)state;
    make(0, 100); /* 12 units, and a number takes 2 */
    assert_code(put_batch(1, 10, KITH_NOWAIT), 6);
    assert_int_equal(stats_now().bytes, 96);
    assert_code(get_batch(10, KITH_NOWAIT), 6);
    assert_got(6, 1);
}

static int get_all_one_by_one(void)
{
    for (uint64_t i = 0; i < BATCH; i++)
        EXPECT(get_number(KITH_FOREVER) == i);
    return 0;
}

static void a_batch_larger_than_the_queue_goes_through_beside_a_getter(void **state)
{
    (void)state;
    make(7, 0);
    pid_t getter = begin(get_all_one_by_one);
    assert_code(put_batch(0, BATCH, KITH_FOREVER), BATCH);
    assert_int_equal(end(getter), 0);
}

static void a_message_that_never_fits_is_found_before_any_is_put(void **state)
{
    (void)state;
    make(0, 64);
    batch(1, 3);
    messages[2] = (kith_message){ numbers, 57 };
    assert_explained(kith_queue_put_many(queue, messages, 3, KITH_NOWAIT), -EMSGSIZE);
    messages[2] = (kith_message){ NULL, 1 };
    assert_explained(kith_queue_put_many(queue, messages, 3, KITH_NOWAIT), -EINVAL);
    messages[2] = (kith_message){ numbers, (size_t)-1 };
    assert_explained(kith_queue_put_many(queue, messages, 3, KITH_NOWAIT), -EINVAL);
    assert_code(kith_queue_empty(queue), 1);
}

static void a_handler_interrupts_a_batch(void **state)
{
    (void)state;
    make(2, 0);
    alarms_on(alarm_ignored, 0);
    int first = put_batch(1, 3, KITH_FOREVER), second = put_batch(3, 1, KITH_FOREVER);
    alarms_off();
    assert_code(first, 2);
    assert_code(second, -EINTR);
    assert_code(get_batch(5, KITH_NOWAIT), 2);
    assert_got(2, 1);
}

/* ---- the getter's buffer ---- */

static void messages_lie_at_multiples_of_eight(void **state)
{
    (void)state;
    char buffer[64];
    make(0, 0);
    const kith_message some[] = { { "a", 1 }, { NULL, 0 }, { "12345678", 8 }, { "xyz", 3 } };
    assert_code(kith_queue_put_many(queue, some, 4, KITH_NOWAIT), 4);
    assert_code(kith_queue_get_many(queue, buffer, sizeof buffer, sizes, 10, KITH_NOWAIT), 4);
    assert_int_equal(sizes[0], 1);
    assert_int_equal(sizes[1], 0);
    assert_int_equal(sizes[2], 8);
    assert_int_equal(sizes[3], 3);
    assert_memory_equal(buffer, "a", 1);
    assert_memory_equal(buffer + 8, "12345678", 8);
    assert_memory_equal(buffer + 16, "xyz", 3);
}

static void what_does_not_fit_the_buffer_stays(void **state)
{
    (void)state;
    char buffer[24];
    make(0, 0);
    const kith_message some[] = { { "123456789", 9 }, { "abcde", 5 }, { "x", 1 } };
    assert_code(kith_queue_put_many(queue, some, 3, KITH_NOWAIT), 3);
    assert_explained(kith_queue_get_many(queue, buffer, 8, sizes, 3, KITH_NOWAIT), -EMSGSIZE);
    assert_int_equal(sizes[0], 9);
    assert_code(kith_queue_get_many(queue, buffer, 20, sizes, 3, KITH_NOWAIT), 1); /* 16 of 20 are used */
    assert_code(kith_queue_get_many(queue, buffer, 5, sizes, 3, KITH_NOWAIT), 1);  /* the last may end anywhere */
    assert_memory_equal(buffer, "abcde", 5);
    assert_code(kith_queue_get_many(queue, buffer, 1, sizes, 3, KITH_NOWAIT), 1);
    assert_code(kith_queue_put_many(queue, (kith_message[2]){ { "", 0 }, { "", 0 } }, 2, KITH_NOWAIT), 2);
    assert_code(kith_queue_get_many(queue, NULL, 0, sizes, 3, KITH_NOWAIT), 2);
}

/* ---- processes ---- */

static int get_a_few(void)
{
    int code = get_batch(2, KITH_FOREVER);
    EXPECT(code > 0);
    atomic_fetch_add(&board->sum, (uint64_t)code);
    return 0;
}

static void a_batch_wakes_as_many_getters_as_it_serves(void **state)
{
    (void)state;
    pid_t getters[3];
    make(0, 0);
    for (int i = 0; i < 3; i++)
        getters[i] = begin_to_sleep(get_a_few);
    assert_code(put_batch(1, 6, KITH_NOWAIT), 6);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(getters[i]), 0);
    assert_int_equal(atomic_load(&board->sum), 6);
}

static int put_one(void)
{
    return put_number(100, KITH_FOREVER);
}

static void a_batch_makes_room_for_as_many_putters(void **state)
{
    (void)state;
    pid_t putters[3];
    make(3, 0);
    put_numbers(1, 3);
    for (int i = 0; i < 3; i++)
        putters[i] = begin_to_sleep(put_one);
    assert_code(get_batch(3, KITH_NOWAIT), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(putters[i]), 0);
    assert_code(kith_queue_full(queue), 1);
}

/* ---- bad input ---- */

static void bad_input_is_explained(void **state)
{
    (void)state;
    make(0, 0);
    batch(1, 1);
    assert_explained(kith_queue_put_many(NULL, messages, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put_many(queue, NULL, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put_many(queue, messages, 0, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put_many(queue, messages, (unsigned)-1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put_many(queue, messages, 1, -3), -EINVAL);
    assert_explained(kith_queue_get_many(NULL, got, 8, sizes, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_many(queue, NULL, 8, sizes, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_many(queue, got, 8, NULL, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_many(queue, got, 8, sizes, 0, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_many(queue, got, 8, sizes, 1, -3), -EINVAL);
    assert_code(kith_queue_close(queue), 0);
    assert_explained(kith_queue_put_many(queue, messages, 1, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_queue_get_many(queue, got, 8, sizes, 1, KITH_NOWAIT), KITH_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(a_batch_keeps_its_order),
        with_board(batches_straddle_laps_and_regions),
        with_board(one_batch_fills_many_regions),
        with_board(as_many_are_put_as_there_is_room_for),
        with_board(bytes_bound_a_batch),
        with_board(a_batch_larger_than_the_queue_goes_through_beside_a_getter),
        with_board(a_message_that_never_fits_is_found_before_any_is_put),
        with_board(a_handler_interrupts_a_batch),
        with_board(messages_lie_at_multiples_of_eight),
        with_board(what_does_not_fit_the_buffer_stays),
        with_board(a_batch_wakes_as_many_getters_as_it_serves),
        with_board(a_batch_makes_room_for_as_many_putters),
        with_board(bad_input_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
