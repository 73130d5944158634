/* kith/entry.h and kith_process_start_entry: what is the same by whatever method. */
#include "entries.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* ---- arguments ---- */

static const char all_kinds[] = "(n,b,i,I,U,f,s,s#,y,a,[i,[i],(s,n)],{s:i,s:[]},<i,s>,v)";

static kith_value *pack_all_kinds(kith_arena *into)
{
    kith_value *huge = kith_value_int_from_bytes(into, "0123456789abcdefghijklmnopqrstuv", 32);
    return kith_value_pack(into, all_kinds, 1, -7, INT64_MIN, UINT64_MAX, 0.5, "gr\xc3\xbc\xc3\x9f dich", "a\0b",
                           (size_t)3, "\0\xff", (size_t)2, "xyz", (size_t)3, 1, 2, "t", "k", 3, "l", 4, "five", huge);
}

KITH_ENTRY(compare_all_kinds)
{
    EXPECT(kith_value_equal(kith_call_args(call), pack_all_kinds(kith_call_arena(call))) == 1);
    size_t size = 1;
    EXPECT(kith_call_bytes(call, &size) == NULL && size == 0);
    EXPECT(kith_call_attempt(call) == 1);
    return 17;
}

static void arguments_of_all_kinds_arrive(void **state)
{
    kith_process_options options = by(state);
    run_entry(compare_all_kinds, pack_all_kinds(arena), &options, 17);
}

KITH_ENTRY(expect_no_arguments)
{
    EXPECT(kith_value_kind(kith_call_args(call)) == KITH_TUPLE && kith_value_length(kith_call_args(call)) == 0);
    return 18;
}

static void no_arguments_are_an_empty_tuple(void **state)
{
    kith_process_options options = by(state);
    run_entry(expect_no_arguments, KITH_NO_ARGS, &options, 18);
    run_entry(expect_no_arguments, kith_value_pack(arena, "()"), NULL, 18);
}

enum { LARGE = 10000000 };

KITH_ENTRY(check_large)
{
    const void *bytes;
    size_t size;
    EXPECT(kith_value_unpack(kith_call_args(call), "(y)", &bytes, &size) == 0 && size == LARGE);
    unsigned char *expected = pattern(LARGE);
    EXPECT(expected && memcmp(bytes, expected, LARGE) == 0);
    free(expected);
    return 19;
}

static void large_arguments_arrive(void **state)
{
    kith_process_options options = by(state);
    unsigned char *bytes = pattern(LARGE);
    run_entry(check_large, kith_value_pack(arena, "(y)", (const void *)bytes, (size_t)LARGE), &options, 19);
    free(bytes);
}

enum { DEEP = 4000 };

KITH_ENTRY(check_deep)
{
    int depth = 0;
    for (kith_value *inner = kith_value_at(kith_call_args(call), 0); inner; inner = kith_value_at(inner, 0))
        depth++;
    EXPECT(depth == DEEP);
    return 20;
}

static void arguments_may_be_nested_as_deep_as_pickles_may(void **state)
{
    kith_process_options options = by(state);
    kith_value *inner = kith_value_list(arena);
    for (int i = 1; i < DEEP; i++) {
        kith_value *outer = kith_value_list(arena);
        assert_code(kith_value_append(outer, inner), 0);
        inner = outer;
    }
    run_entry(check_deep, kith_value_pack(arena, "(v)", inner), &options, 20);
}

KITH_ENTRY(try_to_return)
{
    EXPECT(kith_call_return(call, kith_value_int(kith_call_arena(call), 1)) == -EPERM);
    EXPECT(kith_call_return_bytes(call, "x", 1) == -EPERM && strlen(kith_error_detail()) > 10);
    EXPECT(kith_call_return(call, NULL) == -EINVAL && kith_call_return(NULL, NULL) == -EINVAL);
    EXPECT(kith_call_fd(call, "nobody") == -ENOENT && kith_call_fd(call, NULL) == -EINVAL);
    return 21;
}

static void a_process_of_its_own_returns_a_code_only(void **state)
{
    kith_process_options options = by(state);
    run_entry(try_to_return, KITH_NO_ARGS, &options, 21);
}

/* ---- descriptors ---- */

