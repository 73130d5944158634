/* kith/value.h: every piece of memory refused in turn: each call says so, leaves nothing, and what was there before is
 * as it was. */
#include "shortage.h"
#include "values.h"

/** Something to do that takes memory. @return 0; the code of what failed */
typedef int task(void);

static int do_new(void)
{
    kith_arena *made;
    int code = kith_arena_new(&made);
    if (code == 0)
        kith_arena_free(made);
    return code;
}

/** Makes one of everything, in a new arena, with values long enough that all take blocks of their own. */
static int do_make(void)
{
    static const char data[5000];
    kith_arena *made;
    int code = kith_arena_new(&made);
    if (code < 0)
        return code;
    kith_value *list = kith_value_list(made), *dict = kith_value_dict(made), *set = kith_value_new_set(made);
    kith_value *object = kith_object_call(made, kith_object_global(made, "a", "b"), kith_value_tuple(made, NULL, 0));
    unsigned char digits[5000] = { [4999] = 1 };
    kith_value_append(list, kith_value_bytes(made, data, sizeof data));
    kith_value_append(list, kith_value_str_sized(made, data, sizeof data));
    kith_value_append(list, kith_value_bytearray(made, data, sizeof data));
    kith_value_append(list, kith_value_int_from_bytes(made, digits, sizeof digits));
    for (int i = 0; i < 700; i++) {
        char key[] = { 'k', (char)('a' + i % 26), (char)('a' + i / 26), '\0' };
        kith_value_append(list, kith_value_int(made, i));
        kith_value_set(dict, key, kith_value_float(made, i));
        kith_value_add(set, kith_value_pack(made, "(i,U)", i, UINT64_MAX));
        kith_object_add_step(object, KITH_STEP_APPEND, NULL, kith_value_bool(made, i));
    }
    code = kith_arena_error(made);
    if (code == 0 && (kith_value_length(list) != 704 || kith_value_length(dict) != 700 ||
                      kith_value_length(set) != 700 || kith_object_step_count(object) != 700))
        code = -EBADMSG;
    kith_arena_free(made);
    return code;
}

static kith_value *example; /* of the test's own arena */

static int do_copy(void)
{
    kith_arena *made;
    int code = kith_arena_new(&made);
    if (code < 0)
        return code;
    const kith_value *copy = kith_value_copy(made, example);
    code = kith_arena_error(made);
    if (!copy == !code)
        code = -EBADMSG;
    kith_arena_free(made);
    return code;
}

static int do_repr(void)
{
    kith_bytes shown;
    int code = kith_value_repr(example, &shown, 0);
    if (code == 0)
        kith_bytes_free(&shown);
    return code;
}

static kith_value *as_example;

static int do_equal(void)
{
    int code = kith_value_equal(example, as_example);
    return code == 1 ? 0 : code == 0 ? -EBADMSG : code;
}

/** Does it again and again, each time with another piece refused. @return how many were */
static unsigned refuse_each(task *work)
{
    for (unsigned n = 1;; n++) {
        shortage_begin(n);
        int code = work();
        bool struck = shortage_end();
        long pieces = shortage.pieces;
        if (!struck) {
            assert_code(code, 0);
            return n - 1;
        }
        assert_explained(code, -ENOMEM);
        assert_int_equal(pieces, 0);
    }
}

static kith_value *make_example(void)
{
    kith_value *value = kith_value_pack(arena, "{i:i}", 1, 2);
    for (int i = 0; i < 100; i++)
        value = kith_value_pack(arena, "[v,v,(s),U]", value, kith_value_pack(arena, "<i>", i), "text", UINT64_MAX);
    kith_value *dict = kith_value_dict(arena);
    for (int i = 0; i < 100; i++)
        assert_code(kith_value_set_item(dict, kith_value_pack(arena, "(i)", i), value), 0);
    return dict;
}

static void every_piece_is_refused(void **state)
{
    (void)state;
    if (refuse_each(do_new) == 0)
        skip();
    example = make_example();
    as_example = make_example();
    assert_true(refuse_each(do_make) > 10);
    assert_true(refuse_each(do_copy) > 10);
    assert_true(refuse_each(do_equal) > 2);
    example = kith_value_at(kith_value_find(example, kith_value_pack(arena, "(i)", 1)), 0);
    assert_true(refuse_each(do_repr) > 10);
}

/** A list in an arena that gets no memory stays as it was, and grows again later. */
static void what_was_there_stays(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *item = integer(1);
    size_t length = 0;
    int code = 0;
    for (; code == 0 && length < 1000000; length += code == 0) {
        shortage_begin(1);
        code = kith_value_append(list, item);
        shortage_end();
    }
    if (code == 0)
        skip();
    assert_code(code, -ENOMEM);
    assert_code(kith_arena_error(arena), -ENOMEM);
    assert_int_equal(kith_value_length(list), length);
    assert_code(kith_value_append(list, item), 0);
    assert_ptr_equal(kith_value_at(list, length), item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(every_piece_is_refused),
        VALUE_TEST(what_was_there_stays),
    };
    return cmocka_run_group_tests_name("value_shortage", tests, NULL, NULL);
}
