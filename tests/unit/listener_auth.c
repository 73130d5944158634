/* kith/connection.h: how listeners and clients prove to each other that they have the same key, in both of CPython's
 * forms; and what is done to those who have not, or who talk nonsense. The other side is a bare socket here, and
 * computes by libcrypto. */
#include "strangers.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define CHALLENGE "#CHALLENGE#"
#define WELCOME "#WELCOME#"
#define FAILURE "#FAILURE#"

static const char key[] = "the key";
static const kith_listener_options with_key = { KEY("the key") };
static const kith_client_options client_with_key = { KEY("the key") };
static const char *const names[] = { "md5", "sha256", "sha384", "sha3_256", "sha3_384" };
enum { NAMES = sizeof names / sizeof *names };

static kith_listener *listener;
static int socket_of_stranger = -1;
static int strange = -1;
static struct caller callers[2];
static struct caller *caller;

static int set_up_listener(void **state)
{
    if (set_up_name(state) < 0)
        return -1;
    listener = NULL;
    socket_of_stranger = strange = -1;
    memset(callers, 0, sizeof callers);
    caller = &callers[0];
    return 0;
}

static int tear_down_listener(void **state)
{
    kith_listener_free(listener);
    kith_connection_free(callers[0].connection);
    kith_connection_free(callers[1].connection);
    close(socket_of_stranger);
    close(strange);
    return tear_down(state);
}

/* ---- digests ---- */

struct message {
    size_t size;
    unsigned char bytes[600];
};

static void append(struct message *message, const void *bytes, size_t size)
{
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}

static void append_text(struct message *message, const char *text)
{
    append(message, text, strlen(text));
}

/** @param name  as CPython has it */
static void append_hmac(struct message *message, const char *name, const char *with, const void *bytes, size_t size)
{
    char openssl_name[16] = "";
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    for (size_t i = 0; name[i]; i++)
        openssl_name[i] = name[i] == '_' ? '-' : name[i];
    assert_non_null(HMAC(EVP_get_digestbyname(openssl_name), with, (int)strlen(with), bytes, size, code, &length));
    append(message, code, length);
}

/** A response in the new form; with no name, in the old one. */
static struct message response_to(const struct message *challenge, const char *name, const char *with)
{
    struct message response = { 0 };
    if (name) {
        append_text(&response, "{");
        append_text(&response, name);
        append_text(&response, "}");
    }
    append_hmac(&response, name ? name : "md5", with, challenge->bytes, challenge->size);
    return response;
}

/** What stands behind #CHALLENGE#: 20 bytes without a name, else 40 behind it. */
static struct message challenge_with(const char *name)
{
    struct message challenge = { 0 };
    char bytes[40];
    memset(bytes, 'c', sizeof bytes);
    if (name) {
        append_text(&challenge, "{");
        append_text(&challenge, name);
        append_text(&challenge, "}");
    }
    append(&challenge, bytes, name ? 40 : 20);
    return challenge;
}

static void say_challenge(const struct message *challenge)
{
    struct message whole = { 0 };
    append_text(&whole, CHALLENGE);
    append(&whole, challenge->bytes, challenge->size);
    say_frame(socket_of_stranger, whole.bytes, whole.size);
}

static void say_message(const struct message *message)
{
    say_frame(socket_of_stranger, message->bytes, message->size);
}

/** Waits for a challenge of kith's. @return what stands behind #CHALLENGE# */
static struct message hear_challenge(void)
{
    struct message whole = { 0 }, challenge = { 0 };
    whole.size = hear_frame(socket_of_stranger, whole.bytes);
    assert_int_equal(whole.size, strlen(CHALLENGE) + strlen("{sha256}") + 40);
    assert_memory_equal(whole.bytes, CHALLENGE "{sha256}", strlen(CHALLENGE "{sha256}"));
    append(&challenge, whole.bytes + strlen(CHALLENGE), whole.size - strlen(CHALLENGE));
    return challenge;
}

