/* kith/value.h: lists, tuples, dicts, sets and frozensets. */
#include "values.h"

#include <math.h>
#include <stdio.h>

/* ---- lists and tuples ---- */

static void lists_grow(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *other = kith_value_list(arena);
    for (int64_t i = 0; i < 1000; i++) {
        assert_code(kith_value_append(list, integer(i)), 0);
        assert_code(kith_value_append(other, integer(-i)), 0);
    }
    assert_int_equal(kith_value_length(list), 1000);
    for (int64_t i = 0; i < 1000; i++) {
        int64_t number = -1;
        assert_code(kith_value_as_int(kith_value_at(list, (size_t)i), &number), 0);
        assert_int_equal(number, i);
    }
    assert_null(kith_value_at(list, 1000));
    assert_null(kith_value_at(list, SIZE_MAX));
}

static void only_lists_are_appended_to(void **state)
{
    (void)state;
    assert_explained(kith_value_append(NULL, integer(1)), -EINVAL);
    assert_code(kith_arena_error(arena), 0); /* of which arena should nothing be? */
    assert_explained(kith_value_append(kith_value_list(arena), NULL), -EINVAL);
    assert_code(kith_arena_error(arena), -EINVAL);
    kith_arena_reset(arena);
    assert_explained(kith_value_append(kith_value_dict(arena), integer(1)), KITH_ETYPE);
    assert_code(kith_arena_error(arena), KITH_ETYPE);
    kith_arena_reset(arena);
    assert_explained(kith_value_append(kith_value_tuple(arena, NULL, 0), integer(1)), KITH_ETYPE);
    assert_explained(kith_value_append(integer(1), integer(1)), KITH_ETYPE);
}

static void a_tree_is_built_without_a_look_at_each_step(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena);
    assert_code(kith_value_append(list, text("\xff")), -EINVAL);
    assert_non_null(strstr(kith_error_detail(), "UTF-8")); /* what failed first is what is told */
    kith_value_append(list, integer(1));
    assert_code(kith_arena_error(arena), -EILSEQ);
    assert_repr(list, "[1]");
}

static void tuples_copy_the_array(void **state)
{
    (void)state;
    kith_value *items[] = { integer(1), text("two"), NULL };
    kith_value *tuple = kith_value_tuple(arena, items, 2);
    items[0] = NULL;
    assert_repr(tuple, "(1, 'two')");
    assert_repr(kith_value_tuple(arena, NULL, 0), "()");
    assert_refused(kith_value_tuple(arena, items, 3), -EINVAL);
    assert_refused(kith_value_tuple(arena, NULL, 1), -EINVAL);
}

static void no_arguments_are_an_empty_tuple_of_no_arena(void **state)
{
    (void)state;
    const kith_value *none = KITH_NO_ARGS;
    kith_bytes text;
    assert_int_equal(kith_value_kind(none), KITH_TUPLE);
    assert_int_equal(kith_value_length(none), 0);
    assert_null(kith_value_at(none, 0));
    assert_code(kith_value_unpack(none, "()"), 0);
    assert_code(kith_value_repr(none, &text, 0), 0);
    assert_string_equal(text.data, "()");
    kith_bytes_free(&text);
    kith_value *copy = kith_value_copy(arena, none), *dict = kith_value_dict(arena);
    assert_ptr_not_equal(copy, none);
    assert_int_equal(kith_value_length(copy), 0);
    assert_code(kith_value_set_item(dict, copy, kith_value_int(arena, 7)), 0);
    assert_non_null(kith_value_find(dict, none)); /* its hash is kept */
    assert_non_null(kith_value_pack(arena, "(v,v)", KITH_NO_ARGS, KITH_NO_ARGS));
    assert_ptr_equal(KITH_NO_ARGS, none);
}

/* ---- dicts ---- */

