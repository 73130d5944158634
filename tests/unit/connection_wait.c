/* kith_wait: many things at once, of all kinds. */
#include "alarms.h"
#include "family.h"

static kith_connection *one;
static kith_connection *other;

static int set_up_pipe(void **state)
{
    return set_up(state) < 0 ? -1 : kith_pipe(&one, &other, &(kith_pipe_options){ .read_ahead = 1 });
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(one);
    kith_connection_free(other);
    return tear_down(state);
}

static void send_text(kith_connection *connection, const char *text)
{
    assert_code(kith_connection_send(connection, text, strlen(text), KITH_NOWAIT), 0);
}

static void receive_and_forget(kith_connection *connection)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, KITH_NOWAIT), 0);
    kith_bytes_free(&message);
}

/* Just the item of this index is ready. */
static void expect_ready(kith_waitable *items, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        items[i].ready = 77;
    assert_int_equal(kith_wait(items, count, KITH_FOREVER), 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].ready, i == index);
}

static void expect_none(kith_waitable *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        items[i].ready = 77;
    assert_int_equal(kith_wait(items, count, KITH_MS(5)), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].ready, 0);
}

static void each_kind_is_heard(void **state)
{
    (void)state;
    kith_queue *queue;
    kith_listener *listener;
    kith_connection *client;
    char byte;
    size_t size;
    assert_code(kith_queue_new(&queue, NULL), 0);
    assert_code(kith_listener_new(&listener, "tcp:127.0.0.1:0", NULL), 0);
    kith_process *child = start(wait_and_return, NULL, NULL);
    enum { CONNECTION, LISTENER, QUEUE, PROCESS, FD, COUNT };
    kith_waitable items[COUNT] = {
        [CONNECTION] = { .connection = other },
        [LISTENER] = { .listener = listener },
        [QUEUE] = { .queue = queue },
        [PROCESS] = { .process = child },
        [FD] = { .fd = said[0] },
    };
    expect_none(items, COUNT);

    send_text(one, "x");
    expect_ready(items, COUNT, CONNECTION);
    receive_and_forget(other);

    assert_code(kith_connect(&client, kith_listener_address(listener), NULL, KITH_FOREVER), 0);
    expect_ready(items, COUNT, LISTENER);
    kith_connection *accepted;
    assert_code(kith_listener_accept(listener, &accepted, KITH_FOREVER), 0);

    assert_code(kith_queue_put(queue, "x", 1, KITH_NOWAIT), 0);
    expect_ready(items, COUNT, QUEUE);
    assert_code(kith_queue_get(queue, &byte, 1, &size, KITH_NOWAIT), 0);
    assert_code(kith_queue_get(queue, &byte, 1, &size, KITH_NOWAIT), KITH_EEMPTY);

    say('!');
    expect_ready(items, COUNT, FD);
    hear();
    expect_none(items, COUNT);

    let_go();
    expect_ready(items, COUNT, PROCESS);
    say('!');
    send_text(one, "x");
    assert_int_equal(kith_wait(items, COUNT, KITH_FOREVER), 3);
    assert_true(items[CONNECTION].ready && items[PROCESS].ready && items[FD].ready && !items[QUEUE].ready);
    hear();

    finish(child, 0);
    kith_connection_free(client);
    kith_connection_free(accepted);
    kith_listener_free(listener);
    kith_queue_free(queue);
}

static void what_was_taken_from_the_socket_is_heard(void **state)
{
    (void)state;
    kith_waitable items[] = { { .connection = other }, { .fd = said[0] } };
    for (int i = 0; i < 3; i++)
        send_text(one, "x");
    for (int i = 0; i < 3; i++) {
        expect_ready(items, 2, 0);
        receive_and_forget(other);
    }
    expect_none(items, 2);
    for (int i = 0; i < 3; i++)
        send_text(one, "x");
    receive_and_forget(other);
    say('!');
    assert_int_equal(kith_wait(items, 2, KITH_FOREVER), 2); /* and the others are not forgotten */
    hear();
}

