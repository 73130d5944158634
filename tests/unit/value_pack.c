/* kith/value.h: kith_value_pack and kith_value_unpack. */
#include "values.h"

#include <stdio.h>

static char *const nothing = NULL;

/** Fails unless the last failure said this. */
static void assert_detail(const char *part)
{
    if (strstr(kith_error_detail(), part))
        return;
    fail_msg("the detail is \"%s\", and does not say \"%s\"", kith_error_detail(), part);
}

static void all_letters_make_values(void **state)
{
    (void)state;
    assert_repr(kith_value_pack(arena, "n"), "None");
    assert_repr(kith_value_pack(arena, "b", 5), "True");
    assert_repr(kith_value_pack(arena, "i", -1), "-1");
    assert_repr(kith_value_pack(arena, "I", INT64_MIN), "-9223372036854775808");
    assert_repr(kith_value_pack(arena, "U", UINT64_MAX), "18446744073709551615");
    assert_repr(kith_value_pack(arena, "f", 0.5), "0.5");
    assert_repr(kith_value_pack(arena, "s", "text"), "'text'");
    assert_repr(kith_value_pack(arena, "s#", "a\0bc", (size_t)3), "'a\\x00b'");
    assert_repr(kith_value_pack(arena, "y", "ab", (size_t)1), "b'a'");
    assert_repr(kith_value_pack(arena, "a", "ab", (size_t)2), "bytearray(b'ab')");
    assert_repr(kith_value_pack(arena, "v", integer(5)), "5");
    assert_repr(kith_value_pack(arena, "[]"), "[]");
    assert_repr(kith_value_pack(arena, "()"), "()");
    assert_repr(kith_value_pack(arena, "{}"), "{}");
    assert_repr(kith_value_pack(arena, "<>"), "set()");
    assert_code(kith_arena_error(arena), 0);
}

static void brackets_nest_and_punctuation_means_nothing(void **state)
{
    (void)state;
    assert_repr(kith_value_pack(arena, "{s:s, s:[i,i]}", "name", "kith", "size", 3, 4),
                "{'name': 'kith', 'size': [3, 4]}");
    assert_repr(kith_value_pack(arena, " [ [i](ii) ,: <in> {i:{s[]}} ] ", 1, 2, 3, 4, 5, "k"),
                "[[1], (2, 3), {4, None}, {5: {'k': []}}]");
    assert_repr(kith_value_pack(arena, "{(i,i):i, i:i, f:i}", 1, 2, 3, 4, 5, 4.0, 6), "{(1, 2): 3, 4: 6}");
}

static void a_wrong_format_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *told;
    } wrong[] = {
        { "", "is wrong at 0: it ends too early" },
        { "[i", "is wrong at 2: it ends too early" },
        { "[i, q]", "is wrong at 4: there is no such letter" },
        { "[i)", "is wrong at 2: there is no such letter" },
        { "]", "is wrong at 0" },
        { "i i", "is wrong at 2: more than one value" },
        { "{i}", "is wrong at 2: a key has no value" },
        { "i#", "is wrong at 1" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(kith_value_pack(arena, wrong[i].format, 1, 2, 3));
        assert_detail(wrong[i].told);
        assert_code(kith_arena_error(arena), -EINVAL);
        kith_arena_reset(arena);
    }
    assert_refused(kith_value_pack(arena, NULL), -EINVAL);
}

static void brackets_nest_only_so_deep(void **state)
{
    (void)state;
    char format[400] = "";
    for (int depth = 100; depth <= 101; depth++) {
        memset(format, '[', (size_t)depth);
        memset(format + depth, ']', (size_t)depth);
        format[2 * depth] = '\0';
        kith_value *value = kith_value_pack(arena, format), *got = NULL;
        assert_int_equal(value != NULL, depth == 100);
        value = nest_of_lists(depth);
        assert_code(kith_value_unpack(value, format, &got), depth == 100 ? 0 : -EINVAL);
    }
}

static void an_argument_that_is_no_value_is_refused(void **state)
{
    (void)state;
    assert_refused(kith_value_pack(arena, "[i,s]", 1, "\xff"), -EILSEQ);
    assert_refused(kith_value_pack(arena, "[s]", nothing), -EINVAL);
    assert_refused(kith_value_pack(arena, "[v]", nothing), -EINVAL);
    assert_refused(kith_value_pack(arena, "(y)", nothing, (size_t)1), -EINVAL);
    assert_refused(kith_value_pack(arena, "{[]:i}", 1), KITH_ETYPE);
    assert_refused(kith_value_pack(arena, "<{}>"), KITH_ETYPE);
    assert_null(kith_value_pack(arena, "[v]", text("\xff")));
    assert_detail("UTF-8"); /* what failed first is what is told */
}

/* ---- unpacking ---- */

