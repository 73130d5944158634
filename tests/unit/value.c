/* kith/value.h: arenas, and plain values. */
#include "values.h"

#include <math.h>
#include <stdbool.h>

/* ---- arenas ---- */

static void an_arena_takes_memory_as_it_needs_it(void **state)
{
    (void)state;
    assert_int_equal(kith_arena_size(arena), 0);
    assert_int_equal(kith_arena_error(arena), 0);
    assert_non_null(kith_value_none(arena));
    size_t size = kith_arena_size(arena);
    assert_in_range(size, 24, 64 * 1024);
    assert_non_null(kith_value_none(arena));
    assert_int_equal(kith_arena_size(arena), size);
}

static void what_is_large_lies_whole_and_apart(void **state)
{
    (void)state;
    size_t size = 3000000;
    char *data = malloc(size);
    memset(data, 'x', size);
    kith_value *small = integer(7), *large = kith_value_bytes(arena, data, size), *last = integer(8);
    const void *kept;
    size_t length;
    assert_code(kith_value_as_bytes(large, &kept, &length), 0);
    assert_int_equal(length, size);
    assert_memory_equal(kept, data, size);
    assert_repr(small, "7");
    assert_repr(last, "8");
    assert_in_range(kith_arena_size(arena), size, size + 20000);
    free(data);
}

static void fill(size_t values)
{
    for (size_t i = 0; i < values; i++)
        assert_non_null(kith_value_bytes(arena, "0123456789", 10));
}

static void a_reset_keeps_memory_for_the_next_values(void **state)
{
    (void)state;
    fill(600);
    kith_arena_reset(arena);
    fill(600);
    kith_arena_reset(arena);
    size_t kept = kith_arena_size(arena);
    assert_in_range(kept, 600 * 32, 64 * 1024);
    fill(600);
    assert_int_equal(kith_arena_size(arena), kept);
}

static void a_reset_keeps_memory_for_long_values_too(void **state)
{
    (void)state;
    static const char data[20000];
    size_t size = 0;
    for (int round = 0; round < 4; round++) {
        assert_non_null(kith_value_bytes(arena, data, sizeof data));
        fill(10);
        assert_non_null(kith_value_bytes(arena, data, sizeof data));
        assert_true(round < 3 || kith_arena_size(arena) == size);
        kith_arena_reset(arena);
        size = kith_arena_size(arena);
        assert_true(size <= 64 * 1024);
    }
    assert_true(size > 2 * sizeof data);
}

static void a_reset_gives_much_memory_back(void **state)
{
    (void)state;
    fill(100000);
    assert_true(kith_arena_size(arena) > 1000000);
    kith_arena_reset(arena);
    assert_true(kith_arena_size(arena) <= 64 * 1024);
    fill(10);
    assert_true(kith_arena_size(arena) <= 2 * 64 * 1024);
}

static void the_first_failure_is_kept_until_a_reset(void **state)
{
    (void)state;
    assert_null(kith_value_str(arena, "\xff"));
    assert_null(kith_value_bytes(arena, NULL, 1));
    assert_explained(kith_arena_error(arena), -EILSEQ);
    assert_non_null(kith_value_none(arena));
    assert_code(kith_arena_error(arena), -EILSEQ);
    kith_arena_reset(arena);
    assert_code(kith_arena_error(arena), 0);
}

