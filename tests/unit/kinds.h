/* What the tests of a server's built-in types are made of: a server in a thread of the test's, and clients, which are
 * bare connections that speak as CPython's proxies do. One thread speaks for all of them, so that a call may wait while
 * another client makes the next: what happens when is the test's to say, and nothing is timed. */
#ifndef KITH_TESTS_UNIT_KINDS_H
#define KITH_TESTS_UNIT_KINDS_H

#include "cmocka_kith.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32, ANSWERS = 8 };

static kith_server *server;
static pthread_t serving;
static kith_arena *arena;
static kith_connection *clients[CLIENTS_MAX];
static size_t client_count;

/* ---- the server ---- */

static void *serve(void *argument)
{
    (void)argument;
    int code = kith_server_run(server);
    return code < 0 ? (void *)kith_error_name(code) : NULL;
}

static inline int start_server(const char *address, kith_server_options *options)
{
    options->listener.authkey = "key";
    options->listener.authkey_size = 3;
    client_count = 0;
    server = NULL;
    arena = NULL;
    if (kith_arena_new(&arena) < 0 || kith_server_new(&server, address, options) < 0)
        return -1;
    return 0;
}

static inline int run_server(void)
{
    return -pthread_create(&serving, NULL, serve, NULL);
}

static inline void stop_server(void)
{
    void *failure = NULL;
    kith_server_stop(server);
    pthread_join(serving, &failure);
    kith_server_free(server);
    server = NULL;
    if (failure)
        fail_msg("the server ended with %s", (const char *)failure);
}

static inline void leave_all(void)
{
    for (size_t i = 0; i < client_count; i++)
        kith_connection_free(clients[i]);
    client_count = 0;
}

static inline int set_up_with(kith_server_options options)
{
    char address[40];
    snprintf(address, sizeof address, "unix:@kith-test-%d", (int)getpid());
    return start_server(address, &options) < 0 ? -1 : run_server();
}

static inline int set_up(void **state)
{
    (void)state;
    return set_up_with((kith_server_options){ 0 });
}

static inline int tear_down(void **state)
{
    (void)state;
    leave_all();
    stop_server();
    kith_arena_free(arena);
    return 0;
}

/* ---- clients ---- */

/** Sends a call, and does not wait for its answer. @param object  its id; "" is the server */
static inline void send_call(kith_connection *client, const char *object, const char *method, kith_value *args,
                             kith_value *kwargs)
{
    kith_value *request = kith_value_pack(arena, "(s,s,v,v)", object, method, args, kwargs);
    assert_non_null(request);
    assert_code(kith_connection_send_value(client, request, KITH_FOREVER), 0);
}

/** The same. @param ...  the arguments, as kith_value_pack has them: "(i,b)", 1, 0; "()" */
static inline void ask(kith_connection *client, const char *object, const char *method, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kith_value *args = kith_value_vpack(arena, format, arguments);
    va_end(arguments);
    send_call(client, object, method, args, kith_value_dict(arena));
}

/** What came back: "#RETURN" or what else, and the rest. */
static inline kith_value *receive(kith_connection *client, const char **kind)
{
    kith_value *reply, *value;
    assert_code(kith_connection_recv_value(client, arena, &reply, KITH_SECONDS(60)), 0);
    assert_code(kith_value_unpack(reply, "(s,v)", kind, &value), 0);
    return value;
}

/** The answer to a call that was asked, as Python shows it: the value, or the exception. Of a
 *  traceback, which is what constructors fail with, the last line. @return it; good for some more answers */
