/* kith/connection.h: clients: whom they find, how long they try, and how they come back to a listener that was away.
 * What they prove is in listener_auth.c. */
#include "alarms.h"
#include "strangers.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

static const kith_listener_options with_key = { KEY("the key") };
static const kith_client_options client_with_key = { KEY("the key") };

static kith_listener *listener;
static kith_connection *client;
static kith_connection *server;
static struct caller caller;

static int set_up_none(void **state)
{
    listener = NULL;
    client = server = NULL;
    caller = (struct caller){ 0 };
    return set_up_name(state);
}

static int tear_down_all(void **state)
{
    kith_listener_free(listener);
    kith_connection_free(client);
    kith_connection_free(server);
    kith_connection_free(caller.connection);
    return tear_down(state);
}

static void expect_no_connection(const char *address, const kith_client_options *options, kith_timeout timeout,
                                 int code)
{
    kith_connection *connection = NULL;
    assert_explained(kith_connect(&connection, address, options, timeout), code);
    assert_null(connection);
}

/* An address of TCP where nobody listens. */
static void find_quiet_port(char text[40])
{
    kith_listener *short_lived = listen_at("tcp:127.0.0.1:0", NULL);
    snprintf(text, 40, "%s", kith_listener_address(short_lived));
    kith_listener_free(short_lived);
}

/* ---- whom ---- */

static void nobody_is_there(void **state)
{
    (void)state;
    char port[40];
    find_quiet_port(port);
    expect_no_connection("unix:/tmp/kith-test-nobody", NULL, KITH_FOREVER, -ENOENT);
    expect_no_connection("unix:/etc/passwd/socket", NULL, KITH_FOREVER, -ENOENT);
    expect_no_connection("unix:/etc/passwd", NULL, KITH_FOREVER, -ECONNREFUSED);
    expect_no_connection(own_name, NULL, KITH_FOREVER, -ECONNREFUSED);
    expect_no_connection(port, NULL, KITH_FOREVER, -ECONNREFUSED);
    expect_no_connection(port, NULL, KITH_NOWAIT, -ECONNREFUSED);
}

static void a_host_must_be_known(void **state)
{
    (void)state;
    /* Names that nobody asks a server for. */
    expect_no_connection("tcp:no..host:5000", NULL, KITH_FOREVER, -EHOSTUNREACH);
    expect_no_connection("tcp:no host:5000", NULL, KITH_FOREVER, -EHOSTUNREACH);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    char host[300] = "", long_host[400];
    memset(host, 'x', sizeof host - 1);
    snprintf(long_host, sizeof long_host, "tcp:%s:5000", host);
    const char *const wrong[] = { "",       "unix:", "tcp::5000", "tcp:localhost:0", "tcp:localhost", "localhost:5000",
                                  long_host };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_no_connection(wrong[i], NULL, KITH_FOREVER, -EINVAL);
    expect_no_connection(NULL, NULL, KITH_FOREVER, -EINVAL);
    expect_no_connection(own_name, NULL, -2, -EINVAL);
    expect_no_connection(own_name, &(kith_client_options){ .authkey_size = 4 }, KITH_FOREVER, -EINVAL);
    expect_no_connection(own_name, &(kith_client_options){ .tls = &(kith_tls_options){ 0 } }, KITH_FOREVER, -ENOTSUP);
    assert_explained(kith_connect(NULL, own_name, NULL, KITH_FOREVER), -EINVAL);
}

static void a_name_with_several_addresses_is_tried_at_each(void **state)
{
    (void)state;
    char address[40];
    need_localhost();
    listener = listen_at("tcp:127.0.0.1:0", &with_key); /* where localhost may be ::1 first */
    snprintf(address, sizeof address, "tcp:localhost%s", strrchr(kith_listener_address(listener), ':'));
    call(&caller, address, &client_with_key);
    server = accept_one(listener);
    assert_code(called(&caller), 0);
    expect_talk(caller.connection, server);
}

static void a_client_without_a_key_is_not_waited_for(void **state)
{
    (void)state;
    kith_bytes message;
    listener = listen_at(own_name, &with_key);
    assert_code(kith_connect(&client, own_name, NULL, KITH_NOWAIT), 0);
    while (stats_of(listener).handshakes == 0)
        serve(listener);
    assert_code(kith_connection_recv(client, &message, LONG), 0);
    assert_memory_equal(message.data, "#CHALLENGE#", 11); /* so it finds out */
    kith_bytes_free(&message);
}

