#include "connection/auth.h"

#include "base/error.h"
#include "os/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE "#CHALLENGE#"
#define WELCOME "#WELCOME#"
#define FAILURE "#FAILURE#"
#define OUR_DIGEST "{sha256}"

/* A challenge of 20 bytes, and a response of 16, are of the old form. A shorter challenge is refused. */
enum { OLD_CHALLENGE = 20, OLD_RESPONSE = 16 };

/* Behind the digest's name our challenge has 40 bytes, as many as CPython's. The last of them say who asks, and we
 * answer none that kith has asked on the same side as ours. Else who has no key could have the challenge of one client
 * answered by another one, and pass for a listener. To CPython they are as random as the others. */
enum { RANDOM_SIZE = 32, MARK_SIZE = 8 };
static const char mark_of_listener[] = "kith-lis";
static const char mark_of_client[] = "kith-cli";

/* ---- keys ---- */

int auth_key_new(struct auth_key **key, const void *bytes, size_t size)
{
    if (!bytes && size)
        return error_fail(-EINVAL, "authkey is NULL, but authkey_size is %zu", size);
    if (size > INT_MAX)
        return error_fail(-EINVAL, "an authkey of %zu bytes: no key is so long; was the size negative?", size);
    *key = NULL;
    if (!bytes)
        return 0;
    struct auth_key *made = malloc(sizeof *made + size);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a copy of the authkey");
    made->size = size;
    memcpy(made->bytes, bytes, size);
    *key = made;
    return 0;
}

void auth_key_free(struct auth_key *key)
{
    if (!key)
        return;
    OPENSSL_cleanse(key->bytes, key->size);
    free(key);
}

/* ---- digests ---- */

struct digest {
    const char *name; /* in braces */
    const EVP_MD *(*type)(void);
};

static const struct digest digests[] = {
    { "{md5}", EVP_md5 },           { "{sha256}", EVP_sha256 },     { "{sha384}", EVP_sha384 },
    { "{sha3_256}", EVP_sha3_256 }, { "{sha3_384}", EVP_sha3_384 },
};

static const struct digest *const md5 = &digests[0];

static bool begins_with(const unsigned char *message, size_t size, const char *text)
{
    size_t length = strlen(text);
    return size >= length && memcmp(message, text, length) == 0;
}

static bool is_just(const unsigned char *message, size_t size, const char *text)
{
    return size == strlen(text) && begins_with(message, size, text);
}

/* The digest that a message names. @return NULL when it names none that is allowed */
static const struct digest *named_digest(const unsigned char *message, size_t size)
{
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        if (begins_with(message, size, digests[i].name))
            return &digests[i];
    }
    return NULL;
}

/* @return the length of what was written, at most EVP_MAX_MD_SIZE bytes; 0 when the system's crypto policy forbids the
 *         digest, or there is no memory */
static size_t authenticate(const struct auth *auth, const struct digest *digest, const unsigned char *message,
                           size_t size, unsigned char code[EVP_MAX_MD_SIZE])
{
    unsigned length = 0;
    bool made = HMAC(digest->type(), auth->key->bytes, (int)auth->key->size, message, size, code, &length);
    return made ? length : 0;
}

/* ---- what is sent ---- */

static void put(struct auth *auth, const void *bytes, size_t size)
{
    memcpy(auth->message + auth->size, bytes, size);
    auth->size += size;
}

static void put_text(struct auth *auth, const char *text)
{
    put(auth, text, strlen(text));
}

static int fail(struct auth *auth, int code)
{
    auth->state = AUTH_FAILED;
    return code;
}

static int make_challenge(struct auth *auth)
{
    unsigned char numbers[RANDOM_SIZE];
    int code = os_random(numbers, sizeof numbers);
    if (code < 0)
        return fail(auth, error_fail(code, "the system has no random numbers: %s", kith_strerror(code)));
    auth->size = 0;
    put_text(auth, CHALLENGE);
    put_text(auth, OUR_DIGEST);
    put(auth, numbers, sizeof numbers);
    put_text(auth, auth->listens ? mark_of_listener : mark_of_client);
    auth->challenge_size = auth->size - strlen(CHALLENGE);
    memcpy(auth->challenge, auth->message + strlen(CHALLENGE), auth->challenge_size);
    auth->state = AUTH_SEND_CHALLENGE;
    return 0;
}

/* @param refusal  NULL: the other side has proved itself */
static int make_verdict(struct auth *auth, const char *refusal)
{
    auth->size = 0;
    put_text(auth, refusal ? FAILURE : WELCOME);
    auth->refusal = refusal;
    auth->state = AUTH_SEND_VERDICT;
    return 0;
}

static int make_response(struct auth *auth, const struct digest *digest, bool bare, const unsigned char *challenge,
                         size_t size)
{
    unsigned char code[EVP_MAX_MD_SIZE];
    size_t length = authenticate(auth, digest, challenge, size, code);
    if (length == 0)
        return fail(auth, error_fail(KITH_EAUTH, "the other side asks for HMAC with %s, which can't be had here",
                                     digest->name));
    auth->size = 0;
    if (!bare)
        put_text(auth, digest->name);
    put(auth, code, length);
    auth->state = AUTH_SEND_RESPONSE;
    return 0;
}

