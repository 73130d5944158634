/* A server's Queue and JoinableQueue (include/kith/proxy.h has their methods). */
#include "kinds.h"

#define EMPTY "queue.Empty()"
#define FULL "queue.Full()"
#define SHUT "queue.ShutDown()"
#define TOO_OFTEN "ValueError('task_done() called too many times')"

static void put(kith_connection *client, const char *queue, int item)
{
    assert_string_equal(call(client, queue, "put", "(i)", item), "None");
}

static void expect_got(const char *answered, int item)
{
    char text[16];
    snprintf(text, sizeof text, "%d", item);
    assert_string_equal(answered, text);
}

static void get(kith_connection *client, const char *queue, int item)
{
    expect_got(call(client, queue, "get", "()"), item);
}

static void done(kith_connection *client, const char *queue)
{
    assert_string_equal(call(client, queue, "task_done", "()"), "None");
}

static void expect_size(kith_connection *client, const char *queue, int size)
{
    expect_got(call(client, queue, "qsize", "()"), size);
}

/** A queue that is to bring back what is not done with. */
static const char *create_redelivering(kith_connection *client)
{
    send_call(client, "", "create", kith_value_pack(arena, "(s)", "JoinableQueue"),
              kith_value_pack(arena, "{s:b}", "redeliver", 1));
    return created(client);
}

/* ---- order, room, waiting ---- */

static void messages_come_in_order_and_as_they_were(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *queue = create(one, "Queue", "()");
    assert_string_equal(call(one, queue, "empty", "()"), "True");
    for (int i = 0; i < 100; i++)
        put(i % 2 ? one : other, queue, i);
    assert_string_equal(call(one, queue, "put", "({s:[i,n]})", "a", 1), "None");
    expect_size(one, queue, 101);
    assert_string_equal(call(one, queue, "empty", "()"), "False");
    assert_string_equal(call(one, queue, "full", "()"), "False");
    for (int i = 0; i < 100; i++)
        get(i % 3 ? one : other, queue, i);
    assert_string_equal(call(one, queue, "get_nowait", "()"), "{'a': [1, None]}");
    assert_string_equal(call(one, queue, "get_nowait", "()"), EMPTY);
}

static void many_messages_come_and_go(void **state)
{
    (void)state;
    enum { MANY = 3000, A_TIME = 100 };
    kith_connection *client = join();
    const char *queue = create(client, "Queue", "()");
    int next = 0;
    for (int i = 0; i < MANY; i += A_TIME) {
        for (int k = 0; k < A_TIME; k++)
            ask(client, queue, "put", "(i)", i + k);
        for (int k = 0; k < A_TIME; k++)
            assert_string_equal(answer(client), "None");
        for (int k = 0; k < A_TIME / 3; k++)
            get(client, queue, next++);
    }
    while (next < MANY)
        get(client, queue, next++);
    assert_string_equal(call(client, queue, "empty", "()"), "True");
}

static void getters_are_served_first_come_first_served(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[3] = { join(), join(), join() };
    const char *queue = create(one, "Queue", "()");
    for (unsigned i = 0; i < 3; i++) {
        ask(waiting[i], queue, "get", "(b,n)", 1);
        until_waiting(i + 1);
    }
    leave(waiting[1]);
    until_waiting(2);
    put(one, queue, 1);
    put(one, queue, 2);
    expect_got(answer(waiting[0]), 1);
    expect_got(answer(waiting[2]), 2);
    expect_size(one, queue, 0);
}

static void putters_wait_for_room_in_order(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[3] = { join(), join(), join() };
    const char *queue = create(one, "Queue", "(i)", 2);
    put(one, queue, 0);
    assert_string_equal(call(one, queue, "full", "()"), "False");
    put(one, queue, 1);
    assert_string_equal(call(one, queue, "full", "()"), "True");
    assert_string_equal(call(one, queue, "put", "(i,b)", 9, 0), FULL);
    assert_string_equal(call(one, queue, "put_nowait", "(i)", 9), FULL);
    assert_string_equal(call(one, queue, "put", "(i,b,f)", 9, 1, 0.001), FULL);
    for (unsigned i = 0; i < 3; i++) {
        ask(waiting[i], queue, "put", "(i)", (int)i + 2);
        until_waiting(i + 1);
    }
    leave(waiting[1]); /* and what it was to put */
    until_waiting(2);
    get(one, queue, 0);
    assert_string_equal(answer(waiting[0]), "None");
    assert_int_equal(is_answered(waiting[2]), 0);
    get(one, queue, 1);
    assert_string_equal(answer(waiting[2]), "None");
    get(one, queue, 2);
    get(one, queue, 4);
    expect_size(one, queue, 0);
}

