/* What the tests of servers are made of: a server that is a thread of the test, and clients that speak CPython's
 * protocol themselves, frame by frame. */
#ifndef KITH_TESTS_UNIT_SERVED_H
#define KITH_TESTS_UNIT_SERVED_H

#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static kith_server *server;
static pthread_t server_thread;
static bool is_serving;
static kith_arena *arena;

#define KEY "secret"
#define PATIENCE KITH_SECONDS(30)

/* ---- the server ---- */

/** Makes it; publish and register before serve. @param where  "tcp:127.0.0.1:0"; NULL: a Unix socket */
static inline void make_server(const char *where, kith_server_options options)
{
    char address[60];
    snprintf(address, sizeof address, "unix:@kith-served-%d", (int)getpid());
    options.listener.authkey = KEY;
    options.listener.authkey_size = strlen(KEY);
    assert_code(kith_arena_new(&arena), 0);
    assert_code(kith_server_new(&server, where ? where : address, &options), 0);
}

static inline void publish(const char *name, const char *type, const kith_access *access)
{
    assert_code(kith_server_publish(server, name, type, KITH_NO_ARGS, NULL, access), 0);
}

static inline void *run_server(void *nothing)
{
    (void)nothing;
    return (void *)(intptr_t)kith_server_run(server);
}

static inline void serve(void)
{
    assert_int_equal(pthread_create(&server_thread, NULL, run_server, NULL), 0);
    is_serving = true;
}

/** Waits until it has ended. @return what kith_server_run gave */
static inline int await_end(void)
{
    void *code;
    pthread_join(server_thread, &code);
    is_serving = false;
    return (int)(intptr_t)code;
}

static inline int end_server(void **state)
{
    (void)state;
    int code = 0;
    if (is_serving) {
        kith_server_stop(server);
        code = await_end();
    }
    kith_server_free(server);
    kith_arena_free(arena);
    server = NULL;
    arena = NULL;
    return code;
}

static inline kith_server_stats stats(void)
{
    kith_server_stats found;
    assert_code(kith_server_get_stats(server, &found), 0);
    return found;
}

/** Waits until something is so that other threads or processes make so. */
#define wait_until(condition)                                          \
    do {                                                               \
        for (int turns = 0; !(condition); turns++) {                   \
            if (turns > 30000)                                         \
                fail_msg("this did not come to be: %s", #condition);   \
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); \
        }                                                              \
    } while (0)

/* ---- clients ---- */

static inline kith_connection *dial(void)
{
    kith_connection *connection;
    kith_client_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    assert_code(kith_connect(&connection, kith_server_address(server), &options, PATIENCE), 0);
    return connection;
}

static inline void send_request(kith_connection *line, const char *ident, const char *method, kith_value *args,
                                kith_value *kwargs)
{
    kith_value *name = *ident ? kith_value_str(arena, ident) : kith_value_none(arena);
    kith_value *request = kith_value_pack(arena, "(vsvv)", name, method, args ? args : kith_value_tuple(arena, NULL, 0),
                                          kwargs ? kwargs : kith_value_dict(arena));
    assert_non_null(request);
    assert_code(kith_connection_send_value(line, request, PATIENCE), 0);
}

struct reply {
    const char *kind;
    kith_value *value;
};

static inline struct reply receive_reply(kith_connection *line)
{
    kith_value *value;
    struct reply reply;
    assert_code(kith_connection_recv_value(line, arena, &value, PATIENCE), 0);
    assert_code(kith_value_unpack(value, "(sv)", &reply.kind, &reply.value), 0);
    return reply;
}

static inline struct reply ask_for_reply(kith_connection *line, const char *ident, const char *method, kith_value *args)
{
    send_request(line, ident, method, args, NULL);
    return receive_reply(line);
}

/** Asks, and gets a value. */
static inline kith_value *ask(kith_connection *line, const char *ident, const char *method, kith_value *args)
{
    struct reply reply = ask_for_reply(line, ident, method, args);
    if (strcmp(reply.kind, "#RETURN") != 0) {
        kith_bytes text = { 0 };
        assert_code(kith_value_repr(reply.value, &text, 1000), 0);
        print_error("%s gave %s: %s\n", method, reply.kind, (const char *)text.data);
        kith_bytes_free(&text);
        fail();
    }
    return reply.value;
}

/** Asks the server itself, on a connection that ends with it. */
static inline struct reply ask_server(const char *method, kith_value *args)
{
    kith_connection *connection = dial();
    struct reply reply = ask_for_reply(connection, "", method, args);
    char end;
    size_t size;
    assert_code(kith_connection_recv_into(connection, &end, 1, &size, PATIENCE), KITH_EEOF);
    kith_connection_free(connection);
    return reply;
}

/** A connection that calls methods, as one of CPython's proxies has it. */
static inline kith_connection *dial_line(void)
{
    kith_connection *line = dial();
    assert_int_equal(kith_value_kind(ask(line, "", "accept_connection", kith_value_pack(arena, "(s)", "test"))),
                     KITH_NONE);
    return line;
}

/** One as kith's clients have it. */
static inline kith_connection *dial_kith_line(void)
{
    kith_connection *line = dial();
    assert_int_equal(kith_value_kind(ask(line, "", "kith_hello", NULL)), KITH_DICT);
    return line;
}

/** Creates an object on a fresh connection. @return its id */
static inline const char *create(const char *type, kith_value *args)
{
    const char *ident;
    kith_value *all = kith_value_list(arena);
    assert_code(kith_value_append(all, kith_value_str(arena, type)), 0);
    for (size_t i = 0; i < kith_value_length(args); i++)
        assert_code(kith_value_append(all, kith_value_at(args, i)), 0);
    kith_value *items[8];
    for (size_t i = 0; i < kith_value_length(all); i++)
        items[i] = kith_value_at(all, i);
    struct reply reply = ask_server("create", kith_value_tuple(arena, items, kith_value_length(all)));
    assert_string_equal(reply.kind, "#RETURN");
    assert_code(kith_value_unpack(reply.value, "(s_)", &ident), 0);
    return ident;
}

static inline int64_t as_int(const kith_value *value)
{
    int64_t number = -1;
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

static inline bool is_true(const kith_value *value)
{
    int truth = 0;
    assert_code(kith_value_as_bool(value, &truth), 0);
    return truth;
}

static inline int64_t number_of_objects(void)
{
    return as_int(ask_server("number_of_objects", NULL).value);
}

/** An error reply, whose exception is this one. */
static inline void assert_error(struct reply reply, const char *module, const char *name)
{
    assert_string_equal(reply.kind, "#ERROR");
    if (!kith_object_is(reply.value, module, name))
        fail_msg("it raised something else than %s.%s", module, name);
}

/** A traceback, which tells this. */
static inline void assert_traceback(struct reply reply, const char *text)
{
    const char *traceback;
    assert_string_equal(reply.kind, "#TRACEBACK");
    assert_code(kith_value_as_str(reply.value, &traceback, NULL), 0);
    if (strncmp(traceback, "Traceback (most recent call last):\n", 35) != 0 || !strstr(traceback, text))
        fail_msg("\"%s\" is not in \"%s\"", text, traceback);
}

#endif
