/* kith/connection.h: listeners: where they listen, whom they take in, what they tell; their descriptor, their children,
 * and their end. */
#include "alarms.h"
#include "refuse.h"
#include "strangers.h"

#include <dlfcn.h>
#include <netdb.h>
#include <sys/resource.h>

static const kith_listener_options with_key = { KEY("the key") };
static const kith_client_options client_with_key = { KEY("the key") };

static kith_listener *listener;

static int set_up_none(void **state)
{
    listener = NULL;
    return set_up_name(state);
}

static int tear_down_listener(void **state)
{
    kith_listener_free(listener);
    return tear_down(state);
}

static void expect_meeting(const kith_client_options *options)
{
    kith_connection *client, *server;
    meet(listener, options, &client, &server);
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

/* ---- where ---- */

static void tcp_finds_a_free_port_and_tells_it(void **state)
{
    (void)state;
    listener = listen_at("tcp:127.0.0.1:0", NULL);
    const char *address = kith_listener_address(listener);
    assert_memory_equal(address, "tcp:127.0.0.1:", 14);
    assert_true(atoi(address + 14) > 0);
    expect_meeting(NULL);
}

static void a_name_is_looked_up(void **state)
{
    (void)state;
    need_localhost();
    listener = listen_at("tcp:localhost:0", &with_key);
    expect_meeting(&client_with_key);
}

static bool ipv6_comes_first;

/* The library asks this one. It may know a host as most machines do: by an address of IPv6, and then one of IPv4. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*ask)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&ask = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!ipv6_comes_first)
        return ask(host, port, hints, list);
    int code = ask("::1", port, hints, list);
    return code ? code : ask("127.0.0.1", port, hints, &(*list)->ai_next);
}

static void a_name_means_ipv4_where_it_has_both(void **state)
{
    (void)state;
    ipv6_comes_first = true;
    int code = kith_listener_new(&listener, "tcp:localhost:0", NULL);
    ipv6_comes_first = false;
    assert_code(code, 0);
    assert_memory_equal(kith_listener_address(listener), "tcp:127.0.0.1:", 14);
}

static void ipv6_is_written_in_brackets(void **state)
{
    (void)state;
    int code = kith_listener_new(&listener, "tcp:[::1]:0", &with_key);
    if (code == -EADDRNOTAVAIL) {
        print_message("no IPv6 on this machine\n");
        skip();
    }
    assert_code(code, 0);
    assert_memory_equal(kith_listener_address(listener), "tcp:[::1]:", 10);
    expect_meeting(&client_with_key);
}

static int listen_and_connect_without_ipv6(void)
{
    kith_connection *connection;
    if (refuse_when(SYS_socket, 0, AF_INET6, EAFNOSUPPORT) < 0)
        return 77;
    EXPECT(kith_listener_new(&listener, "tcp:[::1]:0", NULL) == -EADDRNOTAVAIL);
    EXPECT(kith_connect(&connection, "tcp:[::1]:9", NULL, LONG) == -ENETUNREACH);
    EXPECT(kith_listener_new(&listener, "tcp::0", NULL) == 0);
    EXPECT(strncmp(kith_listener_address(listener), "tcp:0.0.0.0:", 12) == 0);
    kith_listener_free(listener);
    return 0;
}

static void a_machine_may_know_no_ipv6(void **state)
{
    (void)state;
    int code = apart(listen_and_connect_without_ipv6);
    if (code == 77)
        skip();
    assert_int_equal(code, 0);
}

static void no_host_means_all_addresses(void **state)
{
    (void)state;
    char address[40];
    kith_connection *client = NULL;
    struct caller caller;
    listener = listen_at("tcp::0", &with_key);
    snprintf(address, sizeof address, "tcp:127.0.0.1%s", strrchr(kith_listener_address(listener), ':'));
    call(&caller, address, &client_with_key);
    kith_connection *server = accept_one(listener);
    assert_code(called(&caller), 0);
    client = caller.connection;
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
    expect_meeting(&client_with_key); /* also at the address that it tells */
}

