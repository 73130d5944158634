/* kith/connection.h: messages, their edges, and what becomes of them when the other side goes. Both ends are
 * in one process, and nothing here starts children: so it also runs under a valgrind that does not know pidfd_open.
 * What goes on between processes, and when the process has reached its limits, is in connection_family.c. */
#include "alarms.h"
#include "family.h"
#include "refuse.h"

#include <sys/mman.h>

/* ---- two ends in one process: what is small fits between them ---- */

static kith_connection *one;
static kith_connection *other;

static int set_up_pipe(void **state)
{
    return set_up(state) < 0 ? -1 : kith_pipe(&one, &other, NULL);
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(one);
    kith_connection_free(other);
    return tear_down(state);
}

static void send_text(kith_connection *connection, const char *text)
{
    assert_code(kith_connection_send(connection, text, strlen(text), KITH_FOREVER), 0);
}

static void expect_bytes(kith_connection *connection, const void *data, size_t size)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, KITH_FOREVER), 0);
    assert_int_equal(message.size, size);
    assert_non_null(message.data);
    assert_memory_equal(message.data, data, size);
    kith_bytes_free(&message);
}

static void expect_text(kith_connection *connection, const char *text)
{
    expect_bytes(connection, text, strlen(text));
}

/* Nothing is received, and the outputs are left alone. */
static void expect_failure(kith_connection *connection, int code)
{
    kith_bytes message = { &message, 77 };
    assert_explained(kith_connection_recv(connection, &message, KITH_NOWAIT), code);
    assert_ptr_equal(message.data, &message);
    assert_int_equal(message.size, 77);
}

/* Bytes that are no message, or a part of one. */
static void write_raw(kith_connection *connection, const void *bytes, size_t count)
{
    assert_int_equal(write(kith_connection_fd(connection), bytes, count), count);
}

static void messages_keep_their_order_and_bounds(void **state)
{
    (void)state;
    send_text(one, "first");
    send_text(one, "");
    send_text(one, "third");
    send_text(other, "the other way");
    assert_code(kith_connection_send(one, NULL, 0, KITH_FOREVER), 0);
    expect_text(other, "first");
    expect_text(other, "");
    expect_text(other, "third");
    expect_text(other, "");
    expect_text(one, "the other way");
}

static void messages_of_all_sizes_arrive(void **state)
{
    (void)state;
    const size_t sizes[] = { 0, 1, 3, 4, 5, 4095, 4096, 4097, 16379, 16380, 16381, 16383, 16384, 16385, 65536, 100000 };
    unsigned char *bytes = pattern(100000);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_code(kith_connection_send(one, bytes, sizes[i], KITH_NOWAIT), 0);
        expect_bytes(other, bytes, sizes[i]);
    }
    free(bytes);
}

/* ---- the bytes between the ends ---- */

static void a_message_is_a_frame(void **state)
{
    (void)state;
    char bytes[16];
    send_text(one, "hello");
    assert_int_equal(read(kith_connection_fd(other), bytes, sizeof bytes), 9);
    assert_memory_equal(bytes, "\0\0\0\5hello", 9);
    write_raw(one, "\0\0\0\2hi", 6);
    expect_text(other, "hi");
    write_raw(one, "\xff\xff\xff\xff\0\0\0\0\0\0\0\4long", 16);
    expect_text(other, "long");
}

/* Sends the beginning of so large a message, and looks at its header. */
static void expect_header(size_t size, const char *expected, size_t expected_size)
{
    char header[12];
    void *zeros = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(zeros, MAP_FAILED);
    assert_explained(kith_connection_send(one, zeros, size, KITH_NOWAIT), -ETIMEDOUT);
    munmap(zeros, size);
    assert_int_equal(read(kith_connection_fd(other), header, expected_size), expected_size);
    assert_memory_equal(header, expected, expected_size);
}

static void a_header_is_short_up_to_2_gib(void **state)
{
    (void)state;
    expect_header(0x7fffffff, "\x7f\xff\xff\xff", 4);
}

