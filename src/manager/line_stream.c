#include "manager/line_stream.h"

#include "base/error.h"
#include "connection/frame.h"
#include "manager/server.h"
#include "manager/taken.h"
#include "os/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of replies that are gathered while more requests are there. */
enum { BEHIND_MAX = 65536 };

/* ---- buffers ---- */

void line_buffer_free(struct line_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct line_buffer){ 0 };
}

int line_buffer_reserve(struct line_buffer *buffer, size_t size)
{
    if (buffer->at > 0 && buffer->capacity - buffer->have < size) {
        memmove(buffer->bytes, buffer->bytes + buffer->at, line_buffered(buffer));
        buffer->have -= buffer->at;
        buffer->at = 0;
    }
    if (buffer->capacity - buffer->have >= size)
        return 0;
    size_t capacity = buffer->capacity ? buffer->capacity : 1024;
    while (capacity - buffer->have < size)
        capacity *= 2;
    unsigned char *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return 0;
}

int line_buffer_add(struct line_buffer *buffer, const void *bytes, size_t size)
{
    int code = size ? line_buffer_reserve(buffer, size) : 0;
    if (code < 0 || size == 0)
        return code;
    memcpy(buffer->bytes + buffer->have, bytes, size);
    buffer->have += size;
    return 0;
}

void line_buffer_take(struct line_buffer *buffer, size_t size)
{
    buffer->at += size;
    if (buffer->at == buffer->have)
        line_buffer_free(buffer);
}

/* ---- sending ---- */

void line_go_mute(struct line *line)
{
    line->mute = true;
    line->blocked = false;
    line_buffer_free(&line->out);
}

/* Sends bytes as far as there is room. @return how many */
static size_t send_some(struct line *line, const unsigned char *bytes, size_t size)
{
    size_t sent = 0;
    while (sent < size && !line->mute) {
        ptrdiff_t step = line->channel.carrier->send(&line->channel, bytes, 0, bytes + sent, size - sent);
        if (step == -EAGAIN)
            break;
        if (step < 0)
            line_go_mute(line);
        else
            sent += (size_t)step;
    }
    return sent;
}

void line_flush(struct line *line)
{
    if (!line->out.bytes)
        return;
    size_t sent = send_some(line, line->out.bytes + line->out.at, line_buffered(&line->out));
    if (line->mute)
        return;
    line_buffer_take(&line->out, sent);
    line->blocked = line->out.bytes;
}

void line_send(struct line *line, const struct message *reply, bool more)
{
    size_t sent = 0;
    if (!line->out.bytes && !more)
        sent = send_some(line, reply->data, reply->size);
    if (!line->mute && line_buffer_add(&line->out, reply->data + sent, reply->size - sent) < 0)
        line_go_mute(line);
    line->blocked |= line->out.bytes && sent > 0;
    if (!line->blocked && (!more || line_buffered(&line->out) > BEHIND_MAX))
        line_flush(line);
}

/* ---- requests that are there ---- */

int line_frame(const struct line *line, const unsigned char *bytes, size_t have, size_t *header, size_t *size)
{
    int more = frame_decode(bytes, have, size);
    *header = 0;
    if (more != 0)
        return more < 0 ? more : 0;
    *header = *size > INT32_MAX ? FRAME_HEADER_MAX : FRAME_HEADER_MIN;
    if (*size > line->server->options.listener.max_message)
        return KITH_ELIMIT;
    return have - *header >= *size;
}

bool line_has_request(const struct line *line)
{
    size_t header, size;
    return line->in.bytes &&
           line_frame(line, line->in.bytes + line->in.at, line_buffered(&line->in), &header, &size) != 0;
}

void line_hang_up(struct line *line, const char *why)
{
    kith_log(KITH_LOG_WARNING, "server %s: client %llu is let go: %s", line->server->address,
             (unsigned long long)line->number, why);
    line->ended = true;
    line_buffer_free(&line->in);
}

/* ---- reading ---- */

size_t line_rest_of_long(const struct line *line)
{
    enum { LONG = 16384 };
    size_t header, size, have = line_buffered(&line->in);
    if (have < LONG || line_frame(line, line->in.bytes + line->in.at, have, &header, &size) != 0)
        return 0;
    size_t rest = header + size - have;
    return rest < have ? rest : have;
}

bool line_may_read(const struct line *line)
{
    return !line->blocked && !line->last && (line_buffered(&line->in) < LINE_AHEAD_MAX || line_rest_of_long(line) > 0);
}

size_t line_receive(struct line *line, unsigned char *bytes, size_t size)
{
    struct channel *channel = &line->channel;
    ptrdiff_t got = line->is_unix ? os_socket_receive_or_reset(channel->socket, bytes, size)
                                  : channel->carrier->receive(channel, bytes, size);
    if (got > 0) {
        taken_look(line->server, line);
        return (size_t)got;
    }
    if (got != -EAGAIN) {
        line->ended = true;
        line->lost = got < 0;
    }
    return 0;
}
