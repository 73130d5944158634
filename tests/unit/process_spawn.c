/* kith_begin and KITH_SPAWN: children that are fresh images of the program. */
#include "entries.h"
#include "nth.h"
#include "shortage.h"

#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;

static kith_process_options spawned(void)
{
    return (kith_process_options){ .method = KITH_SPAWN, .fds = pipes, .fd_count = 3 };
}

/* What main returns when kith_begin says no. */
enum { NOT_BEGUN = 77 };

/* ---- what an image has ---- */

static int static_number = 1;

KITH_ENTRY(check_freshness)
{
    EXPECT(static_number == 1);
    return 30;
}

static void an_image_has_nothing_of_its_parents_memory(void **state)
{
    (void)state;
    kith_process_options options = spawned();
    static_number = 2;
    run_entry(check_freshness, KITH_NO_ARGS, &options, 30);
}

/* What is open but the three streams, by the bits of the descriptors' numbers. */
static unsigned long open_beyond_streams(void)
{
    unsigned long open = 0;
    for (int i = STDERR_FILENO + 1; i < 64; i++)
        open |= fcntl(i, F_GETFD) >= 0 ? 1ul << i : 0;
    return open;
}

KITH_ENTRY(check_descriptors)
{
    unsigned long promised = 1ul << kith_process_sentinel(kith_process_parent());
    const char *names[] = { "go", "said", "living" };
    for (int i = 0; i < 3; i++) {
        int fd = kith_call_fd(call, names[i]);
        promised |= fd < 0 ? 0 : 1ul << fd;
    }
    EXPECT(open_beyond_streams() == promised);
    return 31;
}

static void an_image_has_no_descriptors_but_those_promised(void **state)
{
    (void)state;
    kith_process_options options = spawned();
    int leaky = dup(STDIN_FILENO), high = fcntl(STDIN_FILENO, F_DUPFD, 60);
    assert_true(leaky >= 0 && high >= 60);
    run_entry(check_descriptors, KITH_NO_ARGS, &options, 31);
    options.fds = NULL;
    options.fd_count = 0;
    run_entry(check_descriptors, KITH_NO_ARGS, &options, 31);
    close(leaky);
    close(high);
}