static void dicts_keep_the_order_of_their_keys(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena);
    assert_code(kith_value_set(dict, "b", integer(1)), 0);
    assert_code(kith_value_set(dict, "a", integer(2)), 0);
    assert_code(kith_value_set(dict, "b", integer(3)), 0);
    assert_code(kith_value_set_item(dict, text("c"), integer(4)), 0);
    assert_code(kith_value_set_item(dict, text("a"), integer(5)), 0);
    assert_repr(dict, "{'b': 3, 'a': 5, 'c': 4}");
    kith_value *key = NULL, *item = NULL;
    assert_int_equal(kith_value_pair_at(dict, 2, &key, &item), 1);
    assert_repr(key, "'c'");
    assert_repr(item, "4");
    assert_int_equal(kith_value_pair_at(dict, 0, NULL, NULL), 1);
    assert_int_equal(kith_value_pair_at(dict, 3, &key, &item), 0);
    assert_int_equal(kith_value_pair_at(kith_value_list(arena), 0, &key, &item), 0);
    assert_null(kith_value_at(dict, 0));
}

static void dicts_of_all_sizes_find_their_keys(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena);
    char key[24];
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        assert_code(kith_value_set(dict, key, integer(i)), 0);
        if (i > 40 && i % 100)
            continue;
        for (int j = 0; j <= i; j++) {
            snprintf(key, sizeof key, "key %d", j);
            int64_t number = -1;
            assert_code(kith_value_as_int(kith_value_get(dict, key), &number), 0);
            assert_int_equal(number, j);
            assert_ptr_equal(kith_value_find(dict, text(key)), kith_value_get(dict, key));
        }
        assert_null(kith_value_get(dict, "key -1"));
        assert_null(kith_value_find(dict, integer(1)));
        assert_code(kith_value_set(dict, "key 0", integer(0)), 0);
        assert_int_equal(kith_value_length(dict), i + 1);
    }
}

static void reading_what_is_not_there_finds_nothing(void **state)
{
    (void)state;
    assert_null(kith_value_get(kith_value_get(kith_value_dict(arena), "a"), "b"));
    assert_null(kith_value_get(integer(1), "a"));
    assert_null(kith_value_get(kith_value_dict(arena), NULL));
    assert_null(kith_value_find(NULL, integer(1)));
    assert_null(kith_value_find(kith_value_dict(arena), NULL));
    assert_null(kith_value_find(kith_value_list(arena), integer(1)));
    assert_null(kith_value_find(kith_value_dict(arena), kith_value_list(arena)));
}

static void equal_keys_of_any_kind_are_one(void **state)
{
    (void)state;
    /* Nine are searched by their hashes, one is not: both ways have to find the same. */
    for (int others = 0; others < 20; others += 19) {
        kith_value *dict = kith_value_dict(arena);
        for (int i = 0; i < others; i++)
            assert_code(kith_value_set_item(dict, integer(1000 + i), integer(i)), 0);
        kith_value *const ones[] = { integer(1), kith_value_float(arena, 1), kith_value_bool(arena, 1) };
        kith_value *const large[] = {
            kith_value_unsigned(arena, (uint64_t)1 << 63),
            kith_value_float(arena, 0x1p63),
            kith_value_int_from_bytes(arena, "\0\0\0\0\0\0\0\x80\0", 9),
        };
        kith_value *const zeros[] = { integer(0), kith_value_float(arena, -0.0), kith_value_bool(arena, 0) };
        kith_value *const pairs[] = {
            kith_value_pack(arena, "(i,(U,s))", 1, (uint64_t)1 << 63, "x"),
            kith_value_pack(arena, "(b,(f,s))", 1, 0x1p63, "x"),
            kith_value_pack(arena, "(f,(U,s))", 1.0, (uint64_t)1 << 63, "x"),
        };
        for (int i = 0; i < 3; i++) {
            assert_code(kith_value_set_item(dict, ones[i], integer(i)), 0);
            assert_code(kith_value_set_item(dict, large[i], integer(10 + i)), 0);
            assert_code(kith_value_set_item(dict, zeros[i], integer(20 + i)), 0);
            assert_code(kith_value_set_item(dict, pairs[i], integer(30 + i)), 0);
        }
        assert_int_equal(kith_value_length(dict), others + 4);
        for (int i = 0; i < 3; i++) {
            assert_repr(kith_value_find(dict, ones[i]), "2");
            assert_repr(kith_value_find(dict, large[i]), "12");
            assert_repr(kith_value_find(dict, zeros[i]), "22");
            assert_repr(kith_value_find(dict, pairs[i]), "32");
        }
        assert_null(kith_value_find(dict, kith_value_float(arena, 1.5)));
        assert_null(kith_value_find(dict, kith_value_unsigned(arena, ((uint64_t)1 << 63) + 1)));
        assert_null(kith_value_find(dict, text("1")));
        assert_null(kith_value_find(dict, kith_value_bytes(arena, "1", 1)));
    }
}