static void no_arena_is_told(void **state)
{
    (void)state;
    assert_explained(kith_arena_new(NULL), -EINVAL);
    assert_explained(kith_arena_error(NULL), -EINVAL);
    assert_int_equal(kith_arena_size(NULL), 0);
    kith_arena_reset(NULL);
    kith_arena_free(NULL);
    assert_null(kith_value_none(NULL));
    assert_non_null(strstr(kith_error_detail(), "arena is NULL"));
    assert_null(kith_value_bool(NULL, 1));
    assert_null(kith_value_int(NULL, 1));
    assert_null(kith_value_unsigned(NULL, UINT64_MAX));
    assert_null(kith_value_int_from_bytes(NULL, "", 0));
    assert_null(kith_value_float(NULL, 1));
    assert_null(kith_value_str(NULL, ""));
    assert_null(kith_value_str_sized(NULL, "", 0));
    assert_null(kith_value_bytes(NULL, "", 0));
    assert_null(kith_value_bytearray(NULL, "", 0));
    assert_null(kith_value_bytes_borrowed(NULL, "", 0));
    assert_null(kith_value_list(NULL));
    assert_null(kith_value_tuple(NULL, NULL, 0));
    assert_null(kith_value_dict(NULL));
    assert_null(kith_value_new_set(NULL));
    assert_null(kith_value_frozenset(NULL, NULL, 0));
    assert_null(kith_value_pack(NULL, "n"));
    assert_null(kith_value_copy(NULL, NULL));
    assert_null(kith_object_global(NULL, "a", "b"));
}

/* ---- kinds ---- */

static void kinds_have_names(void **state)
{
    (void)state;
    static const char *const names[] = { "nothing",   "None", "bool",  "int",  "float", "str",       "bytes",
                                         "bytearray", "list", "tuple", "dict", "set",   "frozenset", "object" };
    for (int kind = 0; kind <= KITH_OBJECT; kind++)
        assert_string_equal(kith_kind_name(kind), names[kind]);
    assert_string_equal(kith_kind_name(-1), "nothing");
    assert_string_equal(kith_kind_name(KITH_OBJECT + 1), "nothing");
    assert_int_equal(kith_value_kind(NULL), 0);
    assert_int_equal(kith_value_kind(kith_value_none(arena)), KITH_NONE);
}

static void what_is_no_such_kind_is_refused(void **state)
{
    (void)state;
    const kith_value *const values[] = { NULL, kith_value_none(arena), kith_value_list(arena) };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int truth;
        int64_t number;
        uint64_t natural;
        double real;
        const char *chars;
        const void *data;
        size_t size;
        assert_explained(kith_value_as_bool(values[i], &truth), KITH_ETYPE);
        assert_explained(kith_value_as_int(values[i], &number), KITH_ETYPE);
        assert_explained(kith_value_as_unsigned(values[i], &natural), KITH_ETYPE);
        assert_explained(kith_value_as_int_bytes(values[i], NULL, 0, &size), KITH_ETYPE);
        assert_explained(kith_value_as_float(values[i], &real), KITH_ETYPE);
        assert_explained(kith_value_as_str(values[i], &chars, &size), KITH_ETYPE);
        assert_explained(kith_value_as_bytes(values[i], &data, &size), KITH_ETYPE);
    }
    assert_explained(kith_value_as_bool(integer(1), &(int){ 0 }), KITH_ETYPE);
    assert_explained(kith_value_as_int(kith_value_float(arena, 1), &(int64_t){ 0 }), KITH_ETYPE);
}

static void nowhere_to_store_is_refused(void **state)
{
    (void)state;
    const void *data;
    assert_explained(kith_value_as_bool(kith_value_bool(arena, 1), NULL), -EINVAL);
    assert_explained(kith_value_as_int(integer(1), NULL), -EINVAL);
    assert_explained(kith_value_as_unsigned(integer(1), NULL), -EINVAL);
    assert_explained(kith_value_as_int_bytes(integer(1), NULL, 0, NULL), -EINVAL);
    assert_explained(kith_value_as_int_bytes(integer(1), NULL, 1, &(size_t){ 0 }), -EINVAL);
    assert_explained(kith_value_as_float(integer(1), NULL), -EINVAL);
    assert_explained(kith_value_as_str(text("a"), NULL, NULL), -EINVAL);
    assert_explained(kith_value_as_bytes(text("a"), NULL, &(size_t){ 0 }), -EINVAL);
    assert_explained(kith_value_as_bytes(text("a"), &data, NULL), -EINVAL);
}

