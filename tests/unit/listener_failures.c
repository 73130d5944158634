/* kith/connection.h: who fails too often is turned away for a while, and nobody else is. */
#include "strangers.h"

static const kith_client_options right = { KEY("the key") };
static const kith_client_options wrong = { KEY("no key") };

static kith_listener *listener;

static int set_up_listener(void **state)
{
    listener = NULL;
    return set_up_name(state);
}

static int tear_down_listener(void **state)
{
    kith_listener_free(listener);
    return tear_down(state);
}

/** Gives a client its turn as soon as it is ready for it. */
static void serve_next(void)
{
    kith_connection *connection = NULL;
    assert_true(readable(kith_listener_fd(listener), PATIENCE));
    int code = kith_listener_accept(listener, &connection, KITH_NOWAIT);
    if (code != 0)
        assert_code(code, -ETIMEDOUT);
    kith_connection_free(connection);
}

/** Comes from an address of this machine. @return what becomes of it: a code of kith_connect */
static int come_with(const kith_client_options *options)
{
    struct caller caller;
    const kith_listener_stats before = stats_of(listener);
    call(&caller, kith_listener_address(listener), options);
    kith_listener_stats now = before;
    while (now.accepted + now.refused + now.turned_away == before.accepted + before.refused + before.turned_away) {
        serve_next();
        now = stats_of(listener);
    }
    int code = called(&caller);
    kith_connection_free(caller.connection);
    return code;
}

static void expect_to_be_turned_away(const kith_client_options *options)
{
    const uint64_t before = stats_of(listener).turned_away;
    int code = come_with(options);
    assert_true(code == KITH_EEOF || code == -ECONNRESET);
    assert_int_equal(stats_of(listener).turned_away, before + 1);
}

static void listen_counting(const char *address, unsigned max)
{
    listener = listen_at(address, &(kith_listener_options){ KEY("the key"), .max_failures = max });
}

static void a_user_who_fails_too_often_is_turned_away(void **state)
{
    (void)state;
    listen_counting(own_name, 2);
    assert_code(come_with(&right), 0);
    assert_code(come_with(&wrong), KITH_EAUTH);
    assert_code(come_with(&right), 0);
    assert_code(come_with(&wrong), KITH_EAUTH);
    expect_to_be_turned_away(&right);
    expect_to_be_turned_away(&wrong);
    assert_int_equal(stats_of(listener).refused, 2);
    assert_int_equal(stats_of(listener).accepted, 2);
    assert_int_equal(stats_of(listener).handshakes, 0);
}

static void without_a_bound_nobody_is(void **state)
{
    (void)state;
    listener = listen_at(own_name, &(kith_listener_options){ KEY("the key") });
    for (int i = 0; i < 100; i++)
        assert_code(come_with(&wrong), KITH_EAUTH);
    assert_code(come_with(&right), 0);
    assert_int_equal(stats_of(listener).turned_away, 0);
}

/** A stranger from 127.0.0.HOST, who is about to be looked at. */
static int come_from(unsigned host)
{
    struct sockaddr_storage where;
    socklen_t size = address_of(kith_listener_address(listener), &where);
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host) };
    int made = stranger_socket("tcp:");
    assert_int_equal(bind(made, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(made, (struct sockaddr *)&where, size), 0);
    return made;
}

static void say_nonsense(int stranger)
{
    say_raw(stranger, "GET / HTTP/1.1\r\n\r\n", 18);
}

/** Talks nonsense, from 127.0.0.HOST. @return what it got of the listener's challenge: 0 when it was turned away */
static size_t talk_nonsense_from(unsigned host)
{
    int made = come_from(host);
    const kith_listener_stats before = stats_of(listener);
    say_nonsense(made);
    kith_listener_stats now = before;
    while (now.refused + now.turned_away == before.refused + before.turned_away) {
        serve_next();
        now = stats_of(listener);
    }
    close(made);
    return now.refused - before.refused;
}

static void another_address_is_not_affected(void **state)
{
    (void)state;
    listen_counting("tcp:127.0.0.1:0", 1);
    assert_int_equal(talk_nonsense_from(2), 1);
    assert_int_equal(talk_nonsense_from(2), 0);
    assert_int_equal(talk_nonsense_from(3), 1);
    assert_int_equal(talk_nonsense_from(2), 0);
    assert_code(come_with(&right), 0);
}

/* Each failure is forgotten after 1/600 of a minute, while others may fail faster than that. */
static void what_was_failed_is_forgotten(void **state)
{
    (void)state;
    listen_counting(own_name, 600);
    while (stats_of(listener).turned_away == 0)
        come_with(&wrong);
    assert_true(stats_of(listener).refused >= 600);
    while (stats_of(listener).accepted == 0)
        come_with(&right);
}

/* They were let in before the first of them had failed; what exceeds the bound is forgotten as the rest is. */
static void those_who_fail_all_at_once_are_forgotten_as_soon(void **state)
{
    enum { MAX = 100, STRANGERS = 200 };
    int strangers[STRANGERS];
    (void)state;
    listen_counting("tcp:127.0.0.1:0", MAX);
    for (unsigned i = 0; i < STRANGERS; i++) {
        strangers[i] = come_from(2);
        while (stats_of(listener).handshakes == i)
            serve_next();
    }
    for (unsigned i = 0; i < STRANGERS; i++)
        say_nonsense(strangers[i]);
    while (stats_of(listener).refused < STRANGERS)
        serve_next();
    for (unsigned i = 0; i < STRANGERS; i++)
        close(strangers[i]);
    while (talk_nonsense_from(2) == 0) /* for 1/100 of a minute, and not for a whole one */
        ;
}

/* There is room for some 1,000: the first ones are forgotten early, and the last ones are known. */
static void those_who_failed_last_are_known(void **state)
{
    (void)state;
    listen_counting("tcp:127.0.0.1:0", 1);
    for (unsigned host = 2; host < 1200; host++)
        assert_int_equal(talk_nonsense_from(host), 1);
    assert_int_equal(talk_nonsense_from(1199), 0);
    assert_int_equal(talk_nonsense_from(2), 1);
}

#define FAILURE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_listener, tear_down_listener)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAILURE_TEST(a_user_who_fails_too_often_is_turned_away),
        FAILURE_TEST(without_a_bound_nobody_is),
        FAILURE_TEST(another_address_is_not_affected),
        FAILURE_TEST(what_was_failed_is_forgotten),
        FAILURE_TEST(those_who_fail_all_at_once_are_forgotten_as_soon),
        FAILURE_TEST(those_who_failed_last_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
