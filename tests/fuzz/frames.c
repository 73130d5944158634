/* Fuzzes the receiving end of a connection: what comes in which pieces, which calls receive it, and whether descriptors
 * come along, is taken from the input.
 *
 * The first byte of the input chooses the kind of connection and a longest message; the next seven are the steps, in
 * turn, some rounds or until all is sent; the rest is what is sent. Of a step, the lowest three bits say what it does,
 * and the others how much. Then what is left is sent, and all is received. What must hold, whatever the bytes: each
 * message that is received is the one that stands at its place in what was sent; each refusal is true; no descriptor is
 * left over; memory is in proportion to what has come. */
#include "fuzz.h"

#include <kith/connection.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS = 7, HEAD = 1 + STEPS, ROUNDS = 5, HEADER = 4, LONG_HEADER = 12 };

/* The lowest bits of the first byte. */
enum { BOUNDED = 1, READ_AHEAD = 2 };

struct stream {
    const uint8_t *bytes;
    size_t size;
    size_t sent;
    size_t taken; /* whole messages, and descriptors' bytes, that were received */
    uint64_t max;
    bool shut;
    int raw; /* the sender's end */
    kith_connection *connection;
};

/* ---- what should come ---- */

enum next { NEXT_NOTHING, NEXT_PART, NEXT_MESSAGE, NEXT_TOO_LONG, NEXT_NONSENSE };

/* What comes next in what was sent. @param header, length  receive its measure where it is a message or too long */
static enum next next_of(const struct stream *stream, size_t *header, uint64_t *length)
{
    const uint8_t *bytes = stream->bytes + stream->taken;
    size_t there = stream->sent - stream->taken;
    if (there == 0)
        return NEXT_NOTHING;
    if (there < HEADER)
        return NEXT_PART;
    *header = HEADER;
    *length = fuzz_number_at(bytes, HEADER);
    if (*length == UINT32_MAX) {
        if (there < LONG_HEADER)
            return NEXT_PART;
        *header = LONG_HEADER;
        *length = fuzz_number_at(bytes + HEADER, LONG_HEADER - HEADER);
        if (*length > PTRDIFF_MAX)
            return NEXT_NONSENSE;
    } else if (*length > INT32_MAX) {
        return NEXT_NONSENSE;
    }
    if (stream->max && *length > stream->max)
        return NEXT_TOO_LONG;
    return there - *header < *length ? NEXT_PART : NEXT_MESSAGE;
}

static void take_message(struct stream *stream, const void *data, size_t size)
{
    size_t header;
    uint64_t length;
    REQUIRE(next_of(stream, &header, &length) == NEXT_MESSAGE);
    if (data) {
        REQUIRE(size == length);
        REQUIRE(size == 0 || memcmp(data, stream->bytes + stream->taken + header, size) == 0);
    }
    stream->taken += header + (size_t)length;
}

/* Why nothing was received. @return whether the connection is at its end */
static bool judge_refusal(const struct stream *stream, int code)
{
    size_t header;
    uint64_t length;
    enum next next = next_of(stream, &header, &length);
    REQUIRE_CODE(code, -ETIMEDOUT, -ENOMSG, KITH_EEOF, KITH_ETRUNCATED, -EBADMSG, KITH_ELIMIT);
    if (code == -ETIMEDOUT)
        REQUIRE(!stream->shut && (next == NEXT_NOTHING || next == NEXT_PART));
    if (code == KITH_EEOF)
        REQUIRE(stream->shut && next == NEXT_NOTHING);
    if (code == KITH_ETRUNCATED)
        REQUIRE(stream->shut && next == NEXT_PART);
    if (code == -EBADMSG)
        REQUIRE(next == NEXT_NONSENSE);
    if (code == KITH_ELIMIT)
        REQUIRE(next == NEXT_TOO_LONG);
    return code != -ETIMEDOUT && code != -ENOMSG;
}

/* ---- receiving: each tells whether the connection is at its end ---- */

static bool receive(struct stream *stream)
{
    kith_bytes message = { 0 };
    int code = kith_connection_recv(stream->connection, &message, KITH_NOWAIT);
    if (code < 0)
        return judge_refusal(stream, code);
    take_message(stream, message.data, message.size);
    kith_bytes_free(&message);
    return false;
}

static bool receive_into(struct stream *stream, size_t capacity)
{
    uint8_t buffer[256];
    size_t size = 0;
    int code = kith_connection_recv_into(stream->connection, capacity ? buffer : NULL, capacity, &size, KITH_NOWAIT);
    if (code == -EMSGSIZE) {
        size_t header;
        uint64_t length;
        enum next next = next_of(stream, &header, &length);
        REQUIRE(next == NEXT_MESSAGE || next == NEXT_PART);
        REQUIRE(size == length && size > capacity);
        return false;
    }
    if (code < 0)
        return judge_refusal(stream, code);
    REQUIRE(size <= capacity);
    take_message(stream, buffer, size);
    return false;
}