KITH_ENTRY(use_objects)
{
    kith_queue *queue;
    kith_lock *lock;
    kith_segment *segment;
    kith_connection *connection;
    EXPECT(kith_queue_from_fd(&queue, kith_call_fd(call, "queue")) == 0);
    EXPECT(kith_lock_from_fd(&lock, kith_call_fd(call, "lock")) == 0);
    EXPECT(kith_segment_from_fd(&segment, kith_call_fd(call, "segment")) == 0);
    EXPECT(kith_connection_from_fd(&connection, kith_call_fd(call, "connection")) == 0);
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    memcpy(kith_segment_data(segment), "written", 8);
    EXPECT(kith_lock_release(lock) == 0);
    EXPECT(kith_queue_put(queue, "queued", 7, KITH_FOREVER) == 0);
    EXPECT(kith_connection_send(connection, "sent", 5, KITH_FOREVER) == 0);
    /* Left to the end of the process, with the lock in its hands. */
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    kith_connection_free(connection);
    return 22;
}

static void objects_are_handed_over(void **state)
{
    kith_queue *queue;
    kith_lock *lock;
    kith_segment *segment;
    kith_connection *mine, *yours;
    char text[16];
    size_t size;
    assert_code(kith_queue_new(&queue, NULL), 0);
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_segment_new(&segment, 4096), 0);
    assert_code(kith_pipe(&mine, &yours, NULL), 0);
    kith_process_fd fds[] = { { "queue", kith_queue_share_fd(queue) },
                              { "lock", kith_lock_share_fd(lock) },
                              { "segment", kith_segment_share_fd(segment) },
                              { "connection", kith_connection_fd(yours) } };
    kith_process_options options = by(state);
    options.fds = fds;
    options.fd_count = 4;
    run_entry(use_objects, KITH_NO_ARGS, &options, 22);
    assert_code(kith_queue_get(queue, text, sizeof text, &size, KITH_NOWAIT), 0);
    assert_string_equal(text, "queued");
    assert_string_equal(kith_segment_data(segment), "written");
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), KITH_EOWNERDEAD);
    assert_code(kith_lock_release(lock), 0);
    assert_code(kith_connection_recv_into(mine, text, sizeof text, &size, KITH_FOREVER), 0);
    assert_string_equal(text, "sent");
    kith_connection_free(yours);
    /* Nobody else has the other end. */
    assert_code(kith_connection_recv_into(mine, text, sizeof text, &size, KITH_FOREVER), KITH_EEOF);
    kith_connection_free(mine);
    kith_segment_free(segment);
    kith_lock_free(lock);
    kith_queue_free(queue);
}

static const char *number_name(int number)
{
    static char names[KITH_PROCESS_FDS_MAX][8];
    snprintf(names[number], sizeof names[number], "%d", number);
    return names[number];
}

KITH_ENTRY(check_many)
{
    for (int i = 0; i < KITH_PROCESS_FDS_MAX; i++) {
        struct stat facts;
        int fd = kith_call_fd(call, number_name(i));
        EXPECT(fd > STDERR_FILENO && fstat(fd, &facts) == 0 && facts.st_size == i);
        EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    }
    return 23;
}

static void many_descriptors_are_handed_over(void **state)
{
    kith_process_fd fds[KITH_PROCESS_FDS_MAX + 1];
    for (int i = 0; i < KITH_PROCESS_FDS_MAX; i++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
        fclose(file);
        assert_true(fd >= 0 && ftruncate(fd, i) == 0);
        fds[i] = (kith_process_fd){ number_name(i), fd };
    }
    fds[KITH_PROCESS_FDS_MAX] = fds[0];
    kith_process_options options = by(state);
    options.fds = fds;
    options.fd_count = KITH_PROCESS_FDS_MAX;
    run_entry(check_many, KITH_NO_ARGS, &options, 23);
    options.fd_count++;
    assert_explained(kith_process_start_entry(NULL, check_many, KITH_NO_ARGS, &options), -EINVAL);
    for (int i = 0; i < KITH_PROCESS_FDS_MAX; i++)
        close(fds[i].fd);
}

/* ---- who it is ---- */

