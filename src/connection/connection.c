/* Messages over a connected socket.
 *
 * Sending is all or nothing: a message that is begun is finished, or the direction is shut, for a receiver could not
 * find the next one behind half a message. Receiving can stop anywhere and go on later; what has come is kept in the
 * handle. No byte is read that belongs to the next message: it may be for another process, and poll must see it. */
#include "connection/connection.h"

#include "base/deadline.h"
#include "os/poll.h"
#include "os/socket.h"
#include "process/forks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much memory a message gets before any of it has come. */
#define FIRST_CAPACITY ((size_t)1 << 20)

/* ---- the handle ---- */

kith_connection *connection_new(void)
{
    kith_connection *connection = calloc(1, sizeof *connection);
    if (connection)
        connection->channel.socket = -1;
    return connection;
}

/* Under forks_block, or in a child that has no other thread yet. */
static void shut(kith_connection *connection, bool goodbye)
{
    if (connection->channel.socket >= 0)
        channel_close(&connection->channel, goodbye);
    free(connection->data);
    connection->data = NULL;
    connection->capacity = 0;
    connection->have = 0;
    connection->header_have = 0;
    connection->cut = false;
}

static void end(kith_connection *connection, bool goodbye)
{
    shut(connection, goodbye);
    if (connection->renewal.end)
        connection->renewal.end(connection->renewal.context);
    connection->renewal = (struct renewal){ 0 };
    connection->open = false;
}

static void drop(void *owner)
{
    kith_connection *connection = owner;
    end(connection, false);
    connection->dropped = true;
}

void connection_open(kith_connection *connection, const struct channel *channel, bool sends, bool receives)
{
    connection->channel = *channel;
    connection->sends = sends;
    connection->receives = receives;
    if (connection->open)
        return;
    connection->open = true;
    connection->heirloom = (struct heirloom){ .owner = connection, .drop = drop };
    inherit_add(&connection->heirloom);
}

void connection_shut(kith_connection *connection)
{
    forks_block();
    shut(connection, true);
    forks_allow();
}

void connection_set_renewal(kith_connection *connection, const struct renewal *renewal)
{
    connection->renewal = *renewal;
}

static int no_connection(void)
{
    return error_fail(-EINVAL, "connection is NULL: make one with kith_pipe");
}

static int check_open(const kith_connection *connection)
{
    if (!connection)
        return no_connection();
    if (connection->dropped)
        return error_fail(KITH_ECLOSED, "this connection was not handed to this process: name it in "
                                        "kith_process_options.connections");
    if (!connection->open)
        return error_fail(KITH_ECLOSED, "this connection was closed");
    return 0;
}

int kith_connection_fd(const kith_connection *connection)
{
    int code = check_open(connection);
    return code < 0 ? code : connection->channel.socket;
}

int kith_connection_close(kith_connection *connection)
{
    if (!connection)
        return no_connection();
    if (!connection->open)
        return 0;
    forks_block();
    inherit_remove(&connection->heirloom);
    end(connection, true);
    forks_allow();
    return 0;
}

void kith_connection_free(kith_connection *connection)
{
    if (!connection)
        return;
    kith_connection_close(connection);
    free(connection);
}

/* Waits until the socket is ready. @return 0, -ETIMEDOUT, -EINTR, -ENOMEM */
static int await(const kith_connection *connection, enum os_poll_for what, deadline until)
{
    if (deadline_passed(until))
        return -ETIMEDOUT;
    return os_poll(connection->channel.socket, what, until);
}

/* ---- sending ---- */

/* @param sent  receives how much of header and data the kernel has, also after a failure */
static int send_all(kith_connection *connection, const void *data, size_t size, deadline until, size_t *sent)
{
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_size = frame_encode(header, size);
    size_t total = header_size + size;
    *sent = 0;
    while (*sent < total) {
        size_t from_header = *sent < header_size ? *sent : header_size;
        size_t from_data = *sent - from_header;
        ptrdiff_t step = os_socket_send(connection->channel.socket, header + from_header, header_size - from_header,
                                        (const char *)data + from_data, size - from_data);
        if (step > 0) {
            *sent += (size_t)step;
            continue;
        }
        int code = step == -EAGAIN ? await(connection, OS_POLL_WRITE, until) : (int)step;
        if (code < 0 && !(code == -EINTR && *sent > 0))
            return code;
    }
    return 0;
}

