/* kith/codec.h: values in queues. */
#include "queues.h"
#include "shortage.h"

enum { PUTTERS = 3, GETTERS = 2, EACH = 300 };

static kith_arena *arena;

static int set_up(void **state)
{
    return kith_arena_new(&arena) < 0 ? -1 : setup(state);
}

static int tear_down(void **state)
{
    kith_arena_free(arena);
    return teardown(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* ---- one process ---- */

static kith_value *get_value(void)
{
    kith_value *value = NULL;
    assert_code(kith_queue_get_value(queue, arena, &value, KITH_NOWAIT), 0);
    assert_non_null(value);
    return value;
}

static void assert_comes_back(const kith_value *value)
{
    assert_code(kith_queue_put_value(queue, value, KITH_NOWAIT), 0);
    assert_int_equal(kith_value_equal(get_value(), value), 1);
}

static void values_come_back_equal_and_in_order(void **state)
{
    (void)state;
    make(0, 0);
    assert_comes_back(kith_value_none(arena));
    assert_comes_back(kith_value_pack(arena, "{s:s, s:[i,f,(b,n)], s:y, s:<i>}", "name", "kith", "list", 1, 2.5, 1,
                                      "bytes", "\0\xff", (size_t)2, "set", 7));
    assert_comes_back(kith_object_global(arena, "datetime", "date"));
    kith_value *ring = kith_value_list(arena);
    assert_code(kith_value_append(ring, ring), 0);
    assert_code(kith_queue_put_value(queue, ring, KITH_NOWAIT), 0);
    ring = get_value();
    assert_ptr_equal(kith_value_at(ring, 0), ring);
    for (int i = 0; i < 100; i++)
        assert_code(kith_queue_put_value(queue, kith_value_int(arena, i), KITH_NOWAIT), 0);
    for (int i = 0; i < 100; i++) {
        int64_t number;
        assert_code(kith_value_as_int(get_value(), &number), 0);
        assert_int_equal(number, i);
    }
}

static void messages_are_pickles(void **state)
{
    (void)state;
    static const char numbers[] = "\x80\x02]q\x00(K\x01K\x02\x65."; /* [1, 2], as Python has it in protocol 2 */
    kith_bytes message;
    kith_value *value, *pair = kith_value_pack(arena, "[ii]", 1, 2);
    make(0, 0);
    assert_code(kith_queue_put(queue, numbers, sizeof numbers - 1, KITH_NOWAIT), 0);
    assert_int_equal(kith_value_equal(get_value(), pair), 1);
    assert_code(kith_queue_put_value(queue, pair, KITH_NOWAIT), 0);
    assert_code(kith_queue_get_bytes(queue, &message, KITH_NOWAIT), 0);
    assert_memory_equal(message.data, "\x80\x04", 2);
    assert_code(kith_pickle_read(arena, &value, message.data, message.size, NULL), 0);
    assert_int_equal(kith_value_equal(value, pair), 1);
    kith_bytes_free(&message);
}

/** Of every size around what fits on the stack, into a block of the arena, and into the largest one. */
static void values_of_all_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 255, 256, 2000, 2048, 3000, 4000, 4096, 5000, 65536, 100000, 3 * MIB };
    unsigned char *data = malloc(3 * MIB);
    assert_non_null(data);
    fill(data, 3 * MIB, 5);
    make(0, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const void *bytes;
        size_t size;
        assert_code(kith_queue_put_value(queue, kith_value_bytes_borrowed(arena, data, sizes[i]), KITH_NOWAIT), 0);
        kith_arena_reset(arena);
        assert_code(kith_value_as_bytes(get_value(), &bytes, &size), 0);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(bytes, data, size);
        kith_arena_reset(arena);
    }
    free(data);
}

/** What holds good for each message of a long run: the arena's memory is enough for ever. */
static void small_values_take_no_memory_that_is_not_there(void **state)
{
    (void)state;
    size_t before = 0;
    kith_arena *mine;
    assert_code(kith_arena_new(&mine), 0);
    kith_value *value = kith_value_pack(mine, "{s:s, s:[iii]}", "name", "kith", "list", 1, 2, 3);
    make(0, 0);
    for (int i = 0; i < 100; i++) {
        assert_code(kith_queue_put_value(queue, value, KITH_NOWAIT), 0);
        assert_int_equal(kith_value_equal(get_value(), value), 1);
        kith_arena_reset(arena);
        assert_true(i < 2 || kith_arena_size(arena) == before);
        before = kith_arena_size(arena);
    }
    assert_true(before <= 64 * 1024);
    kith_arena_free(mine);
}