static void an_abstract_name_is_taken_as_long_as_its_listener_lives(void **state)
{
    (void)state;
    kith_listener *other = NULL;
    listener = listen_at(own_name, NULL);
    assert_string_equal(kith_listener_address(listener), own_name);
    assert_explained(kith_listener_new(&other, own_name, NULL), -EADDRINUSE);
    assert_null(other);
    expect_meeting(NULL);
    kith_listener_free(listener);
    listener = listen_at(own_name, NULL);
}

static void a_port_is_taken_as_long_as_its_listener_lives(void **state)
{
    (void)state;
    kith_listener *other = NULL;
    char address[40];
    listener = listen_at("tcp:127.0.0.1:0", NULL);
    snprintf(address, sizeof address, "%s", kith_listener_address(listener));
    expect_meeting(NULL); /* which the system remembers for a while, but we do not mind */
    assert_explained(kith_listener_new(&other, address, NULL), -EADDRINUSE);
    kith_listener_free(listener);
    listener = listen_at(address, NULL);
    expect_meeting(NULL);
}

static void the_longest_name_is_107_bytes(void **state)
{
    (void)state;
    char name[6 + 108 + 1];
    int begin = snprintf(name, sizeof name, "unix:@%d", (int)getpid());
    memset(name + begin, 'x', sizeof name - (size_t)begin);
    name[6 + 107] = name[6 + 108] = '\0';
    listener = listen_at(name, NULL);
    assert_string_equal(kith_listener_address(listener), name);
    expect_meeting(NULL);
    kith_listener_free(listener);
    listener = NULL;
    name[6 + 107] = 'x';
    assert_explained(kith_listener_new(&listener, name, NULL), -EINVAL);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "",
        "nothing",
        "unix",
        "unix:",
        "unix:@",
        "unix:/tmp/",
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp:host:x",
        "tcp:host:1x",
        "tcp:host:-1",
        "tcp:host:65536",
        "tcp:::1:0",
        "tcp:[]:0",
        "tcp:[::1]",
        "tcp:[::1]0",
        "tcp:[::1:0",
        "udp:127.0.0.1:0",
        "tcp:host:4294967297",
        "tcp:host:18446744073709551617",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_explained(kith_listener_new(&listener, wrong[i], NULL), -EINVAL);
    }
    assert_explained(kith_listener_new(&listener, NULL, NULL), -EINVAL);
    assert_explained(kith_listener_new(NULL, "tcp:127.0.0.1:0", NULL), -EINVAL);
    assert_explained(kith_listener_new(&listener, "tcp:203.0.113.1:0", NULL), -EADDRNOTAVAIL);
    assert_null(listener);
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const uid_t users[] = { 0 };
    const kith_tls_options tls = { 0 };
    const struct {
        const char *address;
        kith_listener_options options;
        int code;
    } wrong[] = {
        { own_name, { .authkey_size = 1 }, -EINVAL },
        { own_name, { .authkey = "", .authkey_size = SIZE_MAX }, -EINVAL },
        { own_name, { .backlog = -1 }, -EINVAL },
        { own_name, { .handshake_timeout = -2 }, -EINVAL },
        { own_name, { .mode = 0600 }, -EINVAL },
        { "tcp:127.0.0.1:0", { .mode = 0600 }, -EINVAL },
        { "unix:kith-test-wrong", { .mode = 01000 }, -EINVAL },
        { "tcp:127.0.0.1:0", { .allowed_users = users, .allowed_user_count = 1 }, -EINVAL },
        { own_name, { .allowed_users = users }, -EINVAL },
        { own_name, { .allowed_user_count = 1 }, -EINVAL },
        { own_name, { .tls = &tls }, -ENOTSUP },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_explained(kith_listener_new(&listener, wrong[i].address, &wrong[i].options), wrong[i].code);
    assert_null(listener);
    assert_int_equal(access("kith-test-wrong", F_OK), -1);
}

