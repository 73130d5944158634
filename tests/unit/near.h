/* A server in a thread of this program, and clients of it on this host: what the tests of their short ways have in
 * common. Each test has a server of its own. */
#ifndef KITH_TESTS_UNIT_NEAR_H
#define KITH_TESTS_UNIT_NEAR_H

#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

static const char key[] = "secret";
static char address[60];
static kith_server *server;
static pthread_t server_thread;
static bool serving;
static int served; /* what kith_server_run returned */
static kith_manager *manager;
static kith_arena *arena;
static int descriptors_before;

static void *serve(void *nothing)
{
    served = kith_server_run(server);
    return nothing;
}

static inline void stop_serving(void)
{
    if (!serving)
        return;
    kith_server_stop(server);
    pthread_join(server_thread, NULL);
    serving = false;
}

static inline void begin_serving(void)
{
    assert_int_equal(pthread_create(&server_thread, NULL, serve, NULL), 0);
    serving = true;
}

static inline kith_manager *connect_with(const kith_manager_options *more)
{
    kith_manager_options options = *more;
    kith_manager *made = NULL;
    options.authkey = key;
    options.authkey_size = strlen(key);
    assert_code(kith_manager_connect(&made, address, &options, KITH_SECONDS(5)), 0);
    return made;
}

/** Makes a server, which publishes "queue" and "dict", and a manager that has shared memory. */
static inline void begin(const kith_server_options *more, const kith_value *queue_args, const kith_value *queue_kwargs)
{
    kith_server_options options = *more;
    options.listener.authkey = key;
    options.listener.authkey_size = strlen(key);
    assert_code(kith_server_new(&server, address, &options), 0);
    assert_code(kith_server_publish(server, "queue", "JoinableQueue", queue_args, queue_kwargs, NULL), 0);
    assert_code(kith_server_publish(server, "dict", "dict", KITH_NO_ARGS, NULL, NULL), 0);
    begin_serving();
    manager = connect_with(&(kith_manager_options){ 0 });
}

static inline void begin_plain(void)
{
    begin(&(kith_server_options){ 0 }, KITH_NO_ARGS, NULL);
}

static inline int setup(void **state)
{
    (void)state;
    manager = NULL;
    server = NULL;
    descriptors_before = descriptors();
    snprintf(address, sizeof address, "unix:@kith-near-%d", (int)getpid());
    return kith_arena_new(&arena);
}

static inline int teardown(void **state)
{
    (void)state;
    kith_manager_free(manager);
    stop_serving();
    kith_server_free(server);
    kith_arena_free(arena);
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/** Runs it in a child, which has the memory of the server's thread, too, and nobody who frees it: so it does not exit.
 *  @return as apart_wait */
static inline int in_child(int (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    return apart_wait(pid);
}

static inline kith_server_stats stats_now(void)
{
    kith_server_stats stats;
    assert_code(kith_server_get_stats(server, &stats), 0);
    return stats;
}

/** Waits until so many calls wait at the server. */
static inline void wait_for_waiting(unsigned count)
{
    while (stats_now().waiting != count)
        sched_yield();
}

static inline void wait_for_clients(unsigned count)
{
    while (stats_now().clients != count)
        sched_yield();
}

static inline kith_proxy *get_proxy(kith_manager *of, const char *name)
{
    kith_proxy *proxy = NULL;
    assert_code(kith_manager_create(of, &proxy, name, KITH_NO_ARGS, NULL), 0);
    return proxy;
}

static inline int64_t as_int(const kith_value *value)
{
    int64_t number = INT64_MIN;
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

#endif
