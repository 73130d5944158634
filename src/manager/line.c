#include "manager/line.h"

#include "base/deadline.h"
#include "base/error.h"
#include "connection/connection.h"
#include "connection/frame.h"
#include "manager/dispatch.h"
#include "manager/holders.h"
#include "manager/holding.h"
#include "manager/line_stream.h"
#include "manager/page_server.h"
#include "manager/server.h"
#include "manager/shared_queue.h"
#include "manager/taken.h"
#include "manager/waiter.h"
#include "manager/workers.h"
#include "os/socket.h"
#include "process/forks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- requests that are there ---- */

/* Carries out the request that the bytes begin with. @return the length of its frame; 0 when it is not whole */
static size_t serve_one(struct line *line, const unsigned char *bytes, size_t have)
{
    unsigned char room[2048];
    struct message reply = MESSAGE_IN(room);
    size_t header, size, next_header, next_size;
    int code = line_frame(line, bytes, have, &header, &size);
    if (code <= 0) {
        if (code == KITH_ELIMIT)
            line_hang_up(line, "its message is longer than max_message allows");
        else if (code < 0)
            line_hang_up(line, "what it sent is no message");
        return 0;
    }
    size_t used = header + size;
    timer_clear(line->server, &line->silence);
    page_server_attend(line);
    line->busy = true;
    code = dispatch(line->server, line, bytes + header, size, &reply);
    if (code == DISPATCH_PARKED) {
        line_flush(line);
    } else {
        line->busy = false;
        line->last |= code != DISPATCH_ANSWERED;
        if (!page_server_answer(line, &reply))
            line_send(line, &reply,
                      !line->last && line_frame(line, bytes + used, have - used, &next_header, &next_size) == 1);
    }
    message_free(&reply);
    return used;
}

static void serve_buffered(struct line *line)
{
    size_t used = serve_one(line, line->in.bytes + line->in.at, line_buffered(&line->in));
    line_buffer_take(&line->in, used);
}

/* ---- reading ---- */

/* Who has proved the key, and then says nothing, keeps no place from others. */
static void on_silence(struct server *server, struct timer *timer)
{
    (void)server;
    struct line *line = (struct line *)((char *)timer - offsetof(struct line, silence));
    line_hang_up(line, "it came and said nothing, or stopped in the middle of its first request");
    line_is_due(line);
}

static int bear_silence(struct line *line)
{
    deadline until;
    int code = deadline_from(line->server->options.listener.handshake_timeout, &until);
    return code < 0 ? code : timer_set(line->server, &line->silence, until);
}

static void read_long(struct line *line, size_t size)
{
    if (line_buffer_reserve(&line->in, size) < 0)
        line_hang_up(line, "no memory for its message");
    else
        line->in.have += line_receive(line, line->in.bytes + line->in.have, size);
}

/* Reads what has come, and carries out one request if it is whole. */
static void read_and_serve(struct line *line)
{
    unsigned char *room = line->server->room;
    size_t rest = line_rest_of_long(line), used = 0;
    if (line->silence.place)
        (void)bear_silence(line); /* there is room: it was set */
    if (rest > 0) {
        read_long(line, rest);
    } else {
        size_t have = line_receive(line, room, LINE_AHEAD_MAX - line_buffered(&line->in));
        if (!line->in.bytes && !line->busy && have > 0)
            used = serve_one(line, room, have);
        if (!line->ended && line_buffer_add(&line->in, room + used, have - used) < 0)
            line_hang_up(line, "no memory for its message");
    }
    if (used == 0 && !line->busy && line_has_request(line))
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
    timer_clear(server, &line->silence);
    bool kept = holders_keep_line(server, line);
    if (!kept)
        holdings_give_back(server, line);
    claims_give_back(server, line);
    taken_end(server, line, line->lost || line->mute);
    shared_queues_changed(server);
    close_channel(line);
    line_buffer_free(&line->in);
    line_buffer_free(&line->out);
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
    else if (line_may_read(line))
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
        line_go_mute(line);
    watch_for_more(line);
    bool has = line_has_request(line);
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
        line_flush(line);
    if (line_may_read(line))
        read_and_serve(line);
    settle(line);
}

static void go_on(struct line *line)
{
    if (!line->busy && !line->last && !line->blocked) {
        if (line_has_request(line))
            serve_buffered(line);
        else if (!line->ended && is_pending(line) && line_may_read(line))
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
        line_send(line, reply, line_has_request(line));
    line_is_due(line);
}

void lines_drain(struct server *server)
{
    for (struct line *line = server->lines, *next; line; line = next) {
        next = line->next;
        if (!line->busy && line_may_read(line))
            read_and_serve(line);
        if (!line->job)
            forget_call(line);
        line_flush(line);
        line->last = true;
        settle(line);
    }
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
    line->silence.due = on_silence;
    watch(line, 'r');
    if (bear_silence(line) < 0)
        line_hang_up(line, "no memory to wait for it");
    line_is_due(line); /* it may be at its end already */
    return 0;
}