/* ---- who ---- */

static void clients_are_taken_in_one_after_the_other(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    for (int i = 0; i < COUNT; i++)
        expect_meeting(&client_with_key);
    kith_listener_stats stats = stats_of(listener);
    assert_int_equal(stats.accepted, COUNT);
    assert_int_equal(stats.refused + stats.timed_out + stats.evicted + stats.gone + stats.handshakes, 0);
}

static void clients_prove_themselves_side_by_side(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct caller callers[COUNT];
    kith_connection *servers[COUNT];
    listener = listen_at(own_name, &with_key);
    for (int i = 0; i < COUNT; i++)
        call(&callers[i], kith_listener_address(listener), &client_with_key);
    for (int i = 0; i < COUNT; i++)
        servers[i] = accept_one(listener);
    for (int i = 0; i < COUNT; i++) {
        assert_code(called(&callers[i]), 0);
        send_text(callers[i].connection, "hello");
    }
    for (int i = 0; i < COUNT; i++) {
        expect_text(servers[i], "hello");
        kith_connection_free(servers[i]);
        kith_connection_free(callers[i].connection);
    }
}

static void without_a_key_nobody_is_asked(void **state)
{
    (void)state;
    listener = listen_at("tcp:127.0.0.1:0", NULL);
    int client = stranger(listener);
    kith_connection *server = accept_one(listener);
    say_words(client, "hello");
    expect_text(server, "hello");
    send_text(server, "and hello");
    hear_words(client, "and hello");
    close(client);
    kith_connection_free(server);
}

static void a_listener_says_how_long_messages_may_be(void **state)
{
    (void)state;
    kith_connection *client, *server;
    kith_bytes message;
    listener = listen_at(own_name, &(kith_listener_options){ .max_message = 10 });
    meet(listener, &(kith_client_options){ .max_message = 5 }, &client, &server);
    send_text(client, "ten bytes.");
    expect_text(server, "ten bytes.");
    send_text(client, "eleven byte");
    assert_explained(kith_connection_recv(server, &message, LONG), KITH_ELIMIT);
    send_text(server, "six...");
    assert_explained(kith_connection_recv(client, &message, LONG), KITH_ELIMIT);
    kith_connection_free(client);
    kith_connection_free(server);
}

/* ---- waiting ---- */

static void waiting_ends_in_time_or_by_a_signal(void **state)
{
    (void)state;
    kith_connection *connection = NULL;
    listener = listen_at(own_name, &with_key);
    assert_explained(kith_listener_accept(listener, &connection, KITH_NOWAIT), -ETIMEDOUT);
    assert_explained(kith_listener_accept(listener, &connection, KITH_MS(5)), -ETIMEDOUT);
    assert_explained(kith_listener_accept(listener, &connection, -2), -EINVAL);
    alarms_on(alarm_ignored, SA_RESTART);
    int code = kith_listener_accept(listener, &connection, KITH_FOREVER);
    alarms_off();
    assert_explained(code, -EINTR);
    assert_null(connection);
}

static void the_descriptor_tells_when_there_is_something_to_do(void **state)
{
    (void)state;
    struct caller caller;
    kith_connection *server = NULL;
    int code;
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    int fd = kith_listener_fd(listener);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(readable(fd, 0));
    call(&caller, kith_listener_address(listener), &client_with_key);
    do {
        assert_true(readable(fd, PATIENCE));
        code = kith_listener_accept(listener, &server, KITH_NOWAIT);
    } while (code == -ETIMEDOUT);
    assert_code(code, 0);
    assert_code(called(&caller), 0);
    kith_connection_free(server);
    kith_connection_free(caller.connection);
}

