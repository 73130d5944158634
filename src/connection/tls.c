/* TLS as a carrier: OpenSSL's state machine, and the socket below it.
 *
 * OpenSSL may be used by one thread at a time, so a lock makes it serve the thread that sends and the one that receives
 * by turns. Nobody waits while holding it.
 *
 * What OpenSSL has encrypted has to go out, and just once: it can't be taken back, and what follows stands on it. So
 * whatever the socket has no room for is kept here, and goes first next time. As long as something is kept, send counts
 * one byte fewer than it took: the caller comes again with that byte, and knows when the kernel has all of it. And
 * nothing is encrypted before the socket has room, so that a message for which there was none is not sent at all.
 *
 * A child that is forked has a copy of the keys and of the counters that go with them. If both used them, two records
 * would be encrypted alike, which tells what is in both. So only the process that opened a channel uses it. */
#include "connection/tls.h"

#include "base/deadline.h"
#include "base/error.h"
#include "connection/tls_setup.h"
#include "os/socket.h"
#include "process/forks.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The most that a record holds. */
#define RECORD_MAX 16384

/* As many records as may be encrypted with a key: RFC 8446, 5.5, has 2^24.5 for AES-GCM. */
#define KEY_RECORDS ((uint32_t)1 << 24)

/* How many times OpenSSL may read from the socket in one call. It goes on by itself as long as there is nothing for us,
 * and new keys without end, which cost their sender little, would have it outlast every deadline. */
#define READS_MAX 4

/* The most that is kept: a flight of the handshake with long certificates. A record is far shorter. */
#define KEPT_MAX ((size_t)256 << 10)

struct tls {
    unsigned generation; /* of the process that opened it */
    int socket;
    struct tls_setup *setup;
    pthread_mutex_t lock; /* protects all below */
    SSL *ssl;
    struct tls_blame blame;
    bool begun;          /* hands were shaken */
    bool ready;          /* what was received from the socket may hold more */
    unsigned reads;      /* in this call */
    bool owes;           /* the last byte that was taken is not counted yet */
    uint32_t records;    /* that were sent with this key */
    int failed;          /* the code that ended TLS; 0: none did */
    int send_code;       /* what the socket has against sending: 0, or a negated errno, and then a record is lost */
    int receive_code;    /* what the socket had to say last: KITH_EEOF at its end, or a negated errno */
    unsigned char *kept; /* what the socket had no room for */
    size_t kept_size;
};

/* ---- what OpenSSL reaches the socket by ---- */

static int keep(struct tls *tls, const char *data, size_t size)
{
    unsigned char *kept = realloc(tls->kept, tls->kept_size + size);
    if (!kept)
        return -ENOMEM;
    memcpy(kept + tls->kept_size, data, size);
    tls->kept = kept;
    tls->kept_size += size;
    return 0;
}

static int socket_take(struct tls *tls, const char *data, size_t size)
{
    ptrdiff_t sent = tls->kept_size > 0 ? 0 : os_socket_send(tls->socket, "", 0, data, size);
    if (sent < 0 && sent != -EAGAIN)
        return (int)sent;
    size_t done = sent > 0 ? (size_t)sent : 0;
    return done < size ? keep(tls, data + done, size - done) : 0;
}

/* OpenSSL is told that all went well, for when sending has failed, there may be something to receive yet. */
static int socket_write(BIO *bio, const char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->kept_size > KEPT_MAX) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (tls->send_code == 0)
        tls->send_code = socket_take(tls, data, (size_t)size);
    return size;
}

