/* kith/connection.h: listeners at sockets that listen already: who hands them over, what they are, and what is left of
 * them afterwards; and several that share one. */
#include "strangers.h"

static const kith_listener_options with_key = { KEY("the key") };
static const kith_client_options client_with_key = { KEY("the key") };

static kith_listener *listener;
static int given;
static char address[16]; /* "fd:..." */
static kith_listener *other;
static int lobby[2];
static const kith_listener_options with_lobby = { KEY("the key"), .lobby = lobby };

static int set_up_given(void **state)
{
    listener = other = NULL;
    given = lobby[0] = lobby[1] = -1;
    return set_up_name(state);
}

static void take_back(void)
{
    close(given);
    given = -1;
}

static int tear_down_given(void **state)
{
    kith_listener_free(listener);
    kith_listener_free(other);
    take_back();
    close(lobby[0]);
    close(lobby[1]);
    return tear_down(state);
}

static void give(int socket)
{
    assert_true(socket >= 0);
    given = socket;
    snprintf(address, sizeof address, "fd:%d", given);
}

static void expect_meeting(void)
{
    kith_connection *client, *server;
    meet(listener, &client_with_key, &client, &server);
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

static void its_address_is_the_one_of_the_socket(void **state)
{
    (void)state;
    give(strange_listener(own_name, 8));
    listener = listen_at(address, &with_key);
    assert_string_equal(kith_listener_address(listener), own_name);
    expect_meeting();
    kith_listener_free(listener);
    take_back();
    give(strange_listener("tcp:127.0.0.1:0", 8));
    listener = listen_at(address, &with_key);
    assert_memory_equal(kith_listener_address(listener), "tcp:127.0.0.1:", 14);
    expect_meeting();
}

static void who_waits_already_is_taken_in(void **state)
{
    (void)state;
    struct caller caller;
    give(strange_listener(own_name, 8));
    call(&caller, own_name, &client_with_key);
    assert_true(readable(given, PATIENCE));
    listener = listen_at(address, &with_key);
    kith_connection_free(accept_one(listener));
    assert_code(called(&caller), 0);
    kith_connection_free(caller.connection);
}

static void the_socket_outlives_its_listeners(void **state)
{
    (void)state;
    char folder[] = "/tmp/kith-test-XXXXXX", path[64], name[sizeof "unix:" + sizeof path];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(name, sizeof name, "unix:%s", path);
    give(strange_listener(name, 8));
    for (int i = 0; i < 2; i++) {
        listener = listen_at(address, &with_key);
        expect_meeting();
        kith_listener_free(listener);
        listener = NULL;
        assert_int_equal(access(path, F_OK), 0);
    }
    int client = try_stranger(name);
    assert_true(client >= 0);
    assert_true(readable(given, PATIENCE));
    close(client);
    unlink(path);
    rmdir(folder);
}

static void the_listener_has_a_descriptor_of_its_own(void **state)
{
    (void)state;
    give(strange_listener(own_name, 8));
    listener = listen_at(address, &with_key);
    take_back();
    expect_meeting();
}

static void what_does_not_listen_is_refused(void **state)
{
    (void)state;
    struct sockaddr_storage where;
    socklen_t size = address_of("tcp:127.0.0.1:0", &where);
    give(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    assert_explained(kith_listener_new(&listener, address, &with_key), -EINVAL);
    take_back();
    give(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    assert_int_equal(bind(given, (struct sockaddr *)&where, size), 0);
    assert_explained(kith_listener_new(&listener, address, &with_key), -EINVAL);
    take_back();
    give(open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_explained(kith_listener_new(&listener, address, &with_key), -EINVAL);
    take_back();
    assert_explained(kith_listener_new(&listener, address, &with_key), -EBADF);
    assert_null(listener);
}

static void so_are_numbers_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = { "fd:", "fd:-1", "fd:3x", "fd: 3", "fd:12345678901", "fd:three" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_explained(kith_listener_new(&listener, wrong[i], &with_key), -EINVAL);
    assert_null(listener);
}

static void nobody_connects_to_a_number(void **state)
{
    (void)state;
    kith_connection *connection = NULL;
    assert_explained(kith_connect(&connection, "fd:3", &client_with_key, LONG), -EINVAL);
    assert_null(connection);
}

static void its_file_has_the_mode_that_its_maker_gave(void **state)
{
    (void)state;
    give(strange_listener(own_name, 8));
    assert_explained(kith_listener_new(&listener, address, &(kith_listener_options){ KEY("k"), .mode = 0600 }),
                     -EINVAL);
    assert_null(listener);
}

/* ---- several at one socket ---- */

static void share(void)
{
    give(strange_listener(own_name, 8));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lobby), 0);
    listener = listen_at(address, &with_lobby);
    other = listen_at(address, &with_lobby);
}

/* Gives clients their turns, and keeps them. */
static void look(kith_listener *one)
{
    kith_connection *connection = NULL;
    assert_true(readable(kith_listener_fd(one), PATIENCE));
    assert_code(kith_listener_accept(one, &connection, KITH_NOWAIT), -ETIMEDOUT);
}

/* A client that proves itself to one of them. */
static int begin_at(kith_listener *one)
{
    unsigned char challenge[600];
    int client = stranger(one);
    while (!readable(client, 0))
        look(one);
    assert_true(hear_frame(client, challenge) > 0);
    assert_int_equal(stats_of(one).handshakes, 1);
    return client;
}

/* It goes on with the other one, who is the first to hear that it has no key. */
static void expect_to_go_on(int client)
{
    say_words(client, "no response");
    while (stats_of(other).refused < 1)
        look(other);
    hear_words(client, "#FAILURE#");
    hear_the_end(client);
    close(client);
}

static void whom_one_leaves_another_goes_on_with(void **state)
{
    (void)state;
    share();
    int client = begin_at(listener);
    expect_meeting();
    assert_int_equal(stats_of(listener).handshakes, 0);
    assert_int_equal(stats_of(other).handshakes, 0);
    expect_to_go_on(client);
}

static void whom_one_does_not_wait_for_another_goes_on_with(void **state)
{
    (void)state;
    share();
    int client = begin_at(listener);
    serve(listener);
    assert_int_equal(stats_of(listener).handshakes, 0);
    expect_to_go_on(client);
}

static void so_it_is_when_one_closes(void **state)
{
    (void)state;
    share();
    int client = begin_at(listener);
    kith_listener_close(listener);
    expect_to_go_on(client);
}

static void everybody_has_the_time_that_was_given_first(void **state)
{
    (void)state;
    share();
    kith_listener_free(other);
    kith_listener_options hasty = with_lobby;
    hasty.handshake_timeout = KITH_MS(20);
    other = listen_at(address, &hasty);
    int patient = begin_at(listener);
    kith_listener_close(listener);
    while (stats_of(other).handshakes < 1)
        look(other);
    int late = stranger(other);
    while (stats_of(other).timed_out < 1)
        look(other);
    close(late);
    assert_int_equal(stats_of(other).handshakes, 1);
    expect_to_go_on(patient);
}

static void there_is_no_room_for_more_than_may_prove_themselves(void **state)
{
    (void)state;
    share();
    kith_listener_free(other);
    kith_listener_options small = with_lobby;
    small.max_handshakes = 1;
    other = listen_at(address, &small);
    int first = begin_at(listener), second = begin_at(other);
    kith_listener_close(listener);
    while (stats_of(other).evicted < 1)
        look(other);
    hear_the_end(first); /* the oldest, though the last to come */
    close(first);
    expect_to_go_on(second);
}

/** Puts into the lobby what is no client, but has a descriptor. */
static void litter(int descriptor)
{
    char nothing[5] = { 0 };
    struct iovec piece = { .iov_base = nothing, .iov_len = sizeof nothing };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof descriptor)];
    } control = { .header = {
                      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof descriptor) } };
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    assert_int_equal(sendmsg(lobby[0], &message, 0), sizeof nothing);
}

