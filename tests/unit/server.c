/* kith/manager.h: a server's making, its types and published objects, its beginning and its end. */
#include "served.h"

#include "apart.h"

#include <signal.h>

static const kith_server_options defaults = { .listener = { .authkey = KEY, .authkey_size = 6 } };

static void test_new_refuses(void **state)
{
    (void)state;
    kith_server *made = NULL;
    assert_explained(kith_server_new(NULL, "unix:@kith-a", &defaults), -EINVAL);
    assert_explained(kith_server_new(&made, NULL, &defaults), -EINVAL);
    assert_explained(kith_server_new(&made, "unix:@kith-a", NULL), -EINVAL);
    assert_explained(kith_server_new(&made, "unix:@kith-a", &(kith_server_options){ 0 }), -EINVAL);
    assert_explained(kith_server_new(&made, "unix:/no/such/folder/at/all", &defaults), -ENOENT);
    assert_null(made);
    assert_explained(kith_server_stop(NULL), -EINVAL);
    assert_explained(kith_server_run(NULL), -EINVAL);
    assert_string_equal(kith_server_address(NULL), "");
    kith_server_free(NULL);
}

static void test_publish_refuses(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    publish("jobs", "dict", NULL);
    assert_explained(kith_server_publish(server, "jobs", "dict", KITH_NO_ARGS, NULL, NULL), -EEXIST);
    assert_explained(kith_server_publish(server, "other", "nothing", KITH_NO_ARGS, NULL, NULL), -ENOENT);
    assert_explained(kith_server_publish(server, NULL, "dict", KITH_NO_ARGS, NULL, NULL), -EINVAL);
    assert_explained(kith_server_publish(server, "other", "dict", NULL, NULL, NULL), -EINVAL);
    assert_explained(kith_server_publish(server, "other", "dict", kith_value_pack(arena, "(i)", 5), NULL, NULL),
                     KITH_ETYPE);
    const char *const methods[] = { "get", "no_such_method" };
    kith_access access = { .methods = methods, .method_count = 2 };
    assert_explained(kith_server_publish(server, "other", "dict", KITH_NO_ARGS, NULL, &access), -ENOENT);
    assert_int_equal(stats().objects, 1);
}

static void test_register_refuses(void **state)
{
    (void)state;
    static const kith_method none[] = { { .name = NULL } };
    static const kith_type dict = { .name = "dict", .methods = none }, own = { .name = "own", .methods = none };
    make_server(NULL, (kith_server_options){ 0 });
    assert_explained(kith_server_register(server, &dict), -EEXIST);
    assert_code(kith_server_register(server, &own), 0);
    assert_explained(kith_server_register(server, &own), -EEXIST);
    assert_explained(kith_server_register(server, NULL), -EINVAL);
    assert_explained(kith_server_register(server, &(kith_type){ .name = "bare" }), -EINVAL);
    const kith_method hollow[] = { { .name = "add" }, { .name = NULL } };
    assert_explained(kith_server_register(server, &(kith_type){ .name = "hollow", .methods = hollow }), -EINVAL);
}

static void test_published(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    publish("get_event", "Event", NULL);
    publish("dict", "list", NULL); /* hides the type */
    serve();
    kith_connection *line = dial_line();
    const char *first = create("get_event", NULL), *second = create("get_event", NULL);
    assert_string_equal(first, second);
    ask(line, first, "set", NULL);
    assert_true(is_true(ask(line, second, "is_set", NULL)));
    ask(line, create("dict", NULL), "append", kith_value_pack(arena, "(i)", 1));
    kith_connection_free(line);
}

static void test_access(void **state)
{
    (void)state;
    static const char *const methods[] = { "is_set", "set" };
    make_server(NULL, (kith_server_options){ 0 });
    publish("seen", "Event", &(kith_access){ .read_only = 1 });
    publish("rung", "Event", &(kith_access){ .methods = methods, .method_count = 2 });
    serve();
    kith_connection *line = dial_line();
    const char *seen = create("seen", NULL), *rung = create("rung", NULL);
    assert_error(ask_for_reply(line, seen, "set", NULL), "builtins", "PermissionError");
    assert_false(is_true(ask(line, seen, "is_set", NULL)));
    ask(line, rung, "set", NULL);
    assert_error(ask_for_reply(line, rung, "clear", NULL), "builtins", "PermissionError");
    assert_true(is_true(ask(line, rung, "is_set", NULL)));
    kith_connection_free(line);
}