static int socket_read(BIO *bio, char *buffer, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ptrdiff_t got = tls->reads++ < READS_MAX ? os_socket_receive(tls->socket, buffer, (size_t)size) : -EAGAIN;
    if (got > 0)
        return (int)got;
    if (got == -EAGAIN)
        BIO_set_retry_read(bio);
    else
        tls->receive_code = got == 0 ? KITH_EEOF : (int)got;
    return -1;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "kith socket");
    if (method && BIO_meth_set_write(method, socket_write) == 1 && BIO_meth_set_read(method, socket_read) == 1 &&
        BIO_meth_set_ctrl(method, socket_control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* ---- turns ---- */

/* @return 0, and then the caller has the lock; KITH_ECLOSED in another process */
static int enter(struct tls *tls)
{
    if (tls->generation != forks_generation())
        return error_fail(KITH_ECLOSED, "TLS keys can't be shared: only the process that made a connection with TLS "
                                        "can use it, and this is a child of that");
    pthread_mutex_lock(&tls->lock);
    tls->reads = 0;
    ERR_clear_error();
    return 0;
}

static ptrdiff_t leave(struct tls *tls, ptrdiff_t result)
{
    pthread_mutex_unlock(&tls->lock);
    return result;
}

/* ---- what all calls do ---- */

/* Sends what was kept. @return 0; -EAGAIN; another negated errno, now and ever after */
static int send_kept(struct tls *tls)
{
    if (tls->send_code < 0 || tls->kept_size == 0)
        return tls->send_code;
    ptrdiff_t sent = os_socket_send(tls->socket, "", 0, tls->kept, tls->kept_size);
    if (sent < 0 && sent != -EAGAIN)
        tls->send_code = (int)sent;
    if (sent < 0)
        return (int)sent;
    tls->kept_size -= (size_t)sent;
    if (tls->kept_size > 0) {
        memmove(tls->kept, tls->kept + sent, tls->kept_size);
        return -EAGAIN;
    }
    free(tls->kept);
    tls->kept = NULL;
    return 0;
}

static int ended(const struct tls *tls)
{
    if (!tls->begun)
        return error_fail(KITH_EEOF, "the other side ended the connection before TLS had begun: it may not have TLS "
                                     "switched on, or had no patience");
    return error_fail(KITH_ETRUNCATED, "the connection ended without TLS's goodbye: the other side died, or somebody "
                                       "in between cut it off");
}

static int socket_ended(const struct tls *tls)
{
    ERR_clear_error();
    if (tls->receive_code == KITH_EEOF)
        return ended(tls);
    return error_fail(tls->receive_code, "the connection below TLS: %s", kith_strerror(tls->receive_code));
}

static int failed_before(const struct tls *tls, int code)
{
    return error_fail(code, "TLS has failed on this connection before (%s): make another one",
                      kith_error_name(tls->failed));
}

/* What a call of OpenSSL's that did not succeed means.
 * @param wants  receives what to wait for, with -EAGAIN
 * @return 0 when the other side said goodbye; -EAGAIN; KITH_ETLS, KITH_EEOF, KITH_ETRUNCATED or another code */
static int judge(struct tls *tls, int result, enum os_poll_for *wants)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
        *wants = OS_POLL_READ;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = OS_POLL_WRITE;
        return -EAGAIN;
    case SSL_ERROR_SYSCALL:
        if (tls->receive_code < 0)
            return tls->failed = socket_ended(tls);
        /* fall through */
    default:
        tls->failed = tls_error_fail(tls->setup, &tls->blame);
        return tls->failed;
    }
}

/* ---- beginning ---- */

static int step(struct tls *tls, enum os_poll_for *wants)
{
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        int code = judge(tls, result, wants);
        return code == 0 ? ended(tls) : code;
    }
    if (tls->setup->from_authkey && !SSL_session_reused(tls->ssl))
        return tls->failed = tls_error_fail(tls->setup, &tls->blame);
    tls->begun = true;
    tls->ready = SSL_has_pending(tls->ssl); /* the first message may have come with the end of the handshake */
    return 0;
}

/* What is kept goes first, also when hands were shaken: the other side waits for it. */
static int shake_hands(struct tls *tls, enum os_poll_for *wants)
{
    if (tls->failed < 0)
        return failed_before(tls, tls->failed);
    *wants = OS_POLL_WRITE;
    int code = send_kept(tls);
    if (code == 0 && !tls->begun)
        code = step(tls, wants);
    if (code < 0 && code != -EAGAIN)
        return code;
    int left = send_kept(tls);
    if (left == 0)
        return code;
    *wants = OS_POLL_WRITE;
    return left;
}

static int tls_begin(struct channel *channel)
{
    struct tls *tls = channel->state;
    int code = enter(tls);
    if (code < 0)
        return code;
    code = shake_hands(tls, &channel->send_wants);
    if (code == 0)
        channel->send_wants = OS_POLL_WRITE;
    return (int)leave(tls, code);
}

/* ---- sending ---- */

struct piece {
    const void *data;
    size_t size;
};

/* The head, and behind it as much of the body as goes into the same record; a body without a head as it is.
 * @param room  RECORD_MAX bytes */
static struct piece first_record(struct piece head, struct piece body, unsigned char *room)
{
    if (head.size == 0)
        return (struct piece){ body.data, body.size < RECORD_MAX ? body.size : RECORD_MAX };
    size_t from_head = head.size < RECORD_MAX ? head.size : RECORD_MAX;
    size_t from_body = body.size < RECORD_MAX - from_head ? body.size : RECORD_MAX - from_head;
    memcpy(room, head.data, from_head);
    if (from_body > 0)
        memcpy(room + from_head, body.data, from_body);
    return (struct piece){ room, from_head + from_body };
}

/* Takes another key in time. The other side learns it from a record of its own, before the next one. */
static void count_record(struct tls *tls)
{
    if (++tls->records < KEY_RECORDS)
        return;
    SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    tls->records = 0;
}