static void what_goes_beyond_this_machine_without_tls_is_warned_of(void **state)
{
    (void)state;
    char text[600];
    kith_listener *open = NULL;
    log_begin();
    int local_code = kith_listener_new(&listener, "tcp:127.0.0.1:0", NULL);
    bool silent = !readable(said[0], 0);
    int open_code = kith_listener_new(&open, "tcp:0.0.0.0:0", NULL);
    log_end();
    kith_listener_free(open);
    assert_code(local_code, 0);
    assert_code(open_code, 0);
    assert_true(silent);
    log_read(text, sizeof text);
    assert_non_null(strstr(text, "WARNING"));
    assert_non_null(strstr(text, "TLS"));
}

/* ---- the end, and children ---- */

static void a_closed_listener_takes_nobody_in(void **state)
{
    (void)state;
    kith_connection *connection;
    listener = listen_at(own_name, &with_key);
    int waiting = stranger(listener);
    int proving = stranger(listener);
    while (stats_of(listener).handshakes < 2)
        serve(listener);
    unsigned char message[600];
    hear_frame(waiting, message);
    hear_frame(proving, message);
    int unheard = stranger(listener);
    assert_code(kith_listener_close(listener), 0);
    assert_code(kith_listener_close(listener), 0);
    hear_the_end(waiting);
    hear_the_end(proving);
    hear_the_end(unheard);
    close(waiting);
    close(proving);
    close(unheard);
    assert_explained(kith_listener_accept(listener, &connection, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_listener_fd(listener), KITH_ECLOSED);
    assert_string_equal(kith_listener_address(listener), own_name);
    assert_int_equal(stats_of(listener).accepted, 0);
    assert_int_equal(try_stranger(own_name), -1);
}

static void connections_outlive_their_listener(void **state)
{
    (void)state;
    kith_connection *client, *server;
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    meet(listener, &client_with_key, &client, &server);
    kith_listener_free(listener);
    listener = NULL;
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

static int count_descriptors(void *nothing)
{
    (void)nothing;
    kith_connection *connection;
    EXPECT(kith_listener_accept(listener, &connection, KITH_NOWAIT) == KITH_ECLOSED);
    EXPECT(kith_listener_fd(listener) == KITH_ECLOSED);
    int fewer = descriptors();
    kith_listener_free(listener);
    EXPECT(descriptors() == fewer);
    say('c');
    return fewer;
}

/* Listens, and lets a stranger in as far as the challenge. @return his socket */
static int begin_handshake(void)
{
    unsigned char message[600];
    listener = listen_at(own_name, &with_key);
    int client = stranger(listener);
    while (stats_of(listener).handshakes < 1)
        serve(listener);
    hear_frame(client, message);
    return client;
}

static void a_child_closes_what_it_inherited(void **state)
{
    (void)state;
    int client = begin_handshake();
    int mine = descriptors();
    kith_process *child = start(count_descriptors, NULL, NULL);
    assert_int_equal(hear(), 'c');
    int theirs = 0;
    assert_code(kith_process_join(child, KITH_FOREVER), 0);
    assert_code(kith_process_exit_code(child, &theirs), 0);
    kith_process_close(child);
    assert_true(theirs <= mine - 4); /* the socket, its events, its timer and the client */
    close(client);
    expect_meeting(&client_with_key); /* what the child did is nothing to us */
}

static int end_its_copy(void)
{
    kith_connection *connection;
    EXPECT(kith_listener_accept(listener, &connection, KITH_NOWAIT) == KITH_ECLOSED);
    kith_listener_free(listener);
    listener = NULL;
    return 0;
}

static int keep_its_copy(void)
{
    wait_to_go();
    return 0;
}

static void a_forked_copy_is_of_no_use_and_does_no_harm(void **state)
{
    (void)state;
    int client = begin_handshake();
    assert_int_equal(apart(end_its_copy), 0);
    pid_t keeper = apart_start(keep_its_copy);
    /* The events of a client that is gone here don't come on through the copy that lives there. */
    say_raw(client, "GET ", 4);
    while (stats_of(listener).refused < 1)
        serve(listener);
    hear_the_end(client);
    serve(listener);
    close(client);
    expect_meeting(&client_with_key);
    kith_listener_close(listener);
    assert_int_equal(try_stranger(own_name), -1); /* though a copy lives */
    let_go();
    assert_int_equal(apart_wait(keeper), 0);
}

/* With each number of descriptors that is too low. */
static int listen_at_the_limit(void)
{
    struct rlimit limit;
    char path[] = "/tmp/kith-test-XXXXXX/socket", address[sizeof "unix:" + sizeof path];
    int failures = 0, code;
    *strrchr(path, '/') = 0;
    EXPECT(mkdtemp(path));
    path[strlen(path)] = '/';
    snprintf(address, sizeof address, "unix:%s", path);
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 0;
    for (;; failures++, limit.rlim_cur++) {
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        code = kith_listener_new(&listener, address, &with_key);
        if (code == 0)
            break;
        EXPECT(code == -EMFILE && !listener);
        EXPECT(access(path, F_OK) < 0);
    }
    EXPECT(failures > 0);
    kith_listener_free(listener);
    *strrchr(path, '/') = 0;
    return rmdir(path);
}

static void a_lack_of_descriptors_is_told(void **state)
{
    (void)state;
    assert_int_equal(apart(listen_at_the_limit), 0);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_connection *connection;
    kith_listener_stats stats;
    listener = listen_at(own_name, NULL);
    assert_explained(kith_listener_accept(NULL, &connection, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_listener_accept(listener, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_listener_fd(NULL), -EINVAL);
    assert_explained(kith_listener_get_stats(NULL, &stats), -EINVAL);
    assert_explained(kith_listener_get_stats(listener, NULL), -EINVAL);
    assert_explained(kith_listener_close(NULL), -EINVAL);
    assert_string_equal(kith_listener_address(NULL), "");
    kith_listener_free(NULL);
}

#define LISTENER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_none, tear_down_listener)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LISTENER_TEST(tcp_finds_a_free_port_and_tells_it),
        LISTENER_TEST(a_name_is_looked_up),
        LISTENER_TEST(a_name_means_ipv4_where_it_has_both),
        LISTENER_TEST(ipv6_is_written_in_brackets),
        LISTENER_TEST(a_machine_may_know_no_ipv6),
        LISTENER_TEST(no_host_means_all_addresses),
        LISTENER_TEST(an_abstract_name_is_taken_as_long_as_its_listener_lives),
        LISTENER_TEST(a_port_is_taken_as_long_as_its_listener_lives),
        LISTENER_TEST(the_longest_name_is_107_bytes),
        LISTENER_TEST(what_is_no_address_is_refused),
        LISTENER_TEST(options_that_contradict_each_other_are_refused),
        LISTENER_TEST(clients_are_taken_in_one_after_the_other),
        LISTENER_TEST(clients_prove_themselves_side_by_side),
        LISTENER_TEST(without_a_key_nobody_is_asked),
        LISTENER_TEST(a_listener_says_how_long_messages_may_be),
        LISTENER_TEST(waiting_ends_in_time_or_by_a_signal),
        LISTENER_TEST(the_descriptor_tells_when_there_is_something_to_do),
        LISTENER_TEST(what_goes_beyond_this_machine_without_tls_is_warned_of),
        LISTENER_TEST(a_closed_listener_takes_nobody_in),
        LISTENER_TEST(connections_outlive_their_listener),
        LISTENER_TEST(a_child_closes_what_it_inherited),
        LISTENER_TEST(a_forked_copy_is_of_no_use_and_does_no_harm),
        LISTENER_TEST(a_lack_of_descriptors_is_told),
        LISTENER_TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