static int run_without_streams(void)
{
    kith_process_options options = spawned();
    kith_process *child;
    kith_lock *lock;
    int exit_code;
    for (int i = 0; i <= STDOUT_FILENO; i++)
        close(i);
    EXPECT(kith_process_start_entry(&child, check_descriptors, KITH_NO_ARGS, &options) == 0);
    EXPECT(kith_forkserver_start(NULL, NULL) == 0 && kith_lock_new(&lock, NULL) == 0);
    for (int i = 0; i <= STDOUT_FILENO; i++)
        EXPECT(fcntl(i, F_GETFD) < 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    kith_lock_free(lock);
    return exit_code;
}

static void no_descriptor_becomes_a_stream_by_chance(void **state)
{
    (void)state;
    assert_int_equal(apart(run_without_streams), 31);
}

KITH_ENTRY(check_signals)
{
    struct sigaction action;
    sigset_t mask;
    EXPECT(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    EXPECT(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    EXPECT(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGHUP) && !sigismember(&mask, SIGTERM));
    return 32;
}

static void handle(int number)
{
    (void)number;
}

static void an_image_has_what_is_ignored_and_blocked(void **state)
{
    (void)state;
    kith_process_options options = spawned();
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, handle);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    run_entry(check_signals, KITH_NO_ARGS, &options, 32);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* A constructor sees the environment that the image is given. */
static bool seen_early;

__attribute__((constructor)) static void look_early(void)
{
    seen_early = getenv("KITH_TEST_EARLY") != NULL;
}

KITH_ENTRY(was_seen_early)
{
    return seen_early ? 33 : 1;
}

static void constructors_see_the_environment(void **state)
{
    (void)state;
    kith_process_options options = spawned();
    options.environment = (const char *const[]){ "KITH_TEST_EARLY=1", NULL };
    run_entry(was_seen_early, KITH_NO_ARGS, &options, 33);
    assert_null(getenv("KITH_TEST_EARLY"));
}

static int log_a_start(void)
{
    kith_process_options options = spawned();
    EXPECT(dup2(living[1], STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_log_to_stderr(KITH_LOG_INFO) == 0);
    options.name = "somebody";
    EXPECT(kith_process_start_entry(NULL, return_first, kith_value_pack(arena, "(i)", 5), &options) == 0);
    return 0;
}

static void an_image_logs_as_its_parent_does(void **state)
{
    (void)state;
    char text[1000];
    assert_int_equal(apart(log_a_start), 0);
    give_living_away();
    read_until_dead(text, sizeof text);
    assert_non_null(strstr(text, "[INFO/somebody] child process calling its entry point\n"));
    assert_non_null(strstr(text, "[INFO/somebody] process exiting with exitcode 5\n"));
}

/* ---- kith_begin ---- */

/** Runs the program with such arguments, and this descriptor as 3. @return its exit code */
static int run_program(const char *first, const char *second, const char *third, int descriptor)
{
    char *argv[] = { (char *)"me", (char *)first, (char *)second, (char *)third, NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (descriptor >= 0)
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, descriptor, 3), 0);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return apart_wait(pid);
}

static void nobody_is_an_image_because_he_says_so(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(run_program("--kith-image", NULL, NULL, -1), NOT_BEGUN);
    assert_int_equal(run_program("--kith-image", "3", "return_first", -1), NOT_BEGUN);
    assert_int_equal(run_program("--kith-image", "3", "return_first", go[0]), NOT_BEGUN);
    assert_int_equal(run_program("--kith-image", "3", "return_first", ends[0]), NOT_BEGUN);
    assert_int_equal(run_program("--kith-image", "three", "return_first", ends[0]), NOT_BEGUN);
    close(ends[0]);
    close(ends[1]);
}

static void an_image_without_a_parcel_ends(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(send(ends[0], "no parcel", 9, 0), 9);
    close(ends[0]);
    assert_int_equal(run_program("--kith-image", "3", "return_first", ends[1]), EXIT_FAILURE);
    assert_int_equal(run_program("--kith-image", "3", "return_first", ends[1]), EXIT_FAILURE);
    close(ends[1]);
}

static void begin_wants_what_main_has(void **state)
{
    (void)state;
    assert_explained(kith_begin(1, NULL), -EINVAL);
    char *argv[] = { (char *)"program", (char *)"argument", NULL };
    assert_code(kith_begin(2, argv), 0);
}

/* What the kernel says of set-user-id programs, and of others when a test says so. */
static bool has_more_rights_than_its_user;

unsigned long __getauxval(unsigned long type);
unsigned long getauxval(unsigned long type)
{
    return type == AT_SECURE && has_more_rights_than_its_user ? 1 : __getauxval(type);
}

static int starts_are_refused(void)
{
    char *argv[] = { (char *)"program", (char *)"--kith-image", (char *)"3", (char *)"return_first", NULL };
    kith_process_options options = spawned();
    EXPECT(kith_begin(1, argv) == 0);
    EXPECT(kith_begin(4, argv) == -EPERM && strlen(kith_error_detail()) > 10);
    EXPECT(kith_process_start_entry(NULL, return_first, KITH_NO_ARGS, &options) == -EPERM);
    EXPECT(strlen(kith_error_detail()) > 10 && kith_forkserver_start(NULL, NULL) == -EPERM);
    return 0;
}

static int start_with_foreign_rights(void)
{
    has_more_rights_than_its_user = true;
    return starts_are_refused();
}

/* The kernel takes an image of such a program for one that is set-user-id. */
static int start_with_two_users(void)
{
    EXPECT(seteuid(65534) == 0);
    _exit(starts_are_refused()); /* the leak sanitizer could not look into this process at exit */
}

static void who_has_more_rights_than_his_user_has_no_images(void **state)
{
    (void)state;
    assert_int_equal(apart(start_with_foreign_rights), 0);
    if (geteuid() == 0)
        assert_int_equal(apart(start_with_two_users), 0);
}

/* A program that has deleted itself before it spawns. */
#define DELETE_AND_SPAWN "delete and spawn"

static int delete_and_spawn(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    EXPECT(length > 0);
    path[length] = '\0';
    EXPECT(strstr(path, ".copy") && unlink(path) == 0);
    kith_process *child;
    int exit_code;
    EXPECT(kith_process_start_entry(&child, check_freshness, KITH_NO_ARGS,
                                    &(kith_process_options){ .method = KITH_SPAWN }) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0 && kith_process_exit_code(child, &exit_code) == 0);
    EXPECT(kith_process_close(child) == 0);
    return exit_code;
}

static void copy_program(const char *path)
{
    char bytes[65536];
    FILE *from = fopen("/proc/self/exe", "re"), *to = fopen(path, "we");
    assert_true(from && to);
    for (size_t got = 1; got > 0;) {
        got = fread(bytes, 1, sizeof bytes, from);
        assert_int_equal(fwrite(bytes, 1, got, to), got);
    }
    fclose(from);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void a_deleted_program_can_be_begun_anew(void **state)
{
    (void)state;
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    assert_true(length > 0);
    snprintf(path + length, 32, ".%d.copy", (int)getpid());
    copy_program(path);
    char *argv[] = { path, (char *)DELETE_AND_SPAWN, NULL };
    pid_t pid;
    int code = posix_spawn(&pid, path, NULL, NULL, argv, environ);
    int outcome = code == 0 ? apart_wait(pid) : -1;
    unlink(path);
    assert_int_equal(outcome, 30);
}

/* ---- when the parent dies ---- */

KITH_ENTRY(say_that_it_was_called)
{
    return say_by(call, '!');
}

static int start_traced(void)
{
    kith_process_options options = spawned();
    EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0);
    _exit(kith_process_start_entry(NULL, say_that_it_was_called, KITH_NO_ARGS, &options) == 0 ? 0 : 1);
}

/* Lets a traced process go on to where its nth system call begins or ends, and kills it there.
 * @return whether it got so far */
static bool kill_at(pid_t pid, unsigned n)
{
    int status;
    for (; n > 0; n--) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status)) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            apart_running = 0;
            return false;
        }
    }
    kill(pid, SIGKILL);
    assert_int_equal(apart_wait(pid), -SIGKILL);
    return true;
}

