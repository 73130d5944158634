/* kith/process.h: children, while they run and when they have ended. What happens at the end of a process that has
 * children is in process_end.c, and what happens when the system refuses something in process_refusal.c. */
#include "alarms.h"
#include "family.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

/* ---- how a child ends ---- */

static void exit_code_is_what_main_returns(void **state)
{
    (void)state;
    const int returned[] = { 0, 1, 255, 256, 259, -1 };
    for (size_t i = 0; i < sizeof returned / sizeof *returned; i++) {
        int number = returned[i];
        assert_int_equal(run(return_it, &number), number & 0xff);
    }
}

static int call_exit(void *argument)
{
    (void)argument;
    exit(7);
}

static void exit_code_is_what_exit_is_given(void **state)
{
    (void)state;
    assert_int_equal(run(call_exit, NULL), 7);
}

static int die(void *argument)
{
    signal(*(int *)argument, SIG_DFL);
    raise(*(int *)argument);
    return 0;
}

static void exit_code_is_the_negative_signal(void **state)
{
    (void)state;
    int numbers[] = { SIGKILL, SIGTERM, SIGINT, SIGUSR1, SIGPIPE };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal(run(die, &numbers[i]), -numbers[i]);
}

static void terminate_and_kill_end_a_child(void **state)
{
    (void)state;
    kith_process *child = start(sleep_forever, NULL, NULL);
    assert_int_equal(hear(), 's');
    assert_code(kith_process_terminate(child), 0);
    finish(child, -SIGTERM);
    child = start(sleep_forever, NULL, NULL);
    assert_code(kith_process_kill(child), 0);
    finish(child, -SIGKILL);
}

static void join_waits_no_longer_than_told(void **state)
{
    (void)state;
    int code = 77;
    kith_process *child = start(wait_and_return, NULL, NULL);
    assert_explained(kith_process_join(child, KITH_NOWAIT), -ETIMEDOUT);
    assert_explained(kith_process_join(child, KITH_MS(10)), -ETIMEDOUT);
    assert_non_null(strstr(kith_error_detail(), kith_process_name(child)));
    assert_int_equal(kith_process_is_alive(child), 1);
    assert_explained(kith_process_exit_code(child, &code), -EAGAIN);
    assert_int_equal(code, 77); /* outputs are written on success only */
    assert_explained(kith_process_close(child), -EBUSY);
    let_go();
    finish(child, 0);
}

static void an_ended_child_can_be_asked_many_times(void **state)
{
    (void)state;
    int number = 5, code;
    kith_process *child = start(return_it, &number, NULL);
    pid_t pid = kith_process_pid(child);
    for (int i = 0; i < 3; i++) {
        assert_code(kith_process_join(child, i ? KITH_NOWAIT : KITH_FOREVER), 0);
        assert_int_equal(kith_process_is_alive(child), 0);
        assert_code(kith_process_exit_code(child, &code), 0);
        assert_int_equal(code, 5);
        assert_int_equal(kith_process_pid(child), pid);
        assert_code(kith_process_terminate(child), 0);
        assert_code(kith_process_kill(child), 0);
    }
    assert_code(kith_process_close(child), 0);
}

static void the_sentinel_becomes_readable(void **state)
{
    (void)state;
    kith_process *child = start(wait_and_return, NULL, NULL);
    struct pollfd one = { .fd = kith_process_sentinel(child), .events = POLLIN };
    assert_true(one.fd >= 0);
    assert_int_equal(poll(&one, 1, 0), 0);
    let_go();
    assert_int_equal(poll(&one, 1, -1), 1);
    assert_int_equal(kith_process_is_alive(child), 0);
    assert_int_equal(poll(&one, 1, 0), 1);
    finish(child, 0);
}

static void *join_in_thread(void *child)
{
    return (void *)(intptr_t)kith_process_join(child, KITH_FOREVER);
}

static void two_threads_may_join_a_child(void **state)
{
    (void)state;
    kith_process *child = start(wait_and_return, NULL, NULL);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, join_in_thread, child), 0);
    let_go();
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_int_equal((intptr_t)result, 0);
    }
    finish(child, 0);
}

static void a_signal_handler_interrupts_join(void **state)
{
    (void)state;
    kith_process *child = start(wait_and_return, NULL, NULL);
    const int flags[] = { 0, SA_RESTART };
    for (int i = 0; i < 2; i++) {
        alarms_on(alarm_ignored, flags[i]);
        int code = kith_process_join(child, KITH_FOREVER);
        alarms_off();
        assert_int_equal(code, -EINTR);
    }
    let_go();
    finish(child, 0);
}