KITH_ENTRY(check_names)
{
    const char *name, *parent;
    int pid, title;
    char shown[32] = "";
    EXPECT(kith_value_unpack(kith_call_args(call), "(s,s,i,b)", &name, &parent, &pid, &title) == 0);
    EXPECT(strcmp(kith_process_name(kith_process_current()), name) == 0);
    EXPECT(kith_process_pid(kith_process_current()) == getpid());
    EXPECT(kith_process_parent_pid(kith_process_current()) == pid && getppid() == pid);
    EXPECT(kith_process_pid(kith_process_parent()) == pid);
    EXPECT(strcmp(kith_process_name(kith_process_parent()), parent) == 0);
    EXPECT(kith_process_is_alive(kith_process_parent()) == 1);
    EXPECT(kith_process_join(kith_process_parent(), KITH_NOWAIT) == -ETIMEDOUT);
    EXPECT(kith_process_active_children(NULL, 0) == 0);
    EXPECT(prctl(PR_GET_NAME, shown) == 0 && (strcmp(shown, title ? "somebody" : "test-process_en") == 0));
    return 24;
}

static void processes_know_who_they_and_their_parents_are(void **state)
{
    kith_process_options options = by(state);
    options.name = "somebody";
    run_entry(check_names, kith_value_pack(arena, "(s,s,i,b)", "somebody", "MainProcess", (int)getpid(), 1), &options,
              24);
    options.name = NULL;
    kith_process *child = start_entry(return_first, kith_value_pack(arena, "(i)", 1), &options);
    unsigned number;
    assert_int_equal(sscanf(kith_process_name(child), "Process-%u", &number), 1);
    finish(child, 1);
    char name[32];
    snprintf(name, sizeof name, "Process-%u", number + 1);
    run_entry(check_names, kith_value_pack(arena, "(s,s,i,b)", name, "MainProcess", (int)getpid(), 0), &options, 24);
}

KITH_ENTRY(start_grandchild)
{
    const char *name;
    int method;
    EXPECT(kith_value_unpack(kith_call_args(call), "(s,i)", &name, &method) == 0);
    char own[64];
    snprintf(own, sizeof own, "%s:1", name);
    kith_value *args = kith_value_pack(kith_call_arena(call), "(s,s,i,b)", own, name, (int)getpid(), 0);
    kith_process *child;
    int exit_code;
    EXPECT(kith_process_start_entry(&child, check_names, args,
                                    &(kith_process_options){ .method = (kith_start_method)method }) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    EXPECT(kith_process_close(child) == 0);
    return exit_code;
}

static void children_have_children_by_every_method(void **state)
{
    kith_process_options options = by(state);
    unsigned number;
    kith_process *child = start_entry(return_first, kith_value_pack(arena, "(i)", 1), &options);
    assert_int_equal(sscanf(kith_process_name(child), "Process-%u", &number), 1);
    finish(child, 1);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "Process-%u", ++number);
        run_entry(start_grandchild, kith_value_pack(arena, "(s,i)", name, (int)methods[i]), &options, 24);
    }
}

/* ---- how it ends ---- */

KITH_ENTRY(end_in_some_way)
{
    int number;
    EXPECT(kith_value_unpack(kith_call_args(call), "(i)", &number) == 0);
    if (number < 0)
        raise(-number);
    exit(number);
}

static void exit_codes_and_signals_are_told(void **state)
{
    kith_process_options options = by(state);
    run_entry(return_first, kith_value_pack(arena, "(i)", 0), &options, 0);
    run_entry(return_first, kith_value_pack(arena, "(i)", 255), &options, 255);
    run_entry(return_first, kith_value_pack(arena, "(i)", 256 + 7), &options, 7);
    run_entry(end_in_some_way, kith_value_pack(arena, "(i)", 3), &options, 3);
    run_entry(end_in_some_way, kith_value_pack(arena, "(i)", -SIGKILL), &options, -SIGKILL);
    run_entry(end_in_some_way, kith_value_pack(arena, "(i)", -SIGTERM), &options, -SIGTERM);
}

static void a_child_can_be_watched_and_ended(void **state)
{
    kith_process_options options = by(state);
    kith_process *child = start_entry(say_and_wait_to_go, KITH_NO_ARGS, &options);
    assert_int_equal(hear(), 'h');
    assert_int_equal(kith_process_is_alive(child), 1);
    assert_false(readable(kith_process_sentinel(child), 0));
    assert_code(kith_process_join(child, KITH_NOWAIT), -ETIMEDOUT);
    assert_int_equal(kith_process_active_children(NULL, 0), 1);
    assert_code(kith_process_terminate(child), 0);
    assert_true(readable(kith_process_sentinel(child), PATIENCE));
    finish(child, -SIGTERM);
}

