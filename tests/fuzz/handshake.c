/* Fuzzes the handshake, on both sides: a client that says anything to kith's listener, and a listener that says
 * anything to kith's client.
 *
 * The first byte of the input chooses the side and the options, the rest is what is said. Nobody guesses the answer to
 * a random challenge. So a part of the inputs gets help: the right answer is given for them, which opens the way to the
 * second half of the handshake. What must hold, whatever is said: who does not prove itself is not let in; all who hang
 * up are dealt with at once, without waiting; no descriptor is left over. */
#include "fuzz.h"

#include <kith/connection.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The bits of the first byte. */
enum { CLIENT = 1, HELPED = 2, NO_MD5 = 4, ANSWER_MD5 = 8 };

enum { SAID_MAX = 4096, FRAME_MAX = 256, HEADER = 4, LONG_HEADER = 12, TRIES = 100 };

static const char key[] = "key of the fuzzer";
static const char challenge_mark[] = "#CHALLENGE#";
static const char welcome[] = "#WELCOME#";

enum { MARK = sizeof challenge_mark - 1, KEY = sizeof key - 1 };

/* ---- raw sockets, and frames on them ---- */

/* The address of a Unix socket without a file, of this process alone. */
static socklen_t make_address(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "kith-fuzz-%d-%s", (int)getpid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int raw_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    return fd;
}

/* Says all of it, or what the other side wants to hear of it. */
static void say(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ptrdiff_t sent = send(fd, from, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        from += sent;
        size -= (size_t)sent;
    }
}

static void say_frame(int fd, const void *bytes, size_t size)
{
    uint8_t frame[HEADER + FRAME_MAX] = { 0, 0, (uint8_t)(size >> 8), (uint8_t)size };
    memcpy(frame + HEADER, bytes, size);
    say(fd, frame, HEADER + size);
}

