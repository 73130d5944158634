/* Certificates and keys: what TLS is to believe, and what it is to show.
 *
 * All of it is in OpenSSL's default library context, so that what the machine's administrator has set (openssl.cnf: the
 * weakest cipher, FIPS) holds here, too. Nothing of that context is changed.
 *
 * from_authkey: the pre-shared key is HKDF-SHA256 of the authkey. So TLS and the handshake of CPython, which uses the
 * authkey itself, can't be played off against each other. docs/design/tls.md tells what that proves and what not. */
#include "connection/tls_setup.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 128 bits, if they are random: the key can be guessed at from one overheard handshake. */
#define AUTHKEY_MIN 16

/* What both sides must say and do alike. Another way to derive the key, or another cipher, needs another name. */
static const char PSK_IDENTITY[] = "kith/1";
static const char PSK_SALT[] = "kith/1 authkey";
static const char PSK_INFO[] = "TLS 1.3 external PSK, TLS_AES_128_GCM_SHA256";
static const unsigned char PSK_CIPHER[] = { 0x13, 0x01 };

/* ---- options ---- */

static int contradiction(const char *sentence)
{
    return error_fail(-EINVAL, "kith_tls_options: %s", sentence);
}

static int check_from_authkey(const kith_tls_options *options, const void *authkey, size_t authkey_size)
{
    if (options->certificate || options->key || options->authorities || options->host)
        return contradiction("from_authkey goes without certificates: leave certificate, key, authorities and host "
                             "NULL");
    if (!authkey)
        return contradiction("from_authkey needs an authkey, and there is none");
    if (authkey_size < AUTHKEY_MIN)
        return error_fail(
            -EINVAL,
            "an authkey of %zu bytes is too short for TLS, which lets others guess at it: give %d or more "
            "that are random, as `openssl rand -hex 32` makes them",
            authkey_size, AUTHKEY_MIN);
    return 0;
}

static int check_certificates(const kith_tls_options *options, bool server)
{
    if (server && !options->certificate)
        return contradiction("a listener needs a certificate and its key, or from_authkey");
    if (options->key && !options->certificate)
        return contradiction("there is a key, but no certificate that it belongs to");
    if (options->host && (!*options->host || *options->host == '.'))
        return contradiction("host must be a whole name, or an address in digits");
    return 0;
}

/* ---- files ---- */

/* OpenSSL would ask for it at the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

/* @param what  what the file must hold */
static int file_failed(const char *what, const char *path)
{
    unsigned long error = tls_error_take();
    if (access(path, R_OK) < 0)
        return error_fail(KITH_ETLS, "%s can't be read: %s", path, kith_strerror(-errno));
    return error_fail(KITH_ETLS, "%s does not hold %s: %s", path, what, tls_error_words(error));
}

static int show_certificate(SSL_CTX *context, const char *certificate, const char *key)
{
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return file_failed("a certificate in PEM", certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return file_failed("the certificate's key in PEM without a passphrase", key);
    return 0;
}

static int believe(SSL_CTX *context, const char *authorities)
{
    if (authorities && SSL_CTX_load_verify_file(context, authorities) != 1)
        return file_failed("certificates in PEM", authorities);
    /* Who is named there is believed, be it an authority's deputy, or a single server or client. */
    if (authorities)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (!authorities && SSL_CTX_set_default_verify_paths(context) != 1)
        return error_fail(KITH_ETLS, "whom the system believes can't be found out: %s",
                          tls_error_words(tls_error_take()));
    return 0;
}

static int use_certificates(struct tls_setup *setup, const kith_tls_options *options)
{
    int code = 0;
    if (options->certificate)
        code =
            show_certificate(setup->context, options->certificate, options->key ? options->key : options->certificate);
    if (code < 0 || (setup->server && !options->authorities))
        return code;
    SSL_CTX_set_verify(setup->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify);
    return believe(setup->context, options->authorities);
}

/* ---- the key ---- */

static OSSL_PARAM octets(const char *name, const void *bytes, size_t size)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)bytes, size); /* it is only read */
}

static int derive(unsigned char *psk, const void *authkey, size_t authkey_size)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        octets(OSSL_KDF_PARAM_KEY, authkey, authkey_size),
        octets(OSSL_KDF_PARAM_SALT, PSK_SALT, strlen(PSK_SALT)),
        octets(OSSL_KDF_PARAM_INFO, PSK_INFO, strlen(PSK_INFO)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
    int derived = context ? EVP_KDF_derive(context, psk, TLS_PSK_SIZE, parameters) : 0;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(hkdf);
    if (derived == 1)
        return 0;
    return error_fail(KITH_ETLS, "no key could be derived from the authkey: %s", tls_error_words(tls_error_take()));
}