static void a_child_without_a_handle_is_reaped(void **state)
{
    kith_process_options options = by(state);
    assert_code(kith_process_start_entry(NULL, say_and_wait_to_go, KITH_NO_ARGS, &options), 0);
    assert_int_equal(hear(), 'h');
    let_go();
    while (kith_process_active_children(NULL, 0) > 0)
        usleep(1000);
}

/* The parent of the next three, in a process of its own. */
static kith_process_options parents_options;

static int ignore_children(void)
{
    kith_process *child;
    int exit_code = 1;
    EXPECT(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    EXPECT(kith_process_start_entry(&child, say_and_wait_to_go, KITH_NO_ARGS, &parents_options) == 0);
    EXPECT(kith_process_is_alive(child) == 1 && write(go[1], "", 1) == 1);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0);
    EXPECT(kith_process_exit_code(child, &exit_code) == -ECHILD && exit_code == 1);
    return kith_process_close(child);
}

static void children_that_the_system_reaps_have_ended_somehow(void **state)
{
    parents_options = by(state);
    assert_int_equal(apart(ignore_children), 0);
    assert_int_equal(hear(), 'h');
}

static int start_and_leave(void)
{
    EXPECT(kith_process_start_entry(NULL, say_and_wait_to_go, KITH_NO_ARGS, &parents_options) == 0);
    _exit(0);
}

static void a_child_needs_no_parent_once_it_is_started(void **state)
{
    parents_options = by(state);
    assert_int_equal(apart(start_and_leave), 0);
    give_living_away();
    assert_int_equal(hear(), 'h');
    assert_false(all_dead());
    let_go();
    wait_until_dead();
}

static int start_and_sleep(void)
{
    parents_options.daemon = 1;
    EXPECT(kith_process_start_entry(NULL, say_and_wait_to_go, KITH_NO_ARGS, &parents_options) == 0);
    return sleep_forever(NULL);
}

static void daemons_die_with_a_parent_that_is_killed(void **state)
{
    parents_options = by(state);
    pid_t parent = apart_start(start_and_sleep);
    give_living_away();
    char words[3] = { hear(), hear() };
    assert_true(strcmp(words, "hs") == 0 || strcmp(words, "sh") == 0);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(apart_wait(parent), -SIGKILL);
    wait_until_dead();
}

static void *start_daemon(void *nothing)
{
    parents_options.daemon = 1;
    EXPECT_OR(kith_process_start_entry(NULL, say_and_wait_to_go, KITH_NO_ARGS, &parents_options) == 0, return nothing);
    return &parents_options;
}

static int sleep_with_a_daemon_of_a_thread(void)
{
    pthread_t thread;
    void *outcome;
    EXPECT(pthread_create(&thread, NULL, start_daemon, NULL) == 0);
    EXPECT(pthread_join(thread, &outcome) == 0 && outcome);
    close(living[1]);
    return sleep_forever(NULL);
}

static void daemons_outlive_the_thread_that_started_them(void **state)
{
    parents_options = by(state);
    pid_t parent = apart_start(sleep_with_a_daemon_of_a_thread);
    give_living_away();
    char words[3] = { hear(), hear() };
    assert_true(strcmp(words, "hs") == 0 || strcmp(words, "sh") == 0);
    assert_false(all_dead());
    let_go();
    wait_until_dead();
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(apart_wait(parent), -SIGKILL);
}

KITH_ENTRY(start_from_daemon)
{
    for (int i = 0; i < 3; i++) {
        kith_process_options options = { .method = methods[i] };
        EXPECT(kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &options) == -EPERM);
    }
    EXPECT(kith_forkserver_start(NULL, NULL) == -EPERM);
    return say_by(call, 'd');
}

static void a_daemon_may_not_have_children(void **state)
{
    kith_process_options options = by(state);
    options.daemon = 1;
    run_entry(start_from_daemon, KITH_NO_ARGS, &options, 0);
    assert_int_equal(hear(), 'd');
}

