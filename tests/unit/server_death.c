/* kith/manager.h: what becomes of a dead client's references, locks, calls and messages. */
#include "served.h"

#include "apart.h"

#include <signal.h>
#include <sys/socket.h>

static int begin(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    publish("get_queue", "Queue", NULL);
    publish("get_lock", "Lock", NULL);
    serve();
    return 0;
}

static int begin_tcp(void **state)
{
    (void)state;
    make_server("tcp:127.0.0.1:0", (kith_server_options){ 0 });
    publish("get_queue", "Queue", NULL);
    serve();
    return 0;
}

static kith_value *of_ident(const char *ident)
{
    return kith_value_pack(arena, "(s)", ident);
}

/* ---- references ---- */

static const char *object; /* what the child is to use */

/** The child of a fork has an arena of its own, for the other one may be in use. */
static void begin_child(void)
{
    if (kith_arena_new(&arena) < 0)
        _exit(1);
}

static int create_three_and_die(void)
{
    begin_child();
    for (int i = 0; i < 3; i++)
        create("dict", NULL);
    ask_server("incref", of_ident(object));
    return raise(SIGKILL);
}

static void test_process_dies(void **state)
{
    (void)state;
    object = create("dict", NULL);
    assert_int_equal(apart(create_three_and_die), -SIGKILL);
    wait_until(stats().objects == 3);
    wait_until(number_of_objects() == 1);
    assert_int_equal(stats().given_back, 4);
    ask_server("decref", of_ident(object));
    assert_int_equal(number_of_objects(), 0);
}

static int incref_and_die(void)
{
    begin_child();
    ask_server("incref", of_ident(object));
    return raise(SIGKILL);
}

/** What one process has taken, another gives back: it is taken off once. */
static void test_references_of_others(void **state)
{
    (void)state;
    object = create("dict", NULL);
    assert_int_equal(apart(incref_and_die), -SIGKILL);
    wait_until(stats().given_back == 1);
    assert_int_equal(number_of_objects(), 1);
    ask_server("incref", of_ident(object));
    ask_server("decref", of_ident(object));
    ask_server("decref", of_ident(object));
    assert_int_equal(number_of_objects(), 0);
}

/** Over TCP, a kith client's are its line's; those of others stay. */
static void test_lines_of_tcp(void **state)
{
    (void)state;
    kith_connection *line = dial_kith_line();
    ask(line, "", "create", kith_value_pack(arena, "(s)", "dict"));
    const char *other = create("dict", NULL);
    assert_int_equal(number_of_objects(), 2);
    kith_connection_free(line);
    wait_until(number_of_objects() == 1);
    ask_server("decref", of_ident(other));
    assert_int_equal(number_of_objects(), 0);
}

