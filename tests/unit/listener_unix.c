/* kith/connection.h: listeners at Unix sockets: the file, its permissions and its end; files that dead listeners have
 * left; and who may come in. */
#include "strangers.h"

#include <sys/file.h>
#include <sys/stat.h>

static const kith_listener_options with_key = { KEY("the key") };
static const kith_client_options client_with_key = { KEY("the key") };

static kith_listener *listener;
static char folder[32];
static char path[64];
static char address[sizeof "unix:" + sizeof path];

static int set_up_folder(void **state)
{
    listener = NULL;
    snprintf(folder, sizeof folder, "/tmp/kith-test-XXXXXX");
    if (set_up_name(state) < 0 || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(address, sizeof address, "unix:%s", path);
    return 0;
}

static int tear_down_folder(void **state)
{
    kith_listener_free(listener);
    unlink(path);
    rmdir(folder);
    return tear_down(state);
}

static mode_t mode_of(const char *file)
{
    struct stat status;
    return lstat(file, &status) < 0 ? 0 : status.st_mode;
}

static void expect_meeting(void)
{
    kith_connection *client, *server;
    meet(listener, &client_with_key, &client, &server);
    expect_talk(client, server);
    kith_connection_free(client);
    kith_connection_free(server);
}

/* ---- the file ---- */

static void the_file_is_for_its_user_alone_and_goes_with_its_listener(void **state)
{
    (void)state;
    mode_t umask_before = umask(0);
    listener = listen_at(address, &with_key);
    umask(umask_before);
    assert_int_equal(mode_of(path), S_IFSOCK | 0600);
    assert_string_equal(kith_listener_address(listener), address);
    expect_meeting();
    kith_listener_close(listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void it_has_the_permissions_that_were_asked_for_whatever_the_umask(void **state)
{
    (void)state;
    const unsigned modes[] = { 0666, 0660, 0622, 0777, 0200 };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        mode_t umask_before = umask(077);
        int code = kith_listener_new(&listener, address, &(kith_listener_options){ .mode = modes[i] });
        umask(umask_before);
        assert_code(code, 0);
        assert_int_equal(mode_of(path), S_IFSOCK | modes[i]);
        kith_listener_free(listener);
        listener = NULL;
    }
}

static void a_living_listener_is_not_replaced_nor_bothered(void **state)
{
    (void)state;
    kith_listener *other = NULL;
    listener = listen_at(address, &with_key);
    assert_explained(kith_listener_new(&other, address, &with_key), -EADDRINUSE);
    assert_null(other);
    assert_false(readable(kith_listener_fd(listener), 0));
    expect_meeting();
    assert_int_equal(stats_of(listener).gone, 0);
}

static void nor_is_a_stranger_that_listens_or_is_about_to(void **state)
{
    (void)state;
    struct sockaddr_storage where;
    socklen_t size = address_of(address, &where);
    int strange = stranger_socket(address);
    assert_int_equal(bind(strange, (struct sockaddr *)&where, size), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_int_equal(listen(strange, 1), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_false(readable(strange, 0));
    close(strange);
    unlink(path);
    strange = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(strange, (struct sockaddr *)&where, size), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_int_equal(mode_of(path) & S_IFMT, S_IFSOCK);
    close(strange);
}

static int die_listening(void)
{
    EXPECT(kith_listener_new(&listener, address, &with_key) == 0);
    return raise(SIGKILL);
}

static void the_file_of_a_killed_listener_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(apart(die_listening), -SIGKILL);
    assert_int_equal(mode_of(path), S_IFSOCK | 0600);
    listener = listen_at(address, &with_key);
    expect_meeting();
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_int_equal(mode_of(path), S_IFREG | 0600);
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_int_equal(mode_of(path) & S_IFMT, S_IFLNK);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    assert_int_equal(rmdir(path), 0);
}

/* Whoever holds the folder for ever, as anybody may who can read it, keeps nobody waiting for ever. */
static void a_folder_that_is_held_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(apart(die_listening), -SIGKILL);
    int holder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(holder, LOCK_EX), 0);
    assert_explained(kith_listener_new(&listener, address, NULL), -EADDRINUSE);
    close(holder);
    listener = listen_at(address, &with_key);
    expect_meeting();
}

/* Waits with the others, tries, and keeps the file until the others have tried. */
static int race(void)
{
    char byte;
    wait_to_go();
    int code = kith_listener_new(&listener, address, &with_key);
    EXPECT(code == 0 || code == -EADDRINUSE);
    say(code == 0 ? 'l' : 'n');
    EXPECT(code < 0 || read(living[0], &byte, 1) == 1);
    return 0;
}

static void of_many_just_one_replaces_it(void **state)
{
    (void)state;
    enum { COUNT = 8, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        pid_t racers[COUNT];
        int winners = 0;
        assert_int_equal(apart(die_listening), -SIGKILL);
        for (int i = 0; i < COUNT; i++)
            racers[i] = apart_start(race);
        for (int i = 0; i < COUNT; i++)
            let_go();
        for (int i = 0; i < COUNT; i++)
            winners += hear() == 'l';
        int reached = try_stranger(address);
        for (int i = 0; i < winners; i++)
            assert_int_equal(write(living[1], "", 1), 1);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(apart_wait(racers[i]), 0);
        close(reached);
        assert_int_equal(winners, 1);
        assert_true(reached >= 0); /* it can be found */
    }
}

static void a_file_that_took_its_place_is_left_alone(void **state)
{
    (void)state;
    listener = listen_at(address, &with_key);
    unlink(path);
    kith_listener *other = listen_at(address, &with_key);
    kith_listener_free(listener);
    listener = other;
    assert_int_equal(mode_of(path), S_IFSOCK | 0600);
    expect_meeting();
}

static void a_relative_path_is_found_from_anywhere(void **state)
{
    (void)state;
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(folder), 0);
    int code = kith_listener_new(&listener, "unix:socket", &with_key);
    assert_int_equal(fchdir(before), 0);
    close(before);
    assert_code(code, 0);
    assert_int_equal(mode_of(path), S_IFSOCK | 0600);
    kith_listener_close(listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void no_folder_no_listener(void **state)
{
    (void)state;
    assert_explained(kith_listener_new(&listener, "unix:/nowhere/at/all", NULL), -ENOENT);
    assert_explained(kith_listener_new(&listener, "unix:/etc/passwd/socket", NULL), -ENOENT);
    assert_explained(kith_listener_new(&listener, "unix:/tmp/", NULL), -EINVAL);
}

static int free_it(void *nothing)
{
    kith_listener_free(listener);
    return nothing != NULL;
}

static int free_it_apart(void)
{
    return free_it(NULL);
}

static void no_child_removes_it(void **state)
{
    (void)state;
    listener = listen_at(address, &with_key);
    finish(start(free_it, NULL, NULL), 0);
    assert_int_equal(apart(free_it_apart), 0);
    assert_int_equal(mode_of(path), S_IFSOCK | 0600);
    expect_meeting();
}

/* ---- who ---- */

static void the_kernel_tells_who_came(void **state)
{
    (void)state;
    kith_connection *client, *server;
    kith_peer peer;
    listener = listen_at(address, &with_key);
    meet(listener, &client_with_key, &client, &server);
    assert_code(kith_connection_peer(server, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(peer.gid, getegid());
    assert_code(kith_connection_peer(client, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_string_equal(peer.address, address);
    kith_connection_free(client);
    kith_connection_free(server);
}

/* A client that has bound its socket to a name of so many bytes. */
static void expect_peer_address(const char *name, size_t size, const char *expected)
{
    kith_peer peer;
    struct sockaddr_un own = { .sun_family = AF_UNIX };
    struct sockaddr_storage theirs;
    socklen_t length = address_of(address, &theirs);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    memcpy(own.sun_path, name, size);
    assert_int_equal(bind(client, (struct sockaddr *)&own, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                     0);
    assert_int_equal(connect(client, (struct sockaddr *)&theirs, length), 0);
    kith_connection *server = accept_one(listener);
    assert_code(kith_connection_peer(server, &peer), 0);
    assert_string_equal(peer.address, expected);
    kith_connection_free(server);
    close(client);
    if (*name)
        unlink(name);
}

static void a_client_may_have_any_name(void **state)
{
    (void)state;
    char longest[110], text[sizeof "unix:" + sizeof longest];
    listener = listen_at(address, NULL);
    memset(longest, 'x', sizeof longest);
    memcpy(longest, path, strlen(path));
    longest[strlen(path)] = '-';
    longest[107] = longest[108] = '\0';
    snprintf(text, sizeof text, "unix:%s", longest);
    expect_peer_address(longest, 108, text);
    longest[107] = 'x'; /* the system takes 108 bytes, and no 0 behind them; kith_connect does not */
    expect_peer_address(longest, 108, "");
    snprintf(longest, sizeof longest, "%ckith-test-%d", '\0', (int)getpid());
    snprintf(text, sizeof text, "unix:@%s", longest + 1);
    expect_peer_address(longest, strlen(text) - 5, text);
    expect_peer_address(longest, strlen(text) - 4, ""); /* another name, with a 0 at its end */
}

static void allowed_users_come_in(void **state)
{
    (void)state;
    const uid_t users[] = { 4711, geteuid(), 4712 };
    listener =
        listen_at(address, &(kith_listener_options){ KEY("the key"), .allowed_users = users, .allowed_user_count = 3 });
    expect_meeting();
}

static void others_hear_not_a_word(void **state)
{
    (void)state;
    const uid_t users[] = { geteuid() + 1, geteuid() + 2 };
    listener =
        listen_at(address, &(kith_listener_options){ KEY("the key"), .allowed_users = users, .allowed_user_count = 2 });
    int client = stranger(listener);
    while (stats_of(listener).refused < 1)
        serve(listener);
    hear_the_end(client);
    close(client);
    kith_listener_free(listener);
    listener = listen_at(own_name, &(kith_listener_options){ .allowed_users = users, .allowed_user_count = 2 });
    client = stranger(listener);
    while (stats_of(listener).refused < 1)
        serve(listener);
    hear_the_end(client);
    close(client);
    assert_int_equal(stats_of(listener).accepted, 0);
}

#define UNIX_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_folder, tear_down_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIX_TEST(the_file_is_for_its_user_alone_and_goes_with_its_listener),
        UNIX_TEST(it_has_the_permissions_that_were_asked_for_whatever_the_umask),
        UNIX_TEST(a_living_listener_is_not_replaced_nor_bothered),
        UNIX_TEST(nor_is_a_stranger_that_listens_or_is_about_to),
        UNIX_TEST(the_file_of_a_killed_listener_is_replaced),
        UNIX_TEST(a_file_that_is_no_socket_is_left_alone),
        UNIX_TEST(a_folder_that_is_held_is_given_up),
        UNIX_TEST(of_many_just_one_replaces_it),
        UNIX_TEST(a_file_that_took_its_place_is_left_alone),
        UNIX_TEST(a_relative_path_is_found_from_anywhere),
        UNIX_TEST(no_folder_no_listener),
        UNIX_TEST(no_child_removes_it),
        UNIX_TEST(the_kernel_tells_who_came),
        UNIX_TEST(a_client_may_have_any_name),
        UNIX_TEST(allowed_users_come_in),
        UNIX_TEST(others_hear_not_a_word),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