static int check_send(const kith_connection *connection, const void *data, size_t size)
{
    int code = check_open(connection);
    if (code < 0)
        return code;
    if (!connection->sends)
        return error_fail(-EBADF, "this end only receives: it is the first of a one-way pipe");
    if (!data && size)
        return error_fail(-EINVAL, "data is NULL, but size is %zu", size);
    if (size > PTRDIFF_MAX)
        return error_fail(-EINVAL, "a size of %zu bytes: no object is so large; was it negative?", size);
    if (connection->cut)
        return error_fail(-EPIPE,
                          "an earlier message on this end was cut short, so no more can follow it: make another "
                          "pipe, and give large messages time");
    return 0;
}

int kith_connection_send(kith_connection *connection, const void *data, size_t size, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = check_send(connection, data, size);
    if (code < 0)
        return code;
    size_t sent;
    code = send_all(connection, data, size, until, &sent);
    if (code == 0)
        return 0;
    if (sent > 0) {
        os_socket_end_sending(connection->channel.socket);
        connection->cut = true;
        return error_fail(code, "a message of %zu bytes was cut short, and this end can send no more: %s", size,
                          kith_strerror(code));
    }
    return error_fail(code, "nothing of a message of %zu bytes was sent: %s", size, kith_strerror(code));
}

int kith_connection_send_fd(kith_connection *connection, int fd, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = check_send(connection, "", 0);
    if (code < 0)
        return code;
    /* A byte is sent or it is not, so there is nothing to be cut short. */
    while ((code = os_socket_send_descriptor(connection->channel.socket, fd)) == -EAGAIN) {
        code = await(connection, OS_POLL_WRITE, until);
        if (code < 0)
            break;
    }
    return code < 0 ? error_fail(code, "descriptor %d was not sent: %s", fd, kith_strerror(code)) : 0;
}

/* ---- receiving ---- */

/* What comes next, between two messages. Nothing is taken yet, and of a message the header is read. A descriptor comes
 * with a byte of its own, as CPython sends it (Lib/multiprocessing/reduction.py, sendfds), and the system never joins
 * that with bytes behind it: so what is longer is a message, whatever its sender attached to it.
 * @return for a message, how many bytes of its header there are, 1 or more; -ENOMSG for a descriptor; -EAGAIN when
 *         nothing is there; KITH_EEOF; another negative errno */
static int look(kith_connection *connection)
{
    ptrdiff_t got = os_socket_look(connection->channel.socket, connection->header, FRAME_HEADER_MIN);
    if (got == 0)
        return KITH_EEOF;
    return got == 1 && os_socket_carries(connection->channel.socket) ? -ENOMSG : (int)got;
}

/* @return how many bytes came; -EAGAIN when nothing is there; KITH_ETRUNCATED; another negative errno */
static ptrdiff_t receive(kith_connection *connection, void *buffer, size_t size)
{
    ptrdiff_t got = os_socket_receive(connection->channel.socket, buffer, size);
    return got == 0 ? KITH_ETRUNCATED : got;
}

/* Reads the header. As a rule all of it is there and stays there, to be taken in one go with what is behind it; else it
 * is taken piece by piece, for poll would find the pieces again and again. */
static int receive_header(kith_connection *connection)
{
    if (connection->header_have == 0) {
        int there = look(connection);
        if (there < 0)
            return there;
        int missing = frame_decode(connection->header, (size_t)there, &connection->size);
        if (missing <= 0)
            return missing;
    }
    for (;;) {
        int missing = frame_decode(connection->header, connection->header_have, &connection->size);
        if (missing <= 0)
            return missing;
        ptrdiff_t got = receive(connection, connection->header + connection->header_have, (size_t)missing);
        if (got < 0)
            return (int)got;
        connection->header_have += (size_t)got;
    }
}

/* Makes room for more of the message, twice as much as before. An empty message has memory, too. */
static int grow(kith_connection *connection)
{
    size_t capacity = connection->capacity ? connection->capacity : FIRST_CAPACITY / 2;
    capacity = connection->size / 2 < capacity ? connection->size : 2 * capacity;
    void *data = realloc(connection->data, capacity ? capacity : 1);
    if (!data)
        return -ENOMEM;
    connection->data = data;
    connection->capacity = capacity;
    return 0;
}

/* Takes the header, which is there, and of a short message what has come. In one piece: that and a copy are quicker
 * than two pieces, and than two calls. */
