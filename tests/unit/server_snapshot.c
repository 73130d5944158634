/* kith/manager.h: snapshots: what a server has when it is started again, and its clients; what is no snapshot. */
#include "served.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char folder[] = "/tmp/kith-test-XXXXXX";
static char path[sizeof folder + 16];

/* ---- a type of the program's ---- */

static atomic_bool may_go;
static atomic_int at_work;

static int make_note(void *nothing, kith_call *call)
{
    (void)nothing;
    int64_t number = 0;
    if (kith_value_length(kith_call_args(call)) > 0 && kith_value_unpack(kith_call_args(call), "(I)", &number) < 0)
        return kith_fail(KITH_ETYPE, "a note is a number");
    int64_t *note = malloc(sizeof *note);
    if (!note)
        return -ENOMEM;
    *note = number;
    return kith_call_return_object(call, note);
}

static int get(void *note, kith_call *call)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), *(const int64_t *)note));
}

static int set(void *note, kith_call *call)
{
    return kith_value_unpack(kith_call_args(call), "(I)", (int64_t *)note);
}

static int wait_and_set(void *note, kith_call *call)
{
    at_work++;
    while (!may_go)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    at_work--;
    return set(note, call);
}

static const kith_method methods[] = {
    { "get", get, NULL, 1 },
    { "set", set, NULL, 0 },
    { "wait_and_set", wait_and_set, NULL, 0 },
    { NULL, NULL, NULL, 0 },
};

static const kith_type note_type = { "Note", methods, make_note, free, get, make_note };
static const kith_type passing_type = { "Passing", methods, make_note, free, NULL, NULL };

/* ---- servers, one after the other ---- */

static int64_t number_in(const kith_value *value)
{
    return value ? as_int(value) : -1;
}

static kith_value *number(int64_t of)
{
    return kith_value_pack(arena, "(I)", of);
}

static void make(const char *where)
{
    make_server(where, (kith_server_options){ .snapshot = path, .snapshot_interval = KITH_MS(1) });
    assert_code(kith_server_register(server, &note_type), 0);
    assert_code(kith_server_register(server, &passing_type), 0);
}

static void make_and_serve(void)
{
    make(NULL);
    publish("note", "Note", NULL);
    publish("passing", "Passing", NULL);
    publish("dict", "dict", NULL);
    publish("queue", "Queue", NULL);
    serve();
}

static void end(void)
{
    assert_code(end_server(NULL), 0);
}

static int begin(void **state)
{
    (void)state;
    may_go = false;
    snprintf(folder, sizeof folder, "/tmp/kith-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/snapshot", folder);
    return 0;
}

static int finish(void **state)
{
    may_go = true;
    end_server(state);
    unlink(path);
    return rmdir(folder);
}

static void write_file(const char *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    close(file);
}

/* ---- restarts ---- */

static void objects_of_own_types_come_back(void **state)
{
    (void)state;
    make_and_serve();
    kith_connection *line = dial_line();
    const char *note = create("note", NULL), *passing = create("passing", NULL);
    char note_before[40], passing_before[40];
    snprintf(note_before, sizeof note_before, "%s", note);
    snprintf(passing_before, sizeof passing_before, "%s", passing);
    ask(line, note, "set", number(7));
    ask(line, passing, "set", number(8));
    kith_connection_free(line);
    end();
    make_and_serve();
    line = dial_line();
    assert_int_equal(number_in(ask(line, note_before, "get", NULL)), 7);
    assert_int_equal(number_in(ask(line, passing_before, "get", NULL)), 0); /* it begins anew, under its id */
    assert_string_equal(create("note", NULL), note_before);
    kith_connection_free(line);
}

