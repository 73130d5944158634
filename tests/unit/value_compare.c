/* kith/value.h: the order of values. */
#include "values.h"

#include <math.h>

enum { NONE = 2 }; /* Python has no < for the two */

/** Fails unless two values stand so to each other, both ways round. */
#define expect(one, other, wanted) expect_at((one), (other), (wanted), __FILE__, __LINE__)

static void expect_at(const kith_value *one, const kith_value *other, int wanted, const char *file, int line)
{
    int order = 7, turned = 7;
    int code = kith_value_compare(one, other, &order);
    int turned_code = kith_value_compare(other, one, &turned);
    if (wanted == NONE)
        _assert_true(code == KITH_ETYPE && turned_code == KITH_ETYPE && order == 7, "no order", file, line);
    else
        _assert_true(code == 0 && turned_code == 0 && order == wanted && turned == -wanted, "the order", file, line);
}

static kith_value *real(double number)
{
    return kith_value_float(arena, number);
}

/** An int of any size, in hexadecimal digits of two's complement. */
static kith_value *big(const char *digits)
{
    unsigned char bytes[200];
    size_t size = strlen(digits) / 2;
    for (size_t i = 0; i < size; i++) {
        char two[3] = { digits[2 * i], digits[2 * i + 1] };
        bytes[size - 1 - i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return kith_value_int_from_bytes(arena, bytes, size);
}

/** Each is less than those behind it. */
static void expect_ascending(kith_value *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++)
            expect(values[i], values[j], (i > j) - (i < j));
    }
}

#define EXPECT_ASCENDING(...)                            \
    do {                                                 \
        kith_value *all[] = { __VA_ARGS__ };             \
        expect_ascending(all, sizeof all / sizeof *all); \
    } while (0)

static void numbers_have_one_order(void **state)
{
    (void)state;
    EXPECT_ASCENDING(real(-INFINITY), big("800000000000000000"), real(-0x1p70), big("feffffffffffffffff"),
                     integer(INT64_MIN), integer(INT64_MIN + 1), integer(-1), real(-0.5), integer(0), real(0x1p-1074),
                     real(0.5), kith_value_bool(arena, 1), real(1.5), integer(2), integer(((int64_t)1 << 53) - 1),
                     real(0x1p53), integer(((int64_t)1 << 53) + 1), integer(INT64_MAX), real(0x1p63),
                     big("008000000000000001"), kith_value_unsigned(arena, UINT64_MAX), big("010000000000000000"),
                     big("010000000000000001"), real(0x1.0000000000001p64), real(0x1p1023), real(INFINITY));
}

static void numbers_of_other_kinds_may_be_equal(void **state)
{
    (void)state;
    expect(integer(1), real(1), 0);
    expect(integer(1), kith_value_bool(arena, 1), 0);
    expect(real(0), real(-0.0), 0);
    expect(integer(INT64_MIN), real(-0x1p63), 0);
    expect(big("010000000000000000"), real(0x1p64), 0);
    expect(big("ff0000000000000000"), real(-0x1p64), 0);
}

static void big_ints_and_floats_next_to_them(void **state)
{
    (void)state;
    /* Two to the 1000th, and one more or less: no float is between. */
    char power[254] = "01", more[254] = "01", less[254] = "00";
    memset(power + 2, '0', 250);
    memset(more + 2, '0', 250);
    memset(less + 2, 'f', 250);
    more[251] = '1';
    expect(big(power), real(0x1p1000), 0);
    expect(big(more), real(0x1p1000), 1);
    expect(big(less), real(0x1p1000), -1);
    expect(big(more), big(power), 1);
}

static void a_nan_has_no_order(void **state)
{
    (void)state;
    expect(real(NAN), real(NAN), 0);
    expect(real(NAN), integer(1), 0);
    expect(big("010000000000000000"), real(NAN), 0);
    expect(kith_value_pack(arena, "[f, i]", NAN, 1), kith_value_pack(arena, "[f, i]", NAN, 2), 0);
    kith_value *same = real(NAN);
    expect(kith_value_pack(arena, "[v, i]", same, 1), kith_value_pack(arena, "[v, i]", same, 2), -1);
}

static void texts_go_by_code_points(void **state)
{
    (void)state;
    EXPECT_ASCENDING(text(""), kith_value_str_sized(arena, "\0", 1), text("A"), text("a"),
                     kith_value_str_sized(arena, "a\0", 2), text("aa"), text("b"), text("\x7f"), text("\u00e4"),
                     text("\u20ac"), text("\uffff"), text("\U0001f40d"));
}