static void bools_are_0_or_1(void **state)
{
    (void)state;
    int truth = 7;
    assert_code(kith_value_as_bool(kith_value_bool(arena, 42), &truth), 0);
    assert_int_equal(truth, 1);
    assert_code(kith_value_as_bool(kith_value_bool(arena, 0), &truth), 0);
    assert_int_equal(truth, 0);
    int64_t number;
    assert_code(kith_value_as_int(kith_value_bool(arena, 1), &number), 0);
    assert_int_equal(number, 1);
}

/* ---- ints ---- */

static const char two_to_63[] = { 0, 0, 0, 0, 0, 0, 0, '\x80', 0 };

static kith_value *from_bytes(const char *bytes, size_t size)
{
    kith_value *value = kith_value_int_from_bytes(arena, bytes, size);
    assert_non_null(value);
    return value;
}

static void expect_bytes(const kith_value *value, const char *bytes, size_t size)
{
    char kept[64];
    size_t length = 99;
    assert_code(kith_value_as_int_bytes(value, kept, sizeof kept, &length), 0);
    assert_int_equal(length, size);
    if (size)
        assert_memory_equal(kept, bytes, size);
}

static void ints_of_64_bits_are_kept(void **state)
{
    (void)state;
    static const int64_t numbers[] = { 0, 1, -1, 127, 128, -128, -129, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t number = 42;
        assert_code(kith_value_as_int(integer(numbers[i]), &number), 0);
        assert_int_equal(number, numbers[i]);
        assert_code(kith_value_as_int(from_bytes((const char *)&numbers[i], 8), &number), 0);
        assert_int_equal(number, numbers[i]);
    }
}

static void ints_have_no_byte_more_than_they_need(void **state)
{
    (void)state;
    expect_bytes(integer(0), "", 0);
    expect_bytes(integer(127), "\x7f", 1);
    expect_bytes(integer(128), "\x80\0", 2);
    expect_bytes(integer(-128), "\x80", 1);
    expect_bytes(integer(-129), "\x7f\xff", 2);
    expect_bytes(integer(-1), "\xff", 1);
    expect_bytes(from_bytes("\0\0\0\0\0\0\0\0\0\0\0\0", 12), "", 0);
    expect_bytes(from_bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12), "\xff", 1);
    expect_bytes(from_bytes("\1\0\0\0\0\0\0\0\1\0\0\0", 12), "\1\0\0\0\0\0\0\0\1", 9);
    expect_bytes(from_bytes(NULL, 0), "", 0);
    size_t needed = 0;
    assert_explained(kith_value_as_int_bytes(from_bytes(two_to_63, 9), (char[8]){ 0 }, 8, &needed), -EMSGSIZE);
    assert_int_equal(needed, 9);
    assert_explained(kith_value_as_int_bytes(integer(300), NULL, 0, &needed), -EMSGSIZE);
    assert_int_equal(needed, 2);
    assert_code(kith_value_as_int_bytes(integer(0), NULL, 0, &needed), 0);
    assert_refused(kith_value_int_from_bytes(arena, NULL, 1), -EINVAL);
}

static void ints_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    int64_t number = 42;
    uint64_t natural = 42;
    kith_value *value = from_bytes(two_to_63, 9);
    assert_explained(kith_value_as_int(value, &number), -ERANGE);
    assert_code(kith_value_as_unsigned(value, &natural), 0);
    assert_true(natural == (uint64_t)1 << 63);
    natural = 42;
    assert_explained(kith_value_as_unsigned(integer(-1), &natural), -ERANGE);
    assert_explained(kith_value_as_unsigned(from_bytes("\0\0\0\0\0\0\0\0\1", 9), &natural), -ERANGE);
    assert_non_null(strstr(kith_error_detail(), "too large"));
    assert_explained(kith_value_as_unsigned(from_bytes("\0\0\0\0\0\0\0\0\xff", 9), &natural), -ERANGE);
    assert_non_null(strstr(kith_error_detail(), "negative"));
    assert_explained(kith_value_as_unsigned(from_bytes("\0\0\0\0\0\0\0\0\0\1", 10), &natural), -ERANGE);
    assert_int_equal(number, 42);
    assert_int_equal(natural, 42);
    assert_code(kith_value_as_unsigned(kith_value_unsigned(arena, UINT64_MAX), &natural), 0);
    assert_true(natural == UINT64_MAX);
    assert_code(kith_value_as_unsigned(kith_value_unsigned(arena, 5), &natural), 0);
    assert_int_equal(natural, 5);
}