static void all_letters_take_values(void **state)
{
    (void)state;
    kith_value *inner = kith_value_pack(arena, "[]");
    kith_value *value = kith_value_pack(arena, "[n,b,i,I,U,f,i,s,s#,y,a,v,n]", 1, -7, INT64_MAX, UINT64_MAX, 2.5, 3,
                                        "text", "a\0b", (size_t)3, "yy", (size_t)2, "aaa", (size_t)3, inner);
    int truth = 0, small = 0;
    int64_t number = 0;
    uint64_t natural = 0;
    double real = 0, from_int = 0;
    const char *chars = NULL, *sized = NULL;
    const void *bytes = NULL, *array = NULL;
    size_t size = 0, bytes_size = 0, array_size = 0;
    kith_value *found = NULL;
    assert_code(kith_value_unpack(value, "[n,b,i,I,U,f,f,s,s#,a,y,v,_]", &truth, &small, &number, &natural, &real,
                                  &from_int, &chars, &sized, &size, &bytes, &bytes_size, &array, &array_size, &found),
                0);
    assert_int_equal(truth, 1);
    assert_int_equal(small, -7);
    assert_true(number == INT64_MAX && natural == UINT64_MAX && real == 2.5 && from_int == 3);
    assert_string_equal(chars, "text");
    assert_int_equal(size, 3);
    assert_memory_equal(sized, "a\0b", 3);
    assert_int_equal(bytes_size, 2);
    assert_memory_equal(bytes, "yy", 2);
    assert_int_equal(array_size, 3);
    assert_memory_equal(array, "aaa", 3);
    assert_ptr_equal(found, inner);
}

static void dicts_are_taken_apart_by_their_keys(void **state)
{
    (void)state;
    kith_value *value = kith_value_pack(arena, "{s:s, s:[i,i], s:n, i:i}", "name", "kith", "size", 3, 4, "none", 5, 6);
    const char *name = NULL;
    int width = 0, height = 0, missing = 42, none = 43;
    assert_code(kith_value_unpack(value, "{s:s, s?:[i,i]}", "name", &name, "size", &width, &height), 0);
    assert_string_equal(name, "kith");
    assert_int_equal(width * 10 + height, 34);
    assert_code(kith_value_unpack(value, "{s?:[i,{s:i}], s:i?, s:[i,_]}", "gone", &missing, "k", &missing, "none",
                                  &none, "size", &width),
                0);
    assert_int_equal(missing, 42);
    assert_int_equal(none, 43);
    assert_code(kith_value_unpack(value, "{}"), 0);
}

static void more_items_may_follow(void **state)
{
    (void)state;
    kith_value *list = kith_value_pack(arena, "[i,i,i]", 1, 2, 3), *tuple = kith_value_pack(arena, "(i)", 4);
    int first = 0, second = 0;
    assert_code(kith_value_unpack(list, "[i,i,*]", &first, &second), 0);
    assert_int_equal(first * 10 + second, 12);
    assert_code(kith_value_unpack(list, "[*]"), 0);
    assert_code(kith_value_unpack(tuple, "(i,*)", &first), 0);
    assert_int_equal(first, 4);
    assert_explained(kith_value_unpack(list, "[i,i,i,i,*]", &first, &first, &first, &first), KITH_ETYPE);
    assert_detail("at least 4");
    assert_explained(kith_value_unpack(list, "[*,i]", &first), -EINVAL);
}

static void none_is_taken_where_it_may_be(void **state)
{
    (void)state;
    int number = 42;
    const char *chars = "untouched";
    size_t size = 43;
    assert_code(kith_value_unpack(kith_value_none(arena), "i?", &number), 0);
    assert_code(kith_value_unpack(kith_value_none(arena), "s#?", &chars, &size), 0);
    assert_code(kith_value_unpack(kith_value_none(arena), "[i,{s:(i)}]?", &number, "k", &number), 0);
    assert_int_equal(number, 42);
    assert_int_equal(size, 43);
    assert_string_equal(chars, "untouched");
    assert_code(kith_value_unpack(kith_value_pack(arena, "[i,n]", 7), "[i?,i?]?", &number, &number), 0);
    assert_int_equal(number, 7);
    assert_explained(kith_value_unpack(kith_value_none(arena), "[i?]", &number), KITH_ETYPE);
    assert_explained(kith_value_unpack(text("a"), "i?", &number), KITH_ETYPE);
}

static void nothing_is_stored_where_nowhere_is_given(void **state)
{
    (void)state;
    int number = 0;
    kith_value *value = kith_value_pack(arena, "[i,s,y,i]", 1, "a", "b", (size_t)1, 2);
    assert_code(kith_value_unpack(value, "[i,s#,y,i]", nothing, nothing, nothing, nothing, nothing, &number), 0);
    assert_int_equal(number, 2);
}

