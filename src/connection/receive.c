/* Receiving. It can stop anywhere and go on later: what has come is kept in the handle. */
#include "connection/take.h"
#include "os/poll.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

/* How much memory a message gets before any of it has come. */
#define FIRST_CAPACITY ((size_t)1 << 20)

/* ---- the header ---- */

/* A descriptor comes with a byte of its own, as CPython sends it (Lib/multiprocessing/reduction.py, sendfds), and the
 * system never joins that with bytes behind it: so what is longer is a message, whatever its sender attached to it. */
int connection_look(kith_connection *connection)
{
    unsigned char bytes[OUTLOOK_BYTES];
    struct outlook *outlook = &connection->outlook;
    ptrdiff_t got = os_socket_look(connection->channel.socket, bytes, outlook->far ? sizeof bytes : FRAME_HEADER_MIN);
    if (got == 0)
        return KITH_EEOF;
    if (got < 0)
        return got == -ECONNRESET ? KITH_ETRUNCATED : (int)got;
    if (got == 1 && connection->is_unix && os_socket_carries(connection->channel.socket))
        return -ENOMSG;
    outlook_see(outlook, bytes, (size_t)got);
    int there = got < FRAME_HEADER_MIN ? (int)got : FRAME_HEADER_MIN;
    memcpy(connection->header, bytes, (size_t)there);
    return there;
}

/* @return how many bytes came; -EAGAIN when nothing is there; KITH_EEOF for a goodbye between two messages;
 *         KITH_ETRUNCATED; another negative code */
static ptrdiff_t receive(kith_connection *connection, void *buffer, size_t size)
{
    struct channel *channel = &connection->channel;
    bool between = connection->header_have == 0 && !connection->bare; /* in a bare socket, what is taken was seen */
    outlook_forget(&connection->outlook);
    ptrdiff_t got = channel->carrier->receive(channel, buffer, size);
    if (got == 0)
        return between ? KITH_EEOF : KITH_ETRUNCATED;
    return got == -ECONNRESET ? KITH_ETRUNCATED : got;
}

