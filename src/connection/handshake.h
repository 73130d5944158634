/* What two sides say to each other before the first message: TLS, and the proof that they have the same key. Nothing
 * here waits, and not a byte is read of the first message. */
#ifndef KITH_SRC_CONNECTION_HANDSHAKE_H
#define KITH_SRC_CONNECTION_HANDSHAKE_H

#include "connection/auth.h"
#include "connection/channel.h"
#include "connection/frame.h"
#include "connection/tls.h"

#include <stdbool.h>

/** What all handshakes of one listener, or one client, have in common. */
struct handshake_terms {
    bool listens;
    bool refuse_md5;
    const struct auth_key *key; /* NULL: nobody proves anything by a challenge */
    struct tls_setup *tls;      /* NULL: none */
    const char *host;           /* of a client: where it connects to, for TLS */
};

struct handshake {
    struct channel channel;
    enum os_poll_for wants; /* what to wait for after -EAGAIN */
    bool secured;           /* the carrier has begun */
    bool proves;
    struct auth auth;
    /* The message that is on its way, in or out; one that goes out is auth's. */
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_size; /* of one that comes in: how much is known of it */
    unsigned char message[AUTH_MESSAGE_MAX];
    size_t done; /* how much of header and message is sent, or has come */
};

/** Begins on a connected socket.
 *  @return 0, and then the socket is the channel's; another code, with its detail, and then it stays the caller's */
int handshake_begin(struct handshake *handshake, int socket, const struct handshake_terms *terms);

/** Goes on. @return 0 when it is done, and the channel may be moved; -EAGAIN; KITH_EAUTH, KITH_EMALFORMED, KITH_ETLS;
 *          KITH_EEOF when the other side went; another negated errno; all with their detail */
int handshake_step(struct handshake *handshake);

#endif
