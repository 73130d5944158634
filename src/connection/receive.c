/* Receiving. It can stop anywhere and go on later: what has come is kept in the handle. */
#include "connection/take.h"
#include "os/poll.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

/* ---- where it goes ---- */

/* Memory of the caller's. */
struct target {
    void *buffer;
    size_t capacity;
};

/* Has the message go straight to the caller, if nothing of it has come before. */
static int lend(kith_connection *connection, const struct target *target)
{
    if (connection->size > target->capacity)
        return -EMSGSIZE;
    if (connection->data && !connection->lent)
        return 0;
    connection->lent = true;
    connection->data = target->buffer;
    connection->capacity = connection->size;
    return 0;
}

/* Takes the caller's memory out of use, and keeps what has come in our own. */
static int reclaim(kith_connection *connection)
{
    unsigned char *own = NULL;
    int code = 0;
    if (!connection->lent)
        return 0;
    if (connection->have > 0 && !(own = malloc(connection->have))) {
        connection->unusable = KITH_ETRUNCATED;
        connection->have = 0;
        code = -ENOMEM;
    }
    if (own)
        memcpy(own, connection->data, connection->have);
    connection->data = own;
    connection->capacity = connection->have;
    connection->lent = false;
    return code;
}

/* The next message begins. */
static void forget(kith_connection *connection)
{
    connection->header_have = 0;
    connection->data = NULL;
    connection->capacity = 0;
    connection->have = 0;
    connection->lent = false;
}

/* ---- failing ---- */

int connection_check_receive(const kith_connection *connection)
{
    int code = connection_check(connection);
    if (code < 0)
        return code;
    if (!connection->receives)
        return error_fail(-EBADF, "this end only sends: it is the second of a one-way pipe");
    return 0;
}

static int begin(kith_connection *connection, kith_timeout timeout, deadline *until)
{
    int code = deadline_from_or_at_once(timeout, until);
    if (code == 0)
        code = connection_check_receive(connection);
    return code < 0 ? code : connection_revive(connection, *until);
}

/* The particulars of a failure, unless the carrier has told them. */
static int explain(const kith_connection *connection, int code)
{
    if (code == KITH_ETLS || code == KITH_ECLOSED || (code == KITH_ETRUNCATED && !connection->bare))
        return code;
    const unsigned char *header = connection->header;
    size_t total = connection->size, have = connection->have;
    switch (code) {
    case KITH_EEOF:
        return error_fail(code, "the other side has closed, and all it sent was received");
    case -EBADMSG:
        return connection->header_have == FRAME_HEADER_MAX
                   ? error_fail(code, "a message was announced that is longer than any memory")
                   : error_fail(code,
                                "no message begins with these bytes (%02x %02x %02x %02x): the other side does not "
                                "write frames, or another process has received a part",
                                header[0], header[1], header[2], header[3]);
    case -ENOMSG:
        return error_fail(code, "a descriptor comes next: receive it with kith_connection_recv_fd");
    case -EMSGSIZE:
        return error_fail(code, "a message of %zu bytes does not fit: receive it with more room", total);
    case KITH_ELIMIT:
        return error_fail(code, "a message of %zu bytes was announced, and kith_connection_set_max_message allows %llu",
                          total, (unsigned long long)connection->bound);
    default:
        return have ? error_fail(code, "%zu of a message's %zu bytes have come: %s", have, total, kith_strerror(code))
                    : error_fail(code, "no whole message: %s", kith_strerror(code));
    }
}

/* Ends a receiving call that failed. */
static int fail(kith_connection *connection, int code)
{
    code = explain(connection, code);
    if (code == KITH_EEOF || code == KITH_ETRUNCATED || code == KITH_ETLS)
        connection_lose(connection);
    return code;
}

/* ---- by a lane ---- */

/* Where a message of a lane is to go: memory that is allocated, or the caller's. */
struct sink {
    kith_bytes *message; /* NULL: the buffer */
    struct target target;
    size_t *size; /* of the message that is in the buffer, or does not fit */
};

static int check_bound(kith_connection *connection, deadline until)
{
    int code = lane_size(connection->in, &connection->size, until);
    if (code == 0 && connection->size > connection->bound)
        connection->unusable = code = KITH_ELIMIT;
    return code;
}

