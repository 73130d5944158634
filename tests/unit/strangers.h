/* What the tests of listeners and clients are made of: kith's clients in threads of their own, and strangers, which are
 * bare sockets that say whatever a test wants. Nothing is timed: a test waits until something has come, or is over. */
#ifndef KITH_TESTS_UNIT_STRANGERS_H
#define KITH_TESTS_UNIT_STRANGERS_H

#include "family.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LONG KITH_MS(PATIENCE)
#define KEY(text) .authkey = (text), .authkey_size = sizeof(text) - 1

/** An address of this process alone: the same tests may run elsewhere on the machine at the same time. */
static char own_name[40];

static inline int set_up_name(void **state)
{
    snprintf(own_name, sizeof own_name, "unix:@kith-test-%d", (int)getpid());
    return set_up(state);
}

/* ---- the log ---- */

static int stderr_before;

/** From now on what the log says is kept. Not to be followed by an assertion, which would write to the same place. */
static inline void log_begin(void)
{
    stderr_before = dup(STDERR_FILENO);
    dup2(said[1], STDERR_FILENO);
    kith_log_to_stderr(KITH_LOG_WARNING);
}

/** Until now. What it said is in said[0], less than a pipe holds. */
static inline void log_end(void)
{
    kith_log_to_stderr(KITH_LOG_NONE);
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
}

static inline void log_read(char *text, size_t size)
{
    assert_true(readable(said[0], 0));
    ssize_t got = read(said[0], text, size - 1);
    assert_true(got > 0);
    text[got] = '\0';
}

/** Skips a test that looks names up, where the system knows not even this one: it has no /etc/hosts. */
static inline void need_localhost(void)
{
    struct addrinfo *list;
    if (getaddrinfo("localhost", NULL, NULL, &list) != 0)
        skip();
    freeaddrinfo(list);
}

/* ---- listeners ---- */

static inline kith_listener *listen_at(const char *address, const kith_listener_options *options)
{
    kith_listener *listener = NULL;
    assert_code(kith_listener_new(&listener, address, options), 0);
    assert_non_null(listener);
    return listener;
}

static inline kith_listener_stats stats_of(const kith_listener *listener)
{
    kith_listener_stats stats;
    assert_code(kith_listener_get_stats(listener, &stats), 0);
    return stats;
}

/** Gives clients their turns without waiting for one to be done. */
static inline void serve(kith_listener *listener)
{
    kith_connection *connection = NULL;
    int code = kith_listener_accept(listener, &connection, KITH_MS(1));
    if (code != 0)
        assert_code(code, -ETIMEDOUT);
    kith_connection_free(connection);
}

static inline kith_connection *accept_one(kith_listener *listener)
{
    kith_connection *connection = NULL;
    assert_code(kith_listener_accept(listener, &connection, LONG), 0);
    assert_non_null(connection);
    return connection;
}

/* ---- clients in threads ---- */

struct caller {
    const char *address;
    kith_client_options options;
    kith_timeout timeout;
    pthread_t thread;
    kith_connection *connection;
    int code;
    char detail[256];
};

static inline void *call_in_thread(void *argument)
{
    struct caller *caller = argument;
    caller->code = kith_connect(&caller->connection, caller->address, &caller->options, caller->timeout);
    snprintf(caller->detail, sizeof caller->detail, "%s", kith_error_detail());
    return NULL;
}

static inline void call(struct caller *caller, const char *address, const kith_client_options *options)
{
    *caller = (struct caller){ .address = address, .timeout = LONG };
    if (options)
        caller->options = *options;
    assert_int_equal(pthread_create(&caller->thread, NULL, call_in_thread, caller), 0);
}

/** Waits for what kith_connect said. */
static inline int called(struct caller *caller)
{
    assert_int_equal(pthread_join(caller->thread, NULL), 0);
    if (caller->code < 0)
        assert_true(strlen(caller->detail) > 10);
    return caller->code;
}

/** Connects a client of kith's to a listener of kith's. */
static inline void meet(kith_listener *listener, const kith_client_options *options, kith_connection **client,
                        kith_connection **server)
{
    struct caller caller;
    call(&caller, kith_listener_address(listener), options);
    *server = accept_one(listener);
    assert_code(called(&caller), 0);
    *client = caller.connection;
}

