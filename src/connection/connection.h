/* A connection, for those who make one. */
#ifndef KITH_SRC_CONNECTION_CONNECTION_H
#define KITH_SRC_CONNECTION_CONNECTION_H

#include <kith/connection.h>

#include "base/deadline.h"
#include "connection/channel.h"
#include "connection/frame.h"
#include "connection/lane.h"
#include "connection/outlook.h"
#include "process/inherit.h"

#include <stdbool.h>

/** How a connection that was lost is made anew.
 *
 *  The call that finds the loss (-EPIPE, KITH_EEOF, KITH_ETRUNCATED, KITH_ETLS, or a message that it cut short itself)
 *  tells of it, and closes the channel; what had come of a message is gone. The next send, receive or poll calls renew
 *  first, and then does its work with what is left of its timeout. Such a connection is for one thread at a time. */
struct renewal {
    /** Opens the connection again, by connection_open, and says on it what must be said, by the usual calls: a loss
     *  does not call it within itself. It waits no longer than the deadline.
     *  @return 0; or a code, with its detail, and the channel closed again (connection_shut): the caller of the send or
     *          receive gets it, and the next call tries again */
    int (*renew)(kith_connection *connection, void *context, deadline until);
    /** Frees the context: when the connection is closed, also in a child that did not get it. */
    void (*end)(void *context);
    void *context;
};

struct kith_connection {
    struct heirloom heirloom; /* written down from connection_open to the closing of the handle */
    struct channel channel;   /* its socket is -1 while the connection is lost */
    bool sends;
    bool receives;
    bool bare;     /* its bytes can be looked at without being taken */
    bool is_unix;  /* descriptors can go with them */
    bool cut;      /* a message was cut short: no more can be sent */
    bool open;     /* the handle */
    bool dropped;  /* closed because the parent did not name it for this child */
    bool renewing; /* renew is being called */
    struct renewal renewal;

    /* Of a pipe that goes through shared memory; NULL: this direction goes by the socket. */
    struct lane *in;
    struct lane *out;
    bool in_ended; /* seen shut, and drained: by the socket from now on */
    bool out_ended;
    struct lane_sight sight;

    /* The message that is coming in. Its memory grows as it comes: its header alone is not believed. */
    struct outlook outlook; /* what comes next, while nothing of it is taken */
    struct ahead ahead;
    _Atomic bool reads_ahead; /* nobody asked for the descriptor, to poll it */
    bool alone;               /* no other process will receive from this end, whatever forks there are */
    bool greedy;              /* what comes is taken into `ahead`, also pieces of messages */
    unsigned forks;           /* forks_count when it was opened */
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_have; /* taken; 0 also when the header was only looked at */
    size_t size;        /* once the header is there */
    unsigned char *data;
    size_t capacity;
    size_t have;
    bool lent;      /* data is the caller's: see kith_connection_recv_into */
    int unusable;   /* the code that receiving gives from now on */
    uint64_t bound; /* of kith_connection_set_max_message; 0: none */
};

/** Makes a handle without a channel. @return NULL when there is no memory */
kith_connection *connection_new(void);

/** Gives it a channel, which moves into it, and which it will close; for the first time, or again after
 *  connection_shut. Under forks_block, which the socket was made under, too. */
void connection_open(kith_connection *connection, const struct channel *channel, bool sends, bool receives);

/** Has its messages go through lanes, which are its own from now on; NULL where this end does not receive, or send.
 *  Under forks_block. */
void connection_use_lanes(kith_connection *connection, struct lane *in, struct lane *out);

/** Lets it take short messages many at a time, as long as no other process may have it, and nobody polls its socket.
 *  @param alone  even in children: each end is received from by one process, as its users have promised */
void connection_read_ahead(kith_connection *connection, bool alone);

/** Has a bare end take all that has come, without a look at it first: as a rule one call of the system for a message.
 *  For an end that this process alone receives from, and that nobody polls by its descriptor. Where a descriptor is to
 *  come, nothing may be under way before it, for it would be lost. */
void connection_be_greedy(kith_connection *connection);

/** Closes the channel and forgets what has come; the handle stays open for another channel. Not under forks_block. */
void connection_shut(kith_connection *connection);

/** In a child that was forked while another thread of its parent's used the connection: closes the descriptor, so that
 *  the peer sees the parent's end, and leaves the rest, which may be half changed, as it is. Nobody uses it any more. */
void connection_abandon(kith_connection *connection);

/** Takes its channel out of a connection that nothing was received on: the handle is closed. Under forks_block. */
void connection_give_up(kith_connection *connection, struct channel *channel);

/** Says how to make the connection anew when it is lost. The context is the connection's from now on. */
void connection_set_renewal(kith_connection *connection, const struct renewal *renewal);

/* ---- for the calls ---- */

/** Whether the handle is there and open. @return 0, -EINVAL, KITH_ECLOSED, with its detail */
int connection_check(const kith_connection *connection);

/** The same, and whether this end may receive. @return also -EBADF */
int connection_check_receive(const kith_connection *connection);

/** Opens again what was lost, if need be. @return 0, or a code of renewal.renew; of one that can't: KITH_ECLOSED */
int connection_revive(kith_connection *connection, deadline until);

/** Closes the channel of a connection that can be made anew; of another one, it keeps it. */
void connection_lose(kith_connection *connection);

/** Waits until the socket is ready. @return 0, -ETIMEDOUT, -EINTR, -ENOMEM */
int connection_await(const kith_connection *connection, enum os_poll_for what, deadline until);

/** Whether something can be received that the socket does not tell of. */
bool connection_pending(const kith_connection *connection);

/** Whether what comes next comes by a lane. */
static inline bool connection_in_lane(const kith_connection *connection)
{
    return connection->in && !connection->in_ended;
}

/** Whether what is sent next goes by a lane. */
static inline bool connection_out_lane(const kith_connection *connection)
{
    return connection->out && !connection->out_ended;
}

/** What a call on the lane that receives has said: the lane ends with KITH_ECLOSED, and the socket begins with a frame.
 *  @return the code */
int connection_note_in(kith_connection *connection, int code);

#endif