static int take_from_lane(kith_connection *connection, const struct sink *sink, deadline until)
{
    int code = connection->bound ? check_bound(connection, until) : 0;
    if (code < 0)
        return code;
    if (sink->message)
        return lane_get_bytes(connection->in, sink->message, until);
    code = lane_get(connection->in, sink->target.buffer, sink->target.capacity, sink->size, until);
    if (code == -EMSGSIZE)
        connection->size = *sink->size;
    return code;
}

/* @return also KITH_ECLOSED, when the lane has ended: the next message comes by the socket */
static int receive_by_lane(kith_connection *connection, const struct sink *sink, deadline until)
{
    int code = connection->unusable;
    while (code == 0) {
        code = take_from_lane(connection, sink, until);
        if (code != KITH_EEMPTY)
            break;
        code = lane_await(connection->in, connection->channel.socket, until);
    }
    return connection_note_in(connection, code);
}

/* ---- the calls ---- */

/* @param target  NULL: memory that we allocate */
static int receive_message(kith_connection *connection, const struct target *target, deadline until)
{
    int code = connection->unusable;
    while (code == 0) {
        code = take_size(connection);
        if (code == 0 && target)
            code = lend(connection, target);
        if (code == 0)
            code = take_data(connection);
        if (code != -EAGAIN)
            break;
        if (connection->header_have > 0 && !connection->is_unix)
            os_socket_acknowledge(connection->channel.socket); /* the rest may wait for that */
        code = connection_await(connection, connection->channel.receive_wants, until);
    }
    return code;
}

int kith_connection_recv(kith_connection *connection, kith_bytes *message, kith_timeout timeout)
{
    deadline until;
    int code = begin(connection, timeout, &until);
    if (code < 0)
        return code;
    if (!message)
        return error_fail(-EINVAL, "message is NULL: give the address of a kith_bytes");
    if (connection_in_lane(connection)) {
        code = receive_by_lane(connection, &(struct sink){ .message = message }, until);
        if (code != KITH_ECLOSED)
            return code == 0 ? 0 : fail(connection, code);
    }
    code = receive_message(connection, NULL, until);
    if (code < 0)
        return fail(connection, code);
    *message = (kith_bytes){ connection->data, connection->size };
    forget(connection);
    return 0;
}

int kith_connection_recv_into(kith_connection *connection, void *buffer, size_t capacity, size_t *size,
                              kith_timeout timeout)
{
    char nothing;
    deadline until;
    int code = begin(connection, timeout, &until);
    if (code < 0)
        return code;
    if (!size)
        return error_fail(-EINVAL, "size is NULL: give the address of a size_t");
    if (!buffer && capacity)
        return error_fail(-EINVAL, "buffer is NULL, but capacity is %zu", capacity);
    struct target target = { buffer ? buffer : &nothing, capacity };
    if (connection_in_lane(connection)) {
        code = receive_by_lane(connection, &(struct sink){ .target = target, .size = size }, until);
        if (code != KITH_ECLOSED)
            return code == 0 ? 0 : fail(connection, code);
    }
    code = receive_message(connection, &target, until);
    if (code == 0 || code == -EMSGSIZE)
        *size = connection->size;
    if (code < 0) {
        int kept = reclaim(connection);
        return fail(connection, kept < 0 ? kept : code);
    }
    if (!connection->lent) {
        if (connection->size)
            memcpy(buffer, connection->data, connection->size);
        free(connection->data);
    }
    forget(connection);
    return 0;
}

int kith_connection_poll(kith_connection *connection, kith_timeout timeout)
{
    deadline until;
    int code = begin(connection, timeout, &until);
    if (code < 0)
        return code;
    if (connection_pending(connection))
        return 1;
    if (connection_in_lane(connection))
        code = connection_note_in(connection, lane_await(connection->in, connection->channel.socket, until));
    else
        code = KITH_ECLOSED;
    if (code == KITH_ECLOSED)
        code = os_poll(connection->channel.socket, connection->channel.receive_wants, until);
    if (code == 0 || code == KITH_EEOF)
        return 1;
    if (code == -ETIMEDOUT)
        return 0;
    return error_fail(code, "waiting for a message: %s", kith_strerror(code));
}