static void its_calls_are_as_pythons(void **state)
{
    (void)state;
    static const char negative[] = "ValueError(\"'timeout' must be a non-negative number\")";
    kith_connection *client = join();
    const char *queue = create(client, "Queue", "()"), *small = create(client, "Queue", "(i)", 1);
    assert_string_equal(call(client, queue, "get", "(b)", 0), EMPTY);
    assert_string_equal(call(client, queue, "get", "(b,i)", 0, -1), EMPTY);
    assert_string_equal(call(client, queue, "get", "(b,f)", 1, 0.001), EMPTY);
    assert_string_equal(call(client, queue, "get", "(b,i)", 1, -1), negative);
    assert_string_equal(call(client, queue, "put", "(i,b,i)", 1, 1, -1), "None"); /* it has room for all */
    assert_string_equal(call(client, queue, "get", "(b,i)", 1, -1), negative);
    assert_memory_equal(call(client, queue, "get", "(b,s)", 1, "long"), "TypeError(", 10);
    assert_string_equal(call(client, small, "put", "(i,b,i)", 1, 1, -1), negative);
    assert_memory_equal(call(client, small, "put", "()"), "TypeError(", 10);
    assert_memory_equal(call(client, "", "create", "(s,s)", "Queue", "large"), "TypeError: ", 11);
    assert_memory_equal(call(client, "", "create", "(s,i,b)", "Queue", 0, 1), "TypeError: ", 11);
    const char *unbounded = create(client, "Queue", "(i)", -1);
    put(client, unbounded, 1);
    assert_string_equal(call(client, unbounded, "full", "()"), "False");
}

/* ---- being done ---- */

static void join_waits_until_all_is_done(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[2] = { join(), join() };
    const char *queue = create(one, "JoinableQueue", "()");
    assert_string_equal(call(one, queue, "join", "()"), "None");
    assert_string_equal(call(one, queue, "task_done", "()"), TOO_OFTEN);
    put(one, queue, 1);
    put(one, queue, 2);
    assert_memory_equal(call(one, queue, "join", "(f)", 0.001), "TimeoutError(", 13);
    for (unsigned i = 0; i < 2; i++) {
        ask(waiting[i], queue, "join", "()");
        until_waiting(i + 1);
    }
    get(one, queue, 1);
    done(one, queue);
    done(one, queue); /* also of what nobody got */
    assert_string_equal(answer(waiting[0]), "None");
    assert_string_equal(answer(waiting[1]), "None");
    assert_string_equal(call(one, queue, "task_done", "()"), TOO_OFTEN);
}

static void shutdown_ends_what_waits(void **state)
{
    (void)state;
    kith_connection *one = join(), *getter = join(), *putter = join();
    const char *empty = create(one, "Queue", "()"), *full = create(one, "Queue", "(i)", 1);
    put(one, full, 1);
    ask(getter, empty, "get", "()");
    ask(putter, full, "put", "(i)", 2);
    until_waiting(2);
    assert_string_equal(call(one, empty, "shutdown", "()"), "None");
    assert_string_equal(answer(getter), SHUT);
    assert_string_equal(call(one, full, "shutdown", "()"), "None");
    assert_string_equal(answer(putter), SHUT);
    assert_string_equal(call(one, full, "put", "(i)", 2), SHUT);
    assert_string_equal(call(one, full, "put_nowait", "(i)", 2), SHUT);
    get(one, full, 1);
    assert_string_equal(call(one, full, "get", "()"), SHUT);
    assert_string_equal(call(one, full, "get_nowait", "()"), SHUT);
}