/** Long bytes stay in the message, which is in the arena. */
static void long_bytes_are_not_copied(void **state)
{
    (void)state;
    static const char zeros[MIB];
    make(0, 0);
    assert_code(kith_queue_put_value(queue, kith_value_bytes_borrowed(arena, zeros, MIB), KITH_NOWAIT), 0);
    kith_arena_reset(arena);
    assert_int_equal(kith_value_length(get_value()), MIB);
    assert_true(kith_arena_size(arena) < MIB + MIB / 2);
}

/* ---- what goes wrong ---- */

static void assert_gone_and_told(const void *message, size_t size, int code)
{
    kith_value *value = NULL;
    assert_code(kith_queue_put(queue, message, size, KITH_NOWAIT), 0);
    assert_code(kith_queue_put_value(queue, kith_value_int(arena, 5), KITH_NOWAIT), 0);
    assert_explained(kith_queue_get_value(queue, arena, &value, KITH_NOWAIT), code);
    assert_null(value);
    assert_int_equal(kith_value_equal(get_value(), kith_value_int(arena, 5)), 1);
}

static void what_is_no_pickle_is_taken_and_told(void **state)
{
    (void)state;
    char deep[4000];
    make(0, 0);
    assert_gone_and_told("", 0, KITH_EMALFORMED);
    assert_gone_and_told("hello", 5, KITH_EMALFORMED);
    assert_gone_and_told("\x80\x04K\x01", 4, KITH_EMALFORMED); /* without its end */
    assert_gone_and_told("\x80\x04X\xff\xff\xff\x7f.", 8, KITH_EMALFORMED);
    memset(deep, ']', 2000);
    memset(deep + 2000, 'a', 1999);
    deep[3999] = '.';
    assert_gone_and_told(deep, 4000, KITH_ELIMIT);
}

