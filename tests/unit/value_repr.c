/* kith/value.h: kith_value_repr. What is expected here is what Python 3 prints. */
#include "values.h"

#include <float.h>
#include <locale.h>
#include <math.h>

static void plain_values_look_as_in_python(void **state)
{
    (void)state;
    assert_repr(kith_value_none(arena), "None");
    assert_repr(kith_value_bool(arena, 1), "True");
    assert_repr(kith_value_bool(arena, 0), "False");
    assert_repr(integer(0), "0");
    assert_repr(integer(INT64_MIN), "-9223372036854775808");
    assert_repr(kith_value_unsigned(arena, UINT64_MAX), "18446744073709551615");
}

static const struct {
    double real;
    const char *shown;
} floats[] = {
    { 0.0, "0.0" },
    { -0.0, "-0.0" },
    { 1, "1.0" },
    { -2.5, "-2.5" },
    { 0.1, "0.1" },
    { 1.0 / 3, "0.3333333333333333" },
    { 100, "100.0" },
    { 1e15, "1000000000000000.0" },
    { 9999999999999998, "9999999999999998.0" },
    { 1e16, "1e+16" },
    { 1.5e16, "1.5e+16" },
    { 1e22, "1e+22" },
    { 123456.789, "123456.789" },
    { 0.0001, "0.0001" },
    { 0.00012, "0.00012" },
    { 0.00001, "1e-05" },
    { 1.25e-7, "1.25e-07" },
    { 1e100, "1e+100" },
    { 5e-324, "5e-324" },
    { 3.67866934975139e-310, "3.6786693497514e-310" },
    { DBL_MIN, "2.2250738585072014e-308" },
    { DBL_MAX, "1.7976931348623157e+308" },
    { 0x1p-44, "5.684341886080802e-14" }, /* shorter than the nearest number of 16 digits that gives it back */
    { 0x1p89, "6.189700196426902e+26" },
    { 2.0 / 3, "0.6666666666666666" },
    { 4.35, "4.35" },
    { 1.7976931348623155e+308, "1.7976931348623155e+308" },
    { INFINITY, "inf" },
    { -INFINITY, "-inf" },
    { NAN, "nan" },
};

static void floats_have_the_fewest_digits_that_keep_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        assert_repr(kith_value_float(arena, floats[i].real), floats[i].shown);
}

static void floats_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    static const char *const with_comma[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "cs_CZ.UTF-8", "de_DE" };
    size_t found = 0;
    while (found < 5 && !setlocale(LC_NUMERIC, with_comma[found]))
        found++;
    if (found == 5)
        skip();
    floats_have_the_fewest_digits_that_keep_them(NULL);
    setlocale(LC_NUMERIC, "C");
}

static void large_ints_are_decimal_and_very_large_ones_hexadecimal(void **state)
{
    (void)state;
    unsigned char bytes[3000];
    memset(bytes, 0x7f, sizeof bytes);
    assert_repr(kith_value_int_from_bytes(arena, bytes, 30),
                "879959126379822783753250127820982947098393940796876892868407794369265535");
    bytes[29] = 0x80;
    assert_repr(kith_value_int_from_bytes(arena, bytes, 30),
                "-879986192051770982042612617059658543276638847106571678698035882699554945");
    memset(bytes, 0, sizeof bytes);
    bytes[12] = 1;
    assert_repr(kith_value_int_from_bytes(arena, bytes, 13), "79228162514264337593543950336");
    bytes[12] = 0xff;
    assert_repr(kith_value_int_from_bytes(arena, bytes, 13), "-79228162514264337593543950336");
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\0\0\0\xe8\x3c\x80\xd0\x9f\x3c\x2e\x3b\x03", 12);
    assert_repr(kith_value_int_from_bytes(arena, bytes, 12), "1000000000000000000000000000");
    static const struct {
        size_t size;
        unsigned char top;
        const char *begin;
        size_t length;
    } very[] = {
        { 2048, 0x40, "29743", 4932 },        { 2049, 0x01, "0x10000", 2 + 4097 },  { 2049, 0x12, "0x12000", 2 + 4098 },
        { 2049, 0xff, "-0x10000", 3 + 4097 }, { 3000, 0x80, "-0x80000", 3 + 6000 },
    };
    for (size_t i = 0; i < sizeof very / sizeof *very; i++) {
        memset(bytes, 0, sizeof bytes);
        bytes[very[i].size - 1] = very[i].top;
        kith_bytes shown;
        assert_code(kith_value_repr(kith_value_int_from_bytes(arena, bytes, very[i].size), &shown, 0), 0);
        assert_memory_equal(shown.data, very[i].begin, strlen(very[i].begin));
        assert_int_equal(shown.size, very[i].length);
        assert_int_equal(strlen(shown.data), shown.size);
        kith_bytes_free(&shown);
    }
}