/* What a client leaves in a dict: what can be kept, and what can't. */
static void what_can_not_be_kept_is_left_out(void **state)
{
    (void)state;
    make_and_serve();
    kith_manager *manager;
    kith_proxy *dict, *kept, *left;
    kith_value *value, *found;
    const kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
    assert_code(kith_manager_create(manager, &dict, "dict", KITH_NO_ARGS, NULL), 0);
    assert_code(kith_manager_create(manager, &kept, "Note", number(3), NULL), 0);
    assert_code(kith_manager_create(manager, &left, "Passing", number(4), NULL), 0);
    value = kith_value_pack(arena, "(sv)", "kept", kith_proxy_value(kept, arena));
    assert_code(kith_proxy_call(dict, "__setitem__", value, NULL, NULL, NULL, PATIENCE), 0);
    value = kith_value_pack(arena, "(sv)", "left", kith_proxy_value(left, arena));
    assert_code(kith_proxy_call(dict, "__setitem__", value, NULL, NULL, NULL, PATIENCE), 0);
    kith_proxy_free(kept);
    kith_proxy_free(left);
    end();
    make_and_serve();
    /* The first call learns that the server had gone, and the next ones are the new server's. */
    int code =
        kith_proxy_call(dict, "__getitem__", kith_value_pack(arena, "(s)", "kept"), NULL, arena, &found, PATIENCE);
    if (code < 0) {
        assert_code(code, KITH_ECLOSED);
        assert_code(
            kith_proxy_call(dict, "__getitem__", kith_value_pack(arena, "(s)", "kept"), NULL, arena, &found, PATIENCE),
            0);
    }
    assert_code(kith_proxy_from_value(manager, &kept, found), 0);
    assert_code(kith_proxy_call(kept, "get", KITH_NO_ARGS, NULL, arena, &value, PATIENCE), 0);
    assert_int_equal(number_in(value), 3);
    assert_code(
        kith_proxy_call(dict, "__getitem__", kith_value_pack(arena, "(s)", "left"), NULL, arena, &found, PATIENCE), 0);
    assert_explained(kith_proxy_from_value(manager, &left, found), -ENOENT);
    kith_proxy_free(kept);
    kith_proxy_free(dict);
    kith_manager_free(manager);
}

/* A queue that a client has in shared memory, where it puts without a call. */
static void a_shared_queue_is_kept(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    make_and_serve();
    kith_manager *manager;
    kith_proxy *queue;
    const kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
    assert_code(kith_manager_create(manager, &queue, "queue", KITH_NO_ARGS, NULL), 0);
    for (int i = 0; i < MANY; i++)
        assert_code(kith_proxy_put(queue, kith_value_int(arena, i), PATIENCE), 0);
    assert_int_equal(stats().shared_queues, 1);
    kith_proxy_free(queue);
    kith_manager_free(manager);
    end();
    make_and_serve();
    kith_connection *line = dial_line();
    const char *id = create("queue", NULL);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(as_int(ask(line, id, "get_nowait", NULL)), i);
    assert_true(is_true(ask(line, id, "empty", NULL)));
    kith_connection_free(line);
}

/* ---- when ---- */

static void they_are_written_when_something_has_changed(void **state)
{
    (void)state;
    make_and_serve();
    wait_until(stats().snapshots == 1);
    kith_connection *line = dial_line();
    const char *note = create("note", NULL);
    ask(line, note, "set", number(1));
    wait_until(stats().snapshots >= 2);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode, S_IFREG | 0600);
    kith_connection_free(line);
}

static void a_server_that_runs_again_takes_them_again(void **state)
{
    (void)state;
    char id[40];
    make_and_serve();
    snprintf(id, sizeof id, "%s", create("note", NULL));
    for (int i = 0; i < 2; i++) {
        kith_server_stop(server);
        assert_code(await_end(), 0);
        serve();
        wait_until(stats().snapshots > 0);
    }
    end();
    make_and_serve();
    assert_string_equal(create("note", NULL), id);
}

/* One whose method is at work is saved as it was before. */
static void a_method_at_work_holds_nothing_up(void **state)
{
    (void)state;
    make_and_serve();
    kith_connection *line = dial_line(), *other = dial_line();
    const char *note = create("note", NULL), *dict = create("dict", NULL);
    send_request(line, note, "wait_and_set", number(5), NULL);
    wait_until(at_work == 1);
    uint64_t before = stats().snapshots;
    ask(other, dict, "__setitem__", kith_value_pack(arena, "(ss)", "key", "value"));
    wait_until(stats().snapshots > before);
    may_go = true;
    receive_reply(line);
    kith_connection_free(line);
    kith_connection_free(other);
    end();
    make_and_serve();
    line = dial_line();
    assert_int_equal(number_in(ask(line, create("note", NULL), "get", NULL)), 5);
    kith_connection_free(line);
}

/* ---- what is none ---- */

static void a_file_that_is_no_snapshot_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "no pickle", "\x80\x04N.", "\x80\x04)." };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_file(wrong[i], strlen(wrong[i]));
        make(NULL);
        assert_explained(kith_server_load(server), KITH_EMALFORMED);
        end_server(NULL);
        make(NULL);
        assert_explained(kith_server_run(server), KITH_EMALFORMED);
        end_server(NULL);
    }
}

static void it_is_read_once_and_early_if_wanted(void **state)
{
    (void)state;
    assert_explained(kith_server_load(NULL), -EINVAL);
    make(NULL);
    assert_code(kith_server_load(server), 0); /* there is none */
    write_file("no pickle", 9);
    assert_code(kith_server_load(server), 0);
    serve();
    wait_until(stats().snapshots == 1);
    end();
}

