#include "connection/handshake.h"

#include "base/error.h"
#include "os/socket.h"

#include <errno.h>

int handshake_begin(struct handshake *handshake, int socket, const struct handshake_terms *terms)
{
    *handshake = (struct handshake){ .proves = terms->key };
    int code = terms->key ? auth_begin(&handshake->auth, terms->key, terms->listens, terms->refuse_md5) : 0;
    if (code < 0)
        return code;
    if (!terms->tls) {
        channel_open(&handshake->channel, socket, &channel_bare, NULL);
        return 0;
    }
    code = tls_open(&handshake->channel, socket, terms->tls, terms->host);
    return code < 0 ? error_fail(code, "no TLS on this connection: %s", kith_strerror(code)) : 0;
}

static int wait_for(struct handshake *handshake, enum os_poll_for what)
{
    handshake->wants = what;
    return -EAGAIN;
}

static int secure(struct handshake *handshake)
{
    struct channel *channel = &handshake->channel;
    if (!channel->carrier->begin)
        return 0;
    int code = channel->carrier->begin(channel);
    return code == -EAGAIN ? wait_for(handshake, channel->send_wants) : code;
}

/* ---- one message ---- */

static int send_message(struct handshake *handshake)
{
    struct channel *channel = &handshake->channel;
    const struct auth *auth = &handshake->auth;
    size_t header_size = frame_encode(handshake->header, auth->size);
    while (handshake->done < header_size + auth->size) {
        size_t from_header = handshake->done < header_size ? handshake->done : header_size;
        size_t from_message = handshake->done - from_header;
        ptrdiff_t sent = channel->carrier->send(channel, handshake->header + from_header, header_size - from_header,
                                                auth->message + from_message, auth->size - from_message);
        if (sent == -EAGAIN)
            return wait_for(handshake, channel->send_wants);
        if (sent < 0)
            return (int)sent == -EPIPE ? KITH_EEOF : (int)sent;
        handshake->done += (size_t)sent;
    }
    handshake->done = 0;
    return 0;
}

/* Receives until there are so many bytes, of which offset went before. */
static int fill(struct handshake *handshake, unsigned char *buffer, size_t size, size_t offset)
{
    struct channel *channel = &handshake->channel;
    while (handshake->done < offset + size) {
        size_t have = handshake->done - offset;
        ptrdiff_t got = channel->carrier->receive(channel, buffer + have, size - have);
        if (got == -EAGAIN)
            return wait_for(handshake, channel->receive_wants);
        if (got <= 0)
            return got == 0 ? KITH_EEOF : (int)got;
        handshake->done += (size_t)got;
    }
    return 0;
}

/* @param size  receives the message's length */
static int receive_message(struct handshake *handshake, size_t *size)
{
    int missing;
    while ((missing = frame_decode(handshake->header, handshake->header_size, size)) > 0) {
        int code = fill(handshake, handshake->header, handshake->header_size + (size_t)missing, 0);
        if (code < 0)
            return code;
        handshake->header_size += (size_t)missing;
    }
    if (missing < 0 || *size > AUTH_MESSAGE_MAX)
        return error_fail(KITH_EMALFORMED,
                          "the other side does not speak as multiprocessing.connection does: its "
                          "message begins with %02x %02x %02x %02x",
                          handshake->header[0], handshake->header[1], handshake->header[2], handshake->header[3]);
    int code = fill(handshake, handshake->message, *size, handshake->header_size);
    if (code < 0)
        return code;
    handshake->done = 0;
    handshake->header_size = 0;
    return 0;
}

/* ---- one after the other ---- */

/* @return 0 when there is nothing left to prove */
static int prove(struct handshake *handshake)
{
    int code = 0;
    while (code == 0) {
        size_t size = 0;
        switch (auth_turn(&handshake->auth)) {
        case AUTH_TURN_SEND:
            code = send_message(handshake);
            if (code == 0 || (code != -EAGAIN && handshake->auth.refusal)) /* who did not wait for it is refused, too */
                code = auth_sent(&handshake->auth);
            break;
        case AUTH_TURN_RECEIVE:
            code = receive_message(handshake, &size);
            if (code == 0)
                code = auth_received(&handshake->auth, handshake->message, size);
            break;
        default:
            os_socket_acknowledge(handshake->channel.socket); /* the first message may wait for that */
            return 0;
        }
    }
    return code;
}

static int explain(const struct handshake *handshake, int code)
{
    switch (code) {
    case KITH_EEOF: /* a listener that turns somebody away says nothing */
        return error_fail(code, "the other side ended it before all was said%s",
                          !handshake->proves || handshake->auth.listens
                              ? ""
                              : ": does it allow this user, and one more client? Were there wrong keys of late?");
    case KITH_EAUTH:
    case KITH_EMALFORMED:
    case KITH_ETLS: /* these were told by those who know */
    case -EAGAIN:
        return code;
    default:
        return error_fail(code, "the connection failed before all was said: %s", kith_strerror(code));
    }
}

int handshake_step(struct handshake *handshake)
{
    int code = handshake->secured ? 0 : secure(handshake);
    if (code == 0) {
        handshake->secured = true;
        code = handshake->proves ? prove(handshake) : 0;
    }
    return code < 0 ? explain(handshake, code) : 0;
}