static void keys_of_all_kinds_are_told_apart(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena);
    kith_value *frozen[] = { integer(1), text("a") };
    kith_value *const keys[] = {
        kith_value_none(arena),
        integer(5),
        integer(-5),
        kith_value_float(arena, 5.5),
        kith_value_float(arena, INFINITY),
        kith_value_float(arena, -INFINITY),
        kith_value_unsigned(arena, UINT64_MAX),
        text("5"),
        text(""),
        kith_value_bytes(arena, "5", 1),
        kith_value_bytes(arena, "", 0),
        kith_value_tuple(arena, NULL, 0),
        kith_value_tuple(arena, frozen, 2),
        kith_value_frozenset(arena, frozen, 2),
        kith_value_frozenset(arena, NULL, 0),
        kith_object_global(arena, "a", "b"),
        kith_object_global(arena, "a", "b"), /* equal to itself only */
    };
    int count = sizeof keys / sizeof *keys;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < count; i++)
            assert_code(kith_value_set_item(dict, keys[i], integer(i)), 0);
    }
    assert_int_equal(kith_value_length(dict), count);
    for (int i = 0; i < count; i++) {
        int64_t number = -1;
        assert_code(kith_value_as_int(kith_value_find(dict, keys[i]), &number), 0);
        assert_int_equal(number, i);
    }
    kith_value *backwards[] = { text("a"), kith_value_float(arena, 1) };
    assert_repr(kith_value_find(dict, kith_value_frozenset(arena, backwards, 2)), "13");
}

static void a_nan_is_found_by_who_has_it(void **state)
{
    (void)state;
    kith_value *set = kith_value_new_set(arena), *last = NULL;
    for (int i = 0; i < 500; i++)
        assert_code(kith_value_add(set, last = kith_value_float(arena, NAN)), 0);
    assert_code(kith_value_add(set, last), 0);
    assert_int_equal(kith_value_length(set), 500);
    assert_ptr_equal(kith_value_find(set, last), last);
    assert_null(kith_value_find(set, kith_value_float(arena, NAN)));
}

static void what_can_change_is_no_key(void **state)
{
    (void)state;
    static const char *const formats[] = { "[]", "{}", "<>", "([])", "(i,(i,<>))" };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        kith_value *dict = kith_value_dict(arena), *key = kith_value_pack(arena, formats[i], 1, 2);
        assert_non_null(key);
        assert_explained(kith_value_set_item(dict, key, integer(1)), KITH_ETYPE);
        assert_code(kith_arena_error(arena), KITH_ETYPE);
        assert_refused(kith_value_frozenset(arena, &key, 1), KITH_ETYPE);
    }
    kith_value *key = kith_value_bytearray(arena, "a", 1);
    assert_explained(kith_value_add(kith_value_new_set(arena), key), KITH_ETYPE);
}

static void a_missing_part_is_refused(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena), *set = kith_value_new_set(arena), *list = kith_value_list(arena);
    assert_explained(kith_value_set_item(NULL, integer(1), integer(1)), -EINVAL);
    assert_explained(kith_value_set(NULL, "a", integer(1)), -EINVAL);
    assert_explained(kith_value_add(NULL, integer(1)), -EINVAL);
    assert_explained(kith_value_set_item(list, integer(1), integer(1)), KITH_ETYPE);
    assert_explained(kith_value_set(set, "a", integer(1)), KITH_ETYPE);
    assert_explained(kith_value_add(dict, integer(1)), KITH_ETYPE);
    assert_explained(kith_value_add(kith_value_frozenset(arena, NULL, 0), integer(1)), KITH_ETYPE);
    assert_code(kith_value_set_item(dict, NULL, integer(1)), -EINVAL);
    assert_code(kith_value_set_item(dict, integer(1), NULL), -EINVAL);
    assert_code(kith_value_set(dict, NULL, integer(1)), -EINVAL);
    assert_code(kith_value_set(dict, "a", NULL), -EINVAL);
    assert_code(kith_value_set(dict, "\xff", integer(1)), -EILSEQ);
    assert_code(kith_value_add(set, NULL), -EINVAL);
    assert_repr(dict, "{}");
    assert_repr(set, "set()");
    kith_arena_reset(arena);
    kith_value *items[] = { integer(1), NULL };
    assert_refused(kith_value_frozenset(arena, items, 2), -EINVAL);
    assert_refused(kith_value_frozenset(arena, NULL, 2), -EINVAL);
}

