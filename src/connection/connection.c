/* The handle of a connection: how it opens, is handed to children or not, is lost and made anew, and ends. */
#include "connection/connection.h"

#include "os/address.h"
#include "os/named.h"
#include "os/poll.h"
#include "os/socket.h"
#include "process/forks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    connection->unusable = 0;
    connection->cut = false;
    free(connection->ahead.bytes);
    connection->ahead = (struct ahead){ 0 };
}

/* Under forks_block, when the socket is closed. */
static void leave_lanes(kith_connection *connection)
{
    if (connection->in)
        lane_depart(connection->in);
    lane_let_go(connection->in);
    lane_let_go(connection->out);
    connection->in = connection->out = NULL;
}

static void end(kith_connection *connection, bool goodbye)
{
    shut(connection, goodbye);
    leave_lanes(connection);
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
    connection->bare = channel->carrier == &channel_bare;
    connection->is_unix = connection->bare && os_socket_is_unix(channel->socket);
    connection->forks = forks_count();
    outlook_begin(&connection->outlook);
    if (connection->open)
        return;
    connection->open = true;
    connection->heirloom = (struct heirloom){ .owner = connection, .drop = drop };
    inherit_add(&connection->heirloom);
}

void connection_use_lanes(kith_connection *connection, struct lane *in, struct lane *out)
{
    connection->in = in;
    connection->out = out;
    if (in)
        connection->outlook.turns = &in->words->turns;
}

void connection_read_ahead(kith_connection *connection, bool alone)
{
    connection->reads_ahead = true;
    connection->alone = alone;
}

void connection_be_greedy(kith_connection *connection)
{
    connection->greedy = connection->bare;
}

void connection_shut(kith_connection *connection)
{
    forks_block();
    shut(connection, true);
    forks_allow();
}

void connection_give_up(kith_connection *connection, struct channel *channel)
{
    *channel = connection->channel;
    connection->channel.socket = -1;
    inherit_remove(&connection->heirloom);
    end(connection, true);
}

void connection_abandon(kith_connection *connection)
{
    forks_block();
    if (connection->open) { /* else who started this child has closed it */
        inherit_remove(&connection->heirloom);
        connection->open = false;
        close(connection->channel.socket);
    }
    forks_allow();
}

void connection_set_renewal(kith_connection *connection, const struct renewal *renewal)
{
    connection->renewal = *renewal;
}

static int no_connection(void)
{
    return error_fail(-EINVAL, "connection is NULL: make one with kith_pipe, kith_connect or kith_listener_accept");
}

int connection_check(const kith_connection *connection)
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

/* ---- lost and made anew ---- */

static int lost(void)
{
    return error_fail(KITH_ECLOSED, "this connection is lost at the moment: the next send or receive makes it anew");
}

int connection_revive(kith_connection *connection, deadline until)
{
    if (connection->channel.socket >= 0)
        return 0;
    if (!connection->renewal.renew || connection->renewing)
        return lost();
    connection->renewing = true;
    int code = connection->renewal.renew(connection, connection->renewal.context, until);
    connection->renewing = false;
    return code;
}

void connection_lose(kith_connection *connection)
{
    if (connection->renewal.renew && !connection->renewing)
        connection_shut(connection);
}

/* ---- waiting ---- */

int connection_await(const kith_connection *connection, enum os_poll_for what, deadline until)
{
    if (deadline_passed(until))
        return -ETIMEDOUT;
    return os_poll(connection->channel.socket, what, until);
}

bool connection_pending(const kith_connection *connection)
{
    const struct channel *channel = &connection->channel;
    if (connection->unusable || connection->ahead.at < connection->ahead.have)
        return true;
    if (connection_in_lane(connection))
        return lane_look(connection->in) == 1;
    return channel->carrier->pending && channel->carrier->pending(channel);
}

int connection_note_in(kith_connection *connection, int code)
{
    if (code == KITH_ECLOSED) {
        lane_clear(connection->channel.socket);
        connection->in_ended = true;
    }
    return code;
}

/* ---- the public calls ---- */

