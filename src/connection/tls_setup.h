/* What the connections of one listener or client have in common, for the files of TLS. */
#ifndef KITH_SRC_CONNECTION_TLS_SETUP_H
#define KITH_SRC_CONNECTION_TLS_SETUP_H

#include "connection/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

#define TLS_PSK_SIZE 32

struct tls_setup {
    atomic_uint holders; /* who called tls_setup_new, and each channel. Read and written by all of them */
    bool server;
    bool from_authkey;
    unsigned char psk[TLS_PSK_SIZE]; /* for from_authkey */
    char *host;                      /* of the options; NULL: the address's */
    SSL_CTX *context;
    BIO_METHOD *method; /* how OpenSSL reaches the socket: tls.c fills it in */
};

/** One holder more. @return the setup */
struct tls_setup *tls_setup_hold(struct tls_setup *setup);

/** How OpenSSL reaches the socket of a channel. @return NULL when there is no memory */
BIO_METHOD *tls_method(void);

/** Why OpenSSL's last call of this thread failed: the first thing that it has noted; all is forgotten then.
 *  @return a code of OpenSSL's, 0 when it has noted nothing */
unsigned long tls_error_take(void);

/** @return that in words */
const char *tls_error_words(unsigned long error);

/** What is wrong with a certificate of the other side's. */
struct tls_blame {
    int why; /* X509_V_OK: nothing */
    char whose[80];
};

/** Keeps what is wrong with a certificate, in the struct tls_blame that is the app data. For SSL_CTX_set_verify. */
int tls_verify(int good, X509_STORE_CTX *store);

/** Tells why OpenSSL's last call on a connection failed. @return KITH_ETLS */
int tls_error_fail(const struct tls_setup *setup, const struct tls_blame *blame);

#endif