static int sigchld_ignored(void)
{
    int code;
    kith_process *child;
    signal(SIGCHLD, SIG_IGN);
    EXPECT(kith_process_start(&child, wait_and_return, NULL, NULL) == 0);
    EXPECT(kith_process_is_alive(child) == 1);
    EXPECT(write(go[1], "", 1) == 1);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0);
    EXPECT(kith_process_is_alive(child) == 0);
    EXPECT(kith_process_exit_code(child, &code) == -ECHILD);
    EXPECT(kith_process_terminate(child) == 0);
    EXPECT(kith_process_close(child) == 0);
    return 0;
}

static int reaped_by_the_program(void)
{
    int code;
    kith_process *child;
    EXPECT(kith_process_start(&child, return_it, NULL, NULL) == 0);
    EXPECT(waitpid(kith_process_pid(child), NULL, 0) > 0);
    EXPECT(kith_process_exit_code(child, &code) == -ECHILD);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0);
    EXPECT(kith_process_terminate(child) == 0);
    EXPECT(kith_process_close(child) == 0);
    return 0;
}

static void who_was_reaped_by_others_has_ended_somehow(void **state)
{
    (void)state;
    assert_int_equal(apart(sigchld_ignored), 0);
    assert_int_equal(apart(reaped_by_the_program), 0);
}

/* ---- who is who ---- */

static int grandchild(void *first)
{
    EXPECT(strcmp(kith_process_name(kith_process_current()), "Process-2:1") == 0);
    EXPECT(strcmp(kith_process_name(kith_process_parent()), "a name of one's own") == 0);
    EXPECT(descriptors() == descriptors_before + PIPES);
    EXPECT(strcmp(kith_process_name(first), "MainProcess") == 0);
    EXPECT(kith_process_is_alive(first) == -ECHILD);
    EXPECT(kith_process_close(first) == -EPERM);
    return 0;
}

static int child_with_a_name(void *grandparent)
{
    char title[16];
    kith_process *self = kith_process_current(), *parent = kith_process_parent();
    EXPECT(strcmp(kith_process_name(self), "a name of one's own") == 0);
    EXPECT(prctl(PR_GET_NAME, title) == 0 && strcmp(title, "a name of one's") == 0);
    EXPECT(kith_process_pid(self) == getpid());
    EXPECT(kith_process_parent_pid(self) == getppid());
    EXPECT(kith_process_is_daemon(self) == 0);
    EXPECT(strcmp(kith_process_name(parent), "MainProcess") == 0);
    EXPECT(kith_process_pid(parent) == getppid());
    EXPECT(kith_process_parent_pid(parent) == *(pid_t *)grandparent);
    EXPECT(kith_process_active_children(NULL, 0) == 0);
    EXPECT(kith_process_close(self) == -EPERM);
    EXPECT(kith_process_close(parent) == -EPERM);
    return run(grandchild, parent);
}

static int check_name(void *name)
{
    EXPECT(strcmp(kith_process_name(kith_process_current()), name) == 0);
    return 0;
}

static int check_default_name(int number)
{
    char name[32];
    snprintf(name, sizeof name, "Process-%d", number);
    return run(check_name, name);
}

static int family(void)
{
    int code;
    EXPECT(check_default_name(1) == 0);
    char name[] = "a name of one's own";
    pid_t parent = getppid();
    kith_process *child = NULL;
    EXPECT(kith_process_start(&child, child_with_a_name, &parent, &(kith_process_options){ .name = name }) == 0);
    name[0] = 'X'; /* it was copied */
    EXPECT(strcmp(kith_process_name(child), "a name of one's own") == 0);
    EXPECT(kith_process_parent_pid(child) == getpid());
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0);
    EXPECT(kith_process_exit_code(child, &code) == 0 && code == 0);
    EXPECT(kith_process_close(child) == 0);
    EXPECT(check_default_name(3) == 0);
    return 0;
}

static int be_debugged(void *number)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
        raise(SIGSTOP);
    return return_it(number);
}

static void who_is_stopped_by_its_debugger_has_not_ended(void **state)
{
    (void)state;
    int number = 5;
    siginfo_t stop = { 0 };
    kith_process *child = start(be_debugged, &number, NULL);
    pid_t pid = kith_process_pid(child);
    assert_int_equal(waitid(P_PID, (id_t)pid, &stop, WSTOPPED | WEXITED | WNOWAIT), 0);
    if (stop.si_code == CLD_TRAPPED) { /* else it is not allowed */
        assert_int_equal(kith_process_is_alive(child), 1);
        assert_int_equal(kith_process_active_children(NULL, 0), 1);
        assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    }
    finish(child, number);
}

static void processes_know_their_names_and_parents(void **state)
{
    (void)state;
    assert_int_equal(apart(family), 0);
}