static int open_lanes(struct lane **in, struct lane **out, const kith_connection_share *share)
{
    int code = share->in < 0 ? 0 : lane_from_fd(in, share->in);
    if (code == 0 && share->out >= 0)
        code = lane_from_fd(out, share->out);
    return code;
}

/* Under forks_block. */
static int open_shared(kith_connection *made, const kith_connection_share *share)
{
    struct lane *in = NULL, *out = NULL;
    int own = -1, code = open_lanes(&in, &out, share);
    if (code == 0 && (own = os_file_duplicate(share->socket)) < 0)
        code = error_fail(own, "descriptor %d can't be duplicated: %s", share->socket, kith_strerror(own));
    if (code < 0) {
        lane_let_go(in);
        lane_let_go(out);
        return code;
    }
    struct channel channel;
    channel_open(&channel, own, &channel_bare, NULL);
    connection_open(made, &channel, out || !in, in || !out);
    connection_use_lanes(made, in, out);
    return 0;
}

int kith_connection_from_share(kith_connection **connection, const kith_connection_share *share)
{
    if (!connection || !share)
        return error_fail(-EINVAL, connection ? "share is NULL: give what kith_connection_get_share has told"
                                              : "connection is NULL: give the address of a kith_connection pointer");
    int code = os_socket_check(share->socket);
    if (code < 0)
        return error_fail(code, "descriptor %d is no connected stream socket: %s", share->socket, kith_strerror(code));
    kith_connection *made = connection_new();
    if (!made)
        return error_fail(-ENOMEM, "no memory for a connection");
    forks_block();
    code = open_shared(made, share);
    forks_allow();
    if (code < 0)
        free(made);
    else
        *connection = made;
    return code;
}

int kith_connection_from_fd(kith_connection **connection, int fd)
{
    return kith_connection_from_share(connection, &(kith_connection_share){ .socket = fd, .in = -1, .out = -1 });
}

int kith_connection_get_share(const kith_connection *connection, kith_connection_share *share)
{
    int code = connection_check(connection);
    if (code < 0)
        return code;
    if (!share)
        return error_fail(-EINVAL, "share is NULL: give the address of a kith_connection_share");
    if (connection->channel.socket < 0)
        return lost();
    *share = (kith_connection_share){
        .socket = connection->channel.socket,
        .in = connection->in ? lane_fd(connection->in) : -1,
        .out = connection_out_lane(connection) && !lane_is_shut(connection->out) ? lane_fd(connection->out) : -1,
    };
    return 0;
}

int kith_connection_set_max_message(kith_connection *connection, uint64_t size)
{
    int code = connection_check(connection);
    if (code == 0)
        connection->bound = size;
    return code;
}

int kith_connection_fd(const kith_connection *connection)
{
    int code = connection_check(connection);
    if (code < 0)
        return code;
    if (connection->channel.socket < 0)
        return lost();
    /* Whoever asks will poll it: from now on, what comes comes by it, and stays in it. It is no matter of the handle's
     * meaning. */
    if (connection->in)
        code = lane_shut(connection->in);
    if (connection->out && code == 0)
        code = lane_shut(connection->out);
    if (code < 0)
        return code;
    ((kith_connection *)connection)->reads_ahead = false;
    return connection->channel.socket;
}

int kith_connection_peer(const kith_connection *connection, kith_peer *peer)
{
    _Static_assert(sizeof peer->address >= OS_ADDRESS_TEXT_MAX, "any address fits");
    int code = connection_check(connection);
    if (code < 0)
        return code;
    if (!peer)
        return error_fail(-EINVAL, "peer is NULL: give the address of a kith_peer");
    if (connection->channel.socket < 0)
        return lost();
    kith_peer found = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    struct os_credentials who;
    struct os_address address;
    if (os_address_credentials(connection->channel.socket, &who) == 0) {
        found.pid = who.pid;
        found.uid = who.uid;
        found.gid = who.gid;
    }
    if (os_address_peer(connection->channel.socket, &address) == 0)
        os_address_text(&address, found.address);
    *peer = found;
    return 0;
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
