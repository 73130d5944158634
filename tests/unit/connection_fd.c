/* kith/connection.h: descriptors that go through a pipe among the messages: none is lost, and none is left open that
 * nobody asked for. */
#include "alarms.h"
#include "family.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

static void send_text(const char *text)
{
    assert_code(kith_connection_send(one, text, strlen(text), KITH_NOWAIT), 0);
}

static void expect_text(const char *text)
{
    kith_bytes message;
    assert_code(kith_connection_recv(other, &message, KITH_NOWAIT), 0);
    assert_int_equal(message.size, strlen(text));
    assert_memory_equal(message.data, text, message.size);
    kith_bytes_free(&message);
}

static void expect_no_text(int code)
{
    kith_bytes message = { &message, 77 };
    assert_explained(kith_connection_recv(other, &message, KITH_NOWAIT), code);
    assert_ptr_equal(message.data, &message);
}

static void expect_no_descriptor(int code)
{
    int fd = 77;
    assert_explained(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), code);
    assert_int_equal(fd, 77);
}

/** Sends the writing end of `living`, and keeps none: so all_dead tells whether anybody has it. */
static void send_living(void)
{
    assert_code(kith_connection_send_fd(one, living[1], KITH_NOWAIT), 0);
    give_living_away();
}

static void expect_living(void)
{
    int fd = -1;
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(fd, "!", 1), 1);
    close(fd);
    char text[4];
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "!");
}

/* ---- there and back ---- */

static void a_descriptor_arrives_when_its_sender_has_closed_it(void **state)
{
    (void)state;
    send_living();
    assert_false(all_dead());
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    expect_living();
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 0);
}

static void descriptors_and_messages_keep_their_order(void **state)
{
    (void)state;
    send_text("before");
    assert_code(kith_connection_send_fd(one, 0, KITH_NOWAIT), 0);
    send_living();
    send_text("");
    send_text("after");
    expect_text("before");
    int fd;
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    close(fd);
    expect_living();
    expect_text("");
    expect_text("after");
}

static void it_stands_for_the_same_file(void **state)
{
    (void)state;
    struct stat mine, theirs;
    int fd;
    assert_code(kith_connection_send_fd(one, go[0], KITH_NOWAIT), 0);
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    assert_int_not_equal(fd, go[0]);
    assert_int_equal(fstat(go[0], &mine), 0);
    assert_int_equal(fstat(fd, &theirs), 0);
    assert_int_equal(mine.st_ino, theirs.st_ino);
    close(fd);
}

static int make_and_send(void *nothing)
{
    kith_array *array;
    EXPECT(kith_array_new(&array, sizeof(int), 1, NULL) == 0);
    *(int *)kith_array_data(array) = 88;
    EXPECT(kith_connection_send_fd(one, kith_array_share_fd(array), KITH_FOREVER) == 0);
    EXPECT(kith_array_acquire(array, KITH_FOREVER) == 0);
    return nothing != NULL; /* with the lock */
}

static void what_a_child_made_is_handed_to_its_parent(void **state)
{
    (void)state;
    kith_array *array;
    int fd;
    finish(start(make_and_send, NULL, &(kith_process_options){ .connections = &one, .connection_count = 1 }), 0);
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    assert_code(kith_array_from_fd(&array, fd), 0);
    close(fd);
    assert_int_equal(*(int *)kith_array_data(array), 88);
    assert_code(kith_array_acquire(array, KITH_NOWAIT), KITH_EOWNERDEAD);
    kith_array_free(array);
}

/* ---- one where the other was asked for ---- */

static void a_descriptor_is_no_message(void **state)
{
    (void)state;
    send_living();
    send_text("after");
    expect_no_text(-ENOMSG);
    expect_no_text(-ENOMSG);
    assert_int_equal(kith_connection_poll(other, KITH_NOWAIT), 1);
    expect_living();
    expect_text("after");
}