static double as_float(const kith_value *value)
{
    double real = NAN;
    assert_code(kith_value_as_float(value, &real), 0);
    return real;
}

/** The int 2**power + low, or minus that. */
static kith_value *power_of_two(unsigned power, uint64_t low, bool negative)
{
    unsigned char bytes[160] = { 0 };
    memcpy(bytes, &low, sizeof low);
    bytes[power / 8] = (unsigned char)(bytes[power / 8] | 1u << power % 8);
    unsigned carry = 1;
    for (size_t i = 0; negative && i < sizeof bytes; i++) {
        carry += (unsigned char)~bytes[i];
        bytes[i] = (unsigned char)carry;
        carry >>= 8;
    }
    return from_bytes((const char *)bytes, sizeof bytes);
}

static void ints_become_the_nearest_floats(void **state)
{
    (void)state;
    assert_true(as_float(kith_value_float(arena, 2.5)) == 2.5);
    assert_true(as_float(kith_value_bool(arena, 1)) == 1);
    assert_true(as_float(integer(-3)) == -3);
    assert_true(as_float(kith_value_unsigned(arena, UINT64_MAX)) == 0x1p64);
    for (unsigned power = 63; power < 1024; power += 3) {
        double exact = 1;
        for (unsigned i = 0; i < power; i++)
            exact *= 2;
        assert_true(as_float(power_of_two(power, 0, false)) == exact);
        assert_true(as_float(power_of_two(power, 0, true)) == -exact);
    }
    /* Ties go to the even one, and the least bit behind a tie decides. */
    assert_true(as_float(power_of_two(64, 1 << 11, false)) == 0x1p64);
    assert_true(as_float(power_of_two(64, (1 << 11) + 1, false)) == 0x1.0000000000001p64);
    assert_true(as_float(power_of_two(64, (1 << 11) + 1, true)) == -0x1.0000000000001p64);
    assert_true(as_float(power_of_two(64, 3 << 11, false)) == 0x1.0000000000002p64);
    double real = 42;
    assert_explained(kith_value_as_float(power_of_two(1024, 0, false), &real), -ERANGE);
    assert_explained(kith_value_as_float(power_of_two(1024, 0, true), &real), -ERANGE);
    assert_explained(kith_value_as_float(power_of_two(1200, 0, false), &real), -ERANGE);
    assert_true(real == 42);
}

/* ---- texts and bytes ---- */

static void texts_are_copied_and_end_with_nul(void **state)
{
    (void)state;
    char original[] = "\xe4\xbd\xa0\xe5\xa5\xbd and more than eight bytes";
    kith_value *value = text(original);
    size_t size = strlen(original), kept = 0;
    char before[64];
    memcpy(before, original, sizeof original);
    memset(original, 'x', size);
    const char *chars = NULL;
    assert_code(kith_value_as_str(value, &chars, &kept), 0);
    assert_string_equal(chars, before);
    assert_int_equal(kept, size);
    assert_int_equal(kith_value_length(value), size);
    assert_code(kith_value_as_str(value, &chars, NULL), 0);
}

