/* kith/codec.h: values in queues. */
#include "framed.h"
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

/* ---- buffers beside the pickle ---- */

#define TWO_BUFFERS "\x80\x05\x97\x97\x98\x86." /* a tuple of them, the second read-only */

static const char first_buffer[] = "a first one, which may be changed";
static const char second_buffer[] = "a second one";
static const kith_buffer two_buffers[] = { { first_buffer, sizeof first_buffer },
                                           { second_buffer, sizeof second_buffer } };

static size_t compose_two(unsigned char *message)
{
    return framed(message, TWO_BUFFERS, sizeof TWO_BUFFERS - 1, two_buffers, 2);
}

/** @return where the first one's bytes lie */
static const void *assert_two(const kith_value *value)
{
    const void *found[2];
    size_t size;
    for (size_t i = 0; i < 2; i++) {
        const kith_value *buffer = kith_value_at(value, i);
        assert_int_equal(kith_object_get_form(buffer), KITH_OBJECT_BUFFER);
        assert_code(kith_value_as_bytes(buffer, &found[i], &size), 0);
        assert_int_equal(size, two_buffers[i].size);
        assert_memory_equal(found[i], two_buffers[i].data, size);
    }
    return found[0];
}

static void buffers_come_beside_the_pickle(void **state)
{
    (void)state;
    unsigned char message[200];
    make(0, 0);
    assert_code(kith_queue_put(queue, message, compose_two(message), KITH_NOWAIT), 0);
    kith_value *value = get_value();
    assert_int_equal((uintptr_t)assert_two(value) % 8, 0);
    assert_comes_back(kith_value_none(arena));
    /* As a plain pickle it goes on to those who know of no buffers. */
    assert_code(kith_queue_put_value(queue, value, KITH_NOWAIT), 0);
    value = get_value();
    assert_int_equal(kith_value_kind(kith_value_at(value, 0)), KITH_BYTEARRAY);
    assert_int_equal(kith_value_kind(kith_value_at(value, 1)), KITH_BYTES);
}

static void empty_buffers_and_none_are_fine(void **state)
{
    (void)state;
    unsigned char message[200];
    const kith_buffer empty[] = { { NULL, 0 }, { "x", 1 }, { NULL, 0 } };
    size_t size, length;
    const void *data;
    make(0, 0);
    size = framed(message, "\x80\x05\x97\x97\x97\x87.", 7, empty, 3);
    size -= 7; /* there need be no padding before what is empty at the end */
    assert_code(kith_queue_put(queue, message, size, KITH_NOWAIT), 0);
    const kith_value *value = get_value();
    for (size_t i = 0; i < 3; i++) {
        assert_code(kith_value_as_bytes(kith_value_at(value, i), &data, &length), 0);
        assert_int_equal(length, i == 1);
    }
    assert_code(kith_queue_put(queue, message, framed(message, "\x80\x05K\x07.", 5, NULL, 0), KITH_NOWAIT), 0);
    assert_int_equal(kith_value_equal(get_value(), kith_value_int(arena, 7)), 1);
}

static void many_buffers_are_fine(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static unsigned char message[MANY * 32 + 1000], pickle[MANY + 20] = "\x80\x05(";
    static kith_buffer buffers[MANY];
    for (size_t i = 0; i < MANY; i++)
        buffers[i] = (kith_buffer){ &"many buffers"[i % 10], i % 3 };
    memset(pickle + 3, 0x97, MANY);
    memcpy(pickle + 3 + MANY, "l.", 2);
    make(0, 0);
    size_t size = framed(message, pickle, MANY + 5, buffers, MANY);
    assert_code(kith_queue_put(queue, message, size, KITH_NOWAIT), 0);
    const kith_value *value = get_value();
    assert_int_equal(kith_value_length(value), MANY);
    for (size_t i = 0; i < MANY; i++) {
        const void *data;
        assert_code(kith_value_as_bytes(kith_value_at(value, i), &data, &size), 0);
        assert_int_equal(size, i % 3);
        assert_memory_equal(data, buffers[i].data, size);
    }
    shortage_begin(1);
    kith_value *got = NULL;
    int code = kith_message_read(arena, &got, message, sizeof message, NULL);
    if (shortage_end()) {
        assert_explained(code, -ENOMEM);
        assert_null(got);
    }
}

