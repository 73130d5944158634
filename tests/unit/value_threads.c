/* kith/value.h: several threads that read the same values. What they may write meanwhile, hashes, is for
 * ThreadSanitizer to see. */
#include "values.h"

#include <pthread.h>

enum { READERS = 4, KEYS = 200 };

static kith_value *dict, *small, *other, *keys[KEYS];

/** @return NULL; the argument when something was not as it has to be */
static void *read_all(void *argument)
{
    for (int64_t i = 0; i < KEYS; i++) {
        int64_t number = -1;
        if (kith_value_as_int(kith_value_find(dict, keys[i]), &number) < 0 || number != i)
            return argument;
        kith_value_find(small, keys[i]);
    }
    kith_arena *own;
    if (kith_arena_new(&own) < 0)
        return argument;
    int same = kith_value_equal(kith_value_copy(own, dict), dict);
    kith_arena_free(own);
    if (same != 1)
        return argument;
    kith_bytes shown;
    if (kith_value_equal(dict, other) != 1 || kith_value_repr(dict, &shown, 1000) < 0)
        return argument;
    size_t size = shown.size;
    kith_bytes_free(&shown);
    return size == 1000 ? NULL : argument;
}

static void several_threads_read(void **state)
{
    (void)state;
    dict = kith_value_dict(arena);
    other = kith_value_dict(arena);
    small = kith_value_pack(arena, "<(i),s>", 1, "a");
    for (int i = 0; i < KEYS; i++) {
        assert_code(kith_value_set_item(dict, kith_value_pack(arena, "((i),s)", i, "key"), integer(i)), 0);
        assert_code(kith_value_set_item(other, kith_value_pack(arena, "((i),s)", i, "key"), integer(i)), 0);
        keys[i] = kith_value_pack(arena, "((i),s)", i, "key"); /* not hashed yet: the readers will all do it */
    }
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, dict), 0);
    for (int i = 0; i < READERS; i++) {
        void *result;
        assert_int_equal(pthread_join(readers[i], &result), 0);
        assert_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { VALUE_TEST(several_threads_read) };
    return cmocka_run_group_tests_name("value_threads", tests, NULL, NULL);
}