static void shutdown_at_once_drops_what_is_there(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting = join();
    const char *queue = create(one, "JoinableQueue", "()");
    put(one, queue, 1);
    put(one, queue, 2);
    get(one, queue, 1);
    ask(waiting, queue, "join", "()");
    until_waiting(1);
    assert_string_equal(call(one, queue, "shutdown", "(b)", 1), "None");
    assert_string_equal(call(one, queue, "get", "()"), SHUT);
    assert_int_equal(is_answered(waiting), 0);
    done(one, queue);
    assert_string_equal(answer(waiting), "None");
}

/* ---- death ---- */

static void what_a_dead_client_got_is_gone(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *queue = create(one, "Queue", "()");
    put(one, queue, 1);
    get(other, queue, 1);
    leave(other);
    until_clients(1);
    expect_size(one, queue, 0);
}

static void what_never_reached_its_client_comes_back(void **state)
{
    (void)state;
    kith_connection *one = join(), *dying = join();
    const char *queue = create(one, "Queue", "()");
    for (int i = 0; i < 3; i++)
        put(one, queue, i);
    ask(dying, queue, "get", "()");
    ask(dying, queue, "get", "()");
    while (stats().calls < 5)
        sched_yield();
    leave(dying); /* with both answers unread */
    until_clients(1);
    for (int i = 0; i < 3; i++)
        get(one, queue, i);
}

static void redelivered_messages_come_first_and_in_order(void **state)
{
    (void)state;
    kith_connection *one = join(), *dying = join();
    const char *queue = create_redelivering(one);
    for (int i = 0; i < 6; i++)
        put(one, queue, i);
    get(dying, queue, 0);
    get(dying, queue, 1);
    get(one, queue, 2);
    get(dying, queue, 3);
    done(dying, queue); /* 0 */
    leave(dying);
    until_clients(1);
    expect_size(one, queue, 4);
    get(one, queue, 1);
    get(one, queue, 3);
    get(one, queue, 4);
    for (int i = 0; i < 4; i++)
        done(one, queue);
    get(one, queue, 5);
    done(one, queue);
    assert_string_equal(call(one, queue, "task_done", "()"), TOO_OFTEN);
}

static void one_that_waits_gets_what_comes_back(void **state)
{
    (void)state;
    kith_connection *one = join(), *dying = join(), *waiting = join();
    const char *queue = create_redelivering(one);
    put(one, queue, 1);
    get(dying, queue, 1);
    ask(waiting, queue, "get", "()");
    until_waiting(1);
    ask(one, queue, "join", "()");
    until_waiting(2);
    leave(dying);
    expect_got(answer(waiting), 1);
    assert_int_equal(is_answered(one), 0);
    done(waiting, queue);
    assert_string_equal(answer(one), "None");
    leave(waiting);
    until_clients(1);
    expect_size(one, queue, 0);
}

static int set_up_keeping(void **state)
{
    (void)state;
    return set_up_with((kith_server_options){ .keep_locks = 1 });
}

static void messages_are_no_locks_to_be_kept(void **state)
{
    (void)state;
    kith_connection *one = join(), *dying = join();
    const char *queue = create_redelivering(one);
    put(one, queue, 1);
    get(dying, queue, 1);
    leave(dying);
    until_clients(1);
    get(one, queue, 1);
}

static void one_client_may_be_done_for_another(void **state)
{
    (void)state;
    kith_connection *one = join(), *first = join(), *second = join();
    const char *queue = create_redelivering(one);
    for (int i = 0; i < 4; i++)
        put(one, queue, i);
    get(first, queue, 0);
    get(second, queue, 1);
    get(first, queue, 2);
    done(first, queue); /* 0 */
    done(one, queue);   /* it has none: so it is 2, of the one that has had some longest */
    leave(first);
    until_clients(2);
    get(one, queue, 3);
    leave(second);
    until_clients(1);
    get(one, queue, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_in_order_and_as_they_were, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_messages_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(getters_are_served_first_come_first_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(putters_wait_for_room_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_calls_are_as_pythons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(join_waits_until_all_is_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shutdown_ends_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shutdown_at_once_drops_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_dead_client_got_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_never_reached_its_client_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redelivered_messages_come_first_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_waits_gets_what_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_are_no_locks_to_be_kept, set_up_keeping, tear_down),
        cmocka_unit_test_setup_teardown(one_client_may_be_done_for_another, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