static void test_stop_before_run(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    assert_code(kith_server_stop(server), 0);
    assert_code(kith_server_run(server), 0);
    serve(); /* it can run again */
    assert_int_equal(number_of_objects(), 0);
}

static void stop_by_signal(int number)
{
    (void)number;
    kith_server_stop(server);
}

static void test_stop_by_signal(void **state)
{
    (void)state;
    struct sigaction before, action = { .sa_handler = stop_by_signal };
    make_server(NULL, (kith_server_options){ 0 });
    serve();
    assert_int_equal(number_of_objects(), 0);
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    assert_code(await_end(), 0);
    sigaction(SIGUSR1, &before, NULL);
}

/** Clients that wait see the end; what the server has published is there when it runs again. */
static void test_stop_ends_waits(void **state)
{
    (void)state;
    kith_value *value;
    make_server(NULL, (kith_server_options){ 0 });
    publish("get_event", "Event", NULL);
    serve();
    kith_connection *line = dial_line();
    const char *event = create("get_event", NULL);
    send_request(line, event, "wait", NULL, NULL);
    wait_until(stats().waiting == 1);
    assert_code(kith_server_stop(server), 0);
    assert_code(await_end(), 0);
    assert_code(kith_connection_recv_value(line, arena, &value, PATIENCE), KITH_EEOF);
    kith_connection_free(line);
    assert_int_equal(stats().waiting, 0);
    assert_int_equal(stats().clients, 0);
    serve();
    line = dial_line();
    assert_false(is_true(ask(line, event, "is_set", NULL)));
    kith_connection_free(line);
}

static void test_shutdown(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    serve();
    assert_int_equal(kith_value_kind(ask_server("shutdown", NULL).value), KITH_NONE);
    assert_code(await_end(), 0);
}

static void test_no_shutdown(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ .no_shutdown = 1 });
    serve();
    assert_traceback(ask_server("shutdown", NULL), "PermissionError: ");
    assert_int_equal(number_of_objects(), 0);
}

static int run_in_child(void)
{
    EXPECT(kith_server_run(server) == KITH_ECLOSED);
    kith_server_free(server);
    _exit(0); /* what the thread of the server had at hand is lost in this process */
}

/** What a forked child does with its copy of the handle is nothing to the server. */
static void test_child(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    publish("get_event", "Event", NULL);
    serve();
    kith_connection *line = dial_line();
    const char *event = create("get_event", NULL);
    assert_int_equal(apart(run_in_child), 0);
    assert_false(is_true(ask(line, event, "is_set", NULL)));
    kith_connection_free(line);
    wait_until(stats().clients == 0); /* its socket is watched still */
}

static void test_leaves_nothing(void **state)
{
    (void)state;
    int before = descriptors();
    make_server("tcp:127.0.0.1:0", (kith_server_options){ 0 });
    publish("get_event", "Event", NULL);
    serve();
    kith_connection *line = dial_line();
    create("dict", NULL);
    assert_int_equal(end_server(NULL), 0);
    kith_connection_free(line);
    assert_int_equal(descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_refuses),
        cmocka_unit_test_teardown(test_publish_refuses, end_server),
        cmocka_unit_test_teardown(test_register_refuses, end_server),
        cmocka_unit_test_teardown(test_published, end_server),
        cmocka_unit_test_teardown(test_access, end_server),
        cmocka_unit_test_teardown(test_stop_before_run, end_server),
        cmocka_unit_test_teardown(test_stop_by_signal, end_server),
        cmocka_unit_test_teardown(test_stop_ends_waits, end_server),
        cmocka_unit_test_teardown(test_shutdown, end_server),
        cmocka_unit_test_teardown(test_no_shutdown, end_server),
        cmocka_unit_test_teardown(test_child, end_server),
        cmocka_unit_test_teardown(test_leaves_nothing, end_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
