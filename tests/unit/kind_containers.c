/* The types list, dict, set, Namespace, Value and Array of a server: what they keep, hold, and give back. What their
 * methods do is compared with Python's own by tests/interop/containers.py. */
#include "kinds.h"

#include <stdbool.h>
#include <string.h>

static kith_connection *client;

static int begin(void **state)
{
    int code = set_up(state);
    if (code == 0)
        client = join();
    return code;
}

static int begin_small(void **state)
{
    (void)state;
    int code = set_up_with((kith_server_options){ .max_memory = 20000 });
    if (code == 0)
        client = join();
    return code;
}

/** A server whose stack is not large. */
static int begin_narrow(void **state)
{
    pthread_attr_t usual, narrow;
    if (pthread_getattr_default_np(&usual) != 0 || pthread_attr_init(&narrow) != 0)
        return -1;
    pthread_attr_setstacksize(&narrow, 512 * 1024);
    pthread_setattr_default_np(&narrow);
    int code = begin(state);
    pthread_setattr_default_np(&usual);
    pthread_attr_destroy(&narrow);
    pthread_attr_destroy(&usual);
    return code;
}

/** Gives back the reference that create gave. */
static void release(const char *id)
{
    assert_string_equal(call(client, "", "decref", "(s)", id), "None");
}

#define assert_call(wanted, ...) assert_string_equal(call(client, __VA_ARGS__), wanted)

/** Whether an answer begins so. */
static void assert_begins(const char *answer, const char *beginning)
{
    if (strncmp(answer, beginning, strlen(beginning)) != 0)
        fail_msg("%s is not %s...", answer, beginning);
}

/* ---- memory ---- */

static void a_list_counts_what_it_keeps(void **state)
{
    (void)state;
    const char *list = create(client, "list", "()");
    for (int i = 0; i < 100; i++)
        assert_call("None", list, "append", "([i])", i);
    assert_true(stats().memory > 100 * sizeof(void *));
    assert_call("None", list, "__delitem__", "(i)", 3);
    assert_call("None", list, "__setitem__", "(i,s)", 3, "other");
    assert_call("None", list, "insert", "(i,s)", 3, "other");
    assert_call("None", list, "extend", "([i,i])", 1, 2);
    assert_call("None", list, "remove", "(s)", "other");
    assert_call("2", list, "pop", "()");
    assert_begins(call(client, list, "sort", "()"), "TypeError(");
    assert_call("None", list, "clear", "()");
    assert_int_equal(stats().memory, 0);
    assert_call("None", list, "extend", "([i,i])", 1, 2);
    release(list);
    assert_int_equal(stats().memory, 0);
}

static void a_dict_counts_what_it_keeps(void **state)
{
    (void)state;
    const char *dict = create(client, "dict", "({s:i})", "a", 1);
    for (int i = 0; i < 100; i++)
        assert_call("None", dict, "__setitem__", "(i,[i])", i % 70, i);
    assert_true(stats().memory > 70 * sizeof(void *));
    assert_call("[70]", dict, "setdefault", "(i,i)", 0, 5);
    assert_call("5", dict, "setdefault", "(i,i)", 1000, 5);
    assert_call("5", dict, "pop", "(i)", 1000);
    assert_call("(69, [69])", dict, "popitem", "()");
    assert_call("None", dict, "update", "({i:i,s:i})", 1, 2, "a", 3);
    assert_call("None", dict, "__delitem__", "(s)", "a");
    assert_begins(call(client, dict, "update", "([(i,i), i])", 1, 2, 3), "TypeError(");
    assert_call("None", dict, "clear", "()");
    assert_int_equal(stats().memory, 0);
    assert_call("None", dict, "__setitem__", "(i,[i])", 1, 2);
    release(dict);
    assert_int_equal(stats().memory, 0);
}

