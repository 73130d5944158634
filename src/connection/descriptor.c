/* Descriptors among the messages. */
#include "connection/send.h"
#include "connection/take.h"
#include "os/socket.h"

static int check_family(const kith_connection *connection)
{
    return connection->is_unix ? 0 : error_fail(-ENOTSUP, "only a Unix socket carries descriptors");
}

/* Descriptors go by the socket, and what comes after them then, too. */
static int leave_lane(kith_connection *connection)
{
    if (!connection_out_lane(connection))
        return 0;
    int code = lane_shut(connection->out);
    connection->out_ended = code == 0;
    return code;
}

/* @return 0 when the next thing comes by the socket; -ENOMSG when it is a message in the lane; else as lane_await */
static int await_end_of_lane(kith_connection *connection, deadline until)
{
    int code = 0;
    while (code == 0 && connection_in_lane(connection)) {
        code = lane_look(connection->in);
        if (code == 1)
            return -ENOMSG;
        if (code == 0)
            code = lane_await(connection->in, connection->channel.socket, until);
        if (connection_note_in(connection, code) == KITH_ECLOSED)
            code = 0;
    }
    return code;
}

int kith_connection_send_fd(kith_connection *connection, int fd, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from_or_at_once(timeout, &until);
    if (code == 0)
        code = send_begin(connection, until);
    if (code == 0)
        code = check_family(connection);
    if (code == 0)
        code = leave_lane(connection);
    if (code < 0)
        return code;
    /* A byte is sent or it is not, so there is nothing to be cut short. */
    while ((code = os_socket_send_descriptor(connection->channel.socket, fd)) == -EAGAIN) {
        code = connection_await(connection, OS_POLL_WRITE, until);
        if (code < 0)
            break;
    }
    if (code == -EPIPE)
        connection_lose(connection);
    return code < 0 ? error_fail(code, "descriptor %d was not sent: %s", fd, kith_strerror(code)) : 0;
}

/* @return 0; -EAGAIN; -ENOMSG when a message comes next; KITH_EEOF; another negative code */
static int receive_descriptor(kith_connection *connection, int *fd)
{
    if (connection->unusable)
        return connection->unusable;
    int next = connection->header_have > 0 || connection->ahead.at < connection->ahead.have ? 1 : take_look(connection);
    if (next != -ENOMSG)
        return next > 0 ? -ENOMSG : next;
    outlook_forget(&connection->outlook);
    return os_socket_receive_descriptor(connection->channel.socket, fd);
}

static int explain(int code)
{
    switch (code) {
    case KITH_EEOF:
        return error_fail(code, "the other side has closed, and all it sent was received");
    case -ENOMSG:
        return error_fail(code, "a message comes next: receive it with kith_connection_recv");
    case -EMFILE:
        return error_fail(code, "a descriptor waits, and this process has no room for it: close others, and try again");
    case -EBADMSG:
        return error_fail(code, "more than one descriptor came at once: they were closed");
    default:
        return error_fail(code, "no descriptor: %s", kith_strerror(code));
    }
}

int kith_connection_recv_fd(kith_connection *connection, int *fd, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from_or_at_once(timeout, &until);
    if (code == 0)
        code = connection_check_receive(connection);
    if (code == 0)
        code = connection_revive(connection, until);
    if (code == 0)
        code = check_family(connection);
    if (code < 0)
        return code;
    if (!fd)
        return error_fail(-EINVAL, "fd is NULL: give the address of an int");
    code = await_end_of_lane(connection, until);
    while (code == 0 && (code = receive_descriptor(connection, fd)) == -EAGAIN)
        code = connection_await(connection, OS_POLL_READ, until);
    if (code < 0)
        code = explain(code);
    if (code == KITH_EEOF || code == KITH_ETRUNCATED)
        connection_lose(connection);
    return code;
}
