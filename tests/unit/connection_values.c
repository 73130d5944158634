/* kith/connection.h: values as messages; sockets that come from elsewhere, and who is at their other end. */
#include "family.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static kith_connection *one;
static kith_connection *other;
static kith_arena *arena;

static int set_up_pipe(void **state)
{
    return set_up(state) < 0 || kith_arena_new(&arena) < 0 ? -1 : kith_pipe(&one, &other, NULL);
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(one);
    kith_connection_free(other);
    kith_arena_free(arena);
    return tear_down(state);
}

/* ---- values ---- */

static void goes_through(const kith_value *expected)
{
    kith_value *value = NULL;
    assert_non_null(expected);
    assert_code(kith_connection_send_value(one, expected, KITH_FOREVER), 0);
    assert_code(kith_connection_recv_value(other, arena, &value, KITH_FOREVER), 0);
    assert_int_equal(kith_value_equal(value, expected), 1);
}

static void values_go_through(void **state)
{
    (void)state;
    char *bytes = calloc(1, 60000);
    goes_through(kith_value_pack(arena, "n"));
    goes_through(kith_value_pack(arena, "[i,s,f]", 7, "seven", 7.0));
    for (size_t size = 4000; size < 4200; size += 20) /* around where it is read in place */
        goes_through(kith_value_bytes(arena, bytes, size));
    goes_through(kith_value_bytes(arena, bytes, 60000));
    free(bytes);
}

static void a_value_is_a_message_that_is_a_pickle(void **state)
{
    (void)state;
    kith_bytes message;
    assert_code(kith_connection_send_value(one, kith_value_pack(arena, "i", 5), KITH_NOWAIT), 0);
    assert_code(kith_connection_recv(other, &message, KITH_NOWAIT), 0);
    assert_int_equal(message.size, 5);
    assert_memory_equal(message.data, "\x80\4K\5.", 5); /* as Python 3.8 to 3.13 write it */
    kith_bytes_free(&message);
}

static void what_is_no_pickle_is_gone(void **state)
{
    (void)state;
    static const char zeros[10000];
    kith_value *value = NULL;
    assert_code(kith_connection_send(one, "what?", 5, KITH_NOWAIT), 0);
    assert_code(kith_connection_send(one, zeros, sizeof zeros, KITH_NOWAIT), 0);
    assert_code(kith_connection_send_value(one, kith_value_pack(arena, "i", 5), KITH_NOWAIT), 0);
    assert_explained(kith_connection_recv_value(other, arena, &value, KITH_NOWAIT), KITH_EMALFORMED);
    assert_explained(kith_connection_recv_value(other, arena, &value, KITH_NOWAIT), KITH_EMALFORMED);
    assert_null(value);
    assert_code(kith_connection_recv_value(other, arena, &value, KITH_NOWAIT), 0);
    assert_int_equal(kith_value_equal(value, kith_value_pack(arena, "i", 5)), 1);
}