/* Takes the header, piece by piece. */
static int take_header(kith_connection *connection)
{
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

/* Reads the header. As a rule all of it is there and stays there, to be taken in one go with what is behind it; else it
 * is taken, for poll would find the pieces again and again. */
static int receive_header(kith_connection *connection)
{
    struct ahead *ahead = &connection->ahead;
    if (connection->header_have == 0 && ahead->at < ahead->have)
        return frame_decode(ahead->bytes + ahead->at, ahead->have - ahead->at, &connection->size) == 0 ? 0 : -EBADMSG;
    if (connection->header_have == 0 && connection->bare) {
        size_t known = outlook_next(&connection->outlook);
        if (known) {
            connection->size = known - FRAME_HEADER_MIN;
            return 0;
        }
        int there = connection_look(connection);
        if (there < 0)
            return there;
        int missing = frame_decode(connection->header, (size_t)there, &connection->size);
        if (missing <= 0)
            return missing;
    }
    return take_header(connection);
}

/* The header, and whether such a message may be received here. */
static int receive_size(kith_connection *connection)
{
    int code = receive_header(connection);
    if (code == 0 && connection->bound && connection->size > connection->bound)
        code = KITH_ELIMIT;
    if (code == KITH_ELIMIT || code == -EBADMSG)
        connection->unusable = code;
    return code;
}

/* ---- what is behind it ---- */

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

/* Somebody else has taken a part of what we looked at. */
static int disturbed(kith_connection *connection, const unsigned char *bytes)
{
    memcpy(connection->header, bytes, FRAME_HEADER_MIN);
    connection->unusable = -EBADMSG;
    return -EBADMSG;
}

/* Whether all that we have seen may be taken at once. */
static bool may_take_many(const kith_connection *connection)
{
    return connection->reads_ahead && outlook_count(&connection->outlook) > 1 &&
           (connection->alone || connection->forks == forks_count());
}

/* Takes all frames that we have seen. @return 0; -ENOMEM: nothing is taken; another negative code */
static int take_many(kith_connection *connection)
{
    struct channel *channel = &connection->channel;
    struct outlook *outlook = &connection->outlook;
    struct ahead *ahead = &connection->ahead;
    size_t size = 0;
    if (!ahead->bytes && !(ahead->bytes = malloc(OUTLOOK_BYTES)))
        return -ENOMEM;
    for (unsigned i = outlook->next; i < outlook->count; i++)
        size += outlook->sizes[i];
    outlook_forget(outlook);
    ptrdiff_t got = channel->carrier->receive(channel, ahead->bytes, size);
    if (got <= 0)
        return got == 0 ? KITH_ETRUNCATED : (int)got;
    ahead->at = 0;
    ahead->have = (size_t)got;
    return 0;
}

/* Hands out the next of the frames that were taken. */
static int take_from_ahead(kith_connection *connection)
{
    struct ahead *ahead = &connection->ahead;
    const unsigned char *bytes = ahead->bytes + ahead->at;
    size_t size, left = ahead->have - ahead->at;
    if (frame_decode(bytes, left, &size) != 0 || size != connection->size || size > left - FRAME_HEADER_MIN)
        return disturbed(connection, bytes);
    memcpy(connection->data, bytes + FRAME_HEADER_MIN, size);
    connection->header_have = FRAME_HEADER_MIN;
    connection->have = size;
    ahead->at += FRAME_HEADER_MIN + size;
    return 0;
}

/* Takes a frame that was looked at, the header and what has come of the rest. In one piece: that and a copy are quicker
 * than two pieces, and than two calls. */
static int take_one(kith_connection *connection)
{
    struct channel *channel = &connection->channel;
    unsigned char bytes[OUTLOOK_FRAME_MAX];
    size_t known = outlook_next(&connection->outlook), size = 0;
    size_t wanted = connection->size <= sizeof bytes - FRAME_HEADER_MIN ? connection->size : 0;
    if (known)
        outlook_step(&connection->outlook);
    else
        outlook_forget(&connection->outlook);
    ptrdiff_t got = channel->carrier->receive(channel, bytes, FRAME_HEADER_MIN + wanted);
    if (got <= 0) {
        outlook_forget(&connection->outlook);
        return got == 0 ? KITH_ETRUNCATED : (int)got;
    }
    if (got < FRAME_HEADER_MIN || frame_decode(bytes, FRAME_HEADER_MIN, &size) != 0 || size != connection->size)
        return disturbed(connection, bytes);
    connection->header_have = FRAME_HEADER_MIN;
    connection->have = (size_t)got - FRAME_HEADER_MIN;
    memcpy(connection->data, bytes + FRAME_HEADER_MIN, connection->have);
    return 0;
}

static int take_first(kith_connection *connection)
{
    struct ahead *ahead = &connection->ahead;
    connection->outlook.far = connection->size <= OUTLOOK_FRAME_MAX / 2;
    if (ahead->at == ahead->have && may_take_many(connection)) {
        int code = take_many(connection);
        if (code < 0 && code != -ENOMEM)
            return code;
    }
    return ahead->at < ahead->have ? take_from_ahead(connection) : take_one(connection);
}

static int receive_some(kith_connection *connection)
{
    if (connection->header_have == 0)
        return take_first(connection);
    ptrdiff_t got = receive(connection, connection->data + connection->have, connection->capacity - connection->have);
    if (got < 0)
        return (int)got;
    connection->have += (size_t)got;
    return 0;
}

static int receive_data(kith_connection *connection)
{
    int code = 0;
    while (code == 0 && (connection->header_have == 0 || connection->have < connection->size || !connection->data)) {
        if (!connection->data || (connection->have == connection->capacity && connection->have < connection->size))
            code = grow(connection);
        else
            code = receive_some(connection);
    }
    return code;
}

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
    int code = deadline_from(timeout, until);
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
    code = receive_message(connection, &(struct target){ buffer ? buffer : &nothing, capacity }, until);
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
    code = os_poll(connection->channel.socket, connection->channel.receive_wants, until);
    if (code == 0)
        return 1;
    if (code == -ETIMEDOUT)
        return 0;
    return error_fail(code, "waiting for a message: %s", kith_strerror(code));
}
