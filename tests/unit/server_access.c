/* kith/manager.h: what clients of kith's may do with objects that have restrictions, on every way to them: the socket,
 * the shared page, and a queue in shared memory, which such an object never is. */
#include "served.h"

enum { OFTEN = 2000 }; /* more than what it takes until a client takes a shorter way */

static kith_manager *manager;
static kith_proxy *proxy;
static kith_value *value;

static int begin(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    return 0;
}

static int finish(void **state)
{
    kith_proxy_free(proxy);
    kith_manager_free(manager);
    proxy = NULL;
    manager = NULL;
    return end_server(state);
}

/** Serves, and has a proxy of what was published. */
static void serve_and_ask_for(const char *name)
{
    const kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    serve();
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
    assert_code(kith_manager_create(manager, &proxy, name, KITH_NO_ARGS, NULL), 0);
}

static int call(const char *method, kith_value *args)
{
    return kith_proxy_call(proxy, method, args ? args : kith_value_tuple(arena, NULL, 0), NULL, arena, &value,
                           PATIENCE);
}

static void assert_refused(int code)
{
    assert_code(code, -EACCES);
    assert_string_equal(kith_proxy_exception(), "PermissionError");
}

static void what_is_read_only_is_read(void **state)
{
    (void)state;
    kith_value *one = kith_value_pack(arena, "(s)", "key"), *both = kith_value_pack(arena, "(ss)", "key", "other");
    kith_value *start = kith_value_pack(arena, "({s:s})", "key", "value");
    assert_code(kith_server_publish(server, "conf", "dict", start, NULL, &(kith_access){ .read_only = 1 }), 0);
    serve_and_ask_for("conf");
    for (int i = 0; i < OFTEN; i++) {
        assert_code(call("__getitem__", one), 0);
        assert_refused(call("__setitem__", both));
    }
    assert_refused(call("clear", NULL));
    assert_refused(kith_proxy_set_item(proxy, kith_value_str(arena, "key"), kith_value_none(arena)));
    assert_code(kith_proxy_get_value(proxy, arena, &value), 0);
    assert_int_equal(kith_value_length(value), 1);
}

static void only_what_was_named_is_called(void **state)
{
    (void)state;
    const char *const methods[] = { "put", "qsize" };
    publish("jobs", "Queue", &(kith_access){ .methods = methods, .method_count = 2 });
    serve_and_ask_for("jobs");
    for (int i = 0; i < OFTEN; i++)
        assert_code(kith_proxy_put(proxy, kith_value_int(arena, i), PATIENCE), 0);
    assert_refused(kith_proxy_get(proxy, arena, &value, KITH_NOWAIT));
    assert_refused(call("get_nowait", NULL));
    assert_int_equal(kith_proxy_qsize(proxy), OFTEN);
    assert_int_equal(stats().shared_queues, 0);
}

static void nothing_but_what_was_named_is_told(void **state)
{
    (void)state;
    const char *const methods[] = { "__len__" };
    kith_value *start = kith_value_pack(arena, "([s])", "secret");
    kith_bytes text;
    assert_code(kith_server_publish(server, "list", "list", start, NULL,
                                    &(kith_access){ .methods = methods, .method_count = 1 }),
                0);
    serve_and_ask_for("list");
    assert_code(call("__len__", NULL), 0);
    assert_refused(kith_proxy_get_value(proxy, arena, &value));
    assert_code(kith_proxy_repr(proxy, &text), 0);
    assert_null(strstr(text.data, "secret"));
    kith_bytes_free(&text);
}

static void the_value_can_be_named(void **state)
{
    (void)state;
    const char *const methods[] = { "#GETVALUE", "__repr__" };
    kith_bytes text;
    publish("list", "list", &(kith_access){ .methods = methods, .method_count = 2 });
    serve_and_ask_for("list");
    assert_code(kith_proxy_get_value(proxy, arena, &value), 0);
    assert_code(kith_proxy_repr(proxy, &text), 0);
    assert_string_equal(text.data, "[]");
    kith_bytes_free(&text);
    assert_refused(call("__len__", NULL));
}

static void a_condition_does_not_evade_its_locks_restrictions(void **state)
{
    (void)state;
    kith_proxy *condition = NULL;
    publish("lock", "Lock", &(kith_access){ .read_only = 1 });
    serve_and_ask_for("lock");
    kith_value *args = kith_value_pack(arena, "(v)", kith_proxy_value(proxy, arena));
    assert_true(kith_manager_create(manager, &condition, "Condition", args, NULL) < 0);
    assert_null(condition);
    assert_refused(kith_proxy_acquire(proxy, KITH_NOWAIT));
}

static void restrictions_name_methods(void **state)
{
    (void)state;
    const char *const wrong[] = { "append", "put" };
    assert_explained(kith_server_publish(server, "list", "list", KITH_NO_ARGS, NULL,
                                         &(kith_access){ .methods = wrong, .method_count = 2 }),
                     -ENOENT);
    publish("list", "list", NULL); /* the name is free still */
}

#define ACCESS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCESS_TEST(what_is_read_only_is_read),
        ACCESS_TEST(only_what_was_named_is_called),
        ACCESS_TEST(nothing_but_what_was_named_is_told),
        ACCESS_TEST(the_value_can_be_named),
        ACCESS_TEST(a_condition_does_not_evade_its_locks_restrictions),
        ACCESS_TEST(restrictions_name_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