static ptrdiff_t send_record(struct tls *tls, struct piece record, enum os_poll_for *wants)
{
    if (tls->failed < 0)
        return failed_before(tls, -EPIPE);
    *wants = OS_POLL_WRITE;
    int code = send_kept(tls);
    if (code < 0)
        return code;
    if (tls->owes) {
        tls->owes = false;
        return 1;
    }
    if (record.size == 0 || os_poll(tls->socket, OS_POLL_WRITE, DEADLINE_PASSED) < 0)
        return record.size == 0 ? 0 : -EAGAIN;
    int written = SSL_write(tls->ssl, record.data, (int)record.size);
    if (written <= 0) {
        code = judge(tls, written, wants);
        return code < 0 ? code : -EPIPE;
    }
    count_record(tls);
    if (tls->send_code < 0)
        return tls->send_code;
    if (tls->kept_size == 0)
        return written;
    tls->owes = true;
    return written > 1 ? written - 1 : -EAGAIN;
}

static ptrdiff_t tls_send(struct channel *channel, const void *head, size_t head_size, const void *body,
                          size_t body_size)
{
    struct tls *tls = channel->state;
    unsigned char room[RECORD_MAX];
    struct piece record = first_record((struct piece){ head, head_size }, (struct piece){ body, body_size }, room);
    int code = enter(tls);
    return code < 0 ? code : leave(tls, send_record(tls, record, &channel->send_wants));
}

/* ---- receiving ---- */

static ptrdiff_t receive_some(struct tls *tls, void *buffer, size_t size, enum os_poll_for *wants)
{
    if (tls->failed < 0)
        return failed_before(tls, tls->failed);
    *wants = OS_POLL_READ;
    send_kept(tls); /* an answer of TLS's own, maybe; the next send tells what is wrong with it */
    int got = SSL_read(tls->ssl, buffer, size < INT_MAX ? (int)size : INT_MAX);
    tls->ready = got > 0 && SSL_has_pending(tls->ssl);
    return got > 0 ? got : judge(tls, got, wants);
}

static ptrdiff_t tls_receive(struct channel *channel, void *buffer, size_t size)
{
    struct tls *tls = channel->state;
    int code = enter(tls);
    return code < 0 ? code : leave(tls, receive_some(tls, buffer, size, &channel->receive_wants));
}

static bool tls_pending(const struct channel *channel)
{
    struct tls *tls = channel->state;
    if (tls->generation != forks_generation())
        return false;
    pthread_mutex_lock(&tls->lock);
    bool ready = tls->ready;
    pthread_mutex_unlock(&tls->lock);
    return ready;
}

/* ---- the end ---- */

static void free_tls(struct tls *tls)
{
    SSL_free(tls->ssl);
    tls_setup_free(tls->setup);
    pthread_mutex_destroy(&tls->lock);
    free(tls->kept);
    free(tls);
}

static void tls_end(struct channel *channel, bool goodbye)
{
    struct tls *tls = channel->state;
    bool ours = tls->generation == forks_generation();
    /* In a child: a thread of the parent's was at work when it was forked, and what it was changing is half changed. */
    if (!ours && pthread_mutex_trylock(&tls->lock) != 0)
        return;
    if (!ours)
        pthread_mutex_unlock(&tls->lock);
    /* Behind a record that was cut short, goodbye would be a lie. */
    if (goodbye && ours && tls->begun && tls->failed == 0 && send_kept(tls) == 0) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
    free_tls(tls);
}

/* ---- opening ---- */

static const struct carrier carrier_tls = {
    .begin = tls_begin,
    .send = tls_send,
    .receive = tls_receive,
    .pending = tls_pending,
    .end = tls_end,
};

/* Whose certificate the server must have. */
static bool expect_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    ERR_clear_error(); /* it is no address in digits */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool prepare(struct tls *tls, const char *host)
{
    const struct tls_setup *setup = tls->setup;
    BIO *bio = BIO_new(setup->method);
    tls->ssl = SSL_new(setup->context);
    if (!bio || !tls->ssl) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, &tls->blame);
    if (setup->server) {
        SSL_set_accept_state(tls->ssl);
        return true;
    }
    SSL_set_connect_state(tls->ssl);
    return setup->from_authkey || expect_host(tls->ssl, host);
}

int tls_open(struct channel *channel, int socket, struct tls_setup *setup, const char *host)
{
    if (setup->host)
        host = setup->host;
    /* An empty name would match any, one that begins with a point many. */
    if (!setup->server && !setup->from_authkey && (!host || !*host || *host == '.'))
        return error_fail(-EINVAL, "whose certificate to expect is not known: name it in kith_tls_options.host");
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return -ENOMEM;
    pthread_mutex_init(&tls->lock, NULL);
    tls->setup = tls_setup_hold(setup);
    tls->generation = forks_generation();
    tls->socket = socket;
    if (!prepare(tls, host)) {
        free_tls(tls);
        return error_fail(-ENOMEM, "TLS on a connection: %s", tls_error_words(tls_error_take()));
    }
    channel_open(channel, socket, &carrier_tls, tls);
    return 0;
}