static void time_and_bounds_are_those_of_the_queue(void **state)
{
    (void)state;
    char large[200] = { 0 };
    kith_value *value = NULL, *one = kith_value_int(arena, 1);
    make(1, 128);
    assert_code(kith_queue_get_value(queue, arena, &value, KITH_NOWAIT), KITH_EEMPTY);
    assert_code(kith_queue_get_value(queue, arena, &value, KITH_MS(1)), KITH_EEMPTY);
    assert_code(kith_queue_put_value(queue, one, KITH_NOWAIT), 0);
    assert_code(kith_queue_put_value(queue, one, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_queue_put_value(queue, one, KITH_MS(1)), KITH_EFULL);
    assert_explained(kith_queue_put_value(queue, kith_value_bytes(arena, large, sizeof large), KITH_NOWAIT), -EMSGSIZE);
    assert_code(kith_queue_shut(queue), 0);
    assert_explained(kith_queue_put_value(queue, one, KITH_NOWAIT), KITH_ECLOSED);
    assert_int_equal(kith_value_equal(get_value(), one), 1);
    assert_explained(kith_queue_get_value(queue, arena, &value, KITH_FOREVER), KITH_ECLOSED);
}

static void without_memory_nothing_is_put_and_nothing_lost(void **state)
{
    (void)state;
    static const char zeros[100000];
    kith_value *value = kith_value_bytes_borrowed(arena, zeros, sizeof zeros), *got = NULL;
    make(0, 0);
    shortage_begin(1);
    int code = kith_queue_put_value(queue, value, KITH_NOWAIT);
    if (!shortage_end())
        skip();
    assert_explained(code, -ENOMEM);
    assert_int_equal(kith_queue_qsize(queue), 0);
    assert_code(kith_queue_put_value(queue, value, KITH_NOWAIT), 0);
    shortage_begin(1);
    code = kith_queue_get_value(queue, arena, &got, KITH_NOWAIT);
    assert_true(shortage_end());
    assert_explained(code, -ENOMEM);
    assert_null(got);
    assert_int_equal(kith_queue_qsize(queue), 1);
    assert_int_equal(kith_value_equal(get_value(), value), 1);
}

static void bad_input_is_explained(void **state)
{
    (void)state;
    kith_value *value = NULL, *one = kith_value_int(arena, 1);
    assert_explained(kith_queue_put_value(NULL, one, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_value(NULL, arena, &value, KITH_NOWAIT), -EINVAL);
    make(0, 0);
    assert_explained(kith_queue_put_value(queue, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put_value(queue, one, -5), -EINVAL);
    assert_explained(kith_queue_get_value(queue, NULL, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_value(queue, arena, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_value(queue, arena, &value, -5), -EINVAL);
    assert_int_equal(kith_queue_qsize(queue), 0);
}

/* ---- many processes ---- */

/** Puts its numbers, each with a text that belongs to it, now short, now longer than the stack or a block has room. */
static int put_numbers_with_texts(void)
{
    static char text[6000];
    kith_arena *mine;
    EXPECT(kith_arena_new(&mine) == 0);
    for (int i = 1; i <= EACH; i++) {
        size_t length = i % 3 ? (size_t)i : sizeof text - (size_t)i;
        memset(text, 'a' + i % 26, length);
        kith_value *value = kith_value_pack(mine, "{s:i, s:s#}", "number", i, "text", text, length);
        EXPECT(kith_queue_put_value(queue, value, KITH_FOREVER) == 0);
        kith_arena_reset(mine);
    }
    kith_arena_free(mine);
    return 0;
}

/** @return whether the text is the one that belongs to the number */
static bool is_right(int number, const char *text, size_t length)
{
    size_t expected = number % 3 ? (size_t)number : 6000 - (size_t)number;
    bool right = length == expected;
    for (size_t i = 0; i < length && right; i++)
        right = text[i] == 'a' + number % 26;
    return right;
}

static int get_and_add(void)
{
    kith_arena *mine;
    kith_value *value;
    int code;
    EXPECT(kith_arena_new(&mine) == 0);
    while ((code = kith_queue_get_value(queue, mine, &value, KITH_FOREVER)) == 0) {
        int number;
        const char *text;
        size_t length;
        EXPECT(kith_value_unpack(value, "{s:i, s:s#}", "number", &number, "text", &text, &length) == 0);
        EXPECT(is_right(number, text, length));
        atomic_fetch_add(&board->sum, (uint64_t)number);
        kith_arena_reset(mine);
    }
    kith_arena_free(mine);
    return code == KITH_ECLOSED ? 0 : 1;
}

static void many_processes_put_and_get(void **state)
{
    (void)state;
    pid_t putters[PUTTERS], getters[GETTERS];
    make(20, 0);
    for (int i = 0; i < GETTERS; i++)
        getters[i] = begin(get_and_add);
    for (int i = 0; i < PUTTERS; i++)
        putters[i] = begin(put_numbers_with_texts);
    for (int i = 0; i < PUTTERS; i++)
        assert_int_equal(end(putters[i]), 0);
    assert_code(kith_queue_shut(queue), 0);
    for (int i = 0; i < GETTERS; i++)
        assert_int_equal(end(getters[i]), 0);
    assert_int_equal(atomic_load(&board->sum), PUTTERS * EACH * (EACH + 1) / 2);
}

static int put_until_killed(void)
{
    kith_arena *mine;
    EXPECT(kith_arena_new(&mine) == 0);
    for (int64_t i = 0;; i++) {
        kith_value *value = kith_value_pack(mine, "[Is]", i, "a text that would be cut off");
        EXPECT(kith_queue_put_value(queue, value, KITH_FOREVER) == 0);
        kith_arena_reset(mine);
        if (i == 100)
            take_step();
    }
    return 1;
}

static void what_a_dead_putter_has_put_is_whole(void **state)
{
    (void)state;
    int64_t expected = 0, number;
    const char *text;
    kith_value *value;
    make(1000, 0);
    pid_t putter = begin(put_until_killed);
    wait_for_step(1);
    end_by_kill(putter);
    while (kith_queue_get_value(queue, arena, &value, KITH_NOWAIT) == 0) {
        assert_code(kith_value_unpack(value, "[Is]", &number, &text), 0);
        assert_int_equal(number, expected++);
        assert_string_equal(text, "a text that would be cut off");
    }
    assert_true(expected > 100);
    assert_comes_back(kith_value_str(arena, "it goes on"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_equal_and_in_order),
        TEST(messages_are_pickles),
        TEST(values_of_all_sizes_come_back),
        TEST(small_values_take_no_memory_that_is_not_there),
        TEST(long_bytes_are_not_copied),
        TEST(what_is_no_pickle_is_taken_and_told),
        TEST(time_and_bounds_are_those_of_the_queue),
        TEST(without_memory_nothing_is_put_and_nothing_lost),
        TEST(bad_input_is_explained),
        TEST(many_processes_put_and_get),
        TEST(what_a_dead_putter_has_put_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