static void a_message_is_no_descriptor(void **state)
{
    (void)state;
    send_text("message");
    send_living();
    expect_no_descriptor(-ENOMSG);
    expect_no_descriptor(-ENOMSG);
    expect_text("message");
    expect_living();
}

static void a_part_of_a_message_is_no_descriptor(void **state)
{
    (void)state;
    const char frame[] = "\0\0\0\4text";
    for (size_t i = 0; i < sizeof frame - 1; i++) {
        assert_int_equal(write(kith_connection_fd(one), frame + i, 1), 1);
        expect_no_descriptor(-ENOMSG);
        if (i < sizeof frame - 2)
            expect_no_text(-ETIMEDOUT); /* and takes what is there */
    }
    expect_text("text");
}

/* ---- what nobody asked for ---- */

/** Sends bytes as another program might: with descriptors attached, which are the writing end of `living`. */
static void send_with_living(const char *bytes, size_t size, int count)
{
    struct iovec piece = { .iov_base = (void *)bytes, .iov_len = size };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    int fds[3] = { living[1], living[1], living[1] };
    control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)) };
    assert_int_equal(sendmsg(kith_connection_fd(one), &message, 0), size);
}

static void descriptors_attached_to_a_message_are_closed(void **state)
{
    (void)state;
    send_with_living("\0\0\0\2hi", 6, 1);
    send_with_living("\0\0", 2, 2); /* a header in two pieces, and data */
    send_with_living("\0\2h", 3, 1);
    send_with_living("i", 1, 3);
    send_with_living("\0\0\0\0", 4, 1);
    give_living_away();
    expect_no_descriptor(-ENOMSG);
    expect_text("hi");
    expect_no_descriptor(-ENOMSG);
    expect_text("hi");
    expect_text("");
    wait_until_dead();
}

static void several_descriptors_at_once_are_closed(void **state)
{
    (void)state;
    for (int count = 2; count <= 3; count++) {
        send_with_living((const char[]){ (char)count }, 1, count);
        expect_no_text(-ENOMSG);
        expect_no_descriptor(-EBADMSG);
    }
    assert_int_equal(descriptors(), descriptors_before + PIPES + 2);
    send_living();
    expect_living();
}

static void what_is_never_received_is_closed_with_the_pipe(void **state)
{
    (void)state;
    send_text("before");
    send_living();
    assert_false(all_dead());
    kith_connection_close(other);
    wait_until_dead();
}

/* ---- limits ---- */

static int receive_at_the_limit(void)
{
    enum { LIMIT = 64 };
    struct rlimit limit;
    int spare[LIMIT], count = 0, fd = 77;
    kith_bytes message;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < LIMIT && (spare[count] = dup(0)) >= 0)
        count++;
    for (int i = 0; i < 2; i++) {
        EXPECT(kith_connection_recv_fd(other, &fd, KITH_NOWAIT) == -EMFILE);
        EXPECT(strstr(kith_error_detail(), "no room") && fd == 77);
        EXPECT(kith_connection_recv(other, &message, KITH_NOWAIT) == -ENOMSG);
    }
    close(spare[--count]);
    EXPECT(kith_connection_recv_fd(other, &fd, KITH_NOWAIT) == 0);
    EXPECT(write(fd, "!", 1) == 1);
    EXPECT(kith_connection_recv_fd(other, &fd, KITH_NOWAIT) == -ETIMEDOUT);
    while (count > 0)
        close(spare[--count]);
    return 0;
}

static void a_descriptor_waits_until_there_is_room_for_it(void **state)
{
    (void)state;
    char text[4];
    send_living();
    assert_int_equal(apart(receive_at_the_limit), 0);
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "!");
}