static void the_socket_blocks_for_whoever_gets_it(void **state)
{
    (void)state;
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    meet(listener, &client_with_key, &client, &server);
    assert_false(fcntl(kith_connection_fd(client), F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(kith_connection_fd(server), F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(kith_connection_fd(client), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(kith_connection_fd(server), F_GETFD) & FD_CLOEXEC);
}

/* ---- how long ---- */

static void both_sides_of_tcp_ask_whether_the_other_is_there(void **state)
{
    (void)state;
    listener = listen_at("tcp:127.0.0.1:0", &with_key);
    meet(listener, &client_with_key, &client, &server);
    const kith_connection *const sides[] = { client, server };
    for (int i = 0; i < 2; i++) {
        int on = 0, idle = 0;
        socklen_t size = sizeof on;
        assert_int_equal(getsockopt(kith_connection_fd(sides[i]), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
        assert_int_equal(getsockopt(kith_connection_fd(sides[i]), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
        assert_int_equal(on, 1);
        assert_int_equal(idle, 60);
    }
}

static void what_goes_beyond_this_machine_without_tls_is_warned_of(void **state)
{
    (void)state;
    char text[600], address[40];
    kith_connection *local = NULL;
    listener = listen_at("tcp:0.0.0.0:0", NULL);
    snprintf(address, sizeof address, "tcp:127.0.0.1%s", strrchr(kith_listener_address(listener), ':'));
    log_begin();
    int local_code = kith_connect(&local, address, NULL, LONG);
    bool silent = !readable(said[0], 0);
    int open_code = kith_connect(&client, kith_listener_address(listener), NULL, LONG);
    log_end();
    kith_connection_free(local);
    assert_code(local_code, 0);
    assert_code(open_code, 0);
    assert_true(silent);
    log_read(text, sizeof text);
    assert_non_null(strstr(text, "WARNING"));
    assert_non_null(strstr(text, "TLS"));
}

static void a_listener_that_says_nothing_costs_the_timeout(void **state)
{
    (void)state;
    int strange = strange_listener(own_name, 8);
    expect_no_connection(own_name, &client_with_key, KITH_MS(10), -ETIMEDOUT);
    expect_no_connection(own_name, &client_with_key, KITH_NOWAIT, -ETIMEDOUT);
    alarms_on(alarm_ignored, SA_RESTART);
    int code = kith_connect(&client, own_name, &client_with_key, KITH_FOREVER);
    alarms_off();
    assert_explained(code, -EINTR);
    close(strange);
}

static void so_does_one_whose_backlog_is_full(void **state)
{
    (void)state;
    int waiting[2];
    int strange = strange_listener(own_name, 0);
    waiting[0] = try_stranger(own_name); /* the one that a backlog of 0 takes */
    expect_no_connection(own_name, NULL, KITH_NOWAIT, -ETIMEDOUT);
    expect_no_connection(own_name, NULL, KITH_MS(10), -ETIMEDOUT);
    alarms_on(alarm_ignored, SA_RESTART);
    int code = kith_connect(&client, own_name, NULL, KITH_FOREVER);
    alarms_off();
    assert_explained(code, -EINTR);
    call(&caller, own_name, NULL);
    waiting[1] = strange_accept(strange);
    assert_code(called(&caller), 0);
    close(waiting[0]);
    close(waiting[1]);
    close(strange);
}

/* ---- trying again ---- */

static void a_client_may_come_before_its_listener(void **state)
{
    (void)state;
    call(&caller, own_name, &(kith_client_options){ KEY("the key"), .retry = 1 });
    listener = listen_at(own_name, &with_key);
    server = accept_one(listener);
    assert_code(called(&caller), 0);
    expect_talk(caller.connection, server);
}

static void before_its_listeners_file_too(void **state)
{
    (void)state;
    char folder[] = "/tmp/kith-test-XXXXXX", address[64];
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/socket", folder);
    call(&caller, address, &(kith_client_options){ KEY("the key"), .retry = 1 });
    int code = kith_listener_new(&listener, address, &with_key);
    if (code == 0)
        code = kith_listener_accept(listener, &server, LONG);
    kith_listener_close(listener);
    rmdir(folder);
    assert_code(code, 0);
    assert_code(called(&caller), 0);
    expect_talk(caller.connection, server);
}

static void trying_ends_in_time_or_by_a_signal(void **state)
{
    (void)state;
    const kith_client_options again = { .retry = 1 };
    expect_no_connection(own_name, &again, KITH_NOWAIT, -ECONNREFUSED);
    expect_no_connection(own_name, &again, KITH_MS(30), -ECONNREFUSED);
    alarms_on(alarm_ignored, SA_RESTART);
    int code = kith_connect(&client, own_name, &again, KITH_FOREVER);
    alarms_off();
    assert_explained(code, -EINTR);
}

static void a_wrong_key_is_not_tried_again(void **state)
{
    (void)state;
    listener = listen_at(own_name, &with_key);
    call(&caller, own_name, &(kith_client_options){ KEY("the Key"), .retry = 1 });
    while (stats_of(listener).refused == 0)
        serve(listener);
    assert_code(called(&caller), KITH_EAUTH);
}

/* ---- coming back ---- */

static const kith_client_options that_comes_back = { KEY("the key"), .reconnect = 1 };

static void lose_the_server(void)
{
    kith_connection_free(server);
    server = NULL;
}

static void *send_in_thread(void *text)
{
    caller.code = kith_connection_send(client, text, strlen(text), LONG);
    snprintf(caller.detail, sizeof caller.detail, "%s", kith_error_detail());
    return NULL;
}

static void a_lost_connection_is_told_once_and_made_anew(void **state)
{
    (void)state;
    kith_bytes message;
    listener = listen_at(own_name, &with_key);
    meet(listener, &that_comes_back, &client, &server);
    expect_talk(client, server);
    lose_the_server();
    assert_explained(kith_connection_recv(client, &message, LONG), KITH_EEOF);
    assert_int_equal(pthread_create(&caller.thread, NULL, send_in_thread, (void *)"again"), 0);
    server = accept_one(listener);
    assert_code(called(&caller), 0);
    expect_text(server, "again");
    expect_talk(client, server);
}

static void also_when_its_listener_was_away(void **state)
{
    (void)state;
    kith_bytes message;
    listener = listen_at(own_name, &with_key);
    meet(listener, &that_comes_back, &client, &server);
    kith_listener_free(listener);
    listener = NULL;
    lose_the_server();
    assert_explained(kith_connection_recv(client, &message, LONG), KITH_EEOF);
    assert_explained(kith_connection_send(client, "nobody", 6, KITH_MS(10)), -ECONNREFUSED);
    assert_explained(kith_connection_recv(client, &message, KITH_NOWAIT), -ECONNREFUSED);
    assert_int_equal(pthread_create(&caller.thread, NULL, send_in_thread, (void *)"somebody"), 0);
    listener = listen_at(own_name, &with_key);
    server = accept_one(listener);
    assert_code(called(&caller), 0);
    expect_text(server, "somebody");
    expect_talk(client, server);
}

static void it_proves_itself_each_time(void **state)
{
    (void)state;
    kith_bytes message;
    listener = listen_at(own_name, &with_key);
    meet(listener, &that_comes_back, &client, &server);
    kith_listener_free(listener);
    lose_the_server();
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the Key") });
    assert_explained(kith_connection_recv(client, &message, LONG), KITH_EEOF);
    assert_int_equal(pthread_create(&caller.thread, NULL, send_in_thread, (void *)"to whom"), 0);
    while (stats_of(listener).refused == 0)
        serve(listener);
    assert_code(called(&caller), KITH_EAUTH);
}

/* ---- limits and children ---- */

/* With each number of descriptors that is too low. */
static int connect_at_the_limit(void)
{
    struct rlimit limit;
    int failures = 0, code;
    int strange = strange_listener(own_name, 8);
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 0;
    for (;; failures++, limit.rlim_cur++) {
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        code = kith_connect(&client, own_name, NULL, KITH_FOREVER);
        if (code == 0)
            break;
        EXPECT(code == -EMFILE && !client);
    }
    EXPECT(failures > 0);
    kith_connection_close(client);
    close(strange);
    return 0;
}

static void a_lack_of_descriptors_is_told(void **state)
{
    (void)state;
    assert_int_equal(apart(connect_at_the_limit), 0);
}

/* A client that is connecting while a child is made: the child has no copy of its socket that would keep it alive. */
static void no_child_has_the_socket_of_a_client_that_connects(void **state)
{
    (void)state;
    unsigned char message[600];
    int strange = strange_listener(own_name, 8);
    call(&caller, own_name, &client_with_key);
    int socket = strange_accept(strange);
    kith_process *child = start(say_and_wait, NULL, NULL);
    assert_int_equal(hear(), 'h');
    say_words(socket, "no challenge");
    assert_code(called(&caller), KITH_EAUTH);
    assert_true(readable(socket, PATIENCE));
    assert_true(recv(socket, message, sizeof message, 0) <= 0); /* the end, though the child lives */
    let_go();
    finish(child, 0);
    close(socket);
    close(strange);
}

#define CLIENT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_none, tear_down_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(nobody_is_there),
        CLIENT_TEST(a_host_must_be_known),
        CLIENT_TEST(what_is_no_address_is_refused),
        CLIENT_TEST(a_name_with_several_addresses_is_tried_at_each),
        CLIENT_TEST(a_client_without_a_key_is_not_waited_for),
        CLIENT_TEST(the_socket_blocks_for_whoever_gets_it),
        CLIENT_TEST(both_sides_of_tcp_ask_whether_the_other_is_there),
        CLIENT_TEST(what_goes_beyond_this_machine_without_tls_is_warned_of),
        CLIENT_TEST(a_listener_that_says_nothing_costs_the_timeout),
        CLIENT_TEST(so_does_one_whose_backlog_is_full),
        CLIENT_TEST(a_client_may_come_before_its_listener),
        CLIENT_TEST(before_its_listeners_file_too),
        CLIENT_TEST(trying_ends_in_time_or_by_a_signal),
        CLIENT_TEST(a_wrong_key_is_not_tried_again),
        CLIENT_TEST(a_lost_connection_is_told_once_and_made_anew),
        CLIENT_TEST(also_when_its_listener_was_away),
        CLIENT_TEST(it_proves_itself_each_time),
        CLIENT_TEST(a_lack_of_descriptors_is_told),
        CLIENT_TEST(no_child_has_the_socket_of_a_client_that_connects),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
