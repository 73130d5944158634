/* What clients with the key ask of a server's built-in types to hold it up, or to bring it down: each is refused, or
 * answered soon, for one loop serves all. Without the bounds that are tested here most of these take minutes. */
#include "kinds.h"

#include <malloc.h>
#include <math.h>
#include <string.h>

static kith_connection *client;

static int begin(void **state)
{
    int code = set_up(state);
    if (code == 0)
        client = join();
    return code;
}

#define assert_call(wanted, ...) assert_string_equal(call(client, __VA_ARGS__), wanted)

/* A list of count items that one function makes. */
static kith_value *items(int count, kith_value *(*make)(int number))
{
    kith_value *list = kith_value_list(arena);
    for (int i = 0; i < count; i++)
        assert_code(kith_value_append(list, make(i)), 0);
    return list;
}

/* ---- keys ---- */

static kith_value *nan_value(int number)
{
    (void)number;
    return kith_value_float(arena, NAN);
}

static void nans_are_as_quick_as_other_keys(void **state)
{
    (void)state;
    const char *set = create(client, "set", "()");
    assert_call("None", set, "update", "(v)", items(20000, nan_value));
    assert_call("20000", set, "__len__", "()");
}

/* An object in an object, again and again: a hash does not look so deep. */
static kith_value *deep_object(int number)
{
    kith_value *class = kith_object_global(arena, "m", "C"), *value = kith_value_int(arena, number);
    for (int i = 0; i < 20; i++)
        value = kith_object_call(arena, class, kith_value_tuple(arena, &value, 1));
    return value;
}

static void keys_that_can_hardly_be_told_apart_are_few(void **state)
{
    (void)state;
    const char *set = create(client, "set", "()");
    assert_call("None", set, "update", "(v)", items(60, deep_object));
    assert_call("60", set, "__len__", "()");
    assert_call("None", set, "add", "(v)", deep_object(7));
    const char *said = call(client, set, "update", "(v)", items(2000, deep_object));
    assert_non_null(strstr(said, "can hardly be told from this one"));
}

/* ---- searching ---- */

static kith_value *pair_of(int number)
{
    return kith_value_pack(arena, "(i,i)", number, number);
}

static void what_is_sought_is_read_once(void **state)
{
    (void)state;
    const char *list = create(client, "list", "(v)", items(1000, pair_of));
    kith_value *needle = items(100000, pair_of);
    assert_call("False", list, "__contains__", "(v)", needle);
    assert_call("0", list, "count", "(v)", needle);
    assert_call("None", list, "append", "(v)", needle);
    assert_call("1000", list, "index", "(v)", needle);
    assert_call("999", list, "index", "((i,i))", 999, 999);
}

/* ---- little that asks for much ---- */

static void copies_of_what_is_kept_once_are_bounded(void **state)
{
    (void)state;
    char *text = calloc(1, 1000001);
    memset(text, 'x', 1000000);
    const char *list = create(client, "list", "()");
    assert_call("None", list, "append", "(s)", text);
    free(text);
    const char *refused = "MemoryError('of what is kept once, copies of at most 134217728 bytes are handed out')";
    assert_call(refused, list, "__imul__", "(i)", 1000);
    assert_call(refused, list, "__mul__", "(i)", 1000);
    assert_call("1", list, "__len__", "()");
    for (int i = 0; i < 8; i++)
        assert_call("None", list, "extend", "(v)", proxy(list));
    assert_call(refused, list, "copy", "()");
    assert_call(refused, list, "__repr__", "()");
    assert_call("MemoryError('a list has at most 4194304 items here')", list, "__imul__", "(i)", 1 << 20);
    assert_call("256", list, "__len__", "()");
}

static void ranges_go_to_the_ends_of_what_a_number_can_be(void **state)
{
    (void)state;
    const char *list = create(client, "list", "()");
    kith_value *range = kith_object_call(arena, kith_object_global(arena, "builtins", "range"),
                                         kith_value_pack(arena, "(I,I,I)", INT64_MIN, INT64_MAX, INT64_C(1) << 62));
    assert_call("None", list, "extend", "(v)", range);
    assert_call("[-9223372036854775808, -4611686018427387904, 0, 4611686018427387904]", list, "copy", "()");
}