static void texts_may_hold_nul_bytes_for_who_asks_for_the_size(void **state)
{
    (void)state;
    const char *chars = "untouched";
    size_t size = 0;
    kith_value *value = kith_value_str_sized(arena, "a\0b", 3);
    assert_explained(kith_value_as_str(value, &chars, NULL), -EILSEQ);
    assert_string_equal(chars, "untouched");
    assert_code(kith_value_as_str(value, &chars, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(chars, "a\0b", 4);
    assert_int_equal(kith_value_length(kith_value_str_sized(arena, NULL, 0)), 0);
}

static void what_is_not_utf_8_is_no_text(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\xff", "\xc0\x80", "\xc3", "abcdefgh\xc3", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\x80", "1234567\xe4\xbd",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(text(wrong[i]), -EILSEQ);
    assert_non_null(text("\xed\xa0\x80")); /* a lone surrogate */
    assert_refused(text(NULL), -EINVAL);
    assert_refused(kith_value_str_sized(arena, NULL, 1), -EINVAL);
}

static void bytes_are_copied_or_borrowed(void **state)
{
    (void)state;
    char data[] = "\0\1\2";
    const void *copied, *borrowed;
    size_t size = 0;
    assert_code(kith_value_as_bytes(kith_value_bytes(arena, data, 3), &copied, &size), 0);
    assert_code(kith_value_as_bytes(kith_value_bytes_borrowed(arena, data, 3), &borrowed, &size), 0);
    assert_int_equal(size, 3);
    assert_ptr_equal(borrowed, data);
    data[0] = 'x';
    assert_memory_equal(copied, "\0\1\2", 3);
    kith_value *mutable = kith_value_bytearray(arena, data, 3);
    assert_int_equal(kith_value_kind(mutable), KITH_BYTEARRAY);
    assert_code(kith_value_as_bytes(mutable, &copied, &size), 0);
    assert_memory_equal(copied, "x\1\2", 3);
    assert_code(kith_value_as_bytes(kith_value_bytes_borrowed(arena, NULL, 0), &copied, &size), 0);
    assert_int_equal(size, 0);
    assert_non_null(copied);
    assert_refused(kith_value_bytes(arena, NULL, 1), -EINVAL);
    assert_refused(kith_value_bytearray(arena, NULL, 1), -EINVAL);
    assert_refused(kith_value_bytes_borrowed(arena, NULL, 1), -EINVAL);
}

static void what_has_no_length_has_0(void **state)
{
    (void)state;
    assert_int_equal(kith_value_length(NULL), 0);
    assert_int_equal(kith_value_length(integer(5)), 0);
    assert_null(kith_value_at(text("abc"), 0));
    assert_null(kith_value_at(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(an_arena_takes_memory_as_it_needs_it),
        VALUE_TEST(what_is_large_lies_whole_and_apart),
        VALUE_TEST(a_reset_keeps_memory_for_the_next_values),
        VALUE_TEST(a_reset_keeps_memory_for_long_values_too),
        VALUE_TEST(a_reset_gives_much_memory_back),
        VALUE_TEST(the_first_failure_is_kept_until_a_reset),
        VALUE_TEST(no_arena_is_told),
        VALUE_TEST(kinds_have_names),
        VALUE_TEST(what_is_no_such_kind_is_refused),
        VALUE_TEST(nowhere_to_store_is_refused),
        VALUE_TEST(bools_are_0_or_1),
        VALUE_TEST(ints_of_64_bits_are_kept),
        VALUE_TEST(ints_have_no_byte_more_than_they_need),
        VALUE_TEST(ints_that_do_not_fit_are_refused),
        VALUE_TEST(ints_become_the_nearest_floats),
        VALUE_TEST(texts_are_copied_and_end_with_nul),
        VALUE_TEST(texts_may_hold_nul_bytes_for_who_asks_for_the_size),
        VALUE_TEST(what_is_not_utf_8_is_no_text),
        VALUE_TEST(bytes_are_copied_or_borrowed),
        VALUE_TEST(what_has_no_length_has_0),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