static void texts_are_quoted_as_in_python(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "''" },
        { "plain", "'plain'" },
        { "it's", "\"it's\"" },
        { "\"", "'\"'" },
        { "'\"", "'\\'\"'" },
        { "back\\slash", "'back\\\\slash'" },
        { "\n\r\t\v\x01\x7f", "'\\n\\r\\t\\x0b\\x01\\x7f'" },
        { "\xe4\xbd\xa0\xe5\xa5\xbd \xc3\xa9", "'\xe4\xbd\xa0\xe5\xa5\xbd \xc3\xa9'" },
        { "\xc2\x85\xc2\xa0\xc2\xad", "'\\x85\\xa0\\xad'" },
        { "\xe2\x80\xa8\xef\xbb\xbf", "'\\u2028\\ufeff'" },
        { "\xed\xa0\x80", "'\\ud800'" },
        { "\xf0\x9f\x98\x80", "'\xf0\x9f\x98\x80'" },
        { "\xf4\x8f\xbf\xbf\xf0\x9f\xbf\xbf", "'\\U0010ffff\\U0001ffff'" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_repr(text(pairs[i][0]), pairs[i][1]);
    assert_repr(kith_value_str_sized(arena, "a\0b", 3), "'a\\x00b'");
}

static void bytes_are_quoted_as_in_python(void **state)
{
    (void)state;
    assert_repr(kith_value_bytes(arena, "", 0), "b''");
    assert_repr(kith_value_bytes(arena, "a'\n\0\x7f\x80\xff\xc3\xa9", 9), "b\"a'\\n\\x00\\x7f\\x80\\xff\\xc3\\xa9\"");
    assert_repr(kith_value_bytes(arena, "'\"\\", 3), "b'\\'\"\\\\'");
    assert_repr(kith_value_bytearray(arena, "ab", 2), "bytearray(b'ab')");
}

static void containers_look_as_in_python(void **state)
{
    (void)state;
    assert_repr(kith_value_pack(arena, "[[],(),{},<>,(i),(i,i),<i>]", 1, 1, 2, 3),
                "[[], (), {}, set(), (1,), (1, 2), {3}]");
    assert_repr(kith_value_pack(arena, "{s:s, s:[i,f,n]}", "name", "kith", "sizes", 1, 2.5),
                "{'name': 'kith', 'sizes': [1, 2.5, None]}");
    kith_value *items[] = { integer(1), kith_value_pack(arena, "(i)", 2) };
    assert_repr(kith_value_frozenset(arena, items, 2), "frozenset({1, (2,)})");
    assert_repr(kith_value_frozenset(arena, NULL, 0), "frozenset()");
}

static void what_holds_itself_shows_dots(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *dict = kith_value_dict(arena),
               *tuple = kith_value_pack(arena, "(v)", list);
    assert_code(kith_value_append(list, list), 0);
    assert_code(kith_value_append(list, tuple), 0);
    assert_code(kith_value_set(dict, "self", dict), 0);
    assert_repr(list, "[[...], ([...],)]");
    assert_repr(tuple, "([[...], (...)],)");
    assert_repr(dict, "{'self': {...}}");
    kith_value *shared = kith_value_pack(arena, "[i]", 1);
    assert_repr(kith_value_pack(arena, "[v,v,[v]]", shared, shared, shared), "[[1], [1], [[1]]]");
}