static void others_count_what_they_keep(void **state)
{
    (void)state;
    const char *set = create(client, "set", "([i,i,i])", 1, 2, 3), *value = create(client, "Value", "(s,s)", "i", "v");
    const char *space = create(client, "Namespace", "()"), *array = create(client, "Array", "(s,[i,i])", "i", 1, 2);
    assert_call("None", set, "add", "(i)", 3);
    assert_call("{1, 2, 3}", set, "union", "([i])", 3);
    assert_call("None", set, "symmetric_difference_update", "([i,i])", 3, 4);
    assert_call("None", set, "intersection_update", "([i,i])", 4, 1);
    assert_call("None", value, "set", "(s)", "other");
    assert_call("None", space, "__setattr__", "(s,i)", "x", 1);
    assert_call("None", space, "__setattr__", "(s,i)", "x", 2);
    assert_begins(call(client, array, "__setitem__", "(i,s)", 0, "no number"), "TypeError(");
    assert_true(stats().memory > 0);
    release(set);
    release(value);
    release(space);
    release(array);
    assert_int_equal(stats().memory, 0);
}

static void constructors_that_fail_leave_nothing(void **state)
{
    (void)state;
    static const char *const types[] = { "list", "dict", "set" };
    for (int i = 0; i < 3; i++)
        assert_begins(call(client, "", "create", "(s,i)", types[i], 3), "TypeError: 'int' object is not iterable");
    assert_begins(call(client, "", "create", "(s,[i,[]])", "set", 3), "TypeError: unhashable type: 'list'");
    assert_begins(call(client, "", "create", "(s,[(i,i),i])", "dict", 1, 2, 3), "TypeError: cannot convert");
    assert_begins(call(client, "", "create", "(s,s,[i,i])", "Array", "b", 1, 1000), "OverflowError: ");
    assert_int_equal(stats().memory, 0);
    assert_int_equal(stats().objects, 0);
}

static void no_more_is_kept_than_is_allowed(void **state)
{
    (void)state;
    char bytes[15000] = "";
    const char *list = create(client, "list", "()"), *dict = create(client, "dict", "()");
    assert_call("None", list, "append", "(y)", bytes, sizeof bytes);
    assert_begins(call(client, list, "append", "(y)", bytes, sizeof bytes), "MemoryError(");
    assert_begins(call(client, list, "__setitem__", "(i,y)", 0, bytes, sizeof bytes), "MemoryError(");
    assert_begins(call(client, dict, "__setitem__", "(i,y)", 0, bytes, sizeof bytes), "MemoryError(");
    assert_begins(call(client, list, "__imul__", "(i)", 10000), "MemoryError(");
    assert_begins(call(client, "", "create", "(s,s,y)", "Array", "i", bytes, sizeof bytes - sizeof bytes % 4),
                  "MemoryError: ");
    assert_call("1", list, "__len__", "()");
    assert_call("0", dict, "__len__", "()");
    assert_call("None", list, "clear", "()");
    assert_call("None", dict, "__setitem__", "(i,y)", 0, bytes, sizeof bytes);
}

/* ---- objects that hold others ---- */

static void an_object_lives_as_long_as_another_holds_it(void **state)
{
    (void)state;
    const char *inner = create(client, "list", "([i])", 1), *outer = create(client, "dict", "()");
    assert_call("None", outer, "__setitem__", "(s,[v])", "in", proxy(inner));
    release(inner);
    assert_int_equal(stats().objects, 2);
    assert_call("[1]", inner, "copy", "()");
    assert_call("None", outer, "__setitem__", "(s,i)", "in", 0);
    assert_int_equal(stats().objects, 1);
    assert_begins(call(client, inner, "copy", "()"), "KeyError");
}

static void what_is_taken_out_lives_until_its_taker_has_it(void **state)
{
    (void)state;
    const char *inner = create(client, "list", "([i])", 1), *dict = create(client, "dict", "()");
    const char *list = create(client, "list", "()"), *other = create(client, "list", "([i])", 2);
    assert_call("None", dict, "__setitem__", "(s,v)", "in", proxy(inner));
    assert_call("None", list, "append", "(v)", proxy(other));
    release(inner);
    release(other);
    assert_begins(call(client, dict, "popitem", "()"), "('in', multiprocessing.managers.RebuildProxy(");
    assert_call("[1]", inner, "copy", "()");
    assert_begins(call(client, list, "pop", "()"), "multiprocessing.managers.RebuildProxy(");
    assert_call("[2]", other, "copy", "()");
}

