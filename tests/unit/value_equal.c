/* kith/value.h: values compared and copied. */
#include "values.h"

#include <math.h>
#include <stdbool.h>

static void expect(const kith_value *one, const kith_value *other, int equal)
{
    assert_code(kith_value_equal(one, other), equal);
    assert_code(kith_value_equal(other, one), equal);
}

/** One value of each kind, and of each that could be taken for another one. */
enum { DIFFERENT = 24 };

static void fill_different(kith_value *values[DIFFERENT])
{
    kith_value *const all[DIFFERENT] = {
        kith_value_none(arena),
        integer(0),
        integer(1),
        integer(-1),
        kith_value_float(arena, 0.5),
        kith_value_float(arena, INFINITY),
        kith_value_unsigned(arena, UINT64_MAX),
        kith_value_int_from_bytes(arena, "\0\0\0\0\0\0\0\0\0\1", 10),
        text(""),
        text("a"),
        text("b"),
        kith_value_bytes(arena, "", 0),
        kith_value_bytes(arena, "a", 1),
        kith_value_pack(arena, "[]"),
        kith_value_pack(arena, "[i]", 1),
        kith_value_pack(arena, "()"),
        kith_value_pack(arena, "(i)", 1),
        kith_value_pack(arena, "{}"),
        kith_value_pack(arena, "{i:i}", 1, 1),
        kith_value_pack(arena, "{i:i}", 2, 1),
        kith_value_pack(arena, "<>"),
        kith_value_pack(arena, "<i>", 1),
        kith_object_global(arena, "a", "b"),
        kith_object_global(arena, "a", "c"),
    };
    memcpy(values, all, sizeof all);
}

static void different_values_are_different(void **state)
{
    (void)state;
    kith_value *ones[DIFFERENT], *others[DIFFERENT];
    fill_different(ones);
    fill_different(others);
    for (int i = 0; i < DIFFERENT; i++) {
        for (int j = 0; j < DIFFERENT; j++)
            expect(ones[i], others[j], i == j);
    }
}

static void numbers_are_equal_across_kinds(void **state)
{
    (void)state;
    expect(integer(1), kith_value_float(arena, 1), 1);
    expect(integer(1), kith_value_bool(arena, 1), 1);
    expect(kith_value_float(arena, 0), kith_value_bool(arena, 0), 1);
    expect(kith_value_float(arena, -0.0), integer(0), 1);
    expect(integer((int64_t)1 << 53), kith_value_float(arena, 0x1p53), 1);
    /* Exactly: a float can't be this int. */
    expect(integer(((int64_t)1 << 53) + 1), kith_value_float(arena, 0x1p53), 0);
    expect(integer(INT64_MAX), kith_value_float(arena, 0x1p63), 0);
    expect(integer(INT64_MIN), kith_value_float(arena, -0x1p63), 1);
    expect(kith_value_unsigned(arena, (uint64_t)1 << 63), kith_value_float(arena, 0x1p63), 1);
    expect(kith_value_unsigned(arena, ((uint64_t)1 << 63) + 1), kith_value_float(arena, 0x1p63), 0);
    expect(kith_value_unsigned(arena, UINT64_MAX), kith_value_float(arena, INFINITY), 0);
    expect(integer(0), kith_value_float(arena, NAN), 0);
    expect(integer(1), kith_value_float(arena, 1.5), 0);
}

static void a_nan_is_not_equal_but_what_holds_it_is(void **state)
{
    (void)state;
    kith_value *nan = kith_value_float(arena, NAN);
    expect(nan, nan, 0);
    expect(kith_value_pack(arena, "[v]", nan), kith_value_pack(arena, "[v]", nan), 1);
    expect(kith_value_pack(arena, "[v]", nan), kith_value_pack(arena, "[f]", NAN), 0);
}

static void bytes_and_sets_are_equal_whatever_can_change(void **state)
{
    (void)state;
    expect(kith_value_bytes(arena, "ab", 2), kith_value_bytearray(arena, "ab", 2), 1);
    expect(kith_value_bytes(arena, "ab", 2), kith_value_bytearray(arena, "ac", 2), 0);
    expect(kith_value_bytes(arena, "ab", 2), text("ab"), 0);
    kith_value *items[] = { text("x"), integer(1), kith_value_none(arena) };
    kith_value *frozen = kith_value_frozenset(arena, items, 3);
    expect(frozen, kith_value_pack(arena, "<n,f,s>", 1.0, "x"), 1);
    expect(frozen, kith_value_pack(arena, "<n,f,s>", 2.0, "x"), 0);
    expect(frozen, kith_value_pack(arena, "<n,f>", 1.0), 0);
}

