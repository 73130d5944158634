/* kith/manager.h: what a server bounds: clients, objects, memory, creation; and what idle clients cost it. */
#include "served.h"

#include <malloc.h>

static void begin_with(kith_server_options options)
{
    make_server(NULL, options);
    publish("get_list", "list", NULL);
    serve();
}

/** One client too many is turned away; when another one has gone, the next may come. */
static void test_clients(void **state)
{
    (void)state;
    kith_value *value;
    begin_with((kith_server_options){ .max_clients = 2 });
    kith_connection *first = dial_line(), *second = dial_line(), *third = dial();
    assert_code(kith_connection_recv_value(third, arena, &value, PATIENCE), KITH_EEOF);
    kith_connection_free(third);
    assert_int_equal(stats().clients, 2);
    kith_connection_free(first);
    wait_until(stats().clients == 1);
    assert_int_equal(number_of_objects(), 0);
    kith_connection_free(second);
}

static void test_objects(void **state)
{
    (void)state;
    begin_with((kith_server_options){ .max_objects = 2 });
    const char *ident = create("dict", NULL);
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "dict")), "MemoryError: ");
    ask_server("decref", kith_value_pack(arena, "(s)", ident));
    create("dict", NULL);
    assert_int_equal(stats().objects, 2);
}

static void test_memory(void **state)
{
    (void)state;
    static char text[10001];
    begin_with((kith_server_options){ .max_memory = 25000 });
    memset(text, 'z', sizeof text - 1);
    kith_connection *line = dial_line();
    const char *list = create("get_list", NULL);
    kith_value *args = kith_value_pack(arena, "(s)", text);
    ask(line, list, "append", args);
    ask(line, list, "append", args);
    assert_true(stats().memory > 20000);
    assert_error(ask_for_reply(line, list, "append", args), "builtins", "MemoryError");
    assert_int_equal(as_int(ask(line, list, "__len__", NULL)), 2);
    ask(line, list, "clear", NULL);
    ask(line, list, "append", args);
    kith_connection_free(line);
}

static void test_only_published(void **state)
{
    (void)state;
    begin_with((kith_server_options){ .only_published = 1 });
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "dict")), "PermissionError: ");
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "nothing")), "KeyError: 'nothing'\n");
    create("get_list", NULL);
    assert_int_equal(stats().objects, 1);
}

/** After a long message a client costs the server no more than before. */
static void test_silent_clients(void **state)
{
    (void)state;
    begin_with((kith_server_options){ .max_clients = 2, .listener.handshake_timeout = KITH_MS(500) });
    kith_connection *silent = dial(), *lasting = dial_line();
    kith_bytes nothing;
    assert_code(kith_connection_recv(silent, &nothing, PATIENCE), KITH_EEOF);
    kith_connection_free(silent);
    ask(lasting, "", "dummy", NULL);
    kith_connection *next = dial_line(); /* there is a place */
    ask(lasting, "", "dummy", NULL);
    kith_connection_free(next);
    kith_connection_free(lasting);
}

static void test_idle_clients(void **state)
{
    (void)state;
    enum { CLIENTS = 100, MOST = 8192 /* bytes */ };
    static char text[100001];
    kith_connection *lines[CLIENTS];
    begin_with((kith_server_options){ 0 });
    memset(text, 'z', sizeof text - 1);
    const char *list = create("get_list", NULL);
    kith_value *args = kith_value_pack(arena, "(s)", text);
    for (int i = 0; i < CLIENTS; i++)
        lines[i] = dial_line();
    ask(lines[0], list, "count", args);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < CLIENTS; i++)
        ask(lines[i], list, "count", args);
    size_t after = mallinfo2().uordblks;
    /* The clients are in this process, too, with what they keep. */
    assert_true(after < before + CLIENTS * (size_t)MOST);
    for (int i = 0; i < CLIENTS; i++)
        kith_connection_free(lines[i]);
    wait_until(stats().clients == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_clients, end_server),
        cmocka_unit_test_teardown(test_objects, end_server),
        cmocka_unit_test_teardown(test_memory, end_server),
        cmocka_unit_test_teardown(test_only_published, end_server),
        cmocka_unit_test_teardown(test_silent_clients, end_server),
        cmocka_unit_test_teardown(test_idle_clients, end_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