/** Of a message that lies in the queue nothing is copied when it is read with borrow. */
static void a_message_is_read_where_it_lies(void **state)
{
    (void)state;
    unsigned char message[200];
    const void *data;
    size_t size;
    kith_value *value;
    const kith_pickle_read_options borrow = { .borrow = 1 };
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }), 0);
    assert_code(kith_queue_put(queue, message, compose_two(message), KITH_NOWAIT), 0);
    assert_code(kith_queue_take(queue, &data, &size, KITH_NOWAIT), 0);
    assert_code(kith_message_read(arena, &value, data, size, &borrow), 0);
    const char *first = assert_two(value);
    assert_in_range((uintptr_t)first, (uintptr_t)data, (uintptr_t)data + size);
    assert_code(kith_message_read(arena, &value, data, size, NULL), 0);
    assert_code(kith_queue_finish(queue, data), 0);
    assert_two(value);
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

/** Cut short anywhere, at the end of memory that is its own, so that a look beyond it is seen. */
static void what_is_cut_short_is_told(void **state)
{
    (void)state;
    unsigned char whole[200];
    size_t size = compose_two(whole);
    for (size_t cut = 0; cut < size; cut++) {
        kith_value *value = NULL;
        unsigned char *message = malloc(cut + 1);
        assert_non_null(message);
        memcpy(message + 1, whole, cut);
        assert_explained(kith_message_read(arena, &value, message + 1, cut, NULL), KITH_EMALFORMED);
        assert_null(value);
        free(message);
    }
}

static void numbers_that_lie_are_told(void **state)
{
    (void)state;
    static const uint64_t lies[] = { 1000, (uint64_t)1 << 32, INT64_MAX - 7, INT64_MAX, UINT64_MAX - 7, UINT64_MAX };
    enum { COUNT_AT = 4, PICKLE_AT = 8, FIRST_AT = 16, SECOND_AT = 24 };
    unsigned char message[200];
    make(0, 0);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size_t size = compose_two(message);
        framed_number(message, COUNT_AT, lies[i] | 1000, sizeof(uint32_t));
        assert_gone_and_told(message, size, KITH_EMALFORMED);
        for (size_t at = PICKLE_AT; at <= SECOND_AT; at += sizeof(uint64_t)) {
            size = compose_two(message);
            framed_number(message, at, lies[i], sizeof(uint64_t));
            assert_gone_and_told(message, size, KITH_EMALFORMED);
        }
    }
    size_t size = compose_two(message);
    framed_number(message, COUNT_AT, 1, sizeof(uint32_t)); /* the pickle wants two */
    assert_gone_and_told(message, size, KITH_EMALFORMED);
    size = compose_two(message);
    message[3] = '2'; /* which no one has written yet */
    assert_gone_and_told(message, size, KITH_EMALFORMED);
    size = framed(message, "", 0, NULL, 0);
    assert_gone_and_told(message, size, KITH_EMALFORMED);
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
    const kith_pickle_read_options with_buffers = { .buffers = two_buffers, .buffer_count = 2 };
    assert_explained(kith_message_read(NULL, &value, "N.", 2, NULL), -EINVAL);
    assert_explained(kith_message_read(arena, NULL, "N.", 2, NULL), -EINVAL);
    assert_explained(kith_message_read(arena, &value, NULL, 2, NULL), -EINVAL);
    assert_explained(kith_message_read(arena, &value, "N.", 2, &with_buffers), -EINVAL);
    assert_explained(kith_message_read(arena, &value, NULL, 0, NULL), KITH_EMALFORMED);
    assert_null(value);
}

static void what_can_be_had_at_once_is_had(void **state)
{
    (void)state;
    static const char zeros[100000];
    kith_value *value = NULL, *large = kith_value_bytes_borrowed(arena, zeros, sizeof zeros);
    make(0, 0);
    assert_code(kith_queue_get_value(queue, arena, &value, KITH_AT_ONCE), KITH_EEMPTY);
    assert_code(kith_queue_put_value(queue, large, KITH_AT_ONCE), 0);
    assert_code(kith_queue_get_value(queue, arena, &value, KITH_AT_ONCE), 0);
    assert_int_equal(kith_value_equal(value, large), 1);
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
        TEST(buffers_come_beside_the_pickle),
        TEST(empty_buffers_and_none_are_fine),
        TEST(many_buffers_are_fine),
        TEST(a_message_is_read_where_it_lies),
        TEST(what_is_no_pickle_is_taken_and_told),
        TEST(what_is_cut_short_is_told),
        TEST(numbers_that_lie_are_told),
        TEST(what_can_be_had_at_once_is_had),
        TEST(time_and_bounds_are_those_of_the_queue),
        TEST(without_memory_nothing_is_put_and_nothing_lost),
        TEST(bad_input_is_explained),
        TEST(many_processes_put_and_get),
        TEST(what_a_dead_putter_has_put_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