/* ---- sets ---- */

static void sets_hold_equal_items_once(void **state)
{
    (void)state;
    kith_value *set = kith_value_new_set(arena);
    for (int i = 0; i < 50; i++)
        assert_code(kith_value_add(set, integer(i % 5)), 0);
    assert_repr(set, "{0, 1, 2, 3, 4}");
    kith_value *one = kith_value_find(set, kith_value_float(arena, 1));
    assert_ptr_equal(one, kith_value_at(set, 1));
    kith_value *items[40];
    for (int i = 0; i < 40; i++)
        items[i] = integer(i / 2);
    kith_value *frozen = kith_value_frozenset(arena, items, 40);
    assert_int_equal(kith_value_length(frozen), 20);
    assert_ptr_equal(kith_value_find(frozen, integer(19)), items[38]);
}

/* ---- hostile keys ---- */

static void keys_nest_only_so_deep(void **state)
{
    (void)state;
    kith_value *set = kith_value_new_set(arena);
    assert_code(kith_value_add(set, tree_of(integer(1), KITH_KEY_DEPTH_MAX)), 0);
    assert_explained(kith_value_add(set, tree_of(integer(1), KITH_KEY_DEPTH_MAX + 1)), KITH_ELIMIT);
    assert_explained(kith_value_add(set, tree_of(integer(1), 100000)), KITH_ELIMIT);
    /* Also when each level is known already. */
    kith_value *frozen = integer(1);
    for (int i = 0; i < KITH_KEY_DEPTH_MAX; i++) {
        frozen = kith_value_frozenset(arena, &frozen, 1);
        assert_code(kith_value_add(set, frozen), 0);
    }
    frozen = kith_value_frozenset(arena, &frozen, 1);
    assert_explained(kith_value_add(set, frozen), KITH_ELIMIT);
    assert_null(kith_value_find(set, frozen));
}

static void values_of_several_arenas_go_together(void **state)
{
    (void)state;
    kith_arena *other;
    assert_code(kith_arena_new(&other), 0);
    kith_value *dict = kith_value_dict(other);
    for (int i = 0; i < 100; i++)
        assert_code(kith_value_set_item(dict, integer(i), integer(i)), 0);
    assert_repr(kith_value_find(dict, integer(99)), "99");
    assert_code(kith_value_append(kith_value_list(other), NULL), -EINVAL);
    assert_code(kith_arena_error(other), -EINVAL);
    assert_code(kith_arena_error(arena), 0);
    kith_arena_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(lists_grow),
        VALUE_TEST(only_lists_are_appended_to),
        VALUE_TEST(a_tree_is_built_without_a_look_at_each_step),
        VALUE_TEST(tuples_copy_the_array),
        VALUE_TEST(no_arguments_are_an_empty_tuple_of_no_arena),
        VALUE_TEST(dicts_keep_the_order_of_their_keys),
        VALUE_TEST(dicts_of_all_sizes_find_their_keys),
        VALUE_TEST(reading_what_is_not_there_finds_nothing),
        VALUE_TEST(equal_keys_of_any_kind_are_one),
        VALUE_TEST(keys_of_all_kinds_are_told_apart),
        VALUE_TEST(a_nan_is_found_by_who_has_it),
        VALUE_TEST(what_can_change_is_no_key),
        VALUE_TEST(a_missing_part_is_refused),
        VALUE_TEST(sets_hold_equal_items_once),
        VALUE_TEST(keys_nest_only_so_deep),
        VALUE_TEST(values_of_several_arenas_go_together),
    };
    return cmocka_run_group_tests_name("value_containers", tests, NULL, NULL);
}