static void dicts_are_equal_in_any_order(void **state)
{
    (void)state;
    expect(kith_value_pack(arena, "{s:i, s:[i]}", "a", 1, "b", 2),
           kith_value_pack(arena, "{s:[i], s:i}", "b", 2, "a", 1), 1);
    expect(kith_value_pack(arena, "{s:i, s:[i]}", "a", 1, "b", 2),
           kith_value_pack(arena, "{s:[i], s:i}", "b", 3, "a", 1), 0);
    expect(kith_value_pack(arena, "{s:i}", "a", 1), kith_value_pack(arena, "{s:i, s:i}", "b", 2, "a", 1), 0);
    kith_value *one = kith_value_dict(arena), *other = kith_value_dict(arena);
    for (int i = 0; i < 500; i++) {
        assert_code(kith_value_set_item(one, integer(i), integer(-i)), 0);
        assert_code(kith_value_set_item(other, kith_value_float(arena, 499 - i), integer(i - 499)), 0);
    }
    expect(one, other, 1);
    assert_code(kith_value_set_item(other, integer(77), integer(77)), 0);
    expect(one, other, 0);
}

static kith_value *an_object(int argument, int state, int item)
{
    kith_value *object = kith_object_new(arena, kith_object_global(arena, "shop", "Order"),
                                         kith_value_pack(arena, "(i)", argument), kith_value_pack(arena, "{s:n}", "k"));
    assert_code(kith_object_add_step(object, KITH_STEP_STATE, NULL, kith_value_pack(arena, "{s:i}", "s", state)), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_SET_ITEM, text("i"), integer(item)), 0);
    return object;
}

static void objects_are_equal_when_their_parts_are(void **state)
{
    (void)state;
    expect(an_object(1, 2, 3), an_object(1, 2, 3), 1);
    expect(an_object(1, 2, 3), an_object(9, 2, 3), 0);
    expect(an_object(1, 2, 3), an_object(1, 9, 3), 0);
    expect(an_object(1, 2, 3), an_object(1, 2, 9), 0);
    kith_value *more = an_object(1, 2, 3);
    assert_code(kith_object_add_step(more, KITH_STEP_APPEND, NULL, integer(1)), 0);
    expect(an_object(1, 2, 3), more, 0);
    kith_value *added = an_object(1, 2, 3);
    assert_code(kith_object_add_step(added, KITH_STEP_ADD, NULL, integer(1)), 0);
    expect(added, more, 0);
    kith_value *args = kith_value_pack(arena, "()"), *type = kith_object_global(arena, "a", "b");
    expect(kith_object_call(arena, type, args), kith_object_new(arena, type, args, NULL), 0);
    expect(kith_object_new(arena, type, args, kith_value_dict(arena)), kith_object_new(arena, type, args, NULL), 0);
}

static void what_holds_itself_equals_itself(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *other = kith_value_list(arena);
    assert_code(kith_value_append(list, list), 0);
    assert_code(kith_value_append(other, other), 0);
    expect(list, list, 1);
    assert_explained(kith_value_equal(list, other), KITH_ELIMIT);
}

static void depth_is_limited(void **state)
{
    (void)state;
    expect(nest_of_lists(KITH_VALUE_DEPTH_MAX), nest_of_lists(KITH_VALUE_DEPTH_MAX), 1);
    expect(nest_of_lists(KITH_VALUE_DEPTH_MAX), nest_of_lists(KITH_VALUE_DEPTH_MAX - 1), 0);
    kith_value *deeper = nest_of_lists(KITH_VALUE_DEPTH_MAX + 1), *other = nest_of_lists(KITH_VALUE_DEPTH_MAX + 1);
    assert_code(kith_value_append(deeper, integer(1)), 0);
    assert_code(kith_value_append(other, integer(1)), 0);
    expect(kith_value_at(deeper, 0), kith_value_at(other, 0), 1);
    kith_value *much = nest_of_lists(100000), *as_much = nest_of_lists(100000);
    assert_explained(kith_value_equal(much, as_much), KITH_ELIMIT);
}

static void nothing_is_not_compared(void **state)
{
    (void)state;
    assert_explained(kith_value_equal(NULL, integer(1)), -EINVAL);
    assert_explained(kith_value_equal(integer(1), NULL), -EINVAL);
}

/* ---- copies ---- */

/** Copies into an arena of its own, from one that is gone then. */
static kith_value *move(kith_value *value)
{
    kith_arena *other;
    assert_code(kith_arena_new(&other), 0);
    kith_value *copy = kith_value_copy(other, value);
    assert_non_null(copy);
    kith_arena_free(arena);
    arena = other;
    return copy;
}

