/* What OpenSSL says when it fails, in sentences that tell what to do.
 *
 * OpenSSL notes its failures in a queue of each thread. It is empty before each call that may fail, and emptied after:
 * so what is found there is of that call. */
#include "connection/tls_setup.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

unsigned long tls_error_take(void)
{
    unsigned long error = ERR_get_error();
    ERR_clear_error();
    return error;
}

const char *tls_error_words(unsigned long error)
{
    if (ERR_SYSTEM_ERROR(error))
        return kith_strerror(-ERR_GET_REASON(error));
    const char *words = error ? ERR_reason_error_string(error) : NULL;
    return words ? words : "OpenSSL does not say why";
}

int tls_verify(int good, X509_STORE_CTX *store)
{
    if (good)
        return good;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_blame *blame = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    blame->why = X509_STORE_CTX_get_error(store);
    /* What is not printable, it writes as \x01. */
    if (!certificate || !X509_NAME_oneline(X509_get_subject_name(certificate), blame->whose, sizeof blame->whose))
        *blame->whose = '\0';
    return 0;
}

static const char *certificate_cure(int why)
{
    switch (why) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return ": name who has signed it in kith_tls_options.authorities";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return ": renew it, or set this machine's clock";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return ": connect to a name that it has, or name one in kith_tls_options.host";
    default:
        return "";
    }
}

/* What the other side has against us, and what to do about it. */
static const char *alert_words(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required: name one in kith_tls_options.certificate";
    case SSL_AD_UNKNOWN_CA:
        return "unknown CA: its kith_tls_options.authorities must have who has signed our certificate";
    case SSL_AD_PROTOCOL_VERSION:
        return "protocol version: it has no TLS 1.3";
    case SSL_AD_HANDSHAKE_FAILURE:
        return "handshake failure: it may have TLS from_authkey, or no cipher of ours";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

static const char *error_cure(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return ": what came is no TLS; does the other side have it switched on?";
    case SSL_R_UNSUPPORTED_PROTOCOL:
        return ": the other side has no TLS 1.3";
    default:
        return "";
    }
}

/* @return the alert of the other side's that the error tells of; -1 when it tells of something else */
static int alert_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    bool alert =
        ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET && reason < 2 * SSL_AD_REASON_OFFSET;
    return alert ? reason - SSL_AD_REASON_OFFSET : -1;
}

int tls_error_fail(const struct tls_setup *setup, const struct tls_blame *blame)
{
    unsigned long error = tls_error_take();
    int alert = alert_of(error);
    if (blame->why != X509_V_OK && !setup->from_authkey)
        return error_fail(KITH_ETLS, "the certificate of %s is refused: %s%s", blame->whose,
                          X509_verify_cert_error_string(blame->why), certificate_cure(blame->why));
    const char *words = alert >= 0 ? alert_words(alert) : tls_error_words(error);
    const char *cure = error_cure(error);
    if (setup->from_authkey)
        return error_fail(KITH_ETLS, "TLS failed: both sides must have it from_authkey, and the same authkey (%s%s)",
                          words, cure);
    if (alert >= 0)
        return error_fail(KITH_ETLS, "the other side refuses: %s", words);
    return error_fail(KITH_ETLS, "TLS failed: %s%s", words, cure);
}