static void proxies_stand_for_what_they_have(void **state)
{
    (void)state;
    const char *inner = create(client, "list", "([i,s])", 1, "a");
    const char *list = create(client, "list", "(v)", proxy(inner)), *set = create(client, "set", "(v)", proxy(list));
    assert_call("[1, 'a']", list, "copy", "()");
    assert_call("2", set, "__len__", "()");
    assert_call("None", list, "extend", "(v)", proxy(list));
    assert_call("[1, 'a', 1, 'a']", list, "copy", "()");
    const char *dict = create(client, "dict", "({i:i})", 1, 2), *other = create(client, "dict", "(v)", proxy(dict));
    assert_call("{1: 2}", other, "copy", "()");
    assert_call("None", other, "update", "(v)", proxy(other));
    const char *array = create(client, "Array", "(s,[i,i])", "h", 7, -8);
    assert_call("None", list, "extend", "(v)", proxy(array));
    assert_call("[1, 'a', 1, 'a', 7, -8]", list, "copy", "()");
}

static void a_long_chain_of_objects_ends(void **state)
{
    (void)state;
    enum { LENGTH = 10000, AT_ONCE = 100 }; /* more than its stack would take */
    char last[32];
    snprintf(last, sizeof last, "%s", create(client, "list", "()"));
    for (int i = 0; i < LENGTH; i += AT_ONCE) {
        kith_arena_reset(arena);
        for (int k = 0; k < AT_ONCE; k++) {
            const char *next = create(client, "list", "([v])", proxy(last));
            release(last);
            snprintf(last, sizeof last, "%s", next);
        }
    }
    assert_int_equal(stats().objects, LENGTH + 1);
    release(last); /* on it hang all the others */
    assert_int_equal(stats().objects, 0);
    assert_int_equal(stats().memory, 0);
}

/* ---- iterators ---- */

static void an_iterator_holds_what_it_goes_through(void **state)
{
    (void)state;
    const char *kind, *id, *dict = create(client, "dict", "({i:i,i:i})", 1, 2, 3, 4);
    ask(client, dict, "__iter__", "()");
    kith_value *token = kith_value_at(receive(client, &kind), 1);
    assert_string_equal(kind, "#PROXY");
    assert_code(kith_value_unpack(kith_object_state(token), "(_,_,s)", &id), 0);
    release(dict);
    assert_call("1", id, "__next__", "()");
    assert_call("3", id, "__next__", "()");
    assert_int_equal(stats().objects, 2);
    assert_call("StopIteration()", id, "__next__", "()");
    assert_int_equal(stats().objects, 1);
    assert_call("StopIteration()", id, "__next__", "()");
    assert_begins(call(client, id, "send", "(i)", 1), "AttributeError(");
    release(id);
    assert_int_equal(stats().objects, 0);
}

/* ---- snapshots ---- */

static char folder[] = "/tmp/kith-containers-XXXXXX";
static char snapshot[sizeof folder + 16];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(snapshot, sizeof snapshot, "%s/snapshot", folder);
    return 0;
}

static int remove_folder(void **state)
{
    int code = server ? tear_down(state) : 0;
    unlink(snapshot);
    rmdir(folder);
    return code;
}

