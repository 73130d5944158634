/* A connection, for those who make one. */
#ifndef KITH_SRC_CONNECTION_CONNECTION_H
#define KITH_SRC_CONNECTION_CONNECTION_H

#include <kith/connection.h>

#include "base/deadline.h"
#include "connection/channel.h"
#include "connection/frame.h"
#include "process/inherit.h"

#include <stdbool.h>

/** How a connection that was lost is made anew.
 *
 *  The call that finds the loss (-EPIPE, KITH_EEOF, KITH_ETRUNCATED, or a message that it cut short itself) tells of
 *  it, and closes the channel; what had come of a message is gone. The next send, receive or poll calls renew first,
 *  and then does its work with what is left of its timeout. Such a connection is for one thread at a time. */
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
    struct channel channel;
    bool sends;
    bool receives;
    bool cut;      /* a message was cut short: no more can be sent */
    bool open;     /* the handle: with a renewal, the channel may be closed meanwhile */
    bool dropped;  /* closed because the parent did not name it for this child */
    bool renewing; /* renew is being called */
    struct renewal renewal;

    /* The message that is coming in. Its memory grows as it comes: its header alone is not believed. */
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_have;
    size_t size; /* once the header is there */
    unsigned char *data;
    size_t capacity;
    size_t have;
};

/** Makes a handle without a channel. @return NULL when there is no memory */
kith_connection *connection_new(void);

/** Gives it a channel, which moves into it, and which it will close; for the first time, or again after
 *  connection_shut. Under forks_block, which the socket was made under, too. */
void connection_open(kith_connection *connection, const struct channel *channel, bool sends, bool receives);

/** Closes the channel and forgets what has come; the handle stays open for another channel. Not under forks_block. */
void connection_shut(kith_connection *connection);

/** Says how to make the connection anew when it is lost. The context is the connection's from now on. */
void connection_set_renewal(kith_connection *connection, const struct renewal *renewal);

#endif