static void a_header_is_long_from_2_gib_on(void **state)
{
    (void)state;
    expect_header(0x80000000, "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12);
}

static void what_is_no_frame_is_refused(void **state)
{
    (void)state;
    write_raw(one, "\xff\xff\xff\xfe", 4);
    expect_failure(other, -EBADMSG);
    write_raw(one, "\0\0\0\2hi", 6);
    expect_failure(other, -EBADMSG); /* nobody knows where a message begins now */
    assert_non_null(strstr(kith_error_detail(), "ff ff ff fe"));
}

static void a_length_that_fits_no_memory_is_refused(void **state)
{
    (void)state;
    write_raw(one, "\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12);
    expect_failure(other, -EBADMSG);
}

/* ---- in time and not ---- */

static void receiving_waits_no_longer_than_told(void **state)
{
    (void)state;
    kith_bytes message;
    assert_explained(kith_connection_recv(one, &message, KITH_NOWAIT), -ETIMEDOUT);
    assert_explained(kith_connection_recv(one, &message, KITH_MS(10)), -ETIMEDOUT);
    assert_int_equal(kith_connection_poll(one, KITH_NOWAIT), 0);
    assert_int_equal(kith_connection_poll(one, KITH_MS(10)), 0);
    send_text(other, "late");
    assert_int_equal(kith_connection_poll(one, KITH_FOREVER), 1);
    assert_int_equal(kith_connection_poll(one, KITH_NOWAIT), 1);
    expect_text(one, "late");
    assert_int_equal(kith_connection_poll(one, KITH_NOWAIT), 0);
}

static void receiving_goes_on_where_a_timeout_stopped_it(void **state)
{
    (void)state;
    const char frame[] = "\xff\xff\xff\xff\0\0\0\0\0\0\0\6in two";
    for (size_t i = 0; i < sizeof frame - 1; i++) {
        expect_failure(other, -ETIMEDOUT);
        assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 0);
        write_raw(one, frame + i, 1);
        assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    }
    send_text(one, "next");
    expect_text(other, "in two");
    expect_text(other, "next");
}

static void a_message_of_16_kib_is_sent_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    int sent = 0, code;
    unsigned char *bytes = pattern(16384);
    assert_non_null(bytes);
    while ((code = kith_connection_send(one, bytes, 16384, KITH_NOWAIT)) == 0)
        sent++;
    assert_code(code, -ETIMEDOUT);
    assert_explained(kith_connection_send(one, bytes, 16384, KITH_MS(10)), -ETIMEDOUT);
    assert_true(sent > 1);
    for (int i = 0; i < sent; i++)
        expect_bytes(other, bytes, 16384);
    expect_failure(other, -ETIMEDOUT);
    send_text(one, "room again");
    expect_text(other, "room again");
    free(bytes);
}

static void a_message_cut_short_ends_the_direction(void **state)
{
    (void)state;
    const size_t size = 10000000;
    unsigned char *bytes = pattern(size);
    assert_non_null(bytes);
    send_text(one, "whole");
    assert_explained(kith_connection_send(one, bytes, size, KITH_MS(10)), -ETIMEDOUT);
    assert_non_null(strstr(kith_error_detail(), "cut short"));
    assert_explained(kith_connection_send(one, "", 0, KITH_FOREVER), -EPIPE);
    assert_non_null(strstr(kith_error_detail(), "cut short"));
    expect_text(other, "whole");
    expect_failure(other, KITH_ETRUNCATED);
    expect_failure(other, KITH_ETRUNCATED);
    send_text(other, "the other direction");
    expect_text(one, "the other direction");
    free(bytes);
}

/* ---- the end ---- */

static void what_was_sent_before_the_end_is_received(void **state)
{
    (void)state;
    send_text(one, "last words");
    assert_code(kith_connection_close(one), 0);
    expect_text(other, "last words");
    assert_int_equal(kith_connection_poll(other, KITH_FOREVER), 1);
    expect_failure(other, KITH_EEOF);
    expect_failure(other, KITH_EEOF);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
}

static void an_end_that_left_messages_unread_ends_like_any_other(void **state)
{
    (void)state;
    send_text(one, "never read");
    send_text(other, "last words");
    assert_code(kith_connection_close(other), 0);
    expect_text(one, "last words");
    expect_failure(one, KITH_EEOF);
    expect_failure(one, KITH_EEOF);
}