static void what_lies_in_the_lobby_and_is_no_client_is_nobody(void **state)
{
    (void)state;
    int ends[2];
    share();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(send(lobby[0], "hello", 5, 0), 5);
    litter(ends[1]);
    close(ends[1]);
    expect_meeting();
    while (readable(lobby[1], 0))
        look(other);
    assert_true(readable(ends[0], PATIENCE)); /* the end, for nobody has the other one any more */
    close(ends[0]);
}

static void when_nobody_has_the_lobby_it_is_the_end(void **state)
{
    (void)state;
    share();
    int client = begin_at(listener);
    kith_listener_close(listener);
    kith_listener_close(other);
    assert_false(readable(client, 0));
    for (int i = 0; i < 2; i++) {
        close(lobby[i]);
        lobby[i] = -1;
    }
    hear_the_end(client);
    close(client);
}

static void what_is_no_lobby_is_refused(void **state)
{
    (void)state;
    assert_explained(kith_listener_new(&listener, own_name, &with_lobby), -EINVAL);
    give(strange_listener(own_name, 8));
    assert_explained(kith_listener_new(&listener, address, &with_lobby), -EBADF);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lobby), 0);
    assert_explained(kith_listener_new(&listener, address, &with_lobby), -EINVAL);
    assert_null(listener);
}

#define GIVEN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_given, tear_down_given)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GIVEN_TEST(its_address_is_the_one_of_the_socket),
        GIVEN_TEST(who_waits_already_is_taken_in),
        GIVEN_TEST(the_socket_outlives_its_listeners),
        GIVEN_TEST(the_listener_has_a_descriptor_of_its_own),
        GIVEN_TEST(what_does_not_listen_is_refused),
        GIVEN_TEST(so_are_numbers_that_are_none),
        GIVEN_TEST(nobody_connects_to_a_number),
        GIVEN_TEST(its_file_has_the_mode_that_its_maker_gave),
        GIVEN_TEST(whom_one_leaves_another_goes_on_with),
        GIVEN_TEST(whom_one_does_not_wait_for_another_goes_on_with),
        GIVEN_TEST(so_it_is_when_one_closes),
        GIVEN_TEST(everybody_has_the_time_that_was_given_first),
        GIVEN_TEST(there_is_no_room_for_more_than_may_prove_themselves),
        GIVEN_TEST(what_lies_in_the_lobby_and_is_no_client_is_nobody),
        GIVEN_TEST(when_nobody_has_the_lobby_it_is_the_end),
        GIVEN_TEST(what_is_no_lobby_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
