/* kith/process.h: what happens to a process's children when it ends itself. */
#include "family.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- those that are no daemons ---- */

/* What this process logs from now on, which is what it does before it ends, lets its child go on. */
static int go_on_at_the_end(void)
{
    EXPECT(kith_process_start(NULL, wait_and_return, NULL, NULL) == 0);
    close(living[1]);
    EXPECT(dup2(go[1], STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_log_to_stderr(KITH_LOG_INFO) == 0);
    return 0;
}

static int return_with_a_child(void *number)
{
    EXPECT(go_on_at_the_end() == 0);
    return return_it(number);
}

static int exit_with_a_child(void *number)
{
    exit(return_with_a_child(number));
}

static void a_process_joins_its_children_at_exit(void **state)
{
    (void)state;
    pid_t parent = apart_start(go_on_at_the_end);
    give_living_away();
    assert_int_equal(apart_wait(parent), 0);
    assert_true(all_dead());
}

static void a_child_joins_its_children_when_main_returns(void **state)
{
    (void)state;
    kith_process *child = start(return_with_a_child, &(int){ 3 }, NULL);
    give_living_away();
    finish(child, 3);
    assert_true(all_dead());
}

static void a_child_joins_its_children_when_main_calls_exit(void **state)
{
    (void)state;
    kith_process *child = start(exit_with_a_child, &(int){ 3 }, NULL);
    give_living_away();
    finish(child, 3);
    assert_true(all_dead());
}

static int leave_at_once(void)
{
    EXPECT(kith_process_start(NULL, say_and_wait, NULL, NULL) == 0);
    _exit(0);
}

static void children_outlive_a_process_that_does_not_exit_properly(void **state)
{
    (void)state;
    assert_int_equal(apart(leave_at_once), 0);
    give_living_away();
    assert_int_equal(hear(), 'h');
    assert_false(all_dead());
    let_go();
    wait_until_dead();
}

static int ask_parent(void *nothing)
{
    int code;
    kith_process *parent = kith_process_parent();
    struct pollfd one = { .fd = kith_process_sentinel(parent), .events = POLLIN };
    EXPECT(kith_process_is_alive(parent) == 1);
    EXPECT(kith_process_join(parent, KITH_NOWAIT) == -ETIMEDOUT);
    EXPECT(kith_process_terminate(parent) == -ECHILD);
    EXPECT(kith_process_kill(parent) == -ECHILD);
    EXPECT(kith_process_exit_code(parent, &code) == -ECHILD);
    EXPECT(kith_process_close(parent) == -EPERM);
    EXPECT(one.fd >= 0 && poll(&one, 1, 0) == 0);
    say('a');
    EXPECT(kith_process_join(parent, KITH_FOREVER) == 0);
    EXPECT(poll(&one, 1, 0) == 1);
    EXPECT(kith_process_is_alive(parent) == 0);
    EXPECT(kith_process_join(parent, KITH_NOWAIT) == 0);
    EXPECT(kith_process_pid(parent) != getppid());
    say('e');
    return nothing != NULL;
}

static int leave_when_told(void)
{
    EXPECT(kith_process_start(NULL, ask_parent, NULL, NULL) == 0);
    wait_to_go();
    _exit(0);
}

static void a_parent_can_be_joined(void **state)
{
    (void)state;
    pid_t parent = apart_start(leave_when_told);
    give_living_away();
    assert_int_equal(hear(), 'a');
    let_go();
    assert_int_equal(hear(), 'e');
    assert_int_equal(apart_wait(parent), 0);
    wait_until_dead();
}

/* _Fork runs no fork handlers, so that the library does not know of it. */
static int fork_and_exit(void)
{
    pid_t (*const forks[])(void) = { fork, _Fork };
    kith_process *daemon;
    EXPECT(kith_process_start(&daemon, sleep_forever, NULL, &(kith_process_options){ .daemon = 1 }) == 0);
    EXPECT(hear() == 's');
    EXPECT(kith_process_start(NULL, wait_and_return, NULL, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        pid_t pid = forks[i]();
        if (pid == 0)
            exit(0); /* would end the one and wait for the other for ever, if they were its children */
        EXPECT(apart_wait(pid) == 0);
        EXPECT(kith_process_is_alive(daemon) == 1);
    }
    EXPECT(write(go[1], "", 1) == 1);
    return 0;
}

static void a_forks_exit_leaves_its_siblings_alone(void **state)
{
    (void)state;
    assert_int_equal(apart(fork_and_exit), 0);
    give_living_away();
    assert_true(all_dead());
}

/* ---- daemons ---- */

static const kith_process_options a_daemon = { .daemon = 1 };

static int start_from_daemon(void *nothing)
{
    EXPECT(kith_process_is_daemon(kith_process_current()) == 1);
    EXPECT(kith_process_start(NULL, return_it, NULL, NULL) == -EPERM);
    EXPECT(strstr(kith_error_detail(), "daemon"));
    return nothing != NULL;
}

static void a_daemon_may_not_start_children(void **state)
{
    (void)state;
    kith_process *daemon = start(start_from_daemon, NULL, &a_daemon);
    assert_int_equal(kith_process_is_daemon(daemon), 1);
    finish(daemon, 0);
}

static int exit_with_a_daemon(void)
{
    EXPECT(kith_process_start(NULL, sleep_forever, NULL, &a_daemon) == 0);
    EXPECT(hear() == 's');
    return 0;
}

static int return_with_a_daemon(void *nothing)
{
    return exit_with_a_daemon() || nothing;
}

static void daemons_are_ended_at_exit(void **state)
{
    (void)state;
    pid_t parent = apart_start(exit_with_a_daemon);
    assert_int_equal(apart_wait(parent), 0);
    kith_process *child = start(return_with_a_daemon, NULL, NULL);
    give_living_away();
    finish(child, 0);
    assert_true(all_dead());
}

static int ignore_sigterm(void *nothing)
{
    signal(SIGTERM, SIG_IGN);
    return sleep_forever(nothing);
}

static int exit_with_a_stubborn_daemon(void)
{
    EXPECT(dup2(living[1], STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_log_to_stderr(KITH_LOG_INFO) == 0);
    EXPECT(kith_process_start(NULL, ignore_sigterm, NULL, &(kith_process_options){ .daemon = 1, .name = "stubborn" }) ==
           0);
    EXPECT(hear() == 's');
    return 0;
}

static void daemons_that_ignore_sigterm_are_killed(void **state)
{
    (void)state;
    char text[2000];
    pid_t parent = apart_start(exit_with_a_stubborn_daemon);
    give_living_away();
    read_until_dead(text, sizeof text);
    assert_int_equal(apart_wait(parent), 0);
    assert_string_equal(text, "[INFO/stubborn] child process calling main\n"
                              "[INFO/MainProcess] process shutting down\n"
                              "[INFO/MainProcess] ending daemon stubborn\n"
                              "[WARNING/MainProcess] daemon stubborn did not heed SIGTERM: killing it\n");
}

static int sleep_with_a_daemon(void)
{
    EXPECT(kith_process_start(NULL, sleep_forever, NULL, &a_daemon) == 0);
    return sleep_forever(NULL);
}

static void daemons_die_with_a_parent_that_is_killed(void **state)
{
    (void)state;
    pid_t parent = apart_start(sleep_with_a_daemon);
    give_living_away();
    assert_int_equal(hear(), 's');
    assert_int_equal(hear(), 's');
    kill(parent, SIGKILL);
    wait_until_dead();
    assert_int_equal(apart_wait(parent), -SIGKILL);
}

/* Shows that it lives: it answers. */
static int answer(void *nothing)
{
    for (;;) {
        wait_to_go();
        say('d');
    }
    return nothing != NULL;
}

static void *start_daemon(void *options)
{
    return (void *)(intptr_t)kith_process_start(NULL, answer, NULL, options);
}

static int sleep_with_a_daemon_of_a_thread(const kith_process_options *options)
{
    pthread_t thread;
    void *result;
    EXPECT(pthread_create(&thread, NULL, start_daemon, (void *)options) == 0);
    EXPECT(pthread_join(thread, &result) == 0);
    EXPECT((intptr_t)result == 0);
    return sleep_forever(NULL);
}

static int sleep_with_any_daemon(void)
{
    return sleep_with_a_daemon_of_a_thread(&a_daemon);
}

/* The kernel does not let the daemon's thread poll then. */
static int sleep_with_a_daemon_without_descriptors(void)
{
    kith_process_limit none = { .resource = RLIMIT_NOFILE };
    return sleep_with_a_daemon_of_a_thread(&(kith_process_options){ .daemon = 1, .limits = &none, .limit_count = 1 });
}

/** Its daemon outlives the thread that started it, and nothing else. */
static void kill_parent(int (*body)(void))
{
    pid_t parent = apart_start(body);
    give_living_away();
    assert_int_equal(hear(), 's'); /* so the thread has ended */
    let_go();
    assert_int_equal(hear(), 'd');
    assert_false(all_dead());
    kill(parent, SIGKILL);
    wait_until_dead();
    assert_int_equal(apart_wait(parent), -SIGKILL);
}

static void daemons_outlive_the_thread_that_started_them(void **state)
{
    (void)state;
    kill_parent(sleep_with_any_daemon);
}

static void daemons_without_descriptors_die_with_their_parent_too(void **state)
{
    (void)state;
    kill_parent(sleep_with_a_daemon_without_descriptors);
}

/* ---- what else a process does at its end ---- */

static int log_and_exit(void)
{
    EXPECT(dup2(living[1], STDERR_FILENO) == STDERR_FILENO);
    EXPECT(kith_log_to_stderr(KITH_LOG_INFO) == 0);
    EXPECT(run(return_it, &(int){ 4 }) == 4);
    return 0;
}

static void the_log_tells_of_starts_and_ends(void **state)
{
    (void)state;
    char text[2000];
    assert_int_equal(apart(log_and_exit), 0);
    give_living_away();
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "[INFO/Process-1] child process calling main\n"
                              "[INFO/Process-1] process shutting down\n"
                              "[INFO/Process-1] process exiting with exitcode 4\n"
                              "[INFO/MainProcess] process shutting down\n");
}

static void say_at_exit(void)
{
    say('x');
}

static int exit_if_told(void *told)
{
    if (told)
        exit(0);
    return 0;
}

static int run_exit_functions(void)
{
    EXPECT(atexit(say_at_exit) == 0);
    EXPECT(run(exit_if_told, NULL) == 0);
    EXPECT(heard() == 0);
    EXPECT(run(exit_if_told, &(int){ 1 }) == 0);
    EXPECT(heard() == 'x');
    return 0;
}

static void exit_functions_run_only_when_exit_is_called(void **state)
{
    (void)state;
    assert_int_equal(apart(run_exit_functions), 0);
    assert_int_equal(heard(), 'x'); /* its own */
}

static int print_b(void *nothing)
{
    printf("b");
    fprintf(stderr, "B");
    return nothing != NULL;
}

static int print_abc(void)
{
    static char buffer[100];
    EXPECT(dup2(living[1], STDOUT_FILENO) == STDOUT_FILENO);
    EXPECT(dup2(living[1], STDERR_FILENO) == STDERR_FILENO);
    setvbuf(stdout, NULL, _IOFBF, 4096);
    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
    printf("a");
    EXPECT(run(print_b, NULL) == 0);
    printf("c");
    return 0;
}

static void what_is_printed_is_printed_once(void **state)
{
    (void)state;
    char text[100];
    assert_int_equal(apart(print_abc), 0);
    give_living_away();
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "abBc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_joins_its_children_at_exit),
        TEST(a_child_joins_its_children_when_main_returns),
        TEST(a_child_joins_its_children_when_main_calls_exit),
        TEST(children_outlive_a_process_that_does_not_exit_properly),
        TEST(a_parent_can_be_joined),
        TEST(a_forks_exit_leaves_its_siblings_alone),
        TEST(a_daemon_may_not_start_children),
        TEST(daemons_are_ended_at_exit),
        TEST(daemons_that_ignore_sigterm_are_killed),
        TEST(daemons_die_with_a_parent_that_is_killed),
        TEST(daemons_outlive_the_thread_that_started_them),
        TEST(daemons_without_descriptors_die_with_their_parent_too),
        TEST(the_log_tells_of_starts_and_ends),
        TEST(exit_functions_run_only_when_exit_is_called),
        TEST(what_is_printed_is_printed_once),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