static void hear_response(const struct message *challenge, const char *name)
{
    struct message wanted = response_to(challenge, name, key), got = { 0 };
    got.size = hear_frame(socket_of_stranger, got.bytes);
    assert_int_equal(got.size, wanted.size);
    assert_memory_equal(got.bytes, wanted.bytes, wanted.size);
}

/* ---- a stranger at a listener ---- */

static void serve_until_heard(void)
{
    for (int patience = PATIENCE; !readable(socket_of_stranger, 0); patience--) {
        assert_true(patience > 0);
        serve(listener);
    }
}

/** Comes, and hears the challenge. */
static struct message come(const kith_listener_options *options)
{
    if (!listener)
        listener = listen_at(own_name, options);
    close(socket_of_stranger);
    socket_of_stranger = stranger(listener);
    serve_until_heard();
    return hear_challenge();
}

/** Comes, and proves to have the key. */
static void come_and_prove(const kith_listener_options *options)
{
    struct message challenge = come(options);
    struct message response = response_to(&challenge, "sha256", key);
    say_message(&response);
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
}

static void expect_welcome(const char *name)
{
    struct message challenge = come(&with_key);
    struct message response = response_to(&challenge, name, key);
    say_message(&response);
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
}

static void expect_turned_away(unsigned refused)
{
    serve_until_heard();
    hear_the_end(socket_of_stranger);
    assert_int_equal(stats_of(listener).refused, refused);
    assert_int_equal(stats_of(listener).handshakes, 0);
    assert_int_equal(stats_of(listener).accepted, 0);
}

static void expect_failure(const struct message *response, unsigned refused)
{
    say_message(response);
    serve_until_heard();
    hear_words(socket_of_stranger, FAILURE);
    expect_turned_away(refused);
}

static void a_listener_takes_responses_of_every_kind(void **state)
{
    (void)state;
    expect_welcome(NULL);
    for (int i = 0; i < NAMES; i++)
        expect_welcome(names[i]);
}

static void a_listener_answers_challenges_of_every_kind(void **state)
{
    (void)state;
    for (int i = -1; i < NAMES; i++) {
        const char *name = i < 0 ? NULL : names[i];
        struct message challenge = challenge_with(name);
        come_and_prove(&with_key);
        say_challenge(&challenge);
        serve_until_heard();
        hear_response(&challenge, name);
        say_words(socket_of_stranger, WELCOME);
        kith_connection_free(accept_one(listener));
        assert_int_equal(stats_of(listener).accepted, i + 2);
    }
}

static void challenges_differ(void **state)
{
    (void)state;
    struct message one = come(&with_key);
    struct message other = come(&with_key);
    assert_int_equal(one.size, other.size);
    assert_memory_not_equal(one.bytes + strlen("{sha256}"), other.bytes + strlen("{sha256}"), 32);
}

static void another_key_is_told_and_turned_away(void **state)
{
    (void)state;
    for (int i = -1; i < NAMES; i++) {
        struct message challenge = come(&with_key);
        struct message response = response_to(&challenge, i < 0 ? NULL : names[i], "the Key");
        expect_failure(&response, (unsigned)i + 2);
    }
}

static void responses_without_sense_are_refused(void **state)
{
    (void)state;
    struct message challenge = come(&with_key);
    struct message right = response_to(&challenge, "sha256", key), response;
    unsigned refused = 0;
    expect_failure(&(struct message){ 0 }, ++refused);
    const char *const texts[] = { "{sha256}",
                                  "{sha1}........................",
                                  "{",
                                  "{}",
                                  "{sha256",
                                  "sha256}",
                                  "{sha512}1234567812345678123456781234567812345678123456781234567812345678" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        come(&with_key);
        response = (struct message){ 0 };
        append_text(&response, texts[i]);
        expect_failure(&response, ++refused);
    }
    come(&with_key);
    expect_failure(&right, ++refused); /* it was right for another challenge */
    challenge = come(&with_key);
    response = response_to(&challenge, "sha256", key);
    response.size--;
    expect_failure(&response, ++refused);
    challenge = come(&with_key);
    response = response_to(&challenge, "sha256", key);
    response.bytes[response.size++] = 0;
    expect_failure(&response, ++refused);
}