/** The object in a list lives as long as the list holds it, and for a while in a reply. */
static void test_held_by_a_list(void **state)
{
    (void)state;
    kith_connection *line = dial_kith_line();
    const char *list = create("list", NULL), *inner = create("Event", NULL);
    unsigned objects = stats().objects;
    kith_value *class = kith_object_global(arena, "multiprocessing.managers", "Token");
    kith_value *token = kith_object_new(arena, class, kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *parts = kith_value_pack(arena, "(sss)", "Event", kith_server_address(server) + 5, inner);
    char abstract[100];
    snprintf(abstract, sizeof abstract, "%s", kith_server_address(server) + 5);
    abstract[0] = '\0'; /* as Python has the names of abstract sockets */
    parts = kith_value_pack(arena, "(ss#s)", "Event", abstract, strlen(kith_server_address(server) + 5), inner);
    assert_code(kith_object_add_step(token, KITH_STEP_STATE, NULL, parts), 0);
    kith_value *proxy = kith_object_call(
        arena, kith_object_global(arena, "multiprocessing.managers", "RebuildProxy"),
        kith_value_pack(arena, "(vvs{})", kith_object_global(arena, "multiprocessing.managers", "EventProxy"), token,
                        "pickle"));
    ask(line, list, "append", kith_value_pack(arena, "(v)", proxy));
    ask_server("decref", of_ident(inner));
    assert_int_equal(number_of_objects(), 1);
    assert_false(is_true(ask(line, inner, "is_set", NULL)));
    ask(line, list, "pop", NULL);
    assert_false(is_true(ask(line, inner, "is_set", NULL))); /* whoever got it has a minute */
    ask_server("incref", of_ident(inner));
    assert_int_equal(number_of_objects(), 2);
    ask_server("decref", of_ident(inner));
    wait_until(stats().objects == objects - 1); /* that was it */
    kith_connection_free(line);
}

/* ---- locks and calls ---- */

static int acquire_and_die(void)
{
    begin_child();
    ask(dial_line(), create("get_lock", NULL), "acquire", NULL);
    return raise(SIGKILL);
}

static void test_lock_of_the_dead(void **state)
{
    (void)state;
    kith_connection *line = dial_line();
    const char *lock = create("get_lock", NULL);
    assert_int_equal(apart(acquire_and_die), -SIGKILL);
    assert_true(is_true(ask(line, lock, "acquire", NULL)));
    kith_connection_free(line);
}

static void test_lock_of_a_line(void **state)
{
    (void)state;
    kith_connection *first = dial_kith_line(), *second = dial_line();
    const char *lock = create("get_lock", NULL);
    assert_true(is_true(ask(first, lock, "acquire", NULL)));
    send_request(second, lock, "acquire", NULL, NULL);
    wait_until(stats().waiting == 1);
    kith_connection_free(first);
    assert_true(is_true(receive_reply(second).value));
    kith_connection_free(second);
}

/** CPython closes a line when it thinks that it needs none any more, and opens another: the lock stays. */
static void test_lock_between_lines(void **state)
{
    (void)state;
    kith_connection *first = dial_line(), *other = dial_line(), *second = dial_line();
    const char *lock = create("get_lock", NULL);
    assert_true(is_true(ask(first, lock, "acquire", NULL)));
    kith_connection_free(first);
    wait_until(stats().clients == 2);
    assert_false(is_true(ask(other, lock, "acquire", kith_value_pack(arena, "(b)", 0))));
    ask(second, lock, "release", NULL);
    assert_true(is_true(ask(other, lock, "acquire", NULL)));
    kith_connection_free(other);
    kith_connection_free(second);
}

static void test_keep_locks(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ .keep_locks = 1 });
    publish("get_lock", "Lock", NULL);
    serve();
    kith_connection *first = dial_line(), *second = dial_line();
    const char *lock = create("get_lock", NULL);
    assert_true(is_true(ask(first, lock, "acquire", NULL)));
    kith_connection_free(first);
    wait_until(stats().clients == 1);
    assert_false(is_true(ask(second, lock, "acquire", kith_value_pack(arena, "(b)", 0))));
    kith_connection_free(second);
}

/** A call that waits is forgotten with its client: the lock goes to the next. */
static void test_waiting_client_dies(void **state)
{
    (void)state;
    kith_connection *holder = dial_line(), *dead = dial_line(), *next = dial_line();
    const char *lock = create("get_lock", NULL);
    assert_true(is_true(ask(holder, lock, "acquire", NULL)));
    send_request(dead, lock, "acquire", NULL, NULL);
    wait_until(stats().waiting == 1);
    send_request(next, lock, "acquire", NULL, NULL);
    wait_until(stats().waiting == 2);
    kith_connection_free(dead);
    wait_until(stats().waiting == 1);
    ask(holder, lock, "release", NULL);
    assert_true(is_true(receive_reply(next).value));
    kith_connection_free(holder);
    kith_connection_free(next);
}

/* ---- messages ---- */

static int64_t size_of(kith_connection *line, const char *queue)
{
    return as_int(ask(line, queue, "qsize", NULL));
}