static void published_objects_must_be_so_still(void **state)
{
    (void)state;
    make_and_serve();
    end();
    make(NULL);
    publish("note", "Note", NULL);
    assert_explained(kith_server_load(server), -ENOENT);
    end_server(NULL);
    make(NULL);
    publish("note", "dict", NULL);
    publish("passing", "Passing", NULL);
    publish("dict", "dict", NULL);
    publish("queue", "Queue", NULL);
    assert_explained(kith_server_load(server), KITH_ETYPE);
    end_server(NULL);
    make_and_serve();
    end();
}

/* ---- whose it is ---- */

static int load_another(void)
{
    kith_server *other;
    const kith_server_options options = { .listener = { .authkey = KEY, .authkey_size = strlen(KEY) },
                                          .snapshot = path };
    assert_code(kith_server_new(&other, "tcp:127.0.0.1:0", &options), 0);
    int code = kith_server_load(other);
    kith_server_free(other);
    return code;
}

static void one_server_has_it_at_a_time(void **state)
{
    (void)state;
    make_and_serve();
    wait_until(stats().snapshots > 0);
    assert_explained(load_another(), -EBUSY);
    assert_explained(load_another(), -EBUSY); /* who was refused has not taken the lock along */
    end();
    make(NULL);
    assert_explained(kith_server_load(server), -ENOENT); /* nothing is published: but the file is to be had */
}

/* What a server leaves that was killed. */
static void a_lock_that_nobody_holds_is_none(void **state)
{
    (void)state;
    char lock[sizeof path + sizeof ".lock"];
    snprintf(lock, sizeof lock, "%s.lock", path);
    close(open(lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    make_and_serve();
    end();
    assert_int_equal(access(lock, F_OK), -1); /* and it does not stay */
}

/* A child that frees its copy of the server leaves the lock to its parent. */
static void a_child_does_not_unlock_it(void **state)
{
    (void)state;
    int ends[2];
    char byte = 0;
    make(NULL);
    assert_code(kith_server_load(server), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        kith_server_free(server);
        bool good = write(ends[1], &byte, 1) == 1 && read(ends[1], &byte, 1) == 0;
        _exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    bool told = read(ends[0], &byte, 1) == 1;
    int while_ours = load_another();
    kith_server_free(server);
    server = NULL;
    int after = load_another();
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(told);
    assert_code(while_ours, -EBUSY);
    assert_code(after, 0);
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/none/file", folder);
    make(NULL);
    assert_explained(kith_server_run(server), -ENOENT);
    assert_non_null(strstr(kith_error_detail(), "folder"));
}

/* Proxies have the server's address in them. */
static void objects_that_refer_to_each_other_want_their_address(void **state)
{
    (void)state;
    make("tcp:127.0.0.1:0");
    publish("dict", "dict", NULL);
    serve();
    end();
    make("tcp:127.0.0.1:0"); /* another port, and nothing refers to anything */
    publish("dict", "dict", NULL);
    serve();
    kith_connection *line = dial_line();
    kith_manager *manager;
    kith_proxy *note;
    const kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
    assert_code(kith_manager_create(manager, &note, "Note", KITH_NO_ARGS, NULL), 0);
    ask(line, create("dict", NULL), "__setitem__",
        kith_value_pack(arena, "(sv)", "note", kith_proxy_value(note, arena)));
    kith_proxy_free(note);
    kith_manager_free(manager);
    kith_connection_free(line);
    end();
    make(NULL);
    publish("dict", "dict", NULL);
    assert_explained(kith_server_load(server), -EADDRNOTAVAIL);
}

#define SNAPSHOT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(objects_of_own_types_come_back),
        SNAPSHOT_TEST(what_can_not_be_kept_is_left_out),
        SNAPSHOT_TEST(a_shared_queue_is_kept),
        SNAPSHOT_TEST(they_are_written_when_something_has_changed),
        SNAPSHOT_TEST(a_server_that_runs_again_takes_them_again),
        SNAPSHOT_TEST(a_method_at_work_holds_nothing_up),
        SNAPSHOT_TEST(a_file_that_is_no_snapshot_is_refused),
        SNAPSHOT_TEST(it_is_read_once_and_early_if_wanted),
        SNAPSHOT_TEST(published_objects_must_be_so_still),
        SNAPSHOT_TEST(one_server_has_it_at_a_time),
        SNAPSHOT_TEST(a_lock_that_nobody_holds_is_none),
        SNAPSHOT_TEST(a_child_does_not_unlock_it),
        SNAPSHOT_TEST(a_folder_that_is_not_there_is_refused),
        SNAPSHOT_TEST(objects_that_refer_to_each_other_want_their_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