static void nonsense_is_turned_away_without_a_word(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } nonsense[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 },
        { "\0\0\1\1", 4 }, /* 257 bytes: one more than any of these messages has */
        { "\377\377\377\376", 4 },
        { "\377\377\377\377\377\377\377\377\377\377\377\377", 12 },
        { "\377\377\377\377\0\0\0\0\0\0\1\1", 12 },
    };
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        come(&with_key);
        say_raw(socket_of_stranger, nonsense[i].bytes, nonsense[i].size);
        expect_turned_away(++refused);
    }
}

static void challenges_without_sense_are_not_answered(void **state)
{
    (void)state;
    const char *const texts[] = {
        "",
        "#CHALLENGE#",
        "#CHALLENGE#1234567812345678", /* 16 bytes */
        "#CHALLENGE#123456781234567812345678",
        "#CHALLENGE#{sha1}1234567812345678123456781234567812345678",
        "#WELCOME#",
        "hello",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        come_and_prove(&with_key);
        say_words(socket_of_stranger, texts[i]);
        expect_turned_away((unsigned)i + 1);
    }
}

static void a_verdict_is_welcome_or_it_is_the_end(void **state)
{
    (void)state;
    const char *const texts[] = { FAILURE, "", "#WELCOME", "#WELCOME#!" };
    struct message challenge = challenge_with("sha256");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        come_and_prove(&with_key);
        say_challenge(&challenge);
        serve_until_heard();
        hear_response(&challenge, "sha256");
        say_words(socket_of_stranger, texts[i]);
        expect_turned_away((unsigned)i + 1);
    }
}

static void a_listener_does_not_answer_its_own_challenge(void **state)
{
    (void)state;
    struct message challenge = come(&with_key);
    struct message response = response_to(&challenge, "sha256", key);
    say_message(&response);
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
    say_challenge(&challenge);
    expect_turned_away(1);
}

static void who_refuses_md5_takes_none(void **state)
{
    (void)state;
    const kith_listener_options strict = { KEY("the key"), .refuse_md5 = 1 };
    struct message challenge = come(&strict);
    struct message response = response_to(&challenge, NULL, key);
    expect_failure(&response, 1);
    challenge = come(&strict);
    response = response_to(&challenge, "md5", key);
    expect_failure(&response, 2);
    come_and_prove(&strict);
    challenge = challenge_with(NULL);
    say_challenge(&challenge);
    expect_turned_away(3);
    come_and_prove(&strict);
    challenge = challenge_with("md5");
    say_challenge(&challenge);
    expect_turned_away(4);
}

static void the_first_message_stays_for_its_receiver(void **state)
{
    (void)state;
    struct message challenge = challenge_with("sha256");
    come_and_prove(&with_key);
    say_challenge(&challenge);
    serve_until_heard();
    hear_response(&challenge, "sha256");
    const char both[] = "\0\0\0\x09#WELCOME#\0\0\0\5first\0\0\0\6second";
    say_raw(socket_of_stranger, both, sizeof both - 1);
    kith_connection *connection = accept_one(listener);
    expect_text(connection, "first");
    expect_text(connection, "second");
    kith_connection_free(connection);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct message challenge = come(&with_key);
    struct message response = response_to(&challenge, "sha256", key), frame = { .size = 4 };
    frame.bytes[3] = (unsigned char)response.size;
    append(&frame, response.bytes, response.size);
    for (size_t i = 0; i < frame.size; i++) {
        say_raw(socket_of_stranger, frame.bytes + i, 1);
        serve(listener);
    }
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
}