static void bytes_go_by_bytes(void **state)
{
    (void)state;
    EXPECT_ASCENDING(kith_value_bytes(arena, "", 0), kith_value_bytearray(arena, "\0", 1),
                     kith_value_bytes(arena, "a", 1), kith_value_bytearray(arena, "ab", 2),
                     kith_value_bytes(arena, "\x80", 1), kith_value_bytearray(arena, "\xff", 1));
    expect(kith_value_bytes(arena, "a", 1), kith_value_bytearray(arena, "a", 1), 0);
}

static void sequences_go_by_their_first_difference(void **state)
{
    (void)state;
    EXPECT_ASCENDING(kith_value_pack(arena, "[]"), kith_value_pack(arena, "[i]", 1),
                     kith_value_pack(arena, "[i,i]", 1, 0), kith_value_pack(arena, "[i,f]", 1, 0.5),
                     kith_value_pack(arena, "[i]", 2));
    EXPECT_ASCENDING(kith_value_pack(arena, "()"), kith_value_pack(arena, "(())"), kith_value_pack(arena, "((),i)", 1),
                     kith_value_pack(arena, "((i),i)", 1, 0), kith_value_pack(arena, "((i,(s)),i)", 1, "a", 0),
                     kith_value_pack(arena, "((i,(s)),i)", 1, "b", 0));
    /* What is equal has no part in it, whatever it is; what differs must have an order. */
    expect(kith_value_pack(arena, "[n, {}, i]", 1), kith_value_pack(arena, "[n, {}, i]", 2), -1);
    expect(kith_value_pack(arena, "[n, i]", 1), kith_value_pack(arena, "[i, i]", 1, 1), NONE);
}

static void sets_go_by_what_is_in_them(void **state)
{
    (void)state;
    kith_value *one = kith_value_pack(arena, "<i>", 1), *both = kith_value_pack(arena, "<i, i>", 1, 2);
    expect(one, both, -1);
    expect(kith_value_pack(arena, "<>"), one, -1);
    expect(both, kith_value_pack(arena, "<i, i>", 2, 1), 0);
    expect(kith_value_pack(arena, "<i>", 3), both, 0);
}

static void others_have_no_order(void **state)
{
    (void)state;
    int order;
    expect(integer(1), text("1"), NONE);
    expect(kith_value_none(arena), kith_value_none(arena), NONE);
    expect(kith_value_pack(arena, "[]"), kith_value_pack(arena, "()"), NONE);
    expect(kith_value_pack(arena, "{}"), kith_value_pack(arena, "{}"), NONE);
    expect(text(""), kith_value_bytes(arena, "", 0), NONE);
    assert_int_equal(kith_value_compare(text("a"), integer(1), &order), KITH_ETYPE);
    assert_string_equal(kith_error_detail(), "'<' not supported between instances of 'str' and 'int'");
    assert_int_equal(kith_value_compare(kith_value_none(arena), text("a"), &order), KITH_ETYPE);
    assert_string_equal(kith_error_detail(), "'<' not supported between instances of 'NoneType' and 'str'");
}

static void hostile_values_come_to_an_end(void **state)
{
    (void)state;
    int order;
    kith_value *one = kith_value_list(arena), *other = kith_value_list(arena);
    assert_code(kith_value_append(one, one), 0);
    assert_code(kith_value_append(other, other), 0);
    assert_explained(kith_value_compare(one, other, &order), KITH_ELIMIT);
    kith_value *left = integer(1), *right = integer(2);
    for (int i = 0; i < 100; i++) { /* two to the 100th items that are equal, and then a difference */
        left = kith_value_pack(arena, "[v, v]", left, left);
        right = kith_value_pack(arena, "[v, v]", right, right);
    }
    kith_value *first = kith_value_pack(arena, "[v, v]", left, right);
    kith_value *second = kith_value_pack(arena, "[v, v]", kith_value_copy(arena, left), right);
    assert_explained(kith_value_compare(first, second, &order), KITH_ELIMIT);
}

static void nothing_is_refused(void **state)
{
    (void)state;
    int order;
    assert_explained(kith_value_compare(NULL, integer(1), &order), -EINVAL);
    assert_explained(kith_value_compare(integer(1), NULL, &order), -EINVAL);
    assert_explained(kith_value_compare(integer(1), integer(1), NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(numbers_have_one_order),
        VALUE_TEST(numbers_of_other_kinds_may_be_equal),
        VALUE_TEST(big_ints_and_floats_next_to_them),
        VALUE_TEST(a_nan_has_no_order),
        VALUE_TEST(texts_go_by_code_points),
        VALUE_TEST(bytes_go_by_bytes),
        VALUE_TEST(sequences_go_by_their_first_difference),
        VALUE_TEST(sets_go_by_what_is_in_them),
        VALUE_TEST(others_have_no_order),
        VALUE_TEST(hostile_values_come_to_an_end),
        VALUE_TEST(nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