static void a_full_pipe_takes_no_descriptor(void **state)
{
    (void)state;
    char bytes[1000] = "";
    int sent = 0;
    while (kith_connection_send(one, bytes, sizeof bytes, KITH_NOWAIT) == 0)
        sent++;
    while (kith_connection_send(one, "", 0, KITH_NOWAIT) == 0)
        sent++;
    assert_explained(kith_connection_send_fd(one, 0, KITH_NOWAIT), -ETIMEDOUT);
    assert_explained(kith_connection_send_fd(one, 0, KITH_MS(10)), -ETIMEDOUT);
    for (int i = 0; i < sent; i++) {
        kith_bytes message;
        assert_code(kith_connection_recv(other, &message, KITH_NOWAIT), 0);
        kith_bytes_free(&message);
    }
    send_living();
    expect_living();
}

static void waiting_ends_in_time_or_by_a_signal(void **state)
{
    (void)state;
    int fd;
    expect_no_descriptor(-ETIMEDOUT);
    assert_explained(kith_connection_recv_fd(other, &fd, KITH_MS(10)), -ETIMEDOUT);
    alarms_on(alarm_ignored, SA_RESTART);
    int code = kith_connection_recv_fd(other, &fd, KITH_FOREVER);
    alarms_off();
    assert_explained(code, -EINTR);
}

/* ---- ends ---- */

static void the_end_is_told(void **state)
{
    (void)state;
    send_living();
    kith_connection_close(one);
    expect_living();
    expect_no_descriptor(KITH_EEOF);
    expect_no_descriptor(KITH_EEOF);
    assert_explained(kith_connection_send_fd(other, 0, KITH_NOWAIT), -EPIPE);
}

static void one_way_goes_one_way(void **state)
{
    (void)state;
    kith_connection *receiver, *sender;
    int fd;
    assert_code(kith_pipe(&receiver, &sender, &(kith_pipe_options){ .one_way = 1 }), 0);
    assert_explained(kith_connection_send_fd(receiver, 0, KITH_NOWAIT), -EBADF);
    assert_explained(kith_connection_recv_fd(sender, &fd, KITH_NOWAIT), -EBADF);
    assert_code(kith_connection_send_fd(sender, 0, KITH_NOWAIT), 0);
    assert_code(kith_connection_recv_fd(receiver, &fd, KITH_NOWAIT), 0);
    close(fd);
    kith_connection_free(receiver);
    kith_connection_free(sender);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    int fd, closed = dup(0);
    close(closed);
    assert_explained(kith_connection_send_fd(NULL, 0, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_send_fd(one, 0, -3), -EINVAL);
    assert_explained(kith_connection_send_fd(one, closed, KITH_NOWAIT), -EBADF);
    assert_explained(kith_connection_send_fd(one, -1, KITH_NOWAIT), -EBADF);
    assert_explained(kith_connection_recv_fd(NULL, &fd, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_fd(other, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_fd(other, &fd, -3), -EINVAL);
    expect_no_descriptor(-ETIMEDOUT); /* none of it was sent */
    kith_connection_close(one);
    assert_explained(kith_connection_send_fd(one, 0, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_connection_recv_fd(one, &fd, KITH_NOWAIT), KITH_ECLOSED);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(a_descriptor_arrives_when_its_sender_has_closed_it),
        PIPE_TEST(descriptors_and_messages_keep_their_order),
        PIPE_TEST(it_stands_for_the_same_file),
        PIPE_TEST(what_a_child_made_is_handed_to_its_parent),
        PIPE_TEST(a_descriptor_is_no_message),
        PIPE_TEST(a_message_is_no_descriptor),
        PIPE_TEST(a_part_of_a_message_is_no_descriptor),
        PIPE_TEST(descriptors_attached_to_a_message_are_closed),
        PIPE_TEST(several_descriptors_at_once_are_closed),
        PIPE_TEST(what_is_never_received_is_closed_with_the_pipe),
        PIPE_TEST(a_descriptor_waits_until_there_is_room_for_it),
        PIPE_TEST(a_full_pipe_takes_no_descriptor),
        PIPE_TEST(waiting_ends_in_time_or_by_a_signal),
        PIPE_TEST(the_end_is_told),
        PIPE_TEST(one_way_goes_one_way),
        PIPE_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