static int receive_first(kith_connection *connection)
{
    unsigned char bytes[8192];
    size_t size = connection->capacity <= sizeof bytes - FRAME_HEADER_MIN ? connection->capacity : 0;
    ptrdiff_t got = receive(connection, bytes, FRAME_HEADER_MIN + size);
    if (got < 0)
        return (int)got;
    if (got < FRAME_HEADER_MIN)
        return -EBADMSG; /* another thread or process has received it at the same time */
    connection->header_have = FRAME_HEADER_MIN;
    connection->have = (size_t)got - FRAME_HEADER_MIN;
    memcpy(connection->data, bytes + FRAME_HEADER_MIN, connection->have);
    return 0;
}

static int receive_data(kith_connection *connection)
{
    if (connection->header_have == 0)
        return receive_first(connection);
    ptrdiff_t got = receive(connection, connection->data + connection->have, connection->capacity - connection->have);
    if (got < 0)
        return (int)got;
    connection->have += (size_t)got;
    return 0;
}

static int receive_message(kith_connection *connection)
{
    int code = receive_header(connection);
    while (code == 0 && (connection->header_have == 0 || connection->have < connection->size || !connection->data)) {
        if (!connection->data || (connection->have == connection->capacity && connection->have < connection->size))
            code = grow(connection);
        else
            code = receive_data(connection);
    }
    return code;
}

static void hand_over(kith_connection *connection, kith_bytes *message)
{
    *message = (kith_bytes){ connection->data, connection->size };
    connection->header_have = 0;
    connection->data = NULL;
    connection->capacity = 0;
    connection->have = 0;
}

static int check_receive(const kith_connection *connection)
{
    int code = check_open(connection);
    if (code < 0)
        return code;
    if (!connection->receives)
        return error_fail(-EBADF, "this end only sends: it is the second of a one-way pipe");
    return 0;
}

/* The particulars of a failed kith_connection_recv. */
static int explain(const kith_connection *connection, int code)
{
    if (code == KITH_EEOF)
        return error_fail(code, "the other side has closed, and all it sent was received");
    if (code == -EBADMSG && connection->header_have == FRAME_HEADER_MAX)
        return error_fail(code, "a message was announced that is longer than any memory");
    if (code == -EBADMSG)
        return error_fail(code,
                          "no message begins with these bytes (%02x %02x %02x %02x): the other side does not write "
                          "frames, or another process has received a part",
                          connection->header[0], connection->header[1], connection->header[2], connection->header[3]);
    if (code == -ENOMSG)
        return error_fail(code, "a descriptor comes next: receive it with kith_connection_recv_fd");
    if (connection->have == 0)
        return error_fail(code, "no whole message: %s", kith_strerror(code));
    return error_fail(code, "%zu of a message's %zu bytes have come: %s", connection->have, connection->size,
                      kith_strerror(code));
}

int kith_connection_recv(kith_connection *connection, kith_bytes *message, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = check_receive(connection);
    if (code < 0)
        return code;
    if (!message)
        return error_fail(-EINVAL, "message is NULL: give the address of a kith_bytes");
    while ((code = receive_message(connection)) == -EAGAIN) {
        code = await(connection, OS_POLL_READ, until);
        if (code < 0)
            break;
    }
    if (code < 0)
        return explain(connection, code);
    hand_over(connection, message);
    return 0;
}

/* @return 0; -EAGAIN; -ENOMSG when a message comes next; KITH_EEOF; another negative errno */
static int receive_descriptor(kith_connection *connection, int *fd)
{
    int next = connection->header_have > 0 ? 1 : look(connection);
    if (next == -ENOMSG)
        return os_socket_receive_descriptor(connection->channel.socket, fd);
    return next > 0 ? -ENOMSG : next;
}

static int explain_descriptor(int code)
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
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = check_receive(connection);
    if (code < 0)
        return code;
    if (!fd)
        return error_fail(-EINVAL, "fd is NULL: give the address of an int");
    while ((code = receive_descriptor(connection, fd)) == -EAGAIN) {
        code = await(connection, OS_POLL_READ, until);
        if (code < 0)
            break;
    }
    return code < 0 ? explain_descriptor(code) : 0;
}

int kith_connection_poll(kith_connection *connection, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = check_receive(connection);
    if (code < 0)
        return code;
    code = os_poll(connection->channel.socket, OS_POLL_READ, until);
    if (code == 0)
        return 1;
    if (code == -ETIMEDOUT)
        return 0;
    return error_fail(code, "waiting for a message: %s", kith_strerror(code));
}
