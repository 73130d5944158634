/* kith/connection.h: clients that say nothing, or too little, hold up nobody: they are dropped in time, have to make
 * room for others, and cost no more than their place. */
#include "strangers.h"

#include <sys/resource.h>

enum { SILENT = 300, LIMIT_COUNT = 100 };

static const kith_client_options client_with_key = { KEY("the key") };

static kith_listener *listener;
static int silent[SILENT];

static int set_up_silence(void **state)
{
    listener = NULL;
    for (int i = 0; i < SILENT; i++)
        silent[i] = -1;
    return set_up_name(state);
}

static int tear_down_silence(void **state)
{
    kith_listener_free(listener);
    for (int i = 0; i < SILENT; i++) {
        if (silent[i] >= 0)
            close(silent[i]);
    }
    return tear_down(state);
}

static void come_silently(int count)
{
    for (int i = 0; i < count; i++) {
        silent[i] = stranger(listener);
        serve(listener);
    }
}

static unsigned long seen(void)
{
    kith_listener_stats stats = stats_of(listener);
    return stats.accepted + stats.refused + stats.timed_out + stats.evicted + stats.gone + stats.handshakes;
}

static void serve_until_seen(unsigned long count)
{
    while (seen() < count)
        serve(listener);
}

static void expect_meeting(void)
{
    kith_connection *client, *server;
    meet(listener, &client_with_key, &client, &server);
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

static void a_good_client_is_served_among_hundreds_of_silent_ones(void **state)
{
    (void)state;
    listener = listen_at("tcp:127.0.0.1:0", &(kith_listener_options){ KEY("the key"), .max_handshakes = 2 * SILENT });
    come_silently(SILENT);
    serve_until_seen(SILENT);
    assert_int_equal(stats_of(listener).handshakes, SILENT);
    expect_meeting();
    assert_int_equal(stats_of(listener).handshakes, SILENT); /* nobody had to go for it */
    assert_int_equal(stats_of(listener).accepted, 1);
}

static void also_when_all_come_before_anybody_listens_to_them(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the key"), .max_handshakes = 10 });
    for (int i = 0; i < COUNT; i++)
        silent[i] = stranger(listener);
    expect_meeting();
    assert_int_equal(stats_of(listener).evicted + stats_of(listener).handshakes, COUNT);
}

static void the_oldest_make_room(void **state)
{
    (void)state;
    enum { PLACES = 10 };
    unsigned char message[600];
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the key"), .max_handshakes = PLACES });
    come_silently(PLACES + 5);
    serve_until_seen(PLACES + 5);
    assert_int_equal(stats_of(listener).handshakes, PLACES);
    assert_int_equal(stats_of(listener).evicted, 5);
    for (int i = 0; i < PLACES + 5; i++)
        hear_frame(silent[i], message); /* all heard the challenge */
    for (int i = 0; i < 5; i++)
        hear_the_end(silent[i]);
    for (int i = 5; i < PLACES + 5; i++)
        assert_false(readable(silent[i], 0));
}

static int count_lines(const char *text, const char *with)
{
    int lines = 0;
    for (const char *found = text; (found = strstr(found, with)); found++)
        lines++;
    return lines;
}

static void a_flood_of_them_is_none_of_lines_in_the_log(void **state)
{
    (void)state;
    char text[60000];
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the key"), .max_handshakes = 1 });
    for (int i = 0; i < SILENT; i++)
        silent[i] = stranger(listener);
    log_begin();
    serve_until_seen(SILENT);
    log_end();
    log_read(text, sizeof text);
    assert_true(count_lines(text, "had to make room") >= 10);
    assert_true(count_lines(text, "had to make room") < SILENT / 2);
    close(silent[0]);
    silent[0] = -1;
    do { /* of the others it tells later */
        usleep(50000);
        int late = stranger(listener);
        unsigned long before = seen();
        log_begin();
        serve_until_seen(before + 1);
        log_end();
        if (readable(said[0], 0))
            log_read(text, sizeof text);
        if (silent[0] >= 0)
            close(silent[0]); /* it had to make room */
        silent[0] = late;
    } while (!strstr(text, "more clients, each of which had to make room"));
}

static void all_are_dropped_when_their_time_is_over(void **state)
{
    (void)state;
    unsigned char message[600];
    listener = listen_at("tcp:127.0.0.1:0", &(kith_listener_options){ KEY("the key"), .handshake_timeout = KITH_MS(20),
                                                                      .max_handshakes = 2 * SILENT });
    come_silently(SILENT);
    while (stats_of(listener).timed_out < SILENT)
        serve(listener);
    assert_int_equal(stats_of(listener).handshakes, 0);
    for (int i = 0; i < SILENT; i++) {
        hear_frame(silent[i], message);
        hear_the_end(silent[i]);
    }
}

static void the_descriptor_tells_of_time_that_is_over(void **state)
{
    (void)state;
    listener =
        listen_at("tcp:127.0.0.1:0", &(kith_listener_options){ KEY("the key"), .handshake_timeout = KITH_MS(20) });
    come_silently(1);
    while (stats_of(listener).timed_out == 0) {
        kith_connection *connection;
        assert_true(readable(kith_listener_fd(listener), PATIENCE));
        assert_code(kith_listener_accept(listener, &connection, KITH_NOWAIT), -ETIMEDOUT);
    }
    while (readable(kith_listener_fd(listener), 0))
        serve(listener); /* and then it is quiet again */
}

static void who_says_a_byte_now_and_then_is_dropped_as_well(void **state)
{
    (void)state;
    listener =
        listen_at("tcp:127.0.0.1:0", &(kith_listener_options){ KEY("the key"), .handshake_timeout = KITH_MS(20) });
    come_silently(1);
    const char response[4 + 40] = { 0, 0, 0, 40 };
    for (size_t i = 0; stats_of(listener).timed_out == 0; i++) {
        if (i < sizeof response - 1) /* never the last one */
            (void)!send(silent[0], response + i, 1, MSG_NOSIGNAL);
        serve(listener);
    }
    assert_int_equal(stats_of(listener).refused, 0);
}

static void who_waits_for_a_listener_that_is_busy_is_not_late(void **state)
{
    (void)state;
    struct caller caller;
    kith_connection *connection = NULL;
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the key"), .handshake_timeout = KITH_MS(5) });
    call(&caller, own_name, &client_with_key);
    while (kith_listener_accept(listener, &connection, KITH_NOWAIT) != 0)
        usleep(100000); /* longer than anybody's time */
    assert_code(called(&caller), 0);
    expect_talk(caller.connection, connection);
    assert_int_equal(stats_of(listener).timed_out, 0);
    kith_connection_free(caller.connection);
    kith_connection_free(connection);
}

/* In a process with few descriptors. */
static int serve_at_the_limit(void)
{
    struct rlimit limit;
    kith_connection *client = NULL;
    EXPECT(kith_listener_new(&listener, own_name, &(kith_listener_options){ KEY("the key"), .max_handshakes = 1000 }) ==
           0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    say('l');
    wait_to_go(); /* until they all have come */
    limit.rlim_cur = 20 + (rlim_t)descriptors();
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kith_listener_accept(listener, &client, LONG) == 0);
    kith_listener_stats stats;
    EXPECT(kith_listener_get_stats(listener, &stats) == 0);
    EXPECT(stats.evicted > 0);
    EXPECT(stats.evicted + stats.handshakes == LIMIT_COUNT);
    kith_connection_free(client);
    kith_listener_free(listener);
    return 0;
}

static void the_limit_of_descriptors_makes_room_too(void **state)
{
    (void)state;
    struct caller caller;
    pid_t server = apart_start(serve_at_the_limit);
    assert_int_equal(hear(), 'l');
    for (int i = 0; i < LIMIT_COUNT; i++) {
        silent[i] = try_stranger(own_name);
        assert_true(silent[i] >= 0);
    }
    call(&caller, own_name, &client_with_key);
    let_go();
    assert_int_equal(apart_wait(server), 0);
    assert_code(called(&caller), 0);
    kith_connection_free(caller.connection);
}

/* No room at all: the call says so, and goes on when there is some. */
static int accept_without_room(void)
{
    struct rlimit limit, before;
    kith_connection *connection = NULL;
    EXPECT(kith_listener_new(&listener, own_name, NULL) == 0);
    int client = try_stranger(own_name);
    EXPECT(client >= 0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before;
    limit.rlim_cur = 3;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kith_listener_accept(listener, &connection, LONG) == -EMFILE);
    EXPECT(strlen(kith_error_detail()) > 10);
    EXPECT(connection == NULL);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(kith_listener_accept(listener, &connection, LONG) == 0);
    kith_connection_free(connection);
    kith_listener_free(listener);
    close(client);
    return 0;
}

static void without_any_room_a_client_waits(void **state)
{
    (void)state;
    assert_int_equal(apart(accept_without_room), 0);
}

#define SILENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_silence, tear_down_silence)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SILENT_TEST(a_good_client_is_served_among_hundreds_of_silent_ones),
        SILENT_TEST(also_when_all_come_before_anybody_listens_to_them),
        SILENT_TEST(who_waits_for_a_listener_that_is_busy_is_not_late),
        SILENT_TEST(the_oldest_make_room),
        SILENT_TEST(a_flood_of_them_is_none_of_lines_in_the_log),
        SILENT_TEST(all_are_dropped_when_their_time_is_over),
        SILENT_TEST(the_descriptor_tells_of_time_that_is_over),
        SILENT_TEST(who_says_a_byte_now_and_then_is_dropped_as_well),
        SILENT_TEST(the_limit_of_descriptors_makes_room_too),
        SILENT_TEST(without_any_room_a_client_waits),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