static void an_end_inside_a_header_truncates(void **state)
{
    (void)state;
    write_raw(one, "\0\0", 2);
    kith_connection_close(one);
    expect_failure(other, KITH_ETRUNCATED);
    expect_failure(other, KITH_ETRUNCATED);
}

static void an_end_behind_a_header_truncates(void **state)
{
    (void)state;
    write_raw(one, "\0\0\0\1", 4);
    kith_connection_close(one);
    expect_failure(other, KITH_ETRUNCATED);
}

static void an_end_inside_a_message_truncates(void **state)
{
    (void)state;
    write_raw(one, "\0\0\0\5four", 8);
    kith_connection_close(one);
    expect_failure(other, KITH_ETRUNCATED);
    assert_non_null(strstr(kith_error_detail(), "4 of a message's 5 bytes"));
    expect_failure(other, KITH_ETRUNCATED);
}

static int send_to_nobody(void)
{
    signal(SIGPIPE, SIG_DFL);
    kith_connection_close(other);
    EXPECT(kith_connection_send(one, "x", 1, KITH_FOREVER) == -EPIPE);
    EXPECT(kith_connection_send(one, "x", 1, KITH_FOREVER) == -EPIPE);
    EXPECT(kith_error_detail()[0]);
    return 0;
}

static void sending_to_nobody_fails_without_a_signal(void **state)
{
    (void)state;
    kith_connection_close(other);
    assert_int_equal(apart(send_to_nobody), 0);
}

/* ---- handles ---- */