/* @return whether there is so much */
static bool hear(int fd, void *bytes, size_t size)
{
    char *to = bytes;
    while (size > 0) {
        ptrdiff_t got = recv(fd, to, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        size -= (size_t)got;
    }
    return true;
}

/* @return the frame's length; -1 at the end, or when it is no frame of a handshake */
static int hear_frame(int fd, uint8_t frame[FRAME_MAX])
{
    uint8_t header[HEADER];
    if (!hear(fd, header, HEADER))
        return -1;
    int size = header[2] << 8 | header[3];
    return !header[0] && !header[1] && size <= FRAME_MAX && hear(fd, frame, (size_t)size) ? size : -1;
}

/* What is said, from some point on. */
struct speech {
    const uint8_t *said;
    size_t size;
};

/* Takes a frame off the beginning. @return its length, and where it is in body; -1 when there is none */
static int next_frame(struct speech *speech, const uint8_t **body)
{
    size_t header = HEADER;
    if (speech->size < header)
        return -1;
    uint64_t length = fuzz_number_at(speech->said, header);
    if (length == UINT32_MAX) { /* the long form may be had for a short frame, too */
        header = LONG_HEADER;
        if (speech->size < header)
            return -1;
        length = fuzz_number_at(speech->said + HEADER, LONG_HEADER - HEADER);
    }
    if (length > FRAME_MAX || length > speech->size - header)
        return -1;
    *body = speech->said + header;
    speech->said += header + length;
    speech->size -= header + length;
    return (int)length;
}

static bool next_begins_with(struct speech *speech, const char *mark)
{
    const uint8_t *body = NULL;
    int size = next_frame(speech, &body);
    return size >= (int)strlen(mark) && memcmp(body, mark, strlen(mark)) == 0;
}

/* Whether this begins with a challenge and a welcome. @param rest  receives how much is said behind them */
static bool is_half(const uint8_t *said, size_t size, size_t *rest)
{
    struct speech speech = { said, size };
    bool half = next_begins_with(&speech, challenge_mark) && next_begins_with(&speech, welcome);
    *rest = speech.size;
    return half;
}

/* Answers the challenge that comes next, as who has the key. @return whether one came */
static bool answer(int fd, bool md5)
{
    uint8_t frame[FRAME_MAX];
    int size = hear_frame(fd, frame);
    if (size < MARK)
        return false;
    uint8_t reply[8 + EVP_MAX_MD_SIZE] = "{sha256}";
    size_t prefix = md5 ? 0 : 8;
    unsigned digest = 0;
    REQUIRE(HMAC(md5 ? EVP_md5() : EVP_sha256(), key, KEY, frame + MARK, (size_t)size - MARK, reply + prefix, &digest));
    say_frame(fd, reply, prefix + digest);
    return true;
}

/* ---- kith listens ---- */

static uint64_t dealt_with(const kith_listener *listener)
{
    kith_listener_stats stats;
    REQUIRE_CODE(kith_listener_get_stats(listener, &stats), 0);
    return stats.accepted + stats.refused + stats.timed_out + stats.evicted + stats.gone;
}

/* @return whether somebody was let in */
static bool accept_once(kith_listener *listener)
{
    kith_connection *connection = NULL;
    int code = kith_listener_accept(listener, &connection, KITH_NOWAIT);
    REQUIRE_CODE(code, 0, -ETIMEDOUT, -EINTR);
    kith_connection_free(connection);
    return code == 0;
}

static kith_listener *new_listener(const char *name, bool no_md5)
{
    struct sockaddr_un raw;
    char address[sizeof raw.sun_path + 8];
    make_address(&raw, name);
    snprintf(address, sizeof address, "unix:@%s", raw.sun_path + 1);
    const kith_listener_options options = { .authkey = key, .authkey_size = KEY, .refuse_md5 = no_md5 };
    kith_listener *listener = NULL;
    REQUIRE_CODE(kith_listener_new(&listener, address, &options), 0);
    return listener;
}

static void await_challenge(kith_listener *listener, int fd)
{
    char byte;
    for (int tries = 0; recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0; tries++) {
        REQUIRE(tries < TRIES);
        REQUIRE(!accept_once(listener));
    }
}

static void speak_to_listener(unsigned mode, const uint8_t *said, size_t size)
{
    static kith_listener *listeners[2];
    bool no_md5 = mode & NO_MD5;
    const char *name = no_md5 ? "strict" : "any";
    kith_listener *listener = listeners[no_md5];
    if (!listener)
        listener = listeners[no_md5] = new_listener(name, no_md5);
    uint64_t before = dealt_with(listener);
    struct sockaddr_un address;
    socklen_t length = make_address(&address, name);
    int fd = raw_socket();
    REQUIRE(connect(fd, (struct sockaddr *)&address, length) == 0);
    bool let_in = false;
    if (mode & HELPED) {
        await_challenge(listener, fd);
        REQUIRE(answer(fd, mode & ANSWER_MD5));
    }
    say(fd, said, size);
    REQUIRE(shutdown(fd, SHUT_WR) == 0);
    for (int tries = 0; dealt_with(listener) == before; tries++) {
        REQUIRE(tries < TRIES);
        let_in = accept_once(listener);
    }
    size_t rest;
    REQUIRE(!let_in || (mode & HELPED && !(no_md5 && mode & ANSWER_MD5) && is_half(said, size, &rest)));
    close(fd);
}

/* ---- kith connects: a thread is the other side, one connection after the other ---- */

static struct {
    unsigned mode;
    size_t size;
    uint8_t said[SAID_MAX];
} script; /* written before a connection is made, and read when it is there */

static atomic_int scripts; /* how many were written; its release and acquire order the above */

static void serve(int fd)
{
    uint8_t bytes[1024];
    size_t rest;
    REQUIRE(atomic_load_explicit(&scripts, memory_order_acquire) > 0);
    bool helped = script.mode & HELPED && is_half(script.said, script.size, &rest) && rest == 0;
    bool md5 = script.mode & ANSWER_MD5;
    say(fd, script.said, script.size); /* from here on the script may be another's */
    if (helped && hear_frame(fd, bytes) >= 0)
        answer(fd, md5);
    shutdown(fd, SHUT_WR);
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {}
    close(fd);
}

static void *be_listener(void *listening)
{
    for (;;) {
        int fd = accept4(*(int *)listening, NULL, NULL, SOCK_CLOEXEC);
        REQUIRE(fd >= 0);
        serve(fd);
    }
    return NULL;
}

static void start_listener(const char *name)
{
    static int listening;
    struct sockaddr_un address;
    pthread_t thread;
    socklen_t length = make_address(&address, name);
    listening = raw_socket();
    REQUIRE(bind(listening, (struct sockaddr *)&address, length) == 0);
    REQUIRE(listen(listening, 8) == 0);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the other thread */
    REQUIRE(pthread_create(&thread, NULL, be_listener, &listening) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_detach(thread);
}

static void speak_to_client(unsigned mode, const uint8_t *said, size_t size)
{
    static char address[sizeof((struct sockaddr_un *)0)->sun_path + 8];
    if (!*address) {
        struct sockaddr_un raw;
        start_listener("raw");
        make_address(&raw, "raw");
        snprintf(address, sizeof address, "unix:@%s", raw.sun_path + 1);
    }
    script.mode = mode;
    script.size = size;
    memcpy(script.said, said, size);
    atomic_fetch_add_explicit(&scripts, 1, memory_order_release);
    bool no_md5 = mode & NO_MD5;
    const kith_client_options options = { .authkey = key, .authkey_size = KEY, .refuse_md5 = no_md5 };
    kith_connection *connection = NULL;
    int code;
    do {
        code = kith_connect(&connection, address, &options, KITH_SECONDS(10));
    } while (code == -EINTR); /* libFuzzer's clock ticks by a signal */
    REQUIRE_CODE(code, 0, KITH_EAUTH, KITH_EMALFORMED, KITH_EEOF, -ECONNRESET);
    size_t rest;
    REQUIRE(code < 0 || (mode & HELPED && !(no_md5 && mode & ANSWER_MD5) && is_half(said, size, &rest) && rest == 0));
    kith_connection_free(connection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > SAID_MAX)
        return 0;
    if (data[0] & CLIENT)
        speak_to_client(data[0], data + 1, size - 1);
    else
        speak_to_listener(data[0], data + 1, size - 1);
    return 0;
}