/* ---- settings ---- */

KITH_ENTRY(check_settings)
{
    char directory[64];
    EXPECT(strcmp(getenv("KITH_TEST"), "there") == 0 && !getenv("HOME"));
    EXPECT(getcwd(directory, sizeof directory) && strcmp(directory, "/proc") == 0);
    puts("printed");
    return 25;
}

static void settings_hold_by_every_method(void **state)
{
    kith_process_options options = by(state);
    kith_stdio stdio[3] = { { .kind = KITH_STDIO_NULL }, { .kind = KITH_STDIO_PIPE }, { .kind = KITH_STDIO_INHERIT } };
    options.environment = (const char *const[]){ "KITH_TEST=there", "HOME", NULL };
    options.directory = "/proc";
    options.stdio = stdio;
    setenv("HOME", "/", 0);
    run_entry(check_settings, KITH_NO_ARGS, &options, 25);
    char text[16] = "";
    assert_int_equal(read(stdio[1].fd, text, sizeof text - 1), 8);
    assert_string_equal(text, "printed\n");
    close(stdio[1].fd);
    options.stdio = NULL;
    options.directory = "/no/such/place";
    kith_process *child = NULL;
    assert_explained(kith_process_start_entry(&child, check_settings, KITH_NO_ARGS, &options), -ENOENT);
    assert_null(child);
}

/* ---- what is refused ---- */

static int unregistered(kith_call *call)
{
    return call ? 26 : 0;
}

static void functions_that_no_image_finds_are_refused(void **state)
{
    kith_process_options options = by(state);
    if (options.method == KITH_FORK)
        run_entry(unregistered, KITH_NO_ARGS, &options, 26);
    else
        assert_explained(kith_process_start_entry(NULL, unregistered, KITH_NO_ARGS, &options), -EINVAL);
}

/* A function of the same name as one that came before is not found by it. */
static kith_entry_record namesake = { "return_first", unregistered, NULL };

static void the_first_of_two_with_one_name_counts(void **state)
{
    kith_process_options options = by(state);
    kith_entry_register(&namesake);
    kith_entry_register(&namesake); /* once more makes no difference */
    run_entry(return_first, kith_value_pack(arena, "(i)", 27), &options, 27);
    functions_that_no_image_finds_are_refused(state);
}

static void bad_arguments_are_refused(void **state)
{
    kith_process_options options = by(state), other = options;
    kith_process *child = NULL;
    assert_explained(kith_process_start_entry(&child, NULL, KITH_NO_ARGS, &options), -EINVAL);
    assert_explained(kith_process_start_entry(&child, return_first, kith_value_int(arena, 1), &options), -EINVAL);
    other.fds = NULL;
    assert_explained(kith_process_start_entry(&child, return_first, KITH_NO_ARGS, &other), -EINVAL);
    other = options;
    other.method = (kith_start_method)3;
    assert_explained(kith_process_start_entry(&child, return_first, KITH_NO_ARGS, &other), -EINVAL);
    kith_process_fd bad[] = { { NULL, 0 } };
    other = options;
    other.fds = bad;
    other.fd_count = 1;
    assert_explained(kith_process_start_entry(&child, return_first, KITH_NO_ARGS, &other), -EINVAL);
    bad[0] = (kith_process_fd){ "closed", 999 };
    assert_explained(kith_process_start_entry(&child, return_first, KITH_NO_ARGS, &other), -EBADF);
    assert_null(child);
}

static void arguments_that_could_not_be_made_are_refused(void **state)
{
    kith_process_options options = by(state);
    kith_process *child = NULL;
    assert_explained(kith_process_start_entry(&child, return_first, kith_value_pack(arena, "(s)", "\xff"), &options),
                     -EINVAL);
    assert_non_null(strstr(kith_error_detail(), "KITH_NO_ARGS for none; when kith_value_pack gave it: "));
    assert_non_null(strstr(kith_error_detail(), "UTF-8"));
    assert_null(child);
}

static void connections_are_for_forks(void **state)
{
    (void)state;
    kith_connection *mine, *yours;
    assert_code(kith_pipe(&mine, &yours, NULL), 0);
    kith_process_options options = { .method = KITH_SPAWN, .connections = &yours, .connection_count = 1 };
    assert_explained(kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &options), -EINVAL);
    kith_connection_free(mine);
    kith_connection_free(yours);
}

