/* kith/value.h: values that would take for ever. Each takes as many steps as the library allows, so this is not for
 * valgrind. */
#include "values.h"

/** A tree whose leaf takes a thousand steps, which are quick ones. */
static kith_value *tree_of_tuples(int height)
{
    static const char leaf[64 * 1000];
    return tree_of(kith_value_bytes(arena, leaf, sizeof leaf), height);
}

static void keys_that_are_exponential_are_compared_for_so_long(void **state)
{
    (void)state;
    kith_value *set = kith_value_new_set(arena), *key = tree_of_tuples(90);
    assert_code(kith_value_add(set, key), 0);
    assert_code(kith_value_add(set, key), 0);
    assert_code(kith_value_add(set, tree_of_tuples(89)), 0);
    assert_explained(kith_value_add(set, tree_of_tuples(90)), KITH_ELIMIT);
    assert_int_equal(kith_value_length(set), 2);
}

static void values_that_are_exponential_are_compared_for_so_long(void **state)
{
    (void)state;
    assert_int_equal(kith_value_equal(tree_of_tuples(10), tree_of_tuples(10)), 1);
    assert_explained(kith_value_equal(tree_of_tuples(200), tree_of_tuples(200)), KITH_ELIMIT);
}

/** A list that holds the same item so often. */
static kith_value *list_of_same(kith_value *item, int count)
{
    kith_value *list = kith_value_list(arena);
    for (int i = 0; i < count; i++)
        kith_value_append(list, item);
    return list;
}

static void what_is_the_same_is_counted_too(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    kith_value *none = kith_value_none(arena), *pairs[2];
    for (int i = 0; i < 2; i++)
        pairs[i] = list_of_same(list_of_same(none, MANY), MANY);
    assert_explained(kith_value_equal(pairs[0], pairs[1]), KITH_ELIMIT);
}

static void what_a_large_int_and_a_name_cost_is_counted(void **state)
{
    (void)state;
    static char digits[640 * 1000], name[640 * 1000];
    memset(digits, 1, sizeof digits);
    memset(name, 'a', sizeof name - 1);
    kith_value *ints[2], *globals[2];
    for (int i = 0; i < 2; i++) {
        ints[i] = tree_of(kith_value_int_from_bytes(arena, digits, sizeof digits), 20);
        globals[i] = tree_of(kith_object_global(arena, "module", name), 20);
    }
    assert_explained(kith_value_equal(ints[0], ints[1]), KITH_ELIMIT);
    assert_explained(kith_value_equal(globals[0], globals[1]), KITH_ELIMIT);
}

static void what_is_exponential_is_copied_as_it_is(void **state)
{
    (void)state;
    kith_value *tree = tree_of_tuples(3000);
    size_t before = kith_arena_size(arena);
    assert_non_null(kith_value_copy(arena, tree));
    assert_true(kith_arena_size(arena) < 4 * before);
}

static void what_is_exponential_is_shown_up_to_its_bound(void **state)
{
    (void)state;
    kith_bytes shown;
    assert_code(kith_value_repr(tree_of_tuples(3000), &shown, 5000), 0);
    assert_int_equal(shown.size, 5000);
    kith_bytes_free(&shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(keys_that_are_exponential_are_compared_for_so_long),
        VALUE_TEST(values_that_are_exponential_are_compared_for_so_long),
        VALUE_TEST(what_is_the_same_is_counted_too),
        VALUE_TEST(what_a_large_int_and_a_name_cost_is_counted),
        VALUE_TEST(what_is_exponential_is_copied_as_it_is),
        VALUE_TEST(what_is_exponential_is_shown_up_to_its_bound),
    };
    return cmocka_run_group_tests_name("value_hostile", tests, NULL, NULL);
}