static void a_closed_handle_says_so(void **state)
{
    (void)state;
    assert_code(kith_connection_close(one), 0);
    assert_code(kith_connection_close(one), 0);
    assert_explained(kith_connection_send(one, "x", 1, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_poll(one, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_fd(one), KITH_ECLOSED);
    expect_failure(one, KITH_ECLOSED);
    assert_explained(kith_process_start(NULL, say_that_it_ran, NULL,
                                        &(kith_process_options){ .connections = &one, .connection_count = 1 }),
                     KITH_ECLOSED);
    assert_int_equal(heard(), 0);
}

static void an_end_may_be_closed_in_the_middle_of_a_message(void **state)
{
    (void)state;
    write_raw(one, "\0\0\0\5four", 8);
    expect_failure(other, -ETIMEDOUT);
    assert_code(kith_connection_close(other), 0); /* and the part that was kept is freed */
}

static void one_way_goes_one_way(void **state)
{
    (void)state;
    kith_connection *receiver, *sender;
    assert_code(kith_pipe(&receiver, &sender, &(kith_pipe_options){ .one_way = 1 }), 0);
    assert_explained(kith_connection_send(receiver, "x", 1, KITH_NOWAIT), -EBADF);
    assert_explained(kith_connection_poll(sender, KITH_NOWAIT), -EBADF);
    expect_failure(sender, -EBADF);
    send_text(sender, "this way");
    expect_text(receiver, "this way");
    assert_int_equal(kith_connection_poll(receiver, KITH_NOWAIT), 0);
    assert_code(kith_connection_close(receiver), 0);
    assert_explained(kith_connection_send(sender, "x", 1, KITH_NOWAIT), -EPIPE);
    kith_connection_free(receiver);
    kith_connection_free(sender);
    assert_code(kith_pipe(&receiver, &sender, &(kith_pipe_options){ .one_way = 1 }), 0);
    assert_code(kith_connection_close(sender), 0);
    expect_failure(receiver, KITH_EEOF);
    kith_connection_free(receiver);
    kith_connection_free(sender);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_bytes message;
    kith_connection *made = NULL;
    assert_explained(kith_pipe(NULL, &made, NULL), -EINVAL);
    assert_explained(kith_pipe(&made, NULL, NULL), -EINVAL);
    assert_null(made);
    assert_explained(kith_connection_send(NULL, "x", 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_send(one, NULL, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_send(one, "x", (size_t)-1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_send(one, "x", 1, -3), -EINVAL);
    assert_explained(kith_connection_recv(NULL, &message, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv(one, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv(one, &message, -3), -EINVAL);
    assert_explained(kith_connection_poll(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_poll(one, -3), -EINVAL);
    assert_explained(kith_connection_fd(NULL), -EINVAL);
    assert_explained(kith_connection_close(NULL), -EINVAL);
    kith_connection_free(NULL);
    expect_failure(other, -ETIMEDOUT); /* none of it was sent */
}

static void the_descriptor_is_not_for_other_programs(void **state)
{
    (void)state;
    int descriptor = kith_connection_fd(one);
    assert_true(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(descriptor, F_GETFL) & O_NONBLOCK); /* it would be so for every process that has the end */
}

/* ---- signals ---- */

static void a_signal_handler_interrupts_waiting(void **state)
{
    (void)state;
    const int flags[] = { 0, SA_RESTART };
    while (kith_connection_send(one, "full", 4, KITH_NOWAIT) == 0)
        continue;
    for (int i = 0; i < 2; i++) {
        kith_bytes message;
        alarms_on(alarm_ignored, flags[i]);
        int received = kith_connection_recv(one, &message, KITH_FOREVER);
        int polled = kith_connection_poll(one, KITH_FOREVER);
        int sent = kith_connection_send(one, "x", 1, KITH_FOREVER);
        alarms_off();
        assert_explained(received, -EINTR);
        assert_explained(polled, -EINTR);
        assert_explained(sent, -EINTR);
    }
    expect_text(other, "full");
}

/* ---- when the system refuses ---- */

static int refuse_sending(void)
{
    static const char large[100000];
    EXPECT(refuse(SYS_sendmsg, ENOBUFS) == 0 && refuse(SYS_sendto, ENOBUFS) == 0);
    EXPECT(kith_connection_send(one, "x", 1, KITH_FOREVER) == -ENOMEM);
    EXPECT(kith_connection_send(one, large, sizeof large, KITH_FOREVER) == -ENOMEM);
    return 0;
}

static void a_kernel_without_memory_sends_nothing(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_sending), 0);
    send_text(one, "later");
    expect_text(other, "later");
}

static void a_header_alone_is_not_believed(void **state)
{
    (void)state;
    write_raw(one, "\xff\xff\xff\xff\0\0\x10\0\0\0\0\0four", 16); /* 16 TiB */
    expect_failure(other, -ETIMEDOUT);                            /* not -ENOMEM */
    kith_connection_close(one);
    expect_failure(other, KITH_ETRUNCATED);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(messages_keep_their_order_and_bounds),
        PIPE_TEST(messages_of_all_sizes_arrive),
        PIPE_TEST(a_message_is_a_frame),
        PIPE_TEST(a_header_is_short_up_to_2_gib),
        PIPE_TEST(a_header_is_long_from_2_gib_on),
        PIPE_TEST(what_is_no_frame_is_refused),
        PIPE_TEST(a_length_that_fits_no_memory_is_refused),
        PIPE_TEST(receiving_waits_no_longer_than_told),
        PIPE_TEST(receiving_goes_on_where_a_timeout_stopped_it),
        PIPE_TEST(a_message_of_16_kib_is_sent_as_a_whole_or_not_at_all),
        PIPE_TEST(a_message_cut_short_ends_the_direction),
        PIPE_TEST(what_was_sent_before_the_end_is_received),
        PIPE_TEST(an_end_that_left_messages_unread_ends_like_any_other),
        PIPE_TEST(an_end_inside_a_header_truncates),
        PIPE_TEST(an_end_behind_a_header_truncates),
        PIPE_TEST(an_end_inside_a_message_truncates),
        PIPE_TEST(sending_to_nobody_fails_without_a_signal),
        PIPE_TEST(a_closed_handle_says_so),
        PIPE_TEST(an_end_may_be_closed_in_the_middle_of_a_message),
        PIPE_TEST(one_way_goes_one_way),
        PIPE_TEST(bad_arguments_are_refused),
        PIPE_TEST(the_descriptor_is_not_for_other_programs),
        PIPE_TEST(a_signal_handler_interrupts_waiting),
        PIPE_TEST(a_kernel_without_memory_sends_nothing),
        PIPE_TEST(a_header_alone_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
