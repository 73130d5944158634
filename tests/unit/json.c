/* kith/codec.h, JSON. What Python says to the same texts is asked in tests/interop. */
#include "cmocka_kith.h"
#include "shortage.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static kith_arena *arena;

static int set_up(void **state)
{
    (void)state;
    return kith_arena_new(&arena);
}

static int tear_down(void **state)
{
    (void)state;
    kith_arena_free(arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static kith_value *read_sized(const char *text, size_t size)
{
    kith_value *value = NULL;
    assert_code(kith_json_read(arena, &value, text, size), 0);
    assert_non_null(value);
    return value;
}

static kith_value *read_text(const char *text)
{
    return read_sized(text, strlen(text));
}

static void assert_refused(const char *text, int code)
{
    kith_value *value = NULL;
    assert_explained(kith_json_read(arena, &value, text, strlen(text)), code);
    assert_null(value);
}

#define assert_detail(part) assert_non_null(strstr(kith_error_detail(), part))

static void assert_written(const kith_value *value, int indent, const char *expected)
{
    kith_bytes text;
    assert_code(kith_json_write(value, &text, indent), 0);
    assert_string_equal(text.data, expected);
    assert_int_equal(text.size, strlen(expected));
    kith_bytes_free(&text);
}

static void assert_not_written(const kith_value *value, int code)
{
    kith_bytes text = { NULL, 0 };
    assert_explained(kith_json_write(value, &text, 0), code);
    assert_null(text.data);
}

/* ---- reading ---- */

static void each_kind_is_read(void **state)
{
    (void)state;
    const char *name, *city;
    int truth, lie;
    int64_t least;
    double real, exponent;
    kith_value *list,
        *value = read_text(" {\"name\": \"kith\", \"list\": [null, true, false, -9223372036854775808, 1.5, "
                           "1e3, []],\n\"city\": \"K\\u00f6ln \\ud83d\\ude00\\n\"} ");
    assert_code(kith_value_unpack(value, "{s:s, s:v, s:s}", "name", &name, "list", &list, "city", &city), 0);
    assert_code(kith_value_unpack(list, "[nbbIff[]]", &truth, &lie, &least, &real, &exponent), 0);
    assert_string_equal(name, "kith");
    assert_string_equal(city, "K\xc3\xb6ln \xf0\x9f\x98\x80\n");
    assert_int_equal(truth, 1);
    assert_int_equal(lie, 0);
    assert_true(least == INT64_MIN);
    assert_true(real == 1.5 && exponent == 1000);
    assert_int_equal(kith_value_kind(read_text("17")), KITH_INT);
    assert_int_equal(kith_value_kind(read_text("17.0")), KITH_FLOAT);
    assert_int_equal(kith_value_kind(read_text("null")), KITH_NONE);
    assert_int_equal(kith_value_kind(read_text("\"\"")), KITH_STR);
}

static void pairs_keep_their_order_and_the_last_of_equal_names_counts(void **state)
{
    (void)state;
    static const char *const keys[] = { "z", "a", "m" };
    kith_value *dict = read_text("{\"z\": 1, \"a\": 2, \"m\": 3, \"z\": 4}");
    assert_int_equal(kith_value_length(dict), 3);
    for (size_t i = 0; i < 3; i++) {
        kith_value *key;
        const char *text;
        assert_int_equal(kith_value_pair_at(dict, i, &key, NULL), 1);
        assert_code(kith_value_as_str(key, &text, NULL), 0);
        assert_string_equal(text, keys[i]);
    }
    int64_t number;
    assert_code(kith_value_as_int(kith_value_get(dict, "z"), &number), 0);
    assert_int_equal(number, 4);
}

static void a_string_may_hold_nul(void **state)
{
    (void)state;
    const char *text;
    size_t size;
    kith_value *value = read_text("\"a\\u0000b\"");
    assert_code(kith_value_as_str(value, &text, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_written(value, 0, "\"a\\u0000b\"");
    assert_refused("{\"\\u0000\": 1}", KITH_EMALFORMED); /* but no name that is read */
    assert_written(kith_value_pack(arena, "{s#:i}", "\0", (size_t)1, 1), 0, "{\"\\u0000\": 1}");
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "nul",
        "[1,]",
        "{\"a\" 1}",
        "[1] 2",
        "{1: 2}",
        "'a'",
        "NaN",
        "Infinity",
        "01",
        "+1",
        ".5",
        "1.",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\xff\"",
        "\"\xed\xa0\x80\"",
        "[1",
        "\"a",
        "-",
        "1e",
        "\"\\",
        "\"\\u12\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "1, 2",
        "1,",
        ", 1",
        "1]",
        "[1]]",
        "1], [2",
        "]",
        "\xc3",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i], KITH_EMALFORMED);
    assert_refused("{\n\"a\": tru}", KITH_EMALFORMED);
    assert_detail("line 2, column 8");
    assert_refused("{\"a\":\n[1", KITH_EMALFORMED);
    assert_detail("line 2");
    assert_detail("ends too early");
    kith_value *value = NULL;
    assert_explained(kith_json_read(arena, &value, "[1]\0", 4), KITH_EMALFORMED);
    assert_explained(kith_json_read(arena, &value, "[1\0]", 4), KITH_EMALFORMED);
    assert_detail("offset 2");
}

static void numbers_beyond_are_refused(void **state)
{
    (void)state;
    assert_int_equal(kith_value_kind(read_text("9223372036854775807")), KITH_INT);
    assert_refused("9223372036854775808", -ERANGE);
    assert_refused("99999999999999999999999999999999999", -ERANGE);
    assert_refused("-9223372036854775809", -ERANGE);
    assert_refused("[1e400]", -ERANGE);
    assert_detail("line 1");
    double number;
    assert_code(kith_value_as_float(read_text("1e-400"), &number), 0);
    assert_true(number == 0);
}

/** So many brackets. @return memory to free */
static char *nested(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    char *most = nested(1000), *over = nested(1001), *far_over = nested(1000000);
    kith_value *value = read_text(most);
    assert_written(value, 0, most);
    assert_refused(over, KITH_ELIMIT);
    assert_refused(far_over, KITH_ELIMIT);
    kith_value *outer = kith_value_list(arena);
    assert_code(kith_value_append(outer, value), 0);
    assert_not_written(outer, KITH_ELIMIT);
    free(most);
    free(over);
    free(far_over);
}

/* ---- writing ---- */

static void each_kind_is_written(void **state)
{
    (void)state;
    kith_value *value = kith_value_pack(arena, "{s:[n,b,b,I,U,f,f], s:(i,()), s:{}, s:[]}", "list", 1, 0, INT64_MIN,
                                        (uint64_t)INT64_MAX + 1, 0.1, -1e100, "tuple", 1, "dict", "empty");
    assert_written(value, 0,
                   "{\"list\": [null, true, false, -9223372036854775808, 9223372036854775808, 0.1, -1e+100], "
                   "\"tuple\": [1, []], \"dict\": {}, \"empty\": []}");
    assert_written(kith_value_pack(arena, "{s:[i,{s:n}], s:[]}", "a", 1, "b", "c"), 2,
                   "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": []\n}");
    assert_written(kith_value_pack(arena, "[i]", 1), 31, "[\n                               1\n]");
    assert_written(kith_value_none(arena), 4, "null");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_written(kith_value_str(arena, "\"\\\b\f\n\r\t\x01\x1f\x7f/\xc3\xa4"), 0,
                   "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\xc3\xa4\"");
    assert_written(kith_value_str(arena, ""), 0, "\"\"");
    assert_written(kith_value_str(arena, "\nin the middle\nand at the end\n"), 0,
                   "\"\\nin the middle\\nand at the end\\n\"");
}

static void plain_keys_become_strings(void **state)
{
    (void)state;
    assert_written(kith_value_pack(arena, "{i:i, f:i, n:i, s:i}", -5, 1, 2.5, 2, 3, "s", 4), 0,
                   "{\"-5\": 1, \"2.5\": 2, \"null\": 3, \"s\": 4}");
    assert_written(kith_value_pack(arena, "{b:i, b:i}", 1, 1, 0, 2), 0, "{\"true\": 1, \"false\": 2}");
}

static void what_json_has_no_word_for_is_named(void **state)
{
    (void)state;
    assert_not_written(kith_value_pack(arena, "[y]", "b", (size_t)1), KITH_ETYPE);
    assert_detail("bytes");
    assert_not_written(kith_value_new_set(arena), KITH_ETYPE);
    assert_detail("set");
    assert_not_written(kith_value_frozenset(arena, NULL, 0), KITH_ETYPE);
    assert_detail("frozenset");
    assert_not_written(kith_object_global(arena, "datetime", "date"), KITH_ETYPE);
    assert_detail("object");
    assert_not_written(kith_value_pack(arena, "{(i):i}", 1, 2), KITH_ETYPE);
    assert_detail("tuple");
    assert_not_written(kith_value_pack(arena, "{y:i}", "b", (size_t)1, 2), KITH_ETYPE);
    assert_detail("bytes");
    assert_not_written(kith_value_str(arena, "\xed\xa0\x80"), KITH_ETYPE);
    assert_detail("surrogates");
    assert_not_written(kith_value_float(arena, NAN), -ERANGE);
    assert_not_written(kith_value_float(arena, -INFINITY), -ERANGE);
    assert_not_written(kith_value_pack(arena, "{f:i}", NAN, 1), -ERANGE);
    assert_not_written(kith_value_int_from_bytes(arena, "\0\0\0\0\0\0\0\0\1", 9), -ERANGE);
}

static void what_holds_itself_is_refused(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *dict = kith_value_dict(arena);
    assert_code(kith_value_append(list, dict), 0);
    assert_code(kith_value_set(dict, "list", list), 0);
    assert_not_written(list, KITH_ELIMIT);
    assert_not_written(dict, KITH_ELIMIT);
}

/* ---- around it ---- */

/** In some locales a point is a comma, and in some it has two bytes. Where none of these is installed, this shows
 *  little. */
static void no_locale_has_a_say(void **state)
{
    (void)state;
    static const char *const names[] = { "C", "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "ps_AF.UTF-8", "fa_IR.UTF-8" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!setlocale(LC_ALL, names[i]))
            continue;
        char before[8], after[8];
        snprintf(before, sizeof before, "%.1f", 1.5);
        assert_written(read_text("[1.5, 0.1]"), 0, "[1.5, 0.1]");
        snprintf(after, sizeof after, "%.1f", 1.5);
        assert_string_equal(after, before);
    }
    setlocale(LC_ALL, "C");
}

static void text_that_was_written_is_read_back_equal(void **state)
{
    (void)state;
    kith_value *value = kith_value_pack(arena, "{s:[n,b,i,f,f,s], s:{s:[[[]]]}, s:s#}", "one", 1, -7, 1e-7, 5e-324,
                                        "\xf0\x9f\x98\x80", "two", "three", "nul", "\0", (size_t)1);
    for (int indent = 0; indent < 5; indent++) {
        kith_bytes text;
        assert_code(kith_json_write(value, &text, indent), 0);
        assert_int_equal(((char *)text.data)[text.size], '\0');
        assert_int_equal(kith_value_equal(read_sized(text.data, text.size), value), 1);
        kith_bytes_free(&text);
    }
}

/** Reads and writes a text while the nth piece of memory is refused, or all from there on. @return whether one was */
static bool run_short(const char *text, unsigned n, bool for_good)
{
    kith_arena *fresh = NULL;
    kith_value *value;
    kith_bytes written = { NULL, 0 };
    if (for_good)
        shortage_begin_for_good(n);
    else
        shortage_begin(n);
    int code = kith_arena_new(&fresh);
    if (code == 0)
        code = kith_json_read(fresh, &value, text, strlen(text));
    if (code == 0)
        code = kith_json_write(value, &written, 0);
    bool struck = shortage_end();
    if (!struck)
        assert_string_equal(written.data, text);
    kith_bytes_free(&written);
    kith_arena_free(fresh);
    assert_code(code, struck ? -ENOMEM : 0);
    assert_int_equal(shortage.pieces, 0);
    return struck;
}

/** Strings, names and numbers become longer and longer, so that there is more and more to be had for them. */
static void failures_of_memory_come_back_as_codes(void **state)
{
    (void)state;
    static const char x[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static char text[30000];
    size_t size = 0;
    for (int length = 0; length < 70; length++)
        size +=
            (size_t)snprintf(text + size, sizeof text - size, "%s{\"%.*s\": \"\\\"%.*s\\\\\", \"list\": [null, %.*s]}",
                             size ? ", " : "[", length, x, length, x, length % 18 + 1, "123456789012345678");
    snprintf(text + size, sizeof text - size, "]");
    unsigned n = 1;
    while (run_short(text, n, false) && run_short(text, n, true))
        n++;
    if (n == 1)
        skip();
    assert_true(n > 500);
}

static void bad_input_is_explained(void **state)
{
    (void)state;
    kith_value *value;
    kith_bytes text;
    assert_explained(kith_json_read(NULL, &value, "1", 1), -EINVAL);
    assert_explained(kith_json_read(arena, NULL, "1", 1), -EINVAL);
    assert_explained(kith_json_read(arena, &value, NULL, 1), -EINVAL);
    assert_explained(kith_json_read(arena, &value, NULL, 0), KITH_EMALFORMED);
    assert_explained(kith_json_write(NULL, &text, 0), -EINVAL);
    value = read_text("1");
    assert_explained(kith_json_write(value, NULL, 0), -EINVAL);
    assert_explained(kith_json_write(value, &text, -1), -EINVAL);
    assert_explained(kith_json_write(value, &text, 32), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_read),
        TEST(pairs_keep_their_order_and_the_last_of_equal_names_counts),
        TEST(a_string_may_hold_nul),
        TEST(what_is_no_json_is_refused_with_its_place),
        TEST(numbers_beyond_are_refused),
        TEST(nesting_has_a_limit),
        TEST(each_kind_is_written),
        TEST(strings_are_escaped),
        TEST(plain_keys_become_strings),
        TEST(what_json_has_no_word_for_is_named),
        TEST(what_holds_itself_is_refused),
        TEST(no_locale_has_a_say),
        TEST(text_that_was_written_is_read_back_equal),
        TEST(failures_of_memory_come_back_as_codes),
        TEST(bad_input_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