/* ---- what is received ---- */

/* What became of our challenge. @return NULL, or why the response is not accepted */
static const char *judge(const struct auth *auth, const unsigned char *response, size_t size)
{
    bool bare = size == OLD_RESPONSE;
    const struct digest *digest = bare ? md5 : named_digest(response, size);
    if (!digest)
        return "the other side's response names no digest that is allowed";
    if (digest == md5 && auth->refuse_md5)
        return "the other side responds with MD5, which is refused here: is it Python 3.11 or older?";
    unsigned char code[EVP_MAX_MD_SIZE];
    size_t prefix = bare ? 0 : strlen(digest->name);
    size_t length = authenticate(auth, digest, auth->challenge, auth->challenge_size, code);
    if (length == 0)
        return "the other side responds with a digest that can't be had here";
    bool same = size - prefix == length && CRYPTO_memcmp(response + prefix, code, length) == 0;
    OPENSSL_cleanse(code, sizeof code);
    return same ? NULL : "the other side has another authkey";
}

/* Whether a challenge was made on our side: it may be our own, which somebody sends back. */
static bool is_from_our_side(const struct auth *auth, const unsigned char *challenge, size_t size)
{
    const char *mark = auth->listens ? mark_of_listener : mark_of_client;
    return size >= MARK_SIZE && memcmp(challenge + size - MARK_SIZE, mark, MARK_SIZE) == 0;
}

static int answer(struct auth *auth, const unsigned char *message, size_t size)
{
    if (!begins_with(message, size, CHALLENGE))
        return fail(auth, error_fail(KITH_EAUTH, "the other side sends no challenge: it has no authkey, but we have"));
    const unsigned char *challenge = message + strlen(CHALLENGE);
    size -= strlen(CHALLENGE);
    bool bare = size == OLD_CHALLENGE;
    const struct digest *digest = bare ? md5 : named_digest(challenge, size);
    if (size < OLD_CHALLENGE || !digest)
        return fail(
            auth, error_fail(KITH_EMALFORMED, "a challenge of %zu bytes, which names no digest that is allowed", size));
    if (digest == md5 && auth->refuse_md5)
        return fail(auth, error_fail(KITH_EAUTH, "the other side asks for MD5, which is refused here: is it Python "
                                                 "3.11 or older?"));
    if (is_from_our_side(auth, challenge, size))
        return fail(auth, error_fail(KITH_EAUTH, "the other side sends a challenge back that a %s made: it has no key",
                                     auth->listens ? "listener" : "client"));
    return make_response(auth, digest, bare, challenge, size);
}

static int accept_verdict(struct auth *auth, const unsigned char *message, size_t size)
{
    if (is_just(message, size, FAILURE))
        return fail(auth, error_fail(KITH_EAUTH, "the other side does not accept our authkey: it has another one"));
    if (!is_just(message, size, WELCOME))
        return fail(auth, error_fail(KITH_EMALFORMED, "the other side says neither welcome nor failure"));
    if (!auth->listens)
        return make_challenge(auth);
    auth->state = AUTH_DONE;
    return 0;
}

/* ---- the way through ---- */

int auth_begin(struct auth *auth, const struct auth_key *key, bool listens, bool refuse_md5)
{
    *auth = (struct auth){ .key = key, .listens = listens, .refuse_md5 = refuse_md5, .state = AUTH_RECEIVE_CHALLENGE };
    return listens ? make_challenge(auth) : 0;
}

enum auth_turn auth_turn(const struct auth *auth)
{
    switch (auth->state) {
    case AUTH_SEND_CHALLENGE:
    case AUTH_SEND_VERDICT:
    case AUTH_SEND_RESPONSE:
        return AUTH_TURN_SEND;
    case AUTH_RECEIVE_RESPONSE:
    case AUTH_RECEIVE_CHALLENGE:
    case AUTH_RECEIVE_VERDICT:
        return AUTH_TURN_RECEIVE;
    default:
        return AUTH_TURN_NONE;
    }
}

int auth_sent(struct auth *auth)
{
    switch (auth->state) {
    case AUTH_SEND_CHALLENGE:
        auth->state = AUTH_RECEIVE_RESPONSE;
        return 0;
    case AUTH_SEND_RESPONSE:
        auth->state = AUTH_RECEIVE_VERDICT;
        return 0;
    case AUTH_SEND_VERDICT:
        if (auth->refusal)
            return fail(auth, error_fail(KITH_EAUTH, "%s", auth->refusal));
        auth->state = auth->listens ? AUTH_RECEIVE_CHALLENGE : AUTH_DONE;
        return 0;
    default:
        return fail(auth, error_fail(-EINVAL, "nothing was to be sent"));
    }
}

int auth_received(struct auth *auth, const void *message, size_t size)
{
    switch (auth->state) {
    case AUTH_RECEIVE_RESPONSE:
        return make_verdict(auth, judge(auth, message, size));
    case AUTH_RECEIVE_CHALLENGE:
        return answer(auth, message, size);
    case AUTH_RECEIVE_VERDICT:
        return accept_verdict(auth, message, size);
    default:
        return fail(auth, error_fail(-EINVAL, "nothing was to be received"));
    }
}
