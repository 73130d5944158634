/* Sending: all or nothing. A message that is begun is finished, or the direction is shut, for a receiver could not find
 * the next one behind half a message. */
#include "connection/send.h"

#include "os/socket.h"

/* What is to go: a header and data, or data that has headers in it. */
struct load {
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_size;
    const void *data;
    size_t size;
};

/* @param sent  receives how much of the load the kernel has, also after a failure */
static int send_all(kith_connection *connection, const struct load *load, deadline until, size_t *sent)
{
    struct channel *channel = &connection->channel;
    size_t header_size = load->header_size, total = header_size + load->size;
    *sent = 0;
    while (*sent < total) {
        size_t from_header = *sent < header_size ? *sent : header_size;
        size_t from_data = *sent - from_header;
        ptrdiff_t step = channel->carrier->send(channel, load->header + from_header, header_size - from_header,
                                                (const char *)load->data + from_data, load->size - from_data);
        if (step > 0) {
            *sent += (size_t)step;
            continue;
        }
        int code = step == -EAGAIN ? connection_await(connection, channel->send_wants, until) : (int)step;
        if (code < 0 && !(code == -EINTR && *sent > 0))
            return code;
    }
    return 0;
}

int send_begin(kith_connection *connection, deadline until)
{
    int code = connection_check(connection);
    if (code < 0)
        return code;
    if (!connection->sends)
        return error_fail(-EBADF, "this end only receives: it is the first of a one-way pipe");
    code = connection_revive(connection, until);
    if (code < 0)
        return code;
    if (connection->cut)
        return error_fail(-EPIPE, "an earlier message on this end was cut short, so no more can follow it: make "
                                  "another connection, and give large messages time");
    return 0;
}

static int send_load(kith_connection *connection, const struct load *load, deadline until)
{
    size_t sent, size = load->size;
    int code = send_all(connection, load, until, &sent);
    if (code == 0)
        return 0;
    if (sent > 0) {
        os_socket_end_sending(connection->channel.socket);
        connection->cut = true;
    }
    if (sent > 0 || code == -EPIPE)
        connection_lose(connection);
    if (code == KITH_ECLOSED)
        return code; /* the carrier has told why */
    return sent > 0 ? error_fail(code, "a message of %zu bytes was cut short, and this end can send no more: %s", size,
                                 kith_strerror(code))
                    : error_fail(code, "nothing of a message of %zu bytes was sent: %s", size, kith_strerror(code));
}

/* @return also KITH_ECLOSED, when the lane is shut */
static int send_by_lane(kith_connection *connection, const void *data, size_t size, deadline until)
{
    int code = lane_send(connection->out, &connection->sight, connection->channel.socket, data, size, until);
    if (code == 0)
        return 0;
    if (code == KITH_ECLOSED) {
        connection->out_ended = true;
        return code;
    }
    return error_fail(code, "nothing of a message of %zu bytes was sent: %s", size, kith_strerror(code));
}

int send_bytes(kith_connection *connection, const void *data, size_t size, deadline until)
{
    if (connection_out_lane(connection)) {
        int code = send_by_lane(connection, data, size, until);
        if (code != KITH_ECLOSED)
            return code;
    }
    struct load load = { .data = data, .size = size };
    load.header_size = frame_encode(load.header, size);
    return send_load(connection, &load, until);
}

int send_frames(kith_connection *connection, const void *frames, size_t size, deadline until)
{
    int code = send_begin(connection, until);
    return code < 0 ? code : send_load(connection, &(struct load){ .data = frames, .size = size }, until);
}

int kith_connection_send(kith_connection *connection, const void *data, size_t size, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from_or_at_once(timeout, &until);
    if (code < 0)
        return code;
    if (!data && size)
        return error_fail(-EINVAL, "data is NULL, but size is %zu", size);
    if (size > PTRDIFF_MAX)
        return error_fail(-EINVAL, "a size of %zu bytes: no object is so large; was it negative?", size);
    code = send_begin(connection, until);
    return code < 0 ? code : send_bytes(connection, data, size, until);
}