static bool receive_value(struct stream *stream)
{
    size_t header;
    uint64_t length;
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    int code = kith_connection_recv_value(stream->connection, arena, &value, KITH_NOWAIT);
    REQUIRE((code == 0) == (value != NULL));
    kith_arena_free(arena);
    bool received = code == 0 || code == KITH_EMALFORMED ||
                    (code == KITH_ELIMIT && next_of(stream, &header, &length) == NEXT_MESSAGE);
    if (!received)
        return judge_refusal(stream, code);
    take_message(stream, NULL, 0);
    return false;
}

static bool receive_fd(struct stream *stream)
{
    int fd = -1;
    int code = kith_connection_recv_fd(stream->connection, &fd, KITH_NOWAIT);
    if (code == -ENOMSG)
        return false;
    if (code == 0) {
        REQUIRE(fcntl(fd, F_GETFD) == FD_CLOEXEC);
        close(fd);
    } else if (code != -EBADMSG || stream->taken == stream->sent) {
        return judge_refusal(stream, code);
    }
    REQUIRE(stream->taken < stream->sent);
    stream->taken++; /* the byte that it came with */
    return false;
}

static void poll_it(const struct stream *stream)
{
    int code = kith_connection_poll(stream->connection, KITH_NOWAIT);
    REQUIRE_CODE(code, 0, 1);
    REQUIRE(code == 1 || !stream->shut);
}

/* ---- sending ---- */

/* Sends some bytes, and descriptors with them. */
static void send_some(struct stream *stream, size_t size, size_t descriptors)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = { 0 };
    size_t left = stream->size - stream->sent;
    struct iovec part = { (void *)(stream->bytes + stream->sent), size < left ? size : left };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (descriptors) {
        const int fds[2] = { 0, 0 };
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(descriptors * sizeof *fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors * sizeof *fds);
        memcpy(CMSG_DATA(header), fds, descriptors * sizeof *fds);
    }
    ptrdiff_t sent = part.iov_len ? sendmsg(stream->raw, &message, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (sent > 0)
        stream->sent += (size_t)sent;
}

/* ---- an input ---- */

/* @return whether the connection is at its end */
static bool take_step(struct stream *stream, uint8_t step)
{
    size_t much = step >> 3;
    switch (step & 7) {
    case 0:
        return receive(stream);
    case 1:
        return receive_into(stream, 4 * much);
    case 2:
        return receive_value(stream);
    case 3:
        return receive_fd(stream);
    case 4:
        poll_it(stream);
        return false;
    case 5:
        send_some(stream, much + 1, 0);
        return false;
    case 6:
        send_some(stream, 64 * much + 1, 0);
        return false;
    default:
        send_some(stream, (much >> 1) + 1, (much & 1) + 1);
        return false;
    }
}

/* Nothing more is sent, and all that is there is received. */
static void finish(struct stream *stream)
{
    send_some(stream, stream->size, 0);
    REQUIRE(shutdown(stream->raw, SHUT_WR) == 0);
    stream->shut = true;
    for (size_t i = 0; !receive(stream); i++) {
        REQUIRE(i <= stream->size);
        if (receive_fd(stream))
            break;
    }
    poll_it(stream);
    REQUIRE(receive(stream)); /* the end stays the end */
}

/* A connection that takes what is meant for it and no more, and the other end of its socket. */
static void open_socket(struct stream *stream)
{
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    REQUIRE_CODE(kith_connection_from_fd(&stream->connection, pair[0]), 0);
    close(pair[0]);
    stream->raw = pair[1];
}

/* A connection that reads ahead, and the same. */
static void open_pipe(struct stream *stream)
{
    kith_connection *other;
    const kith_pipe_options options = { .read_ahead = 1 };
    REQUIRE_CODE(kith_pipe(&stream->connection, &other, &options), 0);
    stream->raw = dup(kith_connection_fd(other));
    kith_connection_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    fuzz_watch_memory();
    int probe = dup(0);
    close(probe);
    struct stream stream = { .bytes = data + HEAD, .size = size - HEAD };
    (data[0] & READ_AHEAD ? open_pipe : open_socket)(&stream);
    stream.max = data[0] & BOUNDED ? data[0] >> 2 : 0;
    REQUIRE_CODE(kith_connection_set_max_message(stream.connection, stream.max), 0);
    bool over = false;
    for (int i = 0; !over && i < ROUNDS * STEPS && stream.sent < stream.size; i++)
        over = take_step(&stream, data[1 + i % STEPS]);
    if (over)
        REQUIRE(receive(&stream));
    else
        finish(&stream);
    kith_connection_free(stream.connection);
    close(stream.raw);
    int again = dup(0);
    close(again);
    REQUIRE(again == probe);
    REQUIRE(fuzz_memory_peak() <= 1024 * size + (4 << 20));
    return 0;
}
