/* kith/connection.h: messages that go into the caller's memory, messages that are too long, and short ones that come
 * many at a time: the order in which they were sent, whoever takes them. */
#include "family.h"

static kith_connection *one;
static kith_connection *other;
static kith_process_options with_other;

static int make_pipe(void **state, const kith_pipe_options *options)
{
    if (set_up(state) < 0 || kith_pipe(&one, &other, options) < 0)
        return -1;
    with_other = (kith_process_options){ .connections = &other, .connection_count = 1 };
    return 0;
}

static int set_up_pipe(void **state)
{
    return make_pipe(state, NULL);
}

static int set_up_ahead(void **state)
{
    return make_pipe(state, &(kith_pipe_options){ .read_ahead = 1 });
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(one);
    kith_connection_free(other);
    return tear_down(state);
}

static void send_text(const char *text)
{
    assert_code(kith_connection_send(one, text, strlen(text), KITH_NOWAIT), 0);
}

static void write_raw(const void *bytes, size_t count)
{
    assert_int_equal(write(kith_connection_fd(one), bytes, count), count);
}

static void expect_into(size_t capacity, const char *text)
{
    char buffer[64];
    size_t size = 77;
    memset(buffer, '-', sizeof buffer);
    assert_code(kith_connection_recv_into(other, buffer, capacity, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(buffer, text, size);
    assert_int_equal(buffer[size], '-');
}

static void expect_text(const char *text)
{
    kith_bytes message;
    assert_code(kith_connection_recv(other, &message, KITH_NOWAIT), 0);
    assert_int_equal(message.size, strlen(text));
    assert_memory_equal(message.data, text, message.size);
    kith_bytes_free(&message);
}

static void expect_failure(int code)
{
    kith_bytes message = { &message, 77 };
    char buffer[8];
    size_t size = 77;
    assert_explained(kith_connection_recv(other, &message, KITH_NOWAIT), code);
    assert_ptr_equal(message.data, &message);
    assert_explained(kith_connection_recv_into(other, buffer, sizeof buffer, &size, KITH_NOWAIT), code);
    assert_int_equal(size, 77);
}

static void expect_too_long(size_t capacity, size_t expected)
{
    char buffer[64];
    size_t size = 77;
    assert_explained(kith_connection_recv_into(other, buffer, capacity, &size, KITH_NOWAIT), -EMSGSIZE);
    assert_int_equal(size, expected);
}

/* ---- into the caller's memory ---- */

static void messages_go_into_the_callers_memory(void **state)
{
    (void)state;
    send_text("fits");
    send_text("has room");
    send_text("");
    expect_into(4, "fits");
    expect_into(60, "has room");
    size_t size = 77;
    assert_code(kith_connection_recv_into(other, NULL, 0, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, 0);
    expect_failure(-ETIMEDOUT);
}

static void one_that_is_too_long_waits_for_more_room(void **state)
{
    (void)state;
    send_text("some words");
    send_text("more words");
    send_text("next");
    expect_too_long(9, 10);
    expect_too_long(0, 10);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    expect_into(10, "some words");
    expect_too_long(9, 10);
    expect_text("more words");
    expect_into(4, "next");
}

static void what_came_in_pieces_is_kept(void **state)
{
    (void)state;
    const char frame[] = "\xff\xff\xff\xff\0\0\0\0\0\0\0\6in two";
    char buffer[6];
    size_t size = 77;
    for (size_t i = 0; i < sizeof frame - 1; i++) {
        memset(buffer, '?', sizeof buffer);
        assert_explained(kith_connection_recv_into(other, buffer, 6, &size, KITH_NOWAIT), -ETIMEDOUT);
        if (i > 12)
            expect_too_long(5, 6);
        memset(buffer, '!', sizeof buffer); /* it is ours between the calls */
        write_raw(frame + i, 1);
    }
    expect_into(6, "in two");
    write_raw("\0\0\0\4te", 6);
    assert_explained(kith_connection_recv_into(other, buffer, 6, &size, KITH_NOWAIT), -ETIMEDOUT);
    write_raw("xt", 2);
    expect_text("text");
    write_raw("\0\0\0\4te", 6);
    expect_failure(-ETIMEDOUT); /* first into memory of its own */
    write_raw("xt", 2);
    expect_into(4, "text");
}

static int send_pattern(void *size)
{
    unsigned char *bytes = pattern(*(size_t *)size);
    EXPECT(kith_connection_send(other, bytes, *(size_t *)size, KITH_FOREVER) == 0);
    free(bytes);
    return 0;
}

static void a_large_one_goes_there_too(void **state)
{
    (void)state;
    size_t size = 5000000, got = 0;
    unsigned char *expected = pattern(size), *buffer = malloc(size);
    assert_non_null(expected);
    assert_non_null(buffer);
    kith_process *child = start(send_pattern, &size, &with_other);
    assert_code(kith_connection_recv_into(one, buffer, size - 1, &got, KITH_FOREVER), -EMSGSIZE);
    assert_code(kith_connection_recv_into(one, buffer, size, &got, KITH_FOREVER), 0);
    assert_int_equal(got, size);
    assert_int_equal(memcmp(buffer, expected, size), 0);
    finish(child, 0);
    free(expected);
    free(buffer);
}

static void an_end_in_the_middle_is_told(void **state)
{
    (void)state;
    write_raw("\0\0\0\4te", 6);
    kith_connection_close(one);
    expect_failure(KITH_ETRUNCATED);
    expect_failure(KITH_ETRUNCATED);
}

/* ---- too long altogether ---- */

static void a_message_beyond_the_bound_ends_the_connection(void **state)
{
    (void)state;
    assert_code(kith_connection_set_max_message(other, 4), 0);
    send_text("four");
    send_text("5 now");
    send_text("ok");
    expect_into(64, "four");
    expect_failure(KITH_ELIMIT);
    assert_non_null(strstr(kith_error_detail(), "5 bytes"));
    assert_code(kith_connection_set_max_message(other, 0), 0);
    expect_failure(KITH_ELIMIT);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    assert_code(kith_connection_send(other, "still sends", 11, KITH_NOWAIT), 0);
    assert_explained(kith_connection_set_max_message(NULL, 4), -EINVAL);
}

static void two_gib_and_more_are_announced_rightly(void **state)
{
    (void)state;
    write_raw("\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12);
    expect_too_long(64, 0x80000000);
    assert_code(kith_connection_set_max_message(other, 0x80000000), 0);
    expect_too_long(64, 0x80000000);
    assert_code(kith_connection_set_max_message(other, 0x7fffffff), 0);
    expect_failure(KITH_ELIMIT);
}

/* ---- many short ones ---- */

enum { MANY = 600 };

/* The message of this number, of a length that differs from its neighbours'. */
static size_t make_short(int number, char *bytes)
{
    size_t size = (size_t)(number * 37 % 101) + sizeof number;
    memset(bytes, number, size);
    memcpy(bytes, &number, sizeof number);
    return size;
}

static bool receive_short(int number)
{
    char bytes[128], expected[128];
    size_t size = 0, wanted = make_short(number, expected);
    if (number % 3 == 0)
        return kith_connection_recv_into(other, bytes, sizeof bytes, &size, KITH_FOREVER) == 0 && size == wanted &&
               memcmp(bytes, expected, size) == 0;
    kith_bytes message = { 0 };
    bool right = kith_connection_recv(other, &message, KITH_FOREVER) == 0 && message.size == wanted &&
                 memcmp(message.data, expected, wanted) == 0;
    kith_bytes_free(&message);
    return right;
}

/* @return how many fit */
static int send_shorts(void)
{
    char bytes[128];
    int number = 0;
    while (number < MANY && kith_connection_send(one, bytes, make_short(number, bytes), KITH_NOWAIT) == 0)
        number++;
    assert_true(number > 50);
    return number;
}

static void short_messages_come_in_order(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        int count = send_shorts();
        for (int i = 0; i < count; i++) {
            assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
            assert_true(receive_short(i));
        }
        assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 0);
        expect_failure(-ETIMEDOUT);
    }
}

static void those_before_a_descriptor_come_before_it(void **state)
{
    (void)state;
    int fd;
    send_text("one");
    send_text("two");
    assert_code(kith_connection_send_fd(one, go[1], KITH_NOWAIT), 0);
    send_text("three");
    for (int i = 0; i < 2; i++) {
        assert_explained(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), -ENOMSG);
        expect_text(i ? "two" : "one");
    }
    expect_failure(-ENOMSG);
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    close(fd);
    expect_text("three");
    kith_connection_close(one);
    expect_failure(KITH_EEOF);
}

static void short_and_long_ones_mix(void **state)
{
    (void)state;
    const size_t sizes[] = { 10, 8187, 8188, 8189, 20, 16380, 16384, 0, 30, 50000, 4, 4095, 4097 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    unsigned char *bytes = pattern(50000 + COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_code(kith_connection_send(one, bytes + i, sizes[i], KITH_NOWAIT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        kith_bytes message;
        assert_code(kith_connection_recv(other, &message, KITH_NOWAIT), 0);
        assert_int_equal(message.size, sizes[i]);
        assert_int_equal(memcmp(message.data, bytes + i, message.size), 0);
        kith_bytes_free(&message);
    }
    free(bytes);
}

/* Receives every other one, when it is told. */
static int receive_odd(void *count)
{
    for (int i = 1; i < *(int *)count; i += 2) {
        wait_to_go();
        EXPECT(receive_short(i));
        say('.');
    }
    return 0;
}

static void processes_receive_by_turns(void **state)
{
    (void)state;
    int count = send_shorts();
    assert_true(receive_short(0)); /* the child inherits what was seen of the others */
    kith_process *child = start(receive_odd, &count, &with_other);
    for (int i = 1; i < count; i++) {
        if (i % 2 == 0) {
            assert_true(receive_short(i));
        } else {
            let_go();
            assert_int_equal(hear(), '.');
        }
    }
    expect_failure(-ETIMEDOUT);
    finish(child, 0);
}

static void what_a_stranger_took_is_missed(void **state)
{
    (void)state;
    char frame[10];
    send_text("first");
    send_text("second");
    send_text("3");
    expect_text("first"); /* and has seen the others */
    assert_int_equal(read(kith_connection_fd(other), frame, sizeof frame), sizeof frame);
    expect_failure(-EBADMSG);
    expect_failure(-EBADMSG);
}

static int receive_from_3_on(void *count)
{
    for (int i = 3; i < *(int *)count; i++)
        EXPECT(receive_short(i));
    return 0;
}

static void what_was_taken_goes_with_the_end(void **state)
{
    (void)state;
    int count = send_shorts();
    for (int i = 0; i < 3; i++)
        assert_true(receive_short(i));
    finish(start(receive_from_3_on, &count, &with_other), 0);
}

static void who_asks_for_the_descriptor_can_poll_it(void **state)
{
    (void)state;
    int fd = kith_connection_fd(other);
    int count = send_shorts();
    for (int i = 0; i < count; i++) {
        assert_true(readable(fd, 0));
        assert_true(receive_short(i));
    }
    assert_false(readable(fd, 0));
}

/* Receives one of three messages. @return whether the others were left in the socket */
static bool leaves_the_others(bool forks)
{
    kith_listener *listener;
    kith_connection *client, *server;
    kith_bytes message;
    char address[64];
    snprintf(address, sizeof address, "unix:@kith-test-into-%d", (int)getpid());
    assert_code(kith_listener_new(&listener, address, NULL), 0);
    assert_code(kith_connect(&client, address, NULL, KITH_FOREVER), 0);
    assert_code(kith_listener_accept(listener, &server, KITH_FOREVER), 0);
    if (forks)
        assert_int_equal(run(return_it, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_code(kith_connection_send(client, "x", 1, KITH_NOWAIT), 0);
    assert_code(kith_connection_recv(server, &message, KITH_FOREVER), 0);
    kith_bytes_free(&message);
    bool left = readable(kith_connection_fd(server), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kith_connection_poll(server, KITH_NOWAIT), 1);
        assert_code(kith_connection_recv(server, &message, KITH_NOWAIT), 0);
        kith_bytes_free(&message);
    }
    assert_int_equal(kith_connection_poll(server, KITH_NOWAIT), 0);
    kith_connection_free(client);
    kith_connection_free(server);
    kith_listener_free(listener);
    return left;
}

static void what_connects_is_read_ahead_until_a_fork(void **state)
{
    (void)state;
    assert_false(leaves_the_others(false));
    assert_true(leaves_the_others(true));
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    char buffer[8];
    size_t size = 77;
    send_text("x");
    assert_explained(kith_connection_recv_into(NULL, buffer, 8, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_into(other, NULL, 8, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_into(other, buffer, 8, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_into(other, buffer, 8, &size, -3), -EINVAL);
    assert_int_equal(size, 77);
    expect_into(8, "x");
    kith_connection_close(other);
    assert_explained(kith_connection_recv_into(other, buffer, 8, &size, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_set_max_message(other, 1), KITH_ECLOSED);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)
#define AHEAD_TEST(name)                                           \
    {                                                              \
#name " (ahead)", name, set_up_ahead, tear_down_pipe, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(messages_go_into_the_callers_memory),
        AHEAD_TEST(messages_go_into_the_callers_memory),
        PIPE_TEST(one_that_is_too_long_waits_for_more_room),
        AHEAD_TEST(one_that_is_too_long_waits_for_more_room),
        PIPE_TEST(what_came_in_pieces_is_kept),
        AHEAD_TEST(what_came_in_pieces_is_kept),
        PIPE_TEST(a_large_one_goes_there_too),
        PIPE_TEST(an_end_in_the_middle_is_told),
        PIPE_TEST(a_message_beyond_the_bound_ends_the_connection),
        AHEAD_TEST(a_message_beyond_the_bound_ends_the_connection),
        PIPE_TEST(two_gib_and_more_are_announced_rightly),
        PIPE_TEST(short_messages_come_in_order),
        AHEAD_TEST(short_messages_come_in_order),
        PIPE_TEST(those_before_a_descriptor_come_before_it),
        AHEAD_TEST(those_before_a_descriptor_come_before_it),
        PIPE_TEST(short_and_long_ones_mix),
        AHEAD_TEST(short_and_long_ones_mix),
        PIPE_TEST(processes_receive_by_turns),
        PIPE_TEST(what_a_stranger_took_is_missed),
        PIPE_TEST(what_was_taken_goes_with_the_end),
        AHEAD_TEST(what_was_taken_goes_with_the_end),
        PIPE_TEST(who_asks_for_the_descriptor_can_poll_it),
        AHEAD_TEST(who_asks_for_the_descriptor_can_poll_it),
        TEST(what_connects_is_read_ahead_until_a_fork),
        PIPE_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
