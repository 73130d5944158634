/* How two sides prove to each other that they have the same key, as CPython's multiprocessing.connection does it
 * (deliver_challenge, answer_challenge), in both of its forms: HMAC-MD5 alone, up to 3.11, and with the digest's name,
 * since 3.12. docs/design/wire.md tells what it is good for, and what not.
 *
 * Here are the messages alone, and no input or output: whoever drives it asks whose turn it is. */
#ifndef KITH_SRC_CONNECTION_AUTH_H
#define KITH_SRC_CONNECTION_AUTH_H

#include <stdbool.h>
#include <stddef.h>

/** The longest message, in bytes. */
#define AUTH_MESSAGE_MAX 256

/** A key, which is wiped when it is freed. */
struct auth_key {
    size_t size;
    unsigned char bytes[];
};

/** Copies a key. NULL and 0 bytes are none.
 *  @return 0; -EINVAL with its detail; -ENOMEM */
int auth_key_new(struct auth_key **key, const void *bytes, size_t size);

/** NULL is fine. */
void auth_key_free(struct auth_key *key);

/* Each side challenges the other once, the listener first: so it answers nobody who has not proved himself. */
enum auth_state {
    AUTH_SEND_CHALLENGE,
    AUTH_RECEIVE_RESPONSE,
    AUTH_SEND_VERDICT,
    AUTH_RECEIVE_CHALLENGE,
    AUTH_SEND_RESPONSE,
    AUTH_RECEIVE_VERDICT,
    AUTH_DONE,
    AUTH_FAILED,
};

enum auth_turn { AUTH_TURN_SEND, AUTH_TURN_RECEIVE, AUTH_TURN_NONE };

struct auth {
    const struct auth_key *key;
    bool listens;
    bool refuse_md5;
    enum auth_state state;
    const char *refusal; /* why the other side has not proved itself, which it is to be told first; else NULL */
    unsigned char message[AUTH_MESSAGE_MAX]; /* to be sent when it is our turn */
    size_t size;
    unsigned char challenge[64]; /* ours, from the digest's name on */
    size_t challenge_size;
};

/** Begins.
 *  @param key  lives until the end
 *  @return 0; another code, with its detail, when the system has no random numbers */
int auth_begin(struct auth *auth, const struct auth_key *key, bool listens, bool refuse_md5);

/** What comes next: message is to be sent, or one is to be received, or it is over. */
enum auth_turn auth_turn(const struct auth *auth);

/** The message was sent. @return 0; KITH_EAUTH, or another code, with its detail: it has failed */
int auth_sent(struct auth *auth);

/** A message has come.
 *  @param size  at most AUTH_MESSAGE_MAX
 *  @return as auth_sent; KITH_EMALFORMED when it makes no sense */
int auth_received(struct auth *auth, const void *message, size_t size);

#endif