static void an_end_is_heard(void **state)
{
    (void)state;
    kith_waitable item = { .connection = other };
    expect_none(&item, 1);
    kith_connection_close(one);
    expect_ready(&item, 1, 0);
    expect_ready(&item, 1, 0);
}

static void one_beyond_its_bound_is_heard(void **state)
{
    (void)state;
    kith_waitable item = { .connection = other };
    kith_bytes message;
    assert_code(kith_connection_set_max_message(other, 4), 0);
    send_text(one, "too long");
    assert_explained(kith_connection_recv(other, &message, KITH_NOWAIT), KITH_ELIMIT);
    expect_ready(&item, 1, 0);
}

static void many_can_be_waited_for(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    kith_connection *first[COUNT], *second[COUNT];
    kith_waitable items[COUNT] = { 0 };
    for (int i = 0; i < COUNT; i++) {
        assert_code(kith_pipe(&first[i], &second[i], NULL), 0);
        items[i].connection = second[i];
    }
    expect_none(items, COUNT);
    send_text(first[77], "x");
    expect_ready(items, COUNT, 77);
    for (int i = 0; i < COUNT; i++)
        send_text(first[i], "x");
    assert_int_equal(kith_wait(items, COUNT, KITH_FOREVER), COUNT);
    for (int i = 0; i < COUNT; i++) {
        kith_connection_free(first[i]);
        kith_connection_free(second[i]);
    }
}

static void none_only_waits(void **state)
{
    (void)state;
    assert_int_equal(kith_wait(NULL, 0, KITH_NOWAIT), 0);
    assert_int_equal(kith_wait(NULL, 0, KITH_MS(5)), 0);
}

static void a_signal_handler_interrupts_waiting(void **state)
{
    (void)state;
    const int flags[] = { 0, SA_RESTART };
    for (int i = 0; i < 2; i++) {
        kith_waitable item = { .connection = other, .ready = 77 };
        alarms_on(alarm_ignored, flags[i]);
        int code = kith_wait(&item, 1, KITH_FOREVER);
        alarms_off();
        assert_explained(code, -EINTR);
        assert_int_equal(item.ready, 77);
    }
}

static void expect_refused(kith_waitable item, int code)
{
    kith_waitable items[] = { { .fd = said[0] }, item };
    assert_explained(kith_wait(items, 2, KITH_FOREVER), code);
    assert_non_null(strstr(kith_error_detail(), "items[1]"));
}

static void what_is_wrong_is_told_with_its_index(void **state)
{
    (void)state;
    kith_connection *receiver, *sender;
    int closed = dup(0);
    close(closed);
    expect_refused((kith_waitable){ .fd = -1 }, -EINVAL);
    expect_refused((kith_waitable){ .connection = one, .process = kith_process_current() }, -EINVAL);
    expect_refused((kith_waitable){ .fd = closed }, -EBADF);
    expect_refused((kith_waitable){ .process = kith_process_current() }, -ECHILD);
    assert_code(kith_pipe(&receiver, &sender, &(kith_pipe_options){ .one_way = 1 }), 0);
    expect_refused((kith_waitable){ .connection = sender }, -EBADF);
    kith_connection_close(receiver);
    expect_refused((kith_waitable){ .connection = receiver }, KITH_ECLOSED);
    kith_connection_free(receiver);
    kith_connection_free(sender);
    assert_explained(kith_wait(NULL, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_wait(NULL, 0, -2), -EINVAL);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(each_kind_is_heard),
        PIPE_TEST(what_was_taken_from_the_socket_is_heard),
        PIPE_TEST(an_end_is_heard),
        PIPE_TEST(one_beyond_its_bound_is_heard),
        PIPE_TEST(many_can_be_waited_for),
        PIPE_TEST(none_only_waits),
        PIPE_TEST(a_signal_handler_interrupts_waiting),
        PIPE_TEST(what_is_wrong_is_told_with_its_index),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