static inline const char *answer(kith_connection *client)
{
    static char texts[ANSWERS][500];
    static unsigned next;
    char *text = texts[next++ % ANSWERS];
    const char *kind, *traceback;
    kith_bytes shown;
    const kith_value *value = receive(client, &kind);
    if (strcmp(kind, "#TRACEBACK") == 0) {
        assert_code(kith_value_as_str(value, &traceback, NULL), 0);
        size_t end = strlen(traceback) - 1, begin = end;
        while (begin > 0 && traceback[begin - 1] != '\n')
            begin--;
        snprintf(text, sizeof texts[0], "%.*s", (int)(end - begin), traceback + begin);
        return text;
    }
    assert_code(kith_value_repr(value, &shown, 0), 0);
    const char *from = shown.data;
    if (strncmp(from, "builtins.", 9) == 0)
        from += 9;
    snprintf(text, sizeof texts[0], "%s", from);
    kith_bytes_free(&shown);
    return text;
}

#define call(client, ...) (ask((client), __VA_ARGS__), answer(client))

/** A client that calls methods. */
static inline kith_connection *join(void)
{
    kith_connection *client;
    const kith_client_options options = { .authkey = "key", .authkey_size = 3 };
    assert_true(client_count < CLIENTS_MAX);
    assert_code(kith_connect(&client, kith_server_address(server), &options, KITH_SECONDS(60)), 0);
    clients[client_count++] = client;
    /* As kith's clients say it: so what it holds is its connection's, and not its process's. */
    assert_non_null(strstr(call(client, "", "kith_hello", "()"), "version"));
    return client;
}

/** The client ends, as when its process is killed. */
static inline void leave(kith_connection *client)
{
    for (size_t i = 0; i < client_count; i++) {
        if (clients[i] == client)
            clients[i] = clients[--client_count];
    }
    kith_connection_free(client);
}

/** @return the id of an object that a client has asked to be created */
static inline const char *created(kith_connection *client)
{
    const char *kind, *id;
    assert_code(kith_value_unpack(receive(client, &kind), "(s,_)", &id), 0);
    return id;
}

/** Makes an object. @param ...  the arguments for its constructor. @return its id */
static inline const char *create(kith_connection *client, const char *type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const kith_value *args = kith_value_vpack(arena, format, arguments);
    va_end(arguments);
    kith_value *all[8] = { kith_value_str(arena, type) };
    size_t count = kith_value_length(args);
    for (size_t i = 0; i < count; i++)
        all[1 + i] = kith_value_at(args, i);
    send_call(client, "", "create", kith_value_tuple(arena, all, 1 + count), kith_value_dict(arena));
    return created(client);
}

/** A proxy of an object, as CPython's are pickled. */
static inline kith_value *proxy(const char *id)
{
    kith_value *address, *token, *rebuild;
    char path[64];
    /* An abstract name, in Python's words. */
    int size = snprintf(path, sizeof path, "%c%s", 0, kith_server_address(server) + strlen("unix:@"));
    address = kith_value_str_sized(arena, path, (size_t)size);
    token = kith_object_new(arena, kith_object_global(arena, "multiprocessing.managers", "Token"),
                            kith_value_pack(arena, "()"), NULL);
    kith_object_add_step(token, KITH_STEP_STATE, NULL, kith_value_pack(arena, "(s,v,s)", "Lock", address, id));
    rebuild = kith_object_global(arena, "multiprocessing.managers", "RebuildProxy");
    return kith_object_call(arena, rebuild,
                            kith_value_pack(arena, "(v,v,s,{})",
                                            kith_object_global(arena, "multiprocessing.managers", "AcquirerProxy"),
                                            token, "pickle"));
}

/* ---- what to wait for ---- */

static inline kith_server_stats stats(void)
{
    kith_server_stats found;
    assert_code(kith_server_get_stats(server, &found), 0);
    return found;
}

/** Until so many calls wait. */
static inline void until_waiting(unsigned count)
{
    while (stats().waiting != count)
        sched_yield();
}

/** Until the server has noticed that all have left but so many. */
static inline void until_clients(unsigned count)
{
    while (stats().clients != count)
        sched_yield();
}

/** Whether an answer has come. The server has done all that was asked of it before. */
static inline int is_answered(kith_connection *client)
{
    return kith_connection_poll(client, KITH_NOWAIT);
}

#endif