/* What is handed out is held for a while; but not once more each time. With a sanitizer's malloc this tells nothing. */
static void what_is_handed_out_again_takes_no_more_memory(void **state)
{
    (void)state;
    char list[20]; /* longer than the arena's */
    snprintf(list, sizeof list, "%s", create(client, "list", "()"));
    for (int i = 0; i < 100; i++)
        assert_call("None", list, "append", "(v)", proxy(create(client, "list", "()")));
    size_t before = 0;
    for (int i = 0; i < 2000; i++) {
        kith_bytes reply = { 0 };
        ask(client, list, "copy", "()");
        assert_code(kith_connection_recv(client, &reply, KITH_SECONDS(60)), 0);
        kith_bytes_free(&reply);
        kith_arena_reset(arena);
        if (i == 10)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks < before + 1000000);
}

/* ---- objects that go while they are used ---- */

/* Of each: what is updated holds the last proxy of what it is updated from, under the first key. */
static void an_update_may_take_away_what_it_comes_from(void **state)
{
    (void)state;
    kith_value *pairs = kith_value_pack(arena, "[(s,i),(s,i)]", "a", 1, "b", 2);
    const char *const types[] = { "dict", "list" };
    for (size_t i = 0; i < 2; i++) {
        const char *source = create(client, types[i], "(v)", pairs), *dict = create(client, "dict", "()");
        assert_call("None", dict, "__setitem__", "(s,v)", "a", proxy(source));
        assert_call("None", "", "decref", "(s)", source);
        assert_call("None", dict, "update", "(v)", proxy(source));
        assert_call("{'a': 1, 'b': 2}", dict, "copy", "()");
        assert_int_equal(stats().objects, i + 1);
    }
}

/* A client's part of a queue in shared memory. */
static kith_queue *take_share(kith_connection *of, const char *id)
{
    kith_queue *queue;
    int files[2];
    ask(of, "", "kith_share", "(s)", id);
    for (int i = 0; i < 2; i++) /* the queue's own, and the note's */
        assert_code(kith_connection_recv_fd(of, &files[i], KITH_SECONDS(60)), 0);
    assert_string_equal(answer(of), "True");
    assert_code(kith_queue_from_fd(&queue, files[0]), 0);
    close(files[1]);
    return queue;
}

/* A call that waits is all that holds a queue. Room is made for it in shared memory, by one who ends then. */
static void a_queue_may_end_with_the_call_that_waited_for_it(void **state)
{
    (void)state;
    char message[20];
    size_t size;
    kith_connection *other = join();
    assert_string_equal(call(other, "", "kith_hello", "()"), call(client, "", "kith_hello", "()"));
    const char *first = create(client, "Queue", "()"), *id = create(client, "Queue", "(i)", 1);
    kith_queue *queue = take_share(other, id);
    kith_queue_free(take_share(other, first));
    assert_call("None", id, "put", "(i)", 1);
    ask(client, id, "put", "(i)", 2);
    until_waiting(1);
    assert_string_equal(call(other, "", "decref", "(s)", first), "None");
    assert_string_equal(call(other, "", "decref", "(s)", id), "None");
    assert_code(kith_queue_get(queue, message, sizeof message, &size, KITH_NOWAIT), 0);
    leave(other);
    assert_string_equal(answer(client), "None");
    assert_call("None", "", "dummy", "()"); /* behind all that the end of the other has led to */
    assert_int_equal(stats().shared_queues, 0);
    assert_int_equal(stats().objects, 0);
    kith_queue_free(queue);
}

#define HOSTILE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(nans_are_as_quick_as_other_keys),
        HOSTILE_TEST(keys_that_can_hardly_be_told_apart_are_few),
        HOSTILE_TEST(what_is_sought_is_read_once),
        HOSTILE_TEST(copies_of_what_is_kept_once_are_bounded),
        HOSTILE_TEST(what_is_handed_out_again_takes_no_more_memory),
        HOSTILE_TEST(ranges_go_to_the_ends_of_what_a_number_can_be),
        HOSTILE_TEST(a_queue_may_end_with_the_call_that_waited_for_it),
        HOSTILE_TEST(an_update_may_take_away_what_it_comes_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
