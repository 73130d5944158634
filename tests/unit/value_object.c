/* kith/value.h: objects, made by hand. Those that come with pickles are in the tests of the codec. */
#include "values.h"

static kith_value *date(void)
{
    return kith_object_global(arena, "datetime", "date");
}

static void a_global_has_its_names(void **state)
{
    (void)state;
    char module_name[] = "datetime";
    kith_value *global = kith_object_global(arena, module_name, "date");
    module_name[0] = 'x';
    const char *module = NULL, *name = NULL;
    assert_int_equal(kith_value_kind(global), KITH_OBJECT);
    assert_int_equal(kith_object_get_form(global), KITH_OBJECT_GLOBAL);
    assert_code(kith_object_name(global, &module, &name), 0);
    assert_string_equal(module, "datetime");
    assert_string_equal(name, "date");
    assert_code(kith_object_name(global, NULL, NULL), 0);
    assert_null(kith_object_callable(global));
    assert_null(kith_object_args(global));
    assert_int_equal(kith_value_length(global), 0);
}

static void a_call_has_its_parts(void **state)
{
    (void)state;
    kith_value *callable = date(), *args = kith_value_pack(arena, "(i)", 1);
    kith_value *call = kith_object_call(arena, callable, args);
    assert_int_equal(kith_object_get_form(call), KITH_OBJECT_CALL);
    assert_ptr_equal(kith_object_callable(call), callable);
    assert_ptr_equal(kith_object_args(call), args);
    assert_null(kith_object_kwargs(call));
    assert_null(kith_object_state(call));
    const char *module, *name;
    assert_code(kith_object_name(call, &module, &name), 0);
    assert_string_equal(name, "date");
    assert_int_equal(kith_object_is(call, "datetime", "date"), 1);
    assert_int_equal(kith_object_is(callable, "datetime", "date"), 1);
    assert_int_equal(kith_object_is(call, "datetime", "time"), 0);
    assert_int_equal(kith_object_is(call, "time", "date"), 0);
    assert_int_equal(kith_object_is(call, NULL, "date"), 0);
    assert_int_equal(kith_object_is(call, "datetime", NULL), 0);
    assert_int_equal(kith_object_is(args, "datetime", "date"), 0);
    assert_int_equal(kith_object_is(NULL, "datetime", "date"), 0);
}

static void a_new_object_may_have_keywords(void **state)
{
    (void)state;
    kith_value *args = kith_value_pack(arena, "()"), *kwargs = kith_value_pack(arena, "{s:i}", "year", 2026);
    kith_value *object = kith_object_new(arena, date(), args, kwargs);
    assert_int_equal(kith_object_get_form(object), KITH_OBJECT_NEW);
    assert_ptr_equal(kith_object_kwargs(object), kwargs);
    assert_null(kith_object_kwargs(kith_object_new(arena, date(), args, NULL)));
}

static void steps_are_kept_in_order(void **state)
{
    (void)state;
    kith_value *object = kith_object_call(arena, date(), kith_value_pack(arena, "()"));
    kith_value *key = text("k"), *first = integer(1), *last = integer(2);
    assert_code(kith_object_add_step(object, KITH_STEP_STATE, NULL, first), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_SET_ITEM, key, last), 0);
    for (int i = 0; i < 20; i++)
        assert_code(kith_object_add_step(object, KITH_STEP_APPEND, NULL, integer(i)), 0);
    assert_code(kith_object_add_step(object, KITH_STEP_ADD, NULL, first), 0);
    assert_ptr_equal(kith_object_state(object), first);
    assert_code(kith_object_add_step(object, KITH_STEP_STATE, NULL, last), 0);
    assert_ptr_equal(kith_object_state(object), last);
    assert_int_equal(kith_object_step_count(object), 24);
    kith_value *found_key = NULL, *found = NULL;
    assert_int_equal(kith_object_step_at(object, 1, &found_key, &found), KITH_STEP_SET_ITEM);
    assert_ptr_equal(found_key, key);
    assert_ptr_equal(found, last);
    assert_int_equal(kith_object_step_at(object, 0, &found_key, &found), KITH_STEP_STATE);
    assert_null(found_key);
    assert_int_equal(kith_object_step_at(object, 21, NULL, &found), KITH_STEP_APPEND);
    assert_repr(found, "19");
    assert_int_equal(kith_object_step_at(object, 22, NULL, NULL), KITH_STEP_ADD);
    assert_int_equal(kith_object_step_at(object, 24, NULL, NULL), 0);
}