/** All that a client had sent whole is carried out. */
static void test_what_was_sent_is_done(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    kith_connection *dead = dial_line(), *line = dial_line();
    const char *queue = create("get_queue", NULL);
    for (int i = 0; i < COUNT; i++)
        send_request(dead, queue, "put", kith_value_pack(arena, "(i)", i), NULL);
    assert_int_equal(send(kith_connection_fd(dead), "\0\0\1\0half", 8, 0), 8);
    kith_connection_free(dead);
    wait_until(stats().clients == 1);
    assert_int_equal(size_of(line, queue), COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(as_int(ask(line, queue, "get", NULL)), i);
    kith_connection_free(line);
}

/** What was taken for a client that never read it is in front again, in order. */
static void test_unread_is_put_back(void **state)
{
    (void)state;
    kith_connection *dead = dial_line(), *line = dial_line();
    const char *queue = create("get_queue", NULL);
    for (int i = 0; i < 5; i++)
        ask(line, queue, "put", kith_value_pack(arena, "(i)", i));
    assert_int_equal(as_int(ask(dead, queue, "get", NULL)), 0); /* this one was read */
    send_request(dead, queue, "get", NULL, NULL);
    wait_until(size_of(line, queue) == 3);
    send_request(dead, queue, "get", NULL, NULL);
    wait_until(size_of(line, queue) == 2);
    kith_connection_free(dead);
    wait_until(stats().clients == 1);
    assert_int_equal(stats().given_back, 2);
    for (int i = 1; i < 5; i++)
        assert_int_equal(as_int(ask(line, queue, "get", NULL)), i);
    kith_connection_free(line);
}

/** TCP does not tell what was read: who has sent another request is thought to have read the replies before. */
static void test_unread_over_tcp(void **state)
{
    (void)state;
    kith_connection *dead = dial_line(), *line = dial_line();
    const char *queue = create("get_queue", NULL);
    for (int i = 0; i < 2; i++)
        ask(line, queue, "put", kith_value_pack(arena, "(i)", i));
    send_request(dead, queue, "get", NULL, NULL);
    wait_until(size_of(line, queue) == 1);
    assert_int_equal(kith_connection_poll(dead, PATIENCE), 1); /* it has come, and is not read */
    kith_connection_free(dead);
    wait_until(stats().clients == 1);
    assert_int_equal(stats().given_back, 1);
    assert_int_equal(as_int(ask(line, queue, "get", NULL)), 0);
    kith_connection_free(line);
}

static void test_read_stays_read(void **state)
{
    (void)state;
    kith_connection *reader = dial_line(), *line = dial_line();
    const char *queue = create("get_queue", NULL);
    for (int i = 0; i < 3; i++)
        ask(line, queue, "put", kith_value_pack(arena, "(i)", i));
    assert_int_equal(as_int(ask(reader, queue, "get", NULL)), 0);
    assert_int_equal(as_int(ask(reader, queue, "get", NULL)), 1);
    kith_connection_free(reader);
    wait_until(stats().clients == 1);
    assert_int_equal(stats().given_back, 0);
    assert_int_equal(as_int(ask(line, queue, "get", NULL)), 2);
    assert_int_equal(size_of(line, queue), 0);
    kith_connection_free(line);
}

/** A message goes to one who waits and dies in that instant: the next one who waits has it. */
static void test_put_back_wakes(void **state)
{
    (void)state;
    kith_connection *dead = dial_line(), *next = dial_line(), *line = dial_line();
    const char *queue = create("get_queue", NULL);
    send_request(dead, queue, "get", NULL, NULL);
    wait_until(stats().waiting == 1);
    send_request(next, queue, "get", NULL, NULL);
    wait_until(stats().waiting == 2);
    ask(line, queue, "put", kith_value_pack(arena, "(i)", 7));
    assert_int_equal(stats().waiting, 1);
    kith_connection_free(dead); /* with the reply unread */
    assert_int_equal(as_int(receive_reply(next).value), 7);
    kith_connection_free(next);
    kith_connection_free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_process_dies, begin, end_server),
        cmocka_unit_test_setup_teardown(test_references_of_others, begin, end_server),
        cmocka_unit_test_setup_teardown(test_lines_of_tcp, begin_tcp, end_server),
        cmocka_unit_test_setup_teardown(test_held_by_a_list, begin, end_server),
        cmocka_unit_test_setup_teardown(test_lock_of_the_dead, begin, end_server),
        cmocka_unit_test_setup_teardown(test_lock_of_a_line, begin, end_server),
        cmocka_unit_test_setup_teardown(test_lock_between_lines, begin, end_server),
        cmocka_unit_test_teardown(test_keep_locks, end_server),
        cmocka_unit_test_setup_teardown(test_waiting_client_dies, begin, end_server),
        cmocka_unit_test_setup_teardown(test_what_was_sent_is_done, begin, end_server),
        cmocka_unit_test_setup_teardown(test_unread_is_put_back, begin, end_server),
        cmocka_unit_test_setup_teardown(test_unread_over_tcp, begin_tcp, end_server),
        cmocka_unit_test_setup_teardown(test_read_stays_read, begin, end_server),
        cmocka_unit_test_setup_teardown(test_read_stays_read, begin_tcp, end_server),
        cmocka_unit_test_setup_teardown(test_put_back_wakes, begin, end_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