/* A new one for each handshake, which writes into it. */
static SSL_SESSION *psk_session(SSL *ssl)
{
    const struct tls_setup *setup = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, PSK_CIPHER);
    SSL_SESSION *session = SSL_SESSION_new();
    if (session && cipher && SSL_SESSION_set1_master_key(session, setup->psk, sizeof setup->psk) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

/* The client's. @param digest  what the handshake hashes with, once that is known */
static int use_psk(SSL *ssl, const EVP_MD *digest, const unsigned char **identity, size_t *size, SSL_SESSION **session)
{
    *identity = NULL;
    *size = 0;
    *session = NULL;
    if (digest && !EVP_MD_is_a(digest, "SHA256"))
        return 1; /* ours does not fit: go on without it, to where the other side's certificate is refused */
    *session = psk_session(ssl);
    if (!*session)
        return 0;
    *identity = (const unsigned char *)PSK_IDENTITY;
    *size = strlen(PSK_IDENTITY);
    return 1;
}

/* The server's. */
static int find_psk(SSL *ssl, const unsigned char *identity, size_t size, SSL_SESSION **session)
{
    *session = NULL;
    if (size != strlen(PSK_IDENTITY) || memcmp(identity, PSK_IDENTITY, size) != 0)
        return 1; /* go on without: there is no certificate, so that fails */
    *session = psk_session(ssl);
    return *session != NULL;
}

static int use_authkey(struct tls_setup *setup, const void *authkey, size_t authkey_size)
{
    setup->from_authkey = true;
    SSL_CTX_set_app_data(setup->context, setup);
    if (setup->server) {
        SSL_CTX_set_psk_find_session_callback(setup->context, find_psk);
    } else {
        /* No certificate is believed, not of the system's authorities either: it takes the key. */
        SSL_CTX_set_verify(setup->context, SSL_VERIFY_PEER, tls_verify);
        SSL_CTX_set_psk_use_session_callback(setup->context, use_psk);
    }
    if (SSL_CTX_set_ciphersuites(setup->context, "TLS_AES_128_GCM_SHA256") != 1)
        return error_fail(KITH_ETLS, "OpenSSL lacks TLS_AES_128_GCM_SHA256: %s", tls_error_words(tls_error_take()));
    return derive(setup->psk, authkey, authkey_size);
}

/* ---- the setup ---- */

static int make_context(struct tls_setup *setup)
{
    setup->context = SSL_CTX_new(setup->server ? TLS_server_method() : TLS_client_method());
    setup->method = tls_method();
    if (!setup->context || !setup->method)
        return error_fail(-ENOMEM, "TLS could not begin: %s", tls_error_words(tls_error_take()));
    SSL_CTX *context = setup->context;
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1)
        return error_fail(KITH_ETLS, "OpenSSL has no TLS 1.3 here: %s", tls_error_words(tls_error_take()));
    /* No session is resumed, so no tickets: unread ones would make the kernel reset a connection that is closed. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_read_ahead(context, 1); /* a record in one call of the kernel, not two */
    /* A connection that is idle has no buffers. One that waits to go on with the same bytes may have them elsewhere. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return 0;
}

static int fill(struct tls_setup *setup, const kith_tls_options *options, const void *authkey, size_t authkey_size)
{
    int code = make_context(setup);
    if (code < 0)
        return code;
    if (options->from_authkey)
        return use_authkey(setup, authkey, authkey_size);
    if (options->host && !(setup->host = strdup(options->host)))
        return -ENOMEM;
    return use_certificates(setup, options);
}

int tls_setup_new(struct tls_setup **result, const kith_tls_options *options, bool server, const void *authkey,
                  size_t authkey_size)
{
    int code = options->from_authkey ? check_from_authkey(options, authkey, authkey_size)
                                     : check_certificates(options, server);
    if (code < 0)
        return code;
    struct tls_setup *setup = calloc(1, sizeof *setup);
    if (!setup)
        return -ENOMEM;
    setup->holders = 1;
    setup->server = server;
    code = fill(setup, options, authkey, authkey_size);
    if (code < 0)
        tls_setup_free(setup);
    else
        *result = setup;
    return code;
}

struct tls_setup *tls_setup_hold(struct tls_setup *setup)
{
    atomic_fetch_add_explicit(&setup->holders, 1, memory_order_relaxed);
    return setup;
}

void tls_setup_free(struct tls_setup *setup)
{
    /* Whoever frees it sees what the others have done with it: their decrements pair with each other. */
    if (!setup || atomic_fetch_sub_explicit(&setup->holders, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(setup->context);
    BIO_meth_free(setup->method);
    free(setup->host);
    OPENSSL_cleanse(setup->psk, sizeof setup->psk);
    free(setup);
}