/** Serves objects of each type, which are those of the snapshot when there is one. */
static void serve_published(void)
{
    static const char *const types[] = { "list", "dict", "set", "Namespace", "Value", "Array" };
    char address[40];
    snprintf(address, sizeof address, "unix:@kith-test-%d", (int)getpid());
    assert_code(start_server(address, &(kith_server_options){ .snapshot = snapshot }), 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[20];
        snprintf(name, sizeof name, "my_%s", types[i]);
        bool is_value = strcmp(types[i], "Value") == 0, is_array = strcmp(types[i], "Array") == 0;
        const kith_value *args = is_value   ? kith_value_pack(arena, "(s,i)", "i", 3)
                                 : is_array ? kith_value_pack(arena, "(s,[i])", "h", 1)
                                            : kith_value_pack(arena, "()");
        assert_code(kith_server_publish(server, name, types[i], args, NULL, NULL), 0);
    }
    assert_code(run_server(), 0);
    client = join();
}

static void end_serving(void)
{
    leave_all();
    stop_server();
    kith_arena_free(arena);
}

/** What is published under a name. @return its id */
static const char *find(const char *name)
{
    return create(client, name, "()");
}

static void all_of_it_comes_back_from_a_snapshot(void **state)
{
    (void)state;
    serve_published();
    assert_call("None", find("my_list"), "extend", "([s,[i],n])", "a", 1);
    assert_call("None", find("my_dict"), "update", "({s:i,(i,s):[]})", "a", 1, 2, "b");
    assert_call("None", find("my_set"), "update", "([s,i])", "a", 1);
    assert_call("None", find("my_Namespace"), "__setattr__", "(s,i)", "x", 1);
    assert_call("None", find("my_Value"), "set", "(s)", "other");
    assert_call("None", find("my_Array"), "__setitem__", "(i,i)", 0, -7);
    end_serving();
    serve_published();
    assert_call("['a', [1], None]", find("my_list"), "copy", "()");
    assert_call("{'a': 1, (2, 'b'): []}", find("my_dict"), "copy", "()");
    assert_call("[]", find("my_dict"), "__getitem__", "((i,s))", 2, "b");
    assert_call("True", find("my_set"), "__ge__", "(<s,i>)", "a", 1);
    assert_call("1", find("my_Namespace"), "__getattribute__", "(s)", "x");
    assert_call("'other'", find("my_Value"), "get", "()");
    assert_call("-7", find("my_Array"), "__getitem__", "(i)", 0);
    assert_call("\"array('h', [-7])\"", find("my_Array"), "__repr__", "()");
    end_serving();
}

/* ---- what is not Python's ---- */

static void what_needs_python_is_refused(void **state)
{
    (void)state;
    const char *list = create(client, "list", "([i])", 1);
    kith_value *key = kith_value_pack(arena, "{s:v}", "key", kith_object_global(arena, "builtins", "len"));
    kith_value *request = kith_value_pack(arena, "(s,s,(),v)", list, "sort", key);
    assert_code(kith_connection_send_value(client, request, KITH_FOREVER), 0);
    assert_begins(answer(client), "TypeError(");
    kith_value *unknown = kith_object_call(arena, kith_object_global(arena, "m", "C"), kith_value_pack(arena, "()"));
    assert_call("TypeError(\"'C' object is not iterable\")", list, "extend", "(v)", unknown);
    assert_call("[1]", list, "copy", "()");
}

#define CONTAINER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTAINER_TEST(a_list_counts_what_it_keeps),
        CONTAINER_TEST(a_dict_counts_what_it_keeps),
        CONTAINER_TEST(others_count_what_they_keep),
        CONTAINER_TEST(constructors_that_fail_leave_nothing),
        cmocka_unit_test_setup_teardown(no_more_is_kept_than_is_allowed, begin_small, tear_down),
        CONTAINER_TEST(an_object_lives_as_long_as_another_holds_it),
        CONTAINER_TEST(what_is_taken_out_lives_until_its_taker_has_it),
        CONTAINER_TEST(proxies_stand_for_what_they_have),
        cmocka_unit_test_setup_teardown(a_long_chain_of_objects_ends, begin_narrow, tear_down),
        CONTAINER_TEST(an_iterator_holds_what_it_goes_through),
        cmocka_unit_test_setup_teardown(all_of_it_comes_back_from_a_snapshot, make_folder, remove_folder),
        CONTAINER_TEST(what_needs_python_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