static void what_looks_otherwise_is_told_and_nothing_stored(void **state)
{
    (void)state;
    kith_value *value = kith_value_pack(arena, "{s:[i,{s:s}], s:s#, s:U}", "a", 1, "b", "c", "nul", "\0", (size_t)1,
                                        "u", (uint64_t)1 << 40);
    static const struct {
        const char *format;
        int code;
        const char *told;
    } wrong[] = {
        { "{s:[i,{s:i}]}", KITH_ETYPE, "the value['a'][1]['b'] is of the kind str, and no int" },
        { "{s:[i,{s:s,s:s}]}", KITH_ETYPE, "the value['a'][1] has no key" },
        { "{s:[i]}", KITH_ETYPE, "the value['a'] has 2 items, and not 1" },
        { "{s:[i,_,_]}", KITH_ETYPE, "the value['a'] has 2 items, and not 3" },
        { "{s:(i,_)}", KITH_ETYPE, "the value['a'] is of the kind list, and no tuple" },
        { "{s:[n,_]}", KITH_ETYPE, "the value['a'][0] is of the kind int, and no None" },
        { "{s:[b,_]}", KITH_ETYPE, "and no bool" },
        { "{s:[y,_]}", KITH_ETYPE, "and no bytes" },
        { "{s:[i,f]}", KITH_ETYPE, "and no float" },
        { "{s:[i,[]]}", KITH_ETYPE, "and no list" },
        { "[i]", KITH_ETYPE, "the value is of the kind dict, and no list" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        /* A place for an int that may be stored first: as a rule the second argument. */
        int64_t places[4] = { 42, 42, 42, 42 };
        assert_explained(kith_value_unpack(value, wrong[i].format, "a", &places[0], "b", "x", &places[3], &places[3]),
                         wrong[i].code);
        assert_detail(wrong[i].told);
        assert_int_equal(places[0], 42);
    }
    int number = 42;
    const char *chars = NULL;
    assert_explained(kith_value_unpack(value, "{s:i}", "u", &number), -ERANGE);
    assert_detail("the value['u'] does not fit");
    assert_explained(kith_value_unpack(integer(-1), "U", &(uint64_t){ 0 }), -ERANGE);
    assert_explained(kith_value_unpack(value, "{s:s}", "nul", &chars), -EILSEQ);
    assert_detail("s#");
    assert_int_equal(number, 42);
    assert_null(chars);
}

static void a_wrong_format_of_unpack_is_told(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "[", "[i", "<>", "q", "{i:i}", "{s}", "v v", "[i)", "{s:i", "i#", "i??" };
    kith_value *values[] = { integer(1), kith_value_pack(arena, "[i]", 1), kith_value_pack(arena, "{s:i}", "a", 1) };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (size_t j = 0; j < 3; j++) {
            int64_t place = 42;
            int code = kith_value_unpack(values[j], wrong[i], "a", &place, &place, &place);
            assert_true(code == -EINVAL || code == KITH_ETYPE);
            assert_int_equal(place, 42);
        }
    }
    assert_explained(kith_value_unpack(values[0], "q"), -EINVAL);
    assert_detail("is wrong at 0: there is no such letter");
    assert_explained(kith_value_unpack(values[2], "{s:i", "a", nothing), -EINVAL);
    assert_explained(kith_value_unpack(values[2], "{s:i}", nothing, nothing), -EINVAL);
    assert_explained(kith_value_unpack(NULL, "i", nothing), -EINVAL);
    assert_explained(kith_value_unpack(values[0], NULL), -EINVAL);
}

static void what_lies_deep_is_told_shortly(void **state)
{
    (void)state;
    char key[200];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    kith_value *value = text("bottom");
    char format[400] = "";
    for (int i = 0; i < 50; i++)
        value = kith_value_pack(arena, "[v]", value);
    value = kith_value_pack(arena, "{s:v}", key, value);
    memset(format, '[', 50);
    format[50] = 'i';
    memset(format + 51, ']', 50);
    char whole[420];
    snprintf(whole, sizeof whole, "{s:%s}", format);
    int number = 42;
    assert_explained(kith_value_unpack(value, whole, key, &number), KITH_ETYPE);
    assert_detail("[0][0]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(all_letters_make_values),
        VALUE_TEST(brackets_nest_and_punctuation_means_nothing),
        VALUE_TEST(a_wrong_format_is_told_with_its_place),
        VALUE_TEST(brackets_nest_only_so_deep),
        VALUE_TEST(an_argument_that_is_no_value_is_refused),
        VALUE_TEST(all_letters_take_values),
        VALUE_TEST(dicts_are_taken_apart_by_their_keys),
        VALUE_TEST(more_items_may_follow),
        VALUE_TEST(none_is_taken_where_it_may_be),
        VALUE_TEST(nothing_is_stored_where_nowhere_is_given),
        VALUE_TEST(what_looks_otherwise_is_told_and_nothing_stored),
        VALUE_TEST(a_wrong_format_of_unpack_is_told),
        VALUE_TEST(what_lies_deep_is_told_shortly),
    };
    return cmocka_run_group_tests_name("value_pack", tests, NULL, NULL);
}