static void a_value_that_can_not_be_written_is_not_sent(void **state)
{
    (void)state;
    kith_value *value = NULL, *deep = kith_value_pack(arena, "[]");
    for (int i = 0; i < KITH_VALUE_DEPTH_MAX + 10; i++)
        deep = kith_value_pack(arena, "[v]", deep);
    assert_explained(kith_connection_send_value(one, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_send_value(one, deep, KITH_NOWAIT), KITH_ELIMIT);
    assert_explained(kith_connection_send_value(NULL, deep, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_value(other, NULL, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_value(other, arena, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_value(NULL, arena, &value, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_connection_recv_value(other, arena, &value, KITH_NOWAIT), -ETIMEDOUT);
    kith_connection_close(other);
    assert_explained(kith_connection_send_value(one, kith_value_pack(arena, "i", 5), KITH_NOWAIT), -EPIPE);
    assert_explained(kith_connection_recv_value(one, arena, &value, KITH_NOWAIT), KITH_EEOF);
}

/* ---- sockets from elsewhere ---- */

/* Two ends of a TCP connection on this machine. */
static void connect_tcp(int ends[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&address, size), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(listener);
}

static kith_connection *take(int fd)
{
    kith_connection *connection = NULL;
    assert_code(kith_connection_from_fd(&connection, fd), 0);
    close(fd);
    return connection;
}

static void a_connection_is_made_of_a_socket(void **state)
{
    (void)state;
    int ends[2];
    kith_bytes message;
    connect_tcp(ends);
    kith_connection *first = take(ends[0]), *second = take(ends[1]);
    for (int i = 0; i < 3; i++)
        assert_code(kith_connection_send(first, "over TCP", 8, KITH_NOWAIT), 0);
    for (int i = 0; i < 3; i++) {
        assert_code(kith_connection_recv(second, &message, KITH_FOREVER), 0);
        assert_int_equal(message.size, 8);
        kith_bytes_free(&message);
    }
    int fd;
    assert_explained(kith_connection_send_fd(first, 0, KITH_NOWAIT), -ENOTSUP);
    assert_explained(kith_connection_recv_fd(first, &fd, KITH_NOWAIT), -ENOTSUP);
    kith_connection_free(first);
    assert_explained(kith_connection_recv(second, &message, KITH_FOREVER), KITH_EEOF);
    kith_connection_free(second);
}

static void a_reset_is_no_orderly_end(void **state)
{
    (void)state;
    int ends[2];
    kith_bytes message;
    connect_tcp(ends);
    kith_connection *first = take(ends[0]);
    const struct linger at_once = { .l_onoff = 1 };
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(ends[1]);
    assert_explained(kith_connection_recv(first, &message, KITH_FOREVER), KITH_ETRUNCATED);
    assert_explained(kith_connection_send(first, "x", 1, KITH_FOREVER), -EPIPE);
    kith_connection_free(first);
}

static void an_end_that_was_handed_over_is_used_there(void **state)
{
    (void)state;
    int fd;
    kith_bytes message;
    kith_connection *left, *right;
    assert_code(kith_pipe(&left, &right, NULL), 0);
    assert_code(kith_connection_send_fd(one, kith_connection_fd(right), KITH_NOWAIT), 0);
    kith_connection_free(right);
    assert_code(kith_connection_recv_fd(other, &fd, KITH_NOWAIT), 0);
    right = take(fd);
    assert_code(kith_connection_send(right, "hello", 5, KITH_NOWAIT), 0);
    assert_code(kith_connection_recv(left, &message, KITH_NOWAIT), 0);
    kith_bytes_free(&message);
    kith_connection_free(left);
    kith_connection_free(right);
}

static void what_is_no_connected_stream_is_refused(void **state)
{
    (void)state;
    kith_connection *made = NULL;
    int lonely = socket(AF_UNIX, SOCK_STREAM, 0), closed = dup(0), packets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets), 0);
    close(closed);
    assert_explained(kith_connection_from_fd(&made, closed), -EBADF);
    assert_explained(kith_connection_from_fd(&made, go[0]), -EINVAL);
    assert_explained(kith_connection_from_fd(&made, lonely), -EINVAL);
    assert_explained(kith_connection_from_fd(&made, packets[0]), -EINVAL);
    assert_explained(kith_connection_from_fd(NULL, kith_connection_fd(one)), -EINVAL);
    assert_null(made);
    close(lonely);
    close(packets[0]);
    close(packets[1]);
}

/* ---- who is there ---- */

static void the_peer_of_a_pipe_is_who_made_it(void **state)
{
    (void)state;
    kith_peer peer;
    assert_code(kith_connection_peer(one, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    assert_string_equal(peer.address, "");
    assert_explained(kith_connection_peer(NULL, &peer), -EINVAL);
    assert_explained(kith_connection_peer(one, NULL), -EINVAL);
    kith_connection_close(one);
    assert_explained(kith_connection_peer(one, &peer), KITH_ECLOSED);
}

static void the_peer_of_tcp_has_an_address(void **state)
{
    (void)state;
    int ends[2];
    kith_peer peer;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    char expected[64];
    connect_tcp(ends);
    assert_int_equal(getsockname(ends[1], (struct sockaddr *)&address, &size), 0);
    kith_connection *first = take(ends[0]);
    assert_code(kith_connection_peer(first, &peer), 0);
    assert_int_equal(peer.pid, 0);
    assert_int_equal(peer.uid, (uid_t)-1);
    assert_int_equal(peer.gid, (gid_t)-1);
    snprintf(expected, sizeof expected, "tcp:127.0.0.1:%d", ntohs(address.sin_port));
    assert_string_equal(peer.address, expected);
    kith_connection_free(first);
    close(ends[1]);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(values_go_through),
        PIPE_TEST(a_value_is_a_message_that_is_a_pickle),
        PIPE_TEST(what_is_no_pickle_is_gone),
        PIPE_TEST(a_value_that_can_not_be_written_is_not_sent),
        PIPE_TEST(a_connection_is_made_of_a_socket),
        PIPE_TEST(a_reset_is_no_orderly_end),
        PIPE_TEST(an_end_that_was_handed_over_is_used_there),
        PIPE_TEST(what_is_no_connected_stream_is_refused),
        PIPE_TEST(the_peer_of_a_pipe_is_who_made_it),
        PIPE_TEST(the_peer_of_tcp_has_an_address),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