static void the_current_process_is_this_one(void **state)
{
    (void)state;
    int code;
    kith_process *self = kith_process_current();
    assert_ptr_equal(kith_process_current(), self);
    assert_null(kith_process_parent());
    assert_string_equal(kith_process_name(self), "MainProcess");
    assert_int_equal(kith_process_pid(self), getpid());
    assert_int_equal(kith_process_parent_pid(self), getppid());
    assert_int_equal(kith_process_is_daemon(self), 0);
    assert_int_equal(kith_process_is_alive(self), 1);
    assert_explained(kith_process_join(self, KITH_NOWAIT), -EDEADLK);
    assert_explained(kith_process_exit_code(self, &code), -ECHILD);
    assert_explained(kith_process_sentinel(self), -ECHILD);
    assert_explained(kith_process_terminate(self), -ECHILD);
    assert_explained(kith_process_kill(self), -ECHILD);
    assert_explained(kith_process_close(self), -EPERM);
}

static void names_can_be_changed(void **state)
{
    (void)state;
    kith_process *self = kith_process_current();
    kith_process *child = start(wait_and_return, NULL, NULL);
    assert_code(kith_process_set_name(child, "renamed"), 0);
    assert_string_equal(kith_process_name(child), "renamed");
    assert_code(kith_process_set_name(child, ""), 0);
    assert_string_equal(kith_process_name(child), "");
    assert_code(kith_process_set_name(self, "me"), 0);
    assert_string_equal(kith_process_name(self), "me");
    assert_code(kith_process_set_name(self, "MainProcess"), 0);
    let_go();
    finish(child, 0);
}

static kith_process *sibling;

static int ask_sibling(void *argument)
{
    (void)argument;
    int code;
    EXPECT(kith_process_join(sibling, KITH_NOWAIT) == -ECHILD);
    EXPECT(strstr(kith_error_detail(), "another process"));
    EXPECT(kith_process_is_alive(sibling) == -ECHILD);
    EXPECT(kith_process_exit_code(sibling, &code) == -ECHILD);
    EXPECT(kith_process_terminate(sibling) == -ECHILD);
    EXPECT(kith_process_kill(sibling) == -ECHILD);
    EXPECT(kith_process_sentinel(sibling) == -ECHILD);
    EXPECT(kith_process_pid(sibling) > 0);
    EXPECT(kith_process_name(sibling)[0] == 'P');
    EXPECT(kith_process_active_children(NULL, 0) == 0);
    EXPECT(descriptors() == descriptors_before + PIPES);
    EXPECT(kith_process_close(sibling) == 0);
    EXPECT(descriptors() == descriptors_before + PIPES);
    return 0;
}

static int ask_sibling_in_a_fork(void)
{
    EXPECT(kith_process_pid(kith_process_current()) == getpid());
    EXPECT(kith_process_parent_pid(kith_process_current()) == getppid());
    EXPECT(kith_process_parent() == NULL);
    descriptors_before--; /* its parent's sentinel is there only in children that kith started */
    EXPECT(ask_sibling(NULL) == 0);
    return check_default_name(1);
}

