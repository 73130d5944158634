/* Between two messages, the order is: what was taken ahead, what was seen ahead, and else a look. */
#include "connection/take.h"

#include "os/socket.h"
#include "process/forks.h"

#include <stdlib.h>
#include <string.h>

/* How much memory a message gets before any of it has come. */
#define FIRST_CAPACITY ((size_t)1 << 20)

/* ---- the header ---- */

/* A descriptor comes with a byte of its own, as CPython sends it (Lib/multiprocessing/reduction.py, sendfds), and the
 * system never joins that with bytes behind it: so what is longer is a message, whatever its sender attached to it. */
int take_look(kith_connection *connection)
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

/* Whoever calls it has noted in the outlook what will be taken: before, for he may be killed in the middle.
 * @return how many bytes came; -EAGAIN when nothing is there; KITH_EEOF for a goodbye between two messages;
 *         KITH_ETRUNCATED; another negative code */
static ptrdiff_t receive(kith_connection *connection, void *buffer, size_t size)
{
    struct channel *channel = &connection->channel;
    /* In a bare socket, what is taken was seen; but a greedy end does not look. */
    bool between = connection->header_have == 0 && (!connection->bare || connection->greedy);
    ptrdiff_t got = channel->carrier->receive(channel, buffer, size);
    if (got == 0)
        return between ? KITH_EEOF : KITH_ETRUNCATED;
    return got == -ECONNRESET ? KITH_ETRUNCATED : got;
}

static int make_ahead(struct ahead *ahead)
{
    if (!ahead->bytes)
        ahead->bytes = malloc(OUTLOOK_BYTES);
    return ahead->bytes ? 0 : -ENOMEM;
}

/* The same, of a greedy end: out of what it has taken, all that had come. Large pieces are not copied for that. */
static ptrdiff_t receive_greedily(kith_connection *connection, void *buffer, size_t size)
{
    struct ahead *ahead = &connection->ahead;
    if (ahead->at == ahead->have) {
        if (size >= OUTLOOK_BYTES)
            return receive(connection, buffer, size);
        ptrdiff_t got = make_ahead(ahead);
        if (got == 0)
            got = receive(connection, ahead->bytes, OUTLOOK_BYTES);
        if (got < 0)
            return got;
        ahead->at = 0;
        ahead->have = (size_t)got;
    }
    size_t left = ahead->have - ahead->at;
    if (size > left)
        size = left;
    memcpy(buffer, ahead->bytes + ahead->at, size);
    ahead->at += size;
    return (ptrdiff_t)size;
}

/* The same, of a piece of a frame. */
static ptrdiff_t receive_piece(kith_connection *connection, void *buffer, size_t size)
{
    if (connection->greedy)
        return receive_greedily(connection, buffer, size);
    outlook_forget(&connection->outlook);
    return receive(connection, buffer, size);
}

/* Takes the header, piece by piece. */
static int take_header(kith_connection *connection)
{
    for (;;) {
        int missing = frame_decode(connection->header, connection->header_have, &connection->size);
        if (missing <= 0)
            return missing;
        ptrdiff_t got = receive_piece(connection, connection->header + connection->header_have, (size_t)missing);
        if (got < 0)
            return (int)got;
        connection->header_have += (size_t)got;
    }
}

/* Reads the header. As a rule all of it is there and stays there, to be taken in one go with what is behind it; else it
 * is taken, for poll would find the pieces again and again. */
static int read_header(kith_connection *connection)
{
    struct ahead *ahead = &connection->ahead;
    if (connection->greedy)
        return take_header(connection);
    if (connection->header_have == 0 && ahead->at < ahead->have)
        return frame_decode(ahead->bytes + ahead->at, ahead->have - ahead->at, &connection->size) == 0 ? 0 : -EBADMSG;
    if (connection->header_have == 0 && connection->bare) {
        size_t known = outlook_next(&connection->outlook);
        if (known) {
            connection->size = known - FRAME_HEADER_MIN;
            return 0;
        }
        int there = take_look(connection);
        if (there < 0)
            return there;
        int missing = frame_decode(connection->header, (size_t)there, &connection->size);
        if (missing <= 0)
            return missing;
    }
    return take_header(connection);
}

int take_size(kith_connection *connection)
{
    int code = read_header(connection);
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
static int disturbed(kith_connection *connection, const unsigned char *bytes, size_t size)
{
    memset(connection->header, 0, FRAME_HEADER_MIN);
    memcpy(connection->header, bytes, size < FRAME_HEADER_MIN ? size : FRAME_HEADER_MIN);
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
    const struct outlook *outlook = &connection->outlook;
    struct ahead *ahead = &connection->ahead;
    size_t size = 0;
    if (make_ahead(ahead) < 0)
        return -ENOMEM;
    for (unsigned i = outlook->next; i < outlook->count; i++)
        size += outlook->sizes[i];
    ptrdiff_t got = receive_piece(connection, ahead->bytes, size);
    if (got < 0)
        return (int)got;
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
        return disturbed(connection, bytes, left);
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
    unsigned char bytes[OUTLOOK_FRAME_MAX];
    size_t known = outlook_next(&connection->outlook), size = 0;
    size_t wanted = connection->size <= sizeof bytes - FRAME_HEADER_MIN ? connection->size : 0;
    if (known)
        outlook_step(&connection->outlook);
    else
        outlook_forget(&connection->outlook);
    ptrdiff_t got = receive(connection, bytes, FRAME_HEADER_MIN + wanted);
    if (got < 0) {
        outlook_forget(&connection->outlook);
        return (int)got;
    }
    if (got < FRAME_HEADER_MIN || frame_decode(bytes, FRAME_HEADER_MIN, &size) != 0 || size != connection->size)
        return disturbed(connection, bytes, (size_t)got);
    memcpy(connection->header, bytes, FRAME_HEADER_MIN);
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

static int take_some(kith_connection *connection)
{
    if (connection->header_have == 0)
        return take_first(connection);
    ptrdiff_t got =
        receive_piece(connection, connection->data + connection->have, connection->capacity - connection->have);
    if (got < 0)
        return (int)got;
    connection->have += (size_t)got;
    return 0;
}

/* Memory for a frame that somebody else took before us may be too small for the one behind it. */
static void drop_small_memory(kith_connection *connection)
{
    if (connection->header_have > 0 || connection->lent || connection->capacity >= connection->size)
        return;
    free(connection->data);
    connection->data = NULL;
    connection->capacity = 0;
}

int take_data(kith_connection *connection)
{
    int code = 0;
    drop_small_memory(connection);
    while (code == 0 && (connection->header_have == 0 || connection->have < connection->size || !connection->data)) {
        if (!connection->data || (connection->have == connection->capacity && connection->have < connection->size))
            code = grow(connection);
        else
            code = take_some(connection);
    }
    return code;
}
