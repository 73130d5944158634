/* What carries the bytes of a connection: a stream socket, bare, or with TLS on it. Nothing here waits: a call that
 * can't go on says -EAGAIN, and what to wait for. */
#ifndef KITH_SRC_CONNECTION_CHANNEL_H
#define KITH_SRC_CONNECTION_CHANNEL_H

#include "os/poll.h"

#include <stdbool.h>
#include <stddef.h>

struct channel;

/** One way of carrying. */
struct carrier {
    /** Goes on with what must be said before the first byte. @return 0 when that is done; -EAGAIN; KITH_ETLS or another
     *  code, with its detail, when it failed. NULL: there is nothing to say */
    int (*begin)(struct channel *channel);
    /** As os_socket_send and os_socket_receive. One thread may send while another receives. */
    ptrdiff_t (*send)(struct channel *channel, const void *head, size_t head_size, const void *body, size_t body_size);
    ptrdiff_t (*receive)(struct channel *channel, void *buffer, size_t size);
    /** Whether something can be received that the socket no longer tells of. NULL: never */
    bool (*pending)(const struct channel *channel);
    /** Says goodbye, if it can do so without waiting, and frees the state; the socket stays. NULL: nothing to do.
     *  @param goodbye  false in a process that is not to speak for the connection */
    void (*end)(struct channel *channel, bool goodbye);
};

struct channel {
    int socket; /* -1: closed */
    const struct carrier *carrier;
    void *state; /* the carrier's own */
    /* What to wait for after the last -EAGAIN of send (and begin), and of receive. */
    enum os_poll_for send_wants;
    enum os_poll_for receive_wants;
};

/** A bare socket. */
extern const struct carrier channel_bare;

/** Gives a channel its socket, which channel_close closes. */
void channel_open(struct channel *channel, int socket, const struct carrier *carrier, void *state);

/** Ends the carrier and closes the socket. */
void channel_close(struct channel *channel, bool goodbye);

#endif