static void siblings_are_no_children(void **state)
{
    (void)state;
    sibling = start(wait_and_return, NULL, NULL);
    assert_int_equal(run(ask_sibling, NULL), 0);
    assert_int_equal(apart(ask_sibling_in_a_fork), 0);
    let_go();
    finish(sibling, 0);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    kith_process *child = NULL;
    struct kith_connection *none[] = { NULL };
    assert_explained(kith_process_start(&child, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(kith_process_start(&child, return_it, NULL, &(kith_process_options){ .connection_count = 1 }),
                     -EINVAL);
    assert_int_equal(kith_process_start(&child, return_it, NULL,
                                        &(kith_process_options){ .connections = none, .connection_count = 1 }),
                     -EINVAL);
    assert_null(child);
    int code;
    assert_string_equal(kith_process_name(NULL), "");
    assert_explained(kith_process_set_name(NULL, "name"), -EINVAL);
    assert_explained(kith_process_set_name(kith_process_current(), NULL), -EINVAL);
    assert_explained(kith_process_pid(NULL), -EINVAL);
    assert_explained(kith_process_parent_pid(NULL), -EINVAL);
    assert_explained(kith_process_is_daemon(NULL), -EINVAL);
    assert_explained(kith_process_join(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_process_is_alive(NULL), -EINVAL);
    assert_explained(kith_process_exit_code(NULL, &code), -EINVAL);
    assert_explained(kith_process_terminate(NULL), -EINVAL);
    assert_explained(kith_process_kill(NULL), -EINVAL);
    assert_explained(kith_process_sentinel(NULL), -EINVAL);
    assert_explained(kith_process_active_children(NULL, 1), -EINVAL);
    assert_code(kith_process_close(NULL), 0);
    child = start(return_it, NULL, NULL);
    assert_explained(kith_process_join(child, -2), -EINVAL);
    assert_code(kith_process_join(child, KITH_FOREVER), 0);
    assert_explained(kith_process_exit_code(child, NULL), -EINVAL);
    finish(child, 0);
}

/* ---- all children ---- */

static void active_children_are_those_that_run(void **state)
{
    (void)state;
    kith_process *found[4];
    assert_int_equal(kith_process_active_children(found, 4), 0);
    kith_process *first = start(say_and_wait, NULL, NULL);
    assert_int_equal(hear(), 'h');
    assert_code(kith_process_start(NULL, sleep_forever, NULL, NULL), 0);
    kith_process *last = start(return_it, NULL, NULL);
    assert_code(kith_process_join(last, KITH_FOREVER), 0);
    assert_int_equal(kith_process_active_children(NULL, 0), 2);
    assert_int_equal(kith_process_active_children(found, 1), 2);
    assert_ptr_equal(found[0], first);
    assert_int_equal(kith_process_active_children(found, 4), 2);
    assert_ptr_equal(found[0], first);
    /* The second was started without a handle, and now there is one. */
    assert_code(kith_process_kill(found[1]), 0);
    finish(found[1], -SIGKILL);
    let_go();
    finish(first, 0);
    finish(last, 0);
}

static int say_pid(void *argument)
{
    (void)argument;
    pid_t pid = getpid();
    return write(said[1], &pid, sizeof pid) != sizeof pid;
}

static void who_has_no_handle_is_reaped_by_the_next_start(void **state)
{
    (void)state;
    pid_t pid;
    siginfo_t status;
    assert_code(kith_process_start(NULL, say_pid, NULL, NULL), 0);
    assert_int_equal(read(said[0], &pid, sizeof pid), sizeof pid);
    assert_int_equal(waitid(P_PID, (id_t)pid, &status, WEXITED | WNOWAIT), 0); /* it has ended, and is a zombie */
    assert_int_equal(run(return_it, NULL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &status, WEXITED | WNOWAIT | WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static pid_t fork_and_end(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

/* It has nothing that another thread was just about to use for its own child. */
static int count_and_return(void *number)
{
    EXPECT_OR(descriptors() == descriptors_before + PIPES, return 255);
    return return_it(number);
}

static void *start_many(void *nothing)
{
    (void)nothing;
    intptr_t failures = 0;
    for (int i = 0; i < 25; i++) {
        if (i % 5 == 0)
            failures += kith_process_start(NULL, return_it, NULL, NULL) != 0;
        else if (i % 5 == 1)
            failures += apart_wait(fork_and_end()) != 0;
        else
            failures += run(count_and_return, &(int){ i }) != i;
    }
    return (void *)failures;
}

static void threads_may_start_children_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[3];
    void *failures;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, NULL), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &failures);
        assert_int_equal((intptr_t)failures, 0);
    }
    while (kith_process_active_children(NULL, 0) > 0)
        sched_yield();
}

/* ---- CPUs ---- */

static int use_one_cpu(void)
{
    cpu_set_t all, one;
    size_t cpu = 0;
    EXPECT(sched_getaffinity(0, sizeof all, &all) == 0);
    EXPECT(kith_cpu_count() == CPU_COUNT(&all));
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT(sched_setaffinity(0, sizeof one, &one) == 0);
    EXPECT(kith_cpu_count() == 1);
    return 0;
}

static void cpu_count_counts_the_usable_ones(void **state)
{
    (void)state;
    assert_int_equal(apart(use_one_cpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exit_code_is_what_main_returns),
        TEST(exit_code_is_what_exit_is_given),
        TEST(exit_code_is_the_negative_signal),
        TEST(terminate_and_kill_end_a_child),
        TEST(join_waits_no_longer_than_told),
        TEST(an_ended_child_can_be_asked_many_times),
        TEST(the_sentinel_becomes_readable),
        TEST(two_threads_may_join_a_child),
        TEST(a_signal_handler_interrupts_join),
        TEST(who_was_reaped_by_others_has_ended_somehow),
        TEST(who_is_stopped_by_its_debugger_has_not_ended),
        TEST(processes_know_their_names_and_parents),
        TEST(the_current_process_is_this_one),
        TEST(names_can_be_changed),
        TEST(siblings_are_no_children),
        TEST(bad_arguments_are_refused),
        TEST(active_children_are_those_that_run),
        TEST(who_has_no_handle_is_reaped_by_the_next_start),
        TEST(threads_may_start_children_at_the_same_time),
        TEST(cpu_count_counts_the_usable_ones),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
