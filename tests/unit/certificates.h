/* Certificates for the tests of TLS: made anew in a folder of their own, by libcrypto. */
#ifndef KITH_TESTS_UNIT_CERTIFICATES_H
#define KITH_TESTS_UNIT_CERTIFICATES_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char certificates_folder[] = "/tmp/kith-certificates-XXXXXX";

/** @return the path of a file there, in one of sixteen buffers that are used by turns */
static inline const char *certificate_path(const char *name, const char *ending)
{
    static char paths[16][sizeof certificates_folder + 64];
    static unsigned turn;
    char *path = paths[turn++ % 16];
    snprintf(path, sizeof *paths, "%s/%s%s", certificates_folder, name, ending);
    return path;
}

/** Whom a certificate is for, and by whom. */
struct certificate {
    const char *name;   /* of its files, name.pem and name.key, and in it */
    const char *issuer; /* the name of another; NULL: it is an authority's, signed with its own key */
    const char *hosts;  /* as "DNS:localhost,IP:127.0.0.1"; NULL: none */
    long until;         /* how many seconds from now on it is valid; negative: it has expired */
};

static inline void *certificate_load(const char *name, const char *ending, int key)
{
    FILE *file = fopen(certificate_path(name, ending), "r");
    if (!file)
        return NULL;
    void *loaded =
        key ? (void *)PEM_read_PrivateKey(file, NULL, NULL, NULL) : (void *)PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return loaded;
}

static inline int certificate_extend(X509 *made, X509V3_CTX *context, int number, const char *value)
{
    X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, context, number, value) : NULL;
    int good = !value || (extension && X509_add_ext(made, extension, -1));
    X509_EXTENSION_free(extension);
    return good;
}

static inline int certificate_fill(X509 *made, const struct certificate *what, EVP_PKEY *key, X509 *issuer,
                                   EVP_PKEY *issuer_key)
{
    static long serial;
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, made, NULL, NULL, 0);
    X509_NAME *name = X509_get_subject_name(made);
    return X509_set_version(made, 2) && ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial) &&
           X509_gmtime_adj(X509_getm_notBefore(made), -86400) &&
           X509_gmtime_adj(X509_getm_notAfter(made), what->until) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)what->name, -1, -1, 0) &&
           X509_set_issuer_name(made, X509_get_subject_name(issuer)) && X509_set_pubkey(made, key) &&
           certificate_extend(made, &context, NID_basic_constraints, what->issuer ? "CA:FALSE" : "critical,CA:TRUE") &&
           certificate_extend(made, &context, NID_subject_alt_name, what->hosts) &&
           X509_sign(made, issuer_key, EVP_sha256());
}

static inline int certificate_write(const char *name, X509 *made, EVP_PKEY *key)
{
    FILE *file = fopen(certificate_path(name, ".pem"), "w");
    FILE *secret = fopen(certificate_path(name, ".key"), "w");
    int good =
        file && secret && PEM_write_X509(file, made) && PEM_write_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    if (file)
        good &= fclose(file) == 0;
    if (secret)
        good &= fclose(secret) == 0;
    return good;
}

/** Makes one, with a key of its own. @return 0; -1 when that failed */
static inline int certificate_make(const struct certificate *what)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    X509 *issuer = what->issuer ? certificate_load(what->issuer, ".pem", 0) : made;
    EVP_PKEY *issuer_key = what->issuer ? certificate_load(what->issuer, ".key", 1) : key;
    int good = key && made && issuer && issuer_key && certificate_fill(made, what, key, issuer, issuer_key) &&
               certificate_write(what->name, made, key);
    if (issuer_key != key)
        EVP_PKEY_free(issuer_key);
    if (issuer != made)
        X509_free(issuer);
    X509_free(made);
    EVP_PKEY_free(key);
    return good ? 0 : -1;
}

/** Makes the folder, and all that are given, in order. */
static inline int certificates_make(const struct certificate *all, size_t count)
{
    if (!mkdtemp(certificates_folder))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (certificate_make(&all[i]) < 0)
            return -1;
    }
    return 0;
}

/** Removes them and the folder. */
static inline int certificates_remove(const struct certificate *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unlink(certificate_path(all[i].name, ".pem"));
        unlink(certificate_path(all[i].name, ".key"));
    }
    return rmdir(certificates_folder);
}

#endif