static inline void send_text(kith_connection *connection, const char *text)
{
    assert_code(kith_connection_send(connection, text, strlen(text), LONG), 0);
}

static inline void expect_text(kith_connection *connection, const char *text)
{
    kith_bytes message;
    assert_code(kith_connection_recv(connection, &message, LONG), 0);
    assert_int_equal(message.size, strlen(text));
    assert_memory_equal(message.data, text, message.size);
    kith_bytes_free(&message);
}

static inline void expect_talk(kith_connection *client, kith_connection *server)
{
    send_text(client, "from the client");
    send_text(server, "from the server");
    expect_text(server, "from the client");
    expect_text(client, "from the server");
}

/* ---- strangers ---- */

/** The socket's address of "unix:@name", "unix:path" and "tcp:127.0.0.1:port". */
static inline socklen_t address_of(const char *text, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (strncmp(text, "unix:", 5) == 0) {
        struct sockaddr_un *name = (struct sockaddr_un *)address;
        bool abstract = text[5] == '@';
        name->sun_family = AF_UNIX;
        memcpy(name->sun_path + abstract, text + 5 + abstract, strlen(text + 5 + abstract));
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text + 5) + !abstract);
    }
    struct sockaddr_in *host = (struct sockaddr_in *)address;
    host->sin_family = AF_INET;
    host->sin_port = htons((uint16_t)atoi(strrchr(text, ':') + 1));
    host->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *host;
}

static inline int stranger_socket(const char *address)
{
    int family = strncmp(address, "unix:", 5) == 0 ? AF_UNIX : AF_INET;
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/** @return a connected socket, or -1 */
static inline int try_stranger(const char *text)
{
    struct sockaddr_storage address;
    socklen_t size = address_of(text, &address);
    int made = stranger_socket(text);
    if (made >= 0 && connect(made, (struct sockaddr *)&address, size) < 0) {
        close(made);
        return -1;
    }
    return made;
}

static inline int stranger(const kith_listener *listener)
{
    int made = try_stranger(kith_listener_address(listener));
    assert_true(made >= 0);
    return made;
}

/** A listener that is no listener of kith's. */
static inline int strange_listener(const char *text, int backlog)
{
    struct sockaddr_storage address;
    socklen_t size = address_of(text, &address);
    int made = stranger_socket(text);
    assert_true(made >= 0);
    assert_int_equal(bind(made, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(made, backlog), 0);
    return made;
}

static inline int strange_accept(int listener)
{
    assert_true(readable(listener, PATIENCE));
    int made = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(made >= 0);
    return made;
}

static inline void say_raw(int socket, const void *bytes, size_t size)
{
    assert_int_equal(send(socket, bytes, size, MSG_NOSIGNAL), size);
}

static inline void say_frame(int socket, const void *message, size_t size)
{
    unsigned char frame[4 + 600] = { 0, 0, (unsigned char)(size >> 8), (unsigned char)size };
    memcpy(frame + 4, message, size);
    say_raw(socket, frame, 4 + size);
}

static inline void say_words(int socket, const char *text)
{
    say_frame(socket, text, strlen(text));
}

static inline void hear_raw(int socket, void *buffer, size_t size)
{
    for (size_t have = 0; have < size;) {
        assert_true(readable(socket, PATIENCE));
        ssize_t got = recv(socket, (char *)buffer + have, size - have, 0);
        assert_true(got > 0);
        have += (size_t)got;
    }
}

/** @param message  600 bytes of room */
static inline size_t hear_frame(int socket, unsigned char *message)
{
    unsigned char header[4];
    hear_raw(socket, header, 4);
    size_t size = (size_t)header[2] << 8 | header[3];
    assert_int_equal(header[0] << 8 | header[1], 0);
    assert_true(size <= 600);
    hear_raw(socket, message, size);
    return size;
}

static inline void hear_words(int socket, const char *text)
{
    unsigned char message[600];
    assert_int_equal(hear_frame(socket, message), strlen(text));
    assert_memory_equal(message, text, strlen(text));
}

/** The other side has closed, and said no more. */
static inline void hear_the_end(int socket)
{
    char byte;
    assert_true(readable(socket, PATIENCE));
    assert_true(recv(socket, &byte, 1, 0) <= 0);
}

#endif