static void a_parent_may_die_at_any_moment(void **state)
{
    (void)state;
    unsigned n = 0, called = 0;
    bool killed;
    int end = living[1];
    do {
        int again[2];
        int status;
        pid_t pid = apart_start(start_traced);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status))
            skip(); /* nobody may be traced here */
        killed = kill_at(pid, ++n);
        /* Whether the child was called or not, it has ended. */
        assert_int_equal(pipe2(again, O_CLOEXEC), 0);
        give_living_away();
        wait_until_dead();
        called += heard() == '!';
        assert_int_equal(heard(), 0);
        close(living[0]);
        living[0] = again[0];
        living[1] = again[1];
        pipes[2].fd = living[1];
    } while (killed && n < 1000);
    assert_true(end >= 0 && n > 20 && n < 1000);
    assert_true(called >= 1 && called < n); /* by the last one, and not by the first */
}

/* ---- shortage ---- */

static int start_and_wait(void)
{
    kith_process_options options = spawned();
    return call_and_wait(say_that_it_was_called, &options);
}

static const struct refusal {
    long call;
    int error;
} refusals[] = {
    { SYS_memfd_create, EMFILE }, { SYS_socketpair, EMFILE }, { SYS_pidfd_open, ENFILE },
    { SYS_fallocate, ENOSPC },    { SYS_mmap, ENOMEM },       { SYS_sendmsg, ETOOMANYREFS },
};

static int refuse_each(const struct refusal *refusal)
{
    for (unsigned n = 1; n < 20; n++) {
        int open = descriptors();
        nth_refuse(refusal->call, n, refusal->error);
        int code = start_and_wait();
        bool struck = nth_relent();
        EXPECT(code == (struck ? -refusal->error : 0) && descriptors() == open && heard() == 0);
        EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && kith_process_active_children(NULL, 0) == 0);
        if (!struck)
            return n == 1; /* there was none to be refused */
    }
    return 1;
}

static int refuse_all(void)
{
    EXPECT_OR(start_and_wait() == 0, _exit(1));
    if (nth_watch() < 0)
        _exit(NOT_BEGUN);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        EXPECT_OR(refuse_each(&refusals[i]) == 0, _exit(1));
    _exit(0); /* at exit, the leak sanitizer would want a thread */
}

static void a_start_that_is_refused_something_leaves_nothing_behind(void **state)
{
    (void)state;
    int outcome = apart(refuse_all);
    if (outcome == NOT_BEGUN)
        skip();
    assert_int_equal(outcome, 0);
}