static void a_copy_stands_alone(void **state)
{
    (void)state;
    kith_value *items[DIFFERENT];
    fill_different(items);
    kith_value *list = kith_value_list(arena);
    for (int i = 0; i < DIFFERENT; i++)
        assert_code(kith_value_append(list, items[i]), 0);
    assert_code(kith_value_append(list, an_object(1, 2, 3)), 0);
    assert_code(kith_value_append(list, kith_value_frozenset(arena, (kith_value *[]){ text("f") }, 1)), 0);
    assert_code(kith_value_append(list, kith_value_bytearray(arena, "ab", 2)), 0);
    assert_code(kith_value_append(list, kith_value_bool(arena, 1)), 0);
    kith_bytes before;
    assert_code(kith_value_repr(list, &before, 0), 0);
    kith_value *copy = move(list);
    assert_repr(copy, before.data);
    kith_bytes_free(&before);
    kith_value *again = kith_value_copy(arena, copy);
    assert_int_equal(kith_value_equal(copy, again), 1);
    assert_code(kith_value_append(again, integer(1)), 0);
    assert_int_equal(kith_value_equal(copy, again), 0);
}

static void a_copy_finds_its_keys(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena);
    for (int i = 0; i < 300; i++)
        assert_code(kith_value_set_item(dict, kith_value_pack(arena, "(i,s)", i, "x"), integer(i)), 0);
    kith_value *object = kith_object_global(arena, "a", "b");
    assert_code(kith_value_set_item(dict, object, integer(300)), 0);
    assert_code(kith_value_set_item(dict, kith_value_pack(arena, "(v)", object), integer(301)), 0);
    kith_value *copy = move(dict);
    for (int i = 0; i < 300; i++) {
        int64_t number = -1;
        assert_code(kith_value_as_int(kith_value_find(copy, kith_value_pack(arena, "(i,s)", i, "x")), &number), 0);
        assert_int_equal(number, i);
    }
    kith_value *key;
    for (size_t i = 300; i < 302; i++) {
        assert_int_equal(kith_value_pair_at(copy, i, &key, NULL), 1);
        assert_non_null(kith_value_find(copy, key));
    }
}

static void what_is_shared_is_shared_in_the_copy(void **state)
{
    (void)state;
    kith_value *shared = kith_value_pack(arena, "[i]", 1);
    kith_value *copy = move(kith_value_pack(arena, "[v,{s:v},(v)]", shared, "a", shared, shared));
    kith_value *first = kith_value_at(copy, 0);
    assert_ptr_equal(kith_value_get(kith_value_at(copy, 1), "a"), first);
    assert_ptr_equal(kith_value_at(kith_value_at(copy, 2), 0), first);
    assert_code(kith_value_append(first, integer(2)), 0);
    assert_repr(copy, "[[1, 2], {'a': [1, 2]}, ([1, 2],)]");
}

static void what_holds_itself_holds_itself_in_the_copy(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *tuple = kith_value_pack(arena, "(v)", list);
    assert_code(kith_value_append(list, tuple), 0);
    kith_value *copy = move(tuple);
    assert_ptr_equal(kith_value_at(kith_value_at(copy, 0), 0), copy);
    assert_repr(copy, "([(...)],)");
}

/** A tuple that is a key of a dict in the state of an object in that tuple. */
static void a_key_may_hold_its_dict(void **state)
{
    (void)state;
    kith_value *object = kith_object_call(arena, kith_object_global(arena, "a", "b"), kith_value_pack(arena, "()"));
    kith_value *key = kith_value_pack(arena, "(v)", object), *dict = kith_value_pack(arena, "{v:i}", key, 1);
    assert_code(kith_object_add_step(object, KITH_STEP_STATE, NULL, dict), 0);
    kith_value *copy = move(key);
    kith_value *inner = kith_object_state(kith_value_at(copy, 0));
    assert_repr(kith_value_find(inner, copy), "1");
}

static void copying_is_limited_in_depth(void **state)
{
    (void)state;
    assert_non_null(kith_value_copy(arena, nest_of_lists(KITH_VALUE_DEPTH_MAX)));
    assert_refused(kith_value_copy(arena, nest_of_lists(KITH_VALUE_DEPTH_MAX + 2)), KITH_ELIMIT);
    assert_refused(kith_value_copy(arena, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(different_values_are_different),
        VALUE_TEST(numbers_are_equal_across_kinds),
        VALUE_TEST(a_nan_is_not_equal_but_what_holds_it_is),
        VALUE_TEST(bytes_and_sets_are_equal_whatever_can_change),
        VALUE_TEST(dicts_are_equal_in_any_order),
        VALUE_TEST(objects_are_equal_when_their_parts_are),
        VALUE_TEST(what_holds_itself_equals_itself),
        VALUE_TEST(depth_is_limited),
        VALUE_TEST(nothing_is_not_compared),
        VALUE_TEST(a_copy_stands_alone),
        VALUE_TEST(a_copy_finds_its_keys),
        VALUE_TEST(what_is_shared_is_shared_in_the_copy),
        VALUE_TEST(what_holds_itself_holds_itself_in_the_copy),
        VALUE_TEST(a_key_may_hold_its_dict),
        VALUE_TEST(copying_is_limited_in_depth),
    };
    return cmocka_run_group_tests_name("value_equal", tests, NULL, NULL);
}