static void methods_and_descriptors_are_for_entry_points(void **state)
{
    (void)state;
    assert_explained(kith_process_start(NULL, return_it, NULL, &(kith_process_options){ .method = KITH_SPAWN }),
                     -EINVAL);
    assert_explained(kith_process_start(NULL, return_it, NULL, &(kith_process_options){ .fds = pipes, .fd_count = 1 }),
                     -EINVAL);
}

/* Tried before main has called kith_begin. */
static int forgotten[3], forgotten_server;

static void try_without_begin(void)
{
    for (int i = 1; i < 3; i++)
        forgotten[i] =
            kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &(kith_process_options){ .method = methods[i] });
    forgotten_server = kith_forkserver_start(NULL, NULL);
}

static void programs_that_forgot_to_begin_are_refused(void **state)
{
    (void)state;
    assert_code(forgotten[1], -EPERM);
    assert_code(forgotten[2], -EPERM);
    assert_code(forgotten_server, -EPERM);
}

/* ---- many ---- */

enum { THREADS = 4, EACH = 8 };

static kith_value *shared_args;

static void *start_many(void *options)
{
    for (int i = 0; i < EACH; i++) {
        kith_process *child;
        EXPECT_OR(kith_process_start_entry(&child, compare_all_kinds, shared_args, options) == 0, return options);
        EXPECT_OR(kith_process_join(child, KITH_FOREVER) == 0, return options);
        int exit_code = 0;
        EXPECT_OR(kith_process_exit_code(child, &exit_code) == 0 && exit_code == 17, return options);
        kith_process_close(child);
    }
    return NULL;
}

static void threads_may_start_children_at_the_same_time(void **state)
{
    kith_process_options options = by(state);
    pthread_t threads[THREADS];
    shared_args = pack_all_kinds(arena);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, &options), 0);
    for (int i = 0; i < THREADS; i++) {
        void *outcome;
        assert_int_equal(pthread_join(threads[i], &outcome), 0);
        assert_null(outcome);
    }
}

int main(int argc, char **argv)
{
    if (argc == 1)
        try_without_begin();
    if (kith_begin(argc, argv) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        ENTRY_TESTS(arguments_of_all_kinds_arrive),
        ENTRY_TESTS(no_arguments_are_an_empty_tuple),
        ENTRY_TESTS(large_arguments_arrive),
        ENTRY_TESTS(arguments_may_be_nested_as_deep_as_pickles_may),
        ENTRY_TESTS(a_process_of_its_own_returns_a_code_only),
        ENTRY_TESTS(objects_are_handed_over),
        ENTRY_TESTS(many_descriptors_are_handed_over),
        ENTRY_TESTS(processes_know_who_they_and_their_parents_are),
        ENTRY_TESTS(children_have_children_by_every_method),
        ENTRY_TESTS(exit_codes_and_signals_are_told),
        ENTRY_TESTS(a_child_can_be_watched_and_ended),
        ENTRY_TESTS(a_child_without_a_handle_is_reaped),
        ENTRY_TESTS(children_that_the_system_reaps_have_ended_somehow),
        ENTRY_TESTS(a_child_needs_no_parent_once_it_is_started),
        ENTRY_TESTS(daemons_die_with_a_parent_that_is_killed),
        ENTRY_TESTS(daemons_outlive_the_thread_that_started_them),
        ENTRY_TESTS(a_daemon_may_not_have_children),
        ENTRY_TESTS(settings_hold_by_every_method),
        ENTRY_TESTS(functions_that_no_image_finds_are_refused),
        ENTRY_TESTS(the_first_of_two_with_one_name_counts),
        ENTRY_TESTS(bad_arguments_are_refused),
        ENTRY_TESTS(arguments_that_could_not_be_made_are_refused),
        ENTRY_TEST(connections_are_for_forks),
        ENTRY_TEST(methods_and_descriptors_are_for_entry_points),
        ENTRY_TEST(programs_that_forgot_to_begin_are_refused),
        ENTRY_TESTS(threads_may_start_children_at_the_same_time),
    };
    return cmocka_run_group_tests_name("process_entry", tests, start_first, NULL);
}