static void objects_look_like_what_makes_them(void **state)
{
    (void)state;
    kith_value *date = kith_object_global(arena, "datetime", "date"), *none = kith_value_pack(arena, "()");
    assert_repr(date, "datetime.date");
    assert_repr(kith_object_call(arena, date, kith_value_pack(arena, "(y)", "\x07\xe6\x01\x02", (size_t)4)),
                "datetime.date(b'\\x07\\xe6\\x01\\x02')");
    assert_repr(kith_object_call(arena, date, none), "datetime.date()");
    assert_repr(
        kith_object_new(arena, date, kith_value_pack(arena, "(i,(i))", 1, 2), kith_value_pack(arena, "{s:i}", "k", 3)),
        "datetime.date(1, (2,), **{'k': 3})");
    assert_repr(kith_object_new(arena, date, none, kith_value_pack(arena, "{}")), "datetime.date(**{})");
    kith_value *object = kith_object_call(arena, date, none);
    assert_code(kith_object_add_step(object, KITH_STEP_APPEND, NULL, integer(1)), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_ADD, NULL, kith_value_pack(arena, "(i)", 2)), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_SET_ITEM, text("k"), integer(3)), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_STATE, NULL, kith_value_pack(arena, "{s:v}", "self", object)),
                0);
    assert_repr(object, "datetime.date().append(1).add((2,)).__setitem__('k', 3).__setstate__({'self': ...})");
    kith_value *set = kith_object_call(arena, date, none);
    kith_value *setter =
        kith_object_call(arena, kith_object_global(arena, "a", "set"), kith_value_pack(arena, "(v,i)", set, 1));
    assert_code(kith_object_add_step(set, KITH_STEP_CALL, NULL, setter), 0);
    assert_repr(set, "datetime.date().then(a.set(..., 1))");
    kith_value *patched = kith_object_global(arena, "a", "b");
    assert_code(kith_object_add_step(patched, KITH_STEP_STATE, NULL, integer(1)), 0);
    assert_repr(patched, "a.b.__setstate__(1)");
    assert_repr(kith_object_call(arena, kith_object_call(arena, date, none), none), "datetime.date()()");
}

/* ---- bounds ---- */

static void a_long_text_is_cut(void **state)
{
    (void)state;
    static const struct {
        size_t max;
        const char *shown;
    } cuts[] = {
        { 1, "." },
        { 2, ".." },
        { 3, "..." },
        { 4, "[..." },
        { 5, "['..." },
        { 7, "['..." },
        { 8, "['\xe4\xbd\xa0..." },
        { 11, "['\xe4\xbd\xa0', ..." },
        { 12, "['\xe4\xbd\xa0', 123]" },

        { 100, "['\xe4\xbd\xa0', 123]" },
    };
    kith_value *value = kith_value_pack(arena, "[s,i]", "\xe4\xbd\xa0", 123);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        kith_bytes shown;
        assert_code(kith_value_repr(value, &shown, cuts[i].max), 0);
        assert_string_equal(shown.data, cuts[i].shown);
        assert_int_equal(shown.size, strlen(cuts[i].shown));
        kith_bytes_free(&shown);
    }
}

static void long_texts_are_shown_whole(void **state)
{
    (void)state;
    size_t size = 300000;
    char *data = malloc(size);
    memset(data, 'x', size);
    kith_bytes shown;
    assert_code(kith_value_repr(kith_value_str_sized(arena, data, size), &shown, 0), 0);
    assert_int_equal(shown.size, size + 2);
    assert_memory_equal((char *)shown.data + 1, data, size);
    kith_bytes_free(&shown);
    free(data);
}

static void depth_is_limited(void **state)
{
    (void)state;
    kith_bytes shown = { NULL, 0 };
    assert_code(kith_value_repr(nest_of_lists(KITH_VALUE_DEPTH_MAX), &shown, 0), 0);
    assert_int_equal(shown.size, 2 * KITH_VALUE_DEPTH_MAX);
    kith_bytes_free(&shown);
    assert_explained(kith_value_repr(nest_of_lists(KITH_VALUE_DEPTH_MAX + 2), &shown, 0), KITH_ELIMIT);
    assert_null(shown.data);
    assert_explained(kith_value_repr(NULL, &shown, 0), -EINVAL);
    assert_explained(kith_value_repr(integer(1), NULL, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(plain_values_look_as_in_python),
        VALUE_TEST(floats_have_the_fewest_digits_that_keep_them),
        VALUE_TEST(floats_do_not_depend_on_the_locale),
        VALUE_TEST(large_ints_are_decimal_and_very_large_ones_hexadecimal),
        VALUE_TEST(texts_are_quoted_as_in_python),
        VALUE_TEST(bytes_are_quoted_as_in_python),
        VALUE_TEST(containers_look_as_in_python),
        VALUE_TEST(what_holds_itself_shows_dots),
        VALUE_TEST(objects_look_like_what_makes_them),
        VALUE_TEST(a_long_text_is_cut),
        VALUE_TEST(long_texts_are_shown_whole),
        VALUE_TEST(depth_is_limited),
    };
    return cmocka_run_group_tests_name("value_repr", tests, NULL, NULL);
}