static void a_long_header_of_a_short_message_is_one(void **state)
{
    (void)state;
    struct message challenge = come(&with_key);
    struct message response = response_to(&challenge, "sha256", key), frame = { 0 };
    append(&frame, "\377\377\377\377\0\0\0\0\0\0\0", 11);
    frame.bytes[frame.size++] = (unsigned char)response.size;
    append(&frame, response.bytes, response.size);
    say_raw(socket_of_stranger, frame.bytes, frame.size);
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
}

static void who_goes_in_the_middle_is_gone(void **state)
{
    (void)state;
    come(&with_key);
    close(socket_of_stranger);
    come(&with_key);
    say_raw(socket_of_stranger, "\0\0\0", 3);
    shutdown(socket_of_stranger, SHUT_WR);
    while (stats_of(listener).gone < 2)
        serve(listener);
    assert_int_equal(stats_of(listener).refused, 0);
    assert_int_equal(stats_of(listener).handshakes, 0);
}

static void an_empty_key_is_a_key(void **state)
{
    (void)state;
    struct message challenge = come(&(kith_listener_options){ KEY("") });
    struct message response = response_to(&challenge, "sha256", "");
    say_message(&response);
    serve_until_heard();
    hear_words(socket_of_stranger, WELCOME);
}

/* ---- a client at a strange listener ---- */

/** A client comes, with these options. */
static void be_called(const kith_client_options *options)
{
    if (strange < 0)
        strange = strange_listener(own_name, 8);
    close(socket_of_stranger);
    kith_connection_free(caller->connection);
    call(caller, own_name, options);
    socket_of_stranger = strange_accept(strange);
}

/** A client comes and proves to have the key. @return its challenge */
static struct message be_called_and_welcome(const kith_client_options *options)
{
    struct message challenge = challenge_with("sha256");
    be_called(options);
    say_challenge(&challenge);
    hear_response(&challenge, "sha256");
    say_words(socket_of_stranger, WELCOME);
    return hear_challenge();
}

static void expect_client_to_say(int code)
{
    hear_the_end(socket_of_stranger);
    assert_code(called(caller), code);
}

static void a_client_answers_challenges_of_every_kind(void **state)
{
    (void)state;
    for (int i = -1; i < NAMES; i++) {
        const char *name = i < 0 ? NULL : names[i];
        struct message challenge = challenge_with(name);
        be_called(&client_with_key);
        say_challenge(&challenge);
        hear_response(&challenge, name);
        say_words(socket_of_stranger, WELCOME);
        challenge = hear_challenge();
        struct message response = response_to(&challenge, name, key);
        say_message(&response);
        hear_words(socket_of_stranger, WELCOME);
        say_words(socket_of_stranger, "a message");
        assert_code(called(caller), 0);
        expect_text(caller->connection, "a message");
    }
}

static void a_client_refuses_a_listener_without_its_key(void **state)
{
    (void)state;
    struct message challenge = be_called_and_welcome(&client_with_key);
    struct message response = response_to(&challenge, "sha256", "the Key");
    say_message(&response);
    hear_words(socket_of_stranger, FAILURE);
    expect_client_to_say(KITH_EAUTH);
}

static void a_client_hears_that_its_key_is_wrong(void **state)
{
    (void)state;
    struct message challenge = challenge_with("sha256");
    be_called(&client_with_key);
    say_challenge(&challenge);
    hear_response(&challenge, "sha256");
    say_words(socket_of_stranger, FAILURE);
    expect_client_to_say(KITH_EAUTH);
}

static void what_a_listener_says_has_to_make_sense(void **state)
{
    (void)state;
    be_called(&client_with_key);
    say_words(socket_of_stranger, "a message: there is no key here");
    expect_client_to_say(KITH_EAUTH);
    be_called(&client_with_key);
    say_raw(socket_of_stranger, "HTTP/1.1 400 Bad Request\r\n", 26);
    expect_client_to_say(KITH_EMALFORMED);
    be_called(&client_with_key);
    say_words(socket_of_stranger, "#CHALLENGE#{sha512}1234567812345678123456781234567812345678");
    expect_client_to_say(KITH_EMALFORMED);
    be_called(&client_with_key);
    shutdown(socket_of_stranger, SHUT_WR);
    expect_client_to_say(KITH_EEOF);
}

