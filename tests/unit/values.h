/* What the tests of values have in common: an arena for each test, and values written as Python's repr has them. */
#ifndef KITH_TESTS_UNIT_VALUES_H
#define KITH_TESTS_UNIT_VALUES_H

#include "cmocka_kith.h"

#include <errno.h>
#include <stdlib.h>

static kith_arena *arena;

static inline int set_up_arena(void **state)
{
    (void)state;
    return kith_arena_new(&arena);
}

static inline int tear_down_arena(void **state)
{
    (void)state;
    kith_arena_free(arena);
    return 0;
}

#define VALUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_arena, tear_down_arena)

/** Fails unless kith_value_repr writes the value so. */
#define assert_repr(value, wanted) assert_repr_at((value), (wanted), __FILE__, __LINE__)

static inline void assert_repr_at(const kith_value *value, const char *wanted, const char *file, int line)
{
    kith_bytes text = { NULL, 0 };
    int code = kith_value_repr(value, &text, 0);
    if (code < 0 || strcmp(text.data, wanted) != 0 || text.size != strlen(wanted)) {
        print_error("%s (%s) is not %s; the detail: %s\n", code < 0 ? kith_error_name(code) : (char *)text.data,
                    kith_kind_name(kith_value_kind(value)), wanted, kith_error_detail());
        kith_bytes_free(&text);
        _fail(file, line);
    }
    kith_bytes_free(&text);
}

/** Fails unless a maker has refused, the arena has the code, and the detail says why. */
#define assert_refused(value, code)                      \
    do {                                                 \
        assert_null(value);                              \
        assert_explained(kith_arena_error(arena), code); \
        kith_arena_reset(arena);                         \
    } while (0)

static inline kith_value *integer(int64_t number)
{
    return kith_value_int(arena, number);
}

static inline kith_value *text(const char *of)
{
    return kith_value_str(arena, of);
}

/** A tuple that holds twice what holds twice ... a leaf: written out it is as long as two to its height. */
static inline kith_value *tree_of(kith_value *leaf, int height)
{
    kith_value *tuple = leaf;
    for (int i = 0; i < height; i++)
        tuple = kith_value_tuple(arena, (kith_value *[]){ tuple, tuple }, 2);
    return tuple;
}

/** A list in a list in a list ... : so many. */
static inline kith_value *nest_of_lists(int depth)
{
    kith_value *inner = kith_value_list(arena);
    for (int i = 1; i < depth; i++) {
        kith_value *outer = kith_value_list(arena);
        kith_value_append(outer, inner);
        inner = outer;
    }
    return inner;
}

#endif
