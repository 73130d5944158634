#include "manager/line.h"

#include "base/error.h"
#include "connection/connection.h"
#include "connection/frame.h"
#include "manager/dispatch.h"
#include "manager/holders.h"
#include "manager/holding.h"
#include "manager/page_server.h"
#include "manager/server.h"
#include "manager/shared_queue.h"
#include "manager/taken.h"
#include "manager/waiter.h"
#include "manager/workers.h"
#include "os/socket.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AHEAD_MAX = 65536,  /* bytes of requests that are read while one is being carried out */
    BEHIND_MAX = 65536, /* bytes of replies that are gathered while more requests are there */
};

/* ---- buffers ---- */

static size_t buffered(const struct line_buffer *buffer)
{
    return buffer->have - buffer->at;
}

static void buffer_free(struct line_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct line_buffer){ 0 };
}

/* Makes room for size bytes more behind what is there. */
static int buffer_reserve(struct line_buffer *buffer, size_t size)
{
    if (buffer->at > 0 && buffer->capacity - buffer->have < size) {
        memmove(buffer->bytes, buffer->bytes + buffer->at, buffered(buffer));
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

static int buffer_add(struct line_buffer *buffer, const void *bytes, size_t size)
{
    int code = size ? buffer_reserve(buffer, size) : 0;
    if (code < 0 || size == 0)
        return code;
    memcpy(buffer->bytes + buffer->have, bytes, size);
    buffer->have += size;
    return 0;
}

static void buffer_take(struct line_buffer *buffer, size_t size)
{
    buffer->at += size;
    if (buffer->at == buffer->have)
        buffer_free(buffer);
}

/* ---- sending ---- */

/* Nothing can be sent any more: replies are dropped from now on. */
static void go_mute(struct line *line)
{
    line->mute = true;
    line->blocked = false;
    buffer_free(&line->out);
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
            go_mute(line);
        else
            sent += (size_t)step;
    }
    return sent;
}

static void flush(struct line *line)
{
    if (!line->out.bytes)
        return;
    size_t sent = send_some(line, line->out.bytes + line->out.at, buffered(&line->out));
    if (line->mute)
        return;
    buffer_take(&line->out, sent);
    line->blocked = line->out.bytes;
}

/* @param more  another reply follows soon: it may go along */
static void send_reply(struct line *line, const struct message *reply, bool more)
{
    size_t sent = 0;
    if (!line->out.bytes && !more)
        sent = send_some(line, reply->data, reply->size);
    if (!line->mute && buffer_add(&line->out, reply->data + sent, reply->size - sent) < 0)
        go_mute(line);
    line->blocked |= line->out.bytes && sent > 0;
    if (!line->blocked && (!more || buffered(&line->out) > BEHIND_MAX))
        flush(line);
}

/* ---- requests that are there ---- */

/* The frame that the bytes begin with. @return 1 when it is whole; 0; -EBADMSG, KITH_ELIMIT */
static int frame_in(const struct line *line, const unsigned char *bytes, size_t have, size_t *header, size_t *size)
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

/* Whether something can be done with what its buffer begins with. */
static bool has_request(const struct line *line)
{
    size_t header, size;
    return line->in.bytes && frame_in(line, line->in.bytes + line->in.at, buffered(&line->in), &header, &size) != 0;
}

void line_hang_up(struct line *line, const char *why)
{
    kith_log(KITH_LOG_WARNING, "server %s: client %llu is let go: %s", line->server->address,
             (unsigned long long)line->number, why);
    line->ended = true;
    buffer_free(&line->in);
}

/* Carries out the request that the bytes begin with. @return the length of its frame; 0 when it is not whole, or none */
static size_t serve_one(struct line *line, const unsigned char *bytes, size_t have)
{
    unsigned char room[2048];
    struct message reply = MESSAGE_IN(room);
    size_t header, size, next_header, next_size;
    int code = frame_in(line, bytes, have, &header, &size);
    if (code <= 0) {
        if (code < 0)
            line_hang_up(line, "what it sent is no message, or too long a one");
        return 0;
    }
    size_t used = header + size;
    page_server_attend(line);
    line->busy = true;
    code = dispatch(line->server, line, bytes + header, size, &reply);
    if (code == DISPATCH_PARKED) {
        flush(line);
    } else {
        line->busy = false;
        line->last |= code != DISPATCH_ANSWERED;
        if (!page_server_answer(line, &reply))
            send_reply(line, &reply,
                       !line->last && frame_in(line, bytes + used, have - used, &next_header, &next_size) == 1);
    }
    message_free(&reply);
    return used;
}

static void serve_buffered(struct line *line)
{
    size_t used = serve_one(line, line->in.bytes + line->in.at, buffered(&line->in));
    buffer_take(&line->in, used);
}

/* ---- reading ---- */

/* How much to read straight into the line's buffer: of a long message, whose memory grows as it comes. */
static size_t rest_of_long(const struct line *line)
{
    enum { LONG = 16384 };
    size_t header, size, have = buffered(&line->in);
    if (have < LONG || frame_in(line, line->in.bytes + line->in.at, have, &header, &size) != 0)
        return 0;
    size_t rest = header + size - have;
    return rest < have ? rest : have;
}

static bool may_read(const struct line *line)
{
    return !line->blocked && !line->last && (buffered(&line->in) < AHEAD_MAX || rest_of_long(line) > 0);
}

/* @return how many bytes came; 0 when none did */
static size_t receive(struct line *line, unsigned char *bytes, size_t size)
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

static void read_long(struct line *line, size_t size)
{
    if (buffer_reserve(&line->in, size) < 0)
        line_hang_up(line, "no memory for its message");
    else
        line->in.have += receive(line, line->in.bytes + line->in.have, size);
}

/* Reads what has come, and carries out one request if it is whole. */
static void read_and_serve(struct line *line)
{
    unsigned char *room = line->server->room;
    size_t rest = rest_of_long(line), used = 0;
    if (rest > 0) {
        read_long(line, rest);
    } else {
        size_t have = receive(line, room, AHEAD_MAX - buffered(&line->in));
        if (!line->in.bytes && !line->busy && have > 0)
            used = serve_one(line, room, have);
        if (!line->ended && buffer_add(&line->in, room + used, have - used) < 0)
            line_hang_up(line, "no memory for its message");
    }
    if (used == 0 && !line->busy && has_request(line))
        serve_buffered(line);
}

/* ---- the end ---- */

/* In a child that did not get it. */
static void drop(void *owner)
{
    struct line *line = owner;
    channel_close(&line->channel, false);
    line->heirloom.owner = NULL;
}

static void strike_from_due(struct line *line)
{
    struct server *server = line->server;
    struct line **link = &server->due;
    if (!line->is_due)
        return;
    while (*link != line)
        link = &(*link)->next_due;
    *link = line->next_due;
    if (!*link)
        server->due_end = link;
}

/* Nobody is to answer it any more. */
static void forget_call(struct line *line)
{
    while (line->waiters)
        waiter_forget(line->waiters);
    if (line->job)
        line->job->line = NULL;
    line->job = NULL;
    line->busy = false;
}

static void close_channel(struct line *line)
{
    forks_block();
    if (line->heirloom.owner) {
        inherit_remove(&line->heirloom);
        channel_close(&line->channel, line->server->generation == forks_generation());
    }
    forks_allow();
}

static void leave_lists(struct line *line)
{
    struct server *server = line->server;
    strike_from_due(line);
    if (line->watched)
        loop_forget(server, &line->watch);
    *line->link = line->next;
    if (line->next)
        line->next->link = line->link;
    server->line_count--;
    if (line->lasting)
        count_up(server->counters.clients, -1U);
}

static void line_end(struct line *line)
{
    struct server *server = line->server;
    forget_call(line);
    page_server_end(line);
    leave_lists(line);
    bool kept = holders_keep_line(server, line);
    if (!kept)
        holdings_give_back(server, line);
    claims_give_back(server, line);
    taken_end(server, line, line->lost || line->mute);
    shared_queues_changed(server);
    close_channel(line);
    buffer_free(&line->in);
    buffer_free(&line->out);
    if (!kept)
        free(line);
}

void lines_end(struct server *server)
{
    while (server->lines)
        line_end(server->lines);
}

/* ---- turns ---- */

void line_is_due(struct line *line)
{
    struct server *server = line->server;
    if (line->is_due)
        return;
    line->is_due = true;
    line->due_since = server->turn;
    line->next_due = NULL;
    *server->due_end = line;
    server->due_end = &line->next_due;
}

/* @param how  'r', 'w', 'e' for the end; 0: not */
static void watch(struct line *line, char how)
{
    if (line->watched == how)
        return;
    int code = 0;
    if (how == 0)
        loop_forget(line->server, &line->watch);
    else if (how == 'e')
        code = loop_watch_end(line->server, &line->watch);
    else
        code = loop_watch(line->server, &line->watch, how == 'w' ? OS_POLL_WRITE : OS_POLL_READ);
    line->watched = how;
    if (code < 0)
        line_hang_up(line, "no memory to wait for it");
}

static char as_letter(enum os_poll_for what)
{
    return what == OS_POLL_WRITE ? 'w' : 'r';
}

static void watch_for_more(struct line *line)
{
    if (line->ended)
        watch(line, 0);
    else if (line->blocked)
        watch(line, as_letter(line->channel.send_wants));
    else if (may_read(line))
        watch(line, as_letter(line->channel.receive_wants));
    else
        watch(line, line->gone ? 0 : 'e');
}

static bool is_pending(struct line *line)
{
    const struct carrier *carrier = line->channel.carrier;
    return carrier->pending && carrier->pending(&line->channel);
}

/* What the line waits for from now on; or its end. */
static void settle(struct line *line)
{
    if (line->ended || line->gone)
        forget_call(line);
    if (line->ended && line->blocked)
        go_mute(line);
    watch_for_more(line);
    bool has = has_request(line);
    if ((line->last && !line->busy && !line->out.bytes) || (line->ended && !line->busy && !has))
        line_end(line);
    else if (!line->busy && !line->last && !line->blocked && (has || (!line->ended && is_pending(line))))
        line_is_due(line);
}

static void on_ready(struct server *server, struct watch *watch)
{
    (void)server;
    struct line *line = (struct line *)watch; /* its first member */
    if (line->watched == 'e')
        line->gone = true;
    if (line->blocked)
        flush(line);
    if (may_read(line))
        read_and_serve(line);
    settle(line);
}

static void go_on(struct line *line)
{
    if (!line->busy && !line->last && !line->blocked) {
        if (has_request(line))
            serve_buffered(line);
        else if (!line->ended && is_pending(line) && may_read(line))
            read_and_serve(line);
    }
    settle(line);
}

void lines_run_due(struct server *server)
{
    uint64_t turn = ++server->turn;
    while (server->due && server->due->due_since < turn) {
        struct line *line = server->due;
        server->due = line->next_due;
        if (!server->due)
            server->due_end = &server->due;
        line->is_due = false;
        go_on(line);
    }
}

void line_answer(struct line *line, const struct message *reply)
{
    line->busy = false;
    line->job = NULL;
    line->last |= !line->lasting || reply->size == 0; /* no memory for one */
    if (!page_server_answer(line, reply))
        send_reply(line, reply, has_request(line));
    line_is_due(line);
}

bool line_is_idle(const struct line *line)
{
    return !line->busy && !line->last && !line->ended && !line->gone && !line->in.bytes && !line->out.bytes;
}

bool line_takes_descriptors(const struct line *line)
{
    return line->lasting && line->is_unix && line->uid == geteuid() && line->channel.carrier == &channel_bare &&
           !line->out.bytes && !line->mute && !line->server->options.no_shared_memory;
}

void line_serve(struct line *line, const void *request, size_t size)
{
    unsigned char room[2048];
    struct message reply = MESSAGE_IN(room);
    line->busy = true;
    int code = dispatch(line->server, line, request, size, &reply);
    if (code == DISPATCH_ANSWERED && page_server_answer(line, &reply)) {
        line->busy = false; /* and its socket has nothing to do with it */
    } else if (code != DISPATCH_PARKED) {
        line->last |= code != DISPATCH_ANSWERED;
        line_answer(line, &reply);
    }
    message_free(&reply);
}

/* ---- the beginning ---- */

void line_make_lasting(struct line *line)
{
    if (!line->lasting)
        count_up(line->server->counters.clients, 1);
    line->lasting = true;
}

int line_new(struct server *server, kith_connection *connection)
{
    struct line *line = calloc(1, sizeof *line);
    kith_peer peer = { 0 };
    if (!line || kith_connection_peer(connection, &peer) < 0) {
        kith_connection_free(connection);
        free(line);
        return error_fail(-ENOMEM, "no memory for a client");
    }
    line->is_unix = connection->is_unix;
    forks_block();
    connection_give_up(connection, &line->channel);
    line->heirloom = (struct heirloom){ .owner = line, .drop = drop };
    inherit_add(&line->heirloom);
    forks_allow();
    kith_connection_free(connection);
    line->watch = (struct watch){ .descriptor = line->channel.socket, .ready = on_ready };
    line->server = server;
    line->number = ++server->line_number;
    line->pid = peer.pid;
    line->uid = peer.uid;
    line->next = server->lines;
    line->link = &server->lines;
    if (line->next)
        line->next->link = &line->next;
    server->lines = line;
    server->line_count++;
    watch(line, 'r');
    line_is_due(line); /* it may be at its end already */
    return 0;
}