static void what_makes_no_object_is_refused(void **state)
{
    (void)state;
    kith_value *args = kith_value_pack(arena, "()"), *list = kith_value_list(arena), *callable = date();
    kith_arena *others = arena;
    assert_code(kith_arena_new(&arena), 0);
    assert_refused(kith_object_global(arena, NULL, "date"), -EINVAL);
    assert_refused(kith_object_global(arena, "datetime", NULL), -EINVAL);
    assert_refused(kith_object_global(arena, "datetime\xff", "date"), -EILSEQ);
    assert_refused(kith_object_global(arena, "datetime", "\xff"), -EILSEQ);
    assert_refused(kith_object_call(arena, NULL, args), -EINVAL);
    assert_refused(kith_object_call(arena, callable, NULL), -EINVAL);
    assert_refused(kith_object_call(arena, callable, list), KITH_ETYPE);
    assert_refused(kith_object_new(arena, NULL, args, NULL), -EINVAL);
    assert_refused(kith_object_new(arena, callable, args, list), KITH_ETYPE);
    kith_arena_free(others);
    assert_null(kith_object_call(NULL, NULL, NULL));
}

static void what_has_no_steps_is_refused(void **state)
{
    (void)state;
    kith_value *object = kith_object_call(arena, date(), kith_value_pack(arena, "()")), *item = integer(1);
    assert_explained(kith_object_add_step(NULL, KITH_STEP_STATE, NULL, item), -EINVAL);
    assert_explained(kith_object_add_step(kith_value_list(arena), KITH_STEP_APPEND, NULL, item), KITH_ETYPE);
    assert_code(kith_arena_error(arena), KITH_ETYPE);
    assert_explained(kith_object_add_step(object, KITH_STEP_STATE, NULL, NULL), -EINVAL);
    assert_explained(kith_object_add_step(object, KITH_STEP_SET_ITEM, NULL, item), -EINVAL);
    assert_explained(kith_object_add_step(object, KITH_STEP_APPEND, item, item), -EINVAL);
    assert_explained(kith_object_add_step(object, (kith_object_step)0, NULL, item), -EINVAL);
    assert_explained(kith_object_add_step(object, (kith_object_step)6, NULL, item), -EINVAL);
    assert_int_equal(kith_object_step_count(object), 0);
}

static void what_is_no_object_has_no_parts(void **state)
{
    (void)state;
    const kith_value *const values[] = { NULL, integer(1), kith_value_dict(arena) };
    for (size_t i = 0; i < 3; i++) {
        const char *module = "untouched";
        assert_int_equal(kith_object_get_form(values[i]), 0);
        assert_explained(kith_object_name(values[i], &module, NULL), KITH_ETYPE);
        assert_string_equal(module, "untouched");
        assert_null(kith_object_callable(values[i]));
        assert_null(kith_object_args(values[i]));
        assert_null(kith_object_kwargs(values[i]));
        assert_null(kith_object_state(values[i]));
        assert_int_equal(kith_object_step_count(values[i]), 0);
        assert_int_equal(kith_object_step_at(values[i], 0, NULL, NULL), 0);
    }
    kith_value *nested = kith_object_call(arena, kith_object_call(arena, date(), kith_value_pack(arena, "()")),
                                          kith_value_pack(arena, "()"));
    assert_explained(kith_object_name(nested, NULL, NULL), KITH_ETYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(a_global_has_its_names),          VALUE_TEST(a_call_has_its_parts),
        VALUE_TEST(a_new_object_may_have_keywords),  VALUE_TEST(steps_are_kept_in_order),
        VALUE_TEST(what_makes_no_object_is_refused), VALUE_TEST(what_has_no_steps_is_refused),
        VALUE_TEST(what_is_no_object_has_no_parts),
    };
    return cmocka_run_group_tests_name("value_object", tests, NULL, NULL);
}