static void a_client_that_refuses_md5_answers_none(void **state)
{
    (void)state;
    const kith_client_options strict = { KEY("the key"), .refuse_md5 = 1 };
    struct message challenge = challenge_with(NULL);
    be_called(&strict);
    say_challenge(&challenge);
    expect_client_to_say(KITH_EAUTH);
    challenge = challenge_with("md5");
    be_called(&strict);
    say_challenge(&challenge);
    expect_client_to_say(KITH_EAUTH);
    challenge = be_called_and_welcome(&strict);
    struct message response = response_to(&challenge, NULL, key);
    say_message(&response);
    hear_words(socket_of_stranger, FAILURE);
    expect_client_to_say(KITH_EAUTH);
}

/* Who has no key, and is taken for a listener by two clients, asks the second for what the first wants to hear. */
static void no_client_answers_for_a_listener(void **state)
{
    (void)state;
    struct message challenge = be_called_and_welcome(&client_with_key);
    int first = socket_of_stranger;
    socket_of_stranger = -1;
    caller = &callers[1];
    be_called(&client_with_key);
    say_challenge(&challenge);
    expect_client_to_say(KITH_EAUTH);
    close(first);
    assert_code(called(&callers[0]), KITH_EEOF);
}

/* ---- both are kith's ---- */

static void kith_and_kith_agree(void **state)
{
    (void)state;
    kith_connection *client, *server;
    listener = listen_at("tcp:127.0.0.1:0", &(kith_listener_options){ KEY("the key"), .refuse_md5 = 1 });
    meet(listener, &client_with_key, &client, &server);
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

static void kith_and_kith_with_different_keys_do_not(void **state)
{
    (void)state;
    static const kith_client_options others[] = { { KEY("the Key") }, { KEY("") }, { KEY("the key ") } };
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        call(caller, kith_listener_address(listener), &others[i]);
        while (stats_of(listener).refused <= i)
            serve(listener);
        assert_code(called(caller), KITH_EAUTH);
    }
}

#define AUTH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_listener, tear_down_listener)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(a_listener_takes_responses_of_every_kind),
        AUTH_TEST(a_listener_answers_challenges_of_every_kind),
        AUTH_TEST(challenges_differ),
        AUTH_TEST(another_key_is_told_and_turned_away),
        AUTH_TEST(responses_without_sense_are_refused),
        AUTH_TEST(nonsense_is_turned_away_without_a_word),
        AUTH_TEST(challenges_without_sense_are_not_answered),
        AUTH_TEST(a_verdict_is_welcome_or_it_is_the_end),
        AUTH_TEST(a_listener_does_not_answer_its_own_challenge),
        AUTH_TEST(who_refuses_md5_takes_none),
        AUTH_TEST(the_first_message_stays_for_its_receiver),
        AUTH_TEST(bytes_may_come_one_by_one),
        AUTH_TEST(a_long_header_of_a_short_message_is_one),
        AUTH_TEST(who_goes_in_the_middle_is_gone),
        AUTH_TEST(an_empty_key_is_a_key),
        AUTH_TEST(a_client_answers_challenges_of_every_kind),
        AUTH_TEST(a_client_refuses_a_listener_without_its_key),
        AUTH_TEST(a_client_hears_that_its_key_is_wrong),
        AUTH_TEST(what_a_listener_says_has_to_make_sense),
        AUTH_TEST(a_client_that_refuses_md5_answers_none),
        AUTH_TEST(no_client_answers_for_a_listener),
        AUTH_TEST(kith_and_kith_agree),
        AUTH_TEST(kith_and_kith_with_different_keys_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