static int refuse_processes(void)
{
    EXPECT_OR(start_and_wait() == 0, _exit(1));
    int before = descriptors();
    if (refuse(SYS_clone3, EAGAIN) < 0 || refuse(SYS_clone, EAGAIN) < 0)
        _exit(NOT_BEGUN);
    EXPECT_OR(start_and_wait() == -EAGAIN && strlen(kith_error_detail()) > 10, _exit(1));
    EXPECT_OR(descriptors() == before && kith_process_active_children(NULL, 0) == 0, _exit(1));
    _exit(0); /* at exit, the leak sanitizer would want a thread */
}

static void no_processes(void **state)
{
    (void)state;
    int outcome = apart(refuse_processes);
    if (outcome == NOT_BEGUN)
        skip();
    assert_int_equal(outcome, 0);
}

static int run_out_of_descriptors(void)
{
    enum { LIMIT = 64 };
    int spare[LIMIT], count = 0, refused = 0;
    EXPECT(start_and_wait() == 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ LIMIT, LIMIT }) == 0);
    while (count < LIMIT && (spare[count] = dup(0)) >= 0)
        count++;
    for (; count > 0; close(spare[--count])) {
        int code = start_and_wait();
        EXPECT(code == 0 || (code == -EMFILE && strstr(kith_error_detail(), "descriptor")));
        refused += code < 0;
        EXPECT(heard() == 0 && waitpid(-1, NULL, WNOHANG) == -1);
    }
    EXPECT(refused == 3); /* the file and a socket's two ends; the sentinel comes after one was closed */
    return 0;
}

static void no_descriptors(void **state)
{
    (void)state;
    assert_int_equal(apart(run_out_of_descriptors), 0);
}

static void no_memory(void **state)
{
    (void)state;
#ifdef SHORTAGE_IS_IMPOSSIBLE
    skip();
#endif
    kith_process_options options = spawned();
    kith_value *args = kith_value_pack(arena, "(i,s)", 34, "text");
    kith_process *child = NULL;
    unsigned n = 0;
    bool struck;
    do {
        shortage_begin(++n);
        int code = kith_process_start_entry(&child, return_first, args, &options);
        struck = shortage_end();
        if (code == 0) { /* also where there is another way */
            finish(child, 34);
        } else {
            assert_true(struck);
            assert_code(code, -ENOMEM);
            assert_int_equal(shortage.pieces, 0);
        }
    } while (struck && n < 200);
    assert_true(n > 10 && n < 200);
}

/* ---- many ---- */

static void many_starts_leave_nothing(void **state)
{
    (void)state;
    int before = descriptors();
    for (int i = 0; i < 50; i++)
        assert_int_equal(start_and_wait(), 0);
    assert_int_equal(descriptors(), before);
}

int main(int argc, char **argv)
{
    if (kith_begin(argc, argv) != 0)
        return NOT_BEGUN;
    if (argc == 2 && strcmp(argv[1], DELETE_AND_SPAWN) == 0)
        return delete_and_spawn();
    const struct CMUnitTest tests[] = {
        ENTRY_TEST(an_image_has_nothing_of_its_parents_memory),
        ENTRY_TEST(an_image_has_no_descriptors_but_those_promised),
        ENTRY_TEST(no_descriptor_becomes_a_stream_by_chance),
        ENTRY_TEST(an_image_has_what_is_ignored_and_blocked),
        ENTRY_TEST(constructors_see_the_environment),
        ENTRY_TEST(an_image_logs_as_its_parent_does),
        ENTRY_TEST(nobody_is_an_image_because_he_says_so),
        ENTRY_TEST(an_image_without_a_parcel_ends),
        ENTRY_TEST(begin_wants_what_main_has),
        ENTRY_TEST(who_has_more_rights_than_his_user_has_no_images),
        ENTRY_TEST(a_deleted_program_can_be_begun_anew),
        ENTRY_TEST(a_parent_may_die_at_any_moment),
        ENTRY_TEST(a_start_that_is_refused_something_leaves_nothing_behind),
        ENTRY_TEST(no_processes),
        ENTRY_TEST(no_descriptors),
        ENTRY_TEST(no_memory),
        ENTRY_TEST(many_starts_leave_nothing),
    };
    return cmocka_run_group_tests_name("process_spawn", tests, start_first, NULL);
}
