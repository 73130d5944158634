/* kith/process.h: how children are ended, and how they learn of their parent's end. */
#include "alarms.h"
#include "family.h"

#include <pthread.h>

/* ---- interrupt and stop ---- */

static int ignore_sigterm(void *nothing)
{
    signal(SIGTERM, SIG_IGN);
    return sleep_forever(nothing);
}

static kith_process *start_sleeper(kith_process_main body)
{
    kith_process *child = start(body, NULL, NULL);
    assert_int_equal(hear(), 's');
    return child;
}

static void interrupt_is_like_a_key(void **state)
{
    (void)state;
    kith_process *child = start_sleeper(sleep_forever);
    assert_code(kith_process_interrupt(child), 0);
    finish(child, -SIGINT);
}

static void expect_stopped(kith_process *child, kith_timeout grace, int exit_code)
{
    assert_code(kith_process_stop(child, grace), 0);
    assert_int_equal(kith_process_is_alive(child), 0);
    finish(child, exit_code);
}

static void stop_ends_a_child_by_sigterm(void **state)
{
    (void)state;
    expect_stopped(start_sleeper(sleep_forever), KITH_FOREVER, -SIGTERM);
    expect_stopped(start_sleeper(sleep_forever), KITH_SECONDS(60), -SIGTERM);
}

static void stop_kills_a_child_that_does_not_heed_it(void **state)
{
    (void)state;
    expect_stopped(start_sleeper(ignore_sigterm), KITH_MS(20), -SIGKILL);
}

static void stop_without_grace_kills(void **state)
{
    (void)state;
    expect_stopped(start_sleeper(sleep_forever), KITH_NOWAIT, -SIGKILL);
    expect_stopped(start_sleeper(ignore_sigterm), KITH_NOWAIT, -SIGKILL);
}

static void stop_kills_a_stopped_child(void **state)
{
    (void)state;
    siginfo_t status;
    kith_process *child = start_sleeper(sleep_forever);
    pid_t pid = kith_process_pid(child);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &status, WSTOPPED | WNOWAIT), 0);
    expect_stopped(child, KITH_MS(20), -SIGKILL);
}

static void stop_waits_for_a_child_that_takes_its_time(void **state)
{
    (void)state;
    kith_process *child = start(wait_and_return, &(int){ 6 }, NULL);
    let_go();
    assert_code(kith_process_join(child, KITH_FOREVER), 0);
    assert_code(kith_process_stop(child, KITH_FOREVER), 0); /* it has ended already */
    expect_stopped(child, KITH_NOWAIT, 6);
}

/* On SIGTERM it says so, and goes on until it is let go. */
static void say_terminated(int number)
{
    (void)number;
    say('t');
    wait_to_go();
    _exit(5);
}

static int handle_sigterm(void *nothing)
{
    signal(SIGTERM, say_terminated);
    return sleep_forever(nothing);
}

static void stop_can_be_interrupted(void **state)
{
    (void)state;
    kith_process *child = start_sleeper(handle_sigterm);
    const int flags[] = { 0, SA_RESTART };
    for (int i = 0; i < 2; i++) {
        alarms_on(alarm_ignored, flags[i]);
        int code = kith_process_stop(child, KITH_FOREVER);
        alarms_off();
        assert_explained(code, -EINTR);
        assert_int_equal(kith_process_is_alive(child), 1);
    }
    assert_int_equal(hear(), 't');
    let_go();
    expect_stopped(child, KITH_FOREVER, 5);
}

static int stop_relatives(void *sibling)
{
    kith_process *const others[] = { sibling, kith_process_current(), kith_process_parent() };
    for (int i = 0; i < 3; i++) {
        EXPECT(kith_process_stop(others[i], KITH_NOWAIT) == -ECHILD && strlen(kith_error_detail()) > 10);
        EXPECT(kith_process_stop(others[i], KITH_MS(1)) == -ECHILD && kith_process_interrupt(others[i]) == -ECHILD);
    }
    return 0;
}

static void only_children_are_stopped(void **state)
{
    (void)state;
    kith_process *child = start(wait_and_return, NULL, NULL);
    assert_int_equal(run(stop_relatives, child), 0);
    assert_explained(kith_process_stop(NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_process_stop(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_process_interrupt(NULL), -EINVAL);
    assert_explained(kith_process_stop(child, -2), -EINVAL);
    assert_int_equal(kith_process_is_alive(child), 1);
    let_go();
    finish(child, 0);
}

/* ---- zombies ---- */

/* Whether this process has a child, dead or alive, that nobody has reaped. */
static bool has_children(void)
{
    siginfo_t status;
    return waitid(P_ALL, 0, &status, WEXITED | WNOWAIT | WNOHANG) == 0;
}

static void wait_for_zombie(pid_t pid)
{
    siginfo_t status;
    assert_int_equal(waitid(P_PID, (id_t)pid, &status, WEXITED | WNOWAIT), 0);
}

static bool is_zombie(pid_t pid)
{
    siginfo_t status;
    return waitid(P_PID, (id_t)pid, &status, WEXITED | WNOWAIT | WNOHANG) == 0;
}

static void no_zombies_gather(void **state)
{
    (void)state;
    enum { MANY = 8 };
    kith_process *held[MANY], *last;
    for (int i = 0; i < MANY; i++) {
        held[i] = start(return_it, &(int){ i }, NULL);
        wait_for_zombie(kith_process_pid(held[i]));
        assert_code(kith_process_start(NULL, return_it, NULL, NULL), 0);
        assert_false(is_zombie(kith_process_pid(held[i]))); /* that start has reaped it */
    }
    last = start(return_it, NULL, NULL);
    finish(last, 0);
    while (kith_process_active_children(NULL, 0) > 0)
        continue;
    assert_false(has_children());
    for (int i = 0; i < MANY; i++)
        finish(held[i], i);
}

/* ---- the parent's end ---- */

static int tell_whether_orphan(void *nothing)
{
    EXPECT(kith_process_is_orphan() == 0);
    say('0');
    EXPECT(kith_process_join(kith_process_parent(), KITH_FOREVER) == 0);
    EXPECT(kith_process_is_orphan() == 1 && kith_process_is_orphan() == 1);
    say('1');
    return nothing != NULL;
}

static int ask_in_a_fork(void)
{
    return kith_process_is_orphan();
}

static int leave_a_child(void)
{
    EXPECT(kith_process_is_orphan() == 0);
    EXPECT(kith_process_start(NULL, tell_whether_orphan, NULL, NULL) == 0);
    wait_to_go();
    _exit(0);
}

static void orphans_know_that_they_are(void **state)
{
    (void)state;
    assert_int_equal(kith_process_is_orphan(), 0);
    assert_int_equal(apart(ask_in_a_fork), 0);
    pid_t parent = apart_start(leave_a_child);
    assert_int_equal(hear(), '0');
    let_go();
    assert_int_equal(hear(), '1');
    assert_int_equal(apart_wait(parent), 0);
    give_living_away();
    wait_until_dead();
}

static void say_signalled(int number)
{
    (void)number;
    say('u');
    _exit(0);
}

static int wait_for_sigusr1(void *nothing)
{
    signal(SIGUSR1, say_signalled);
    return sleep_forever(nothing);
}

static const kith_process_options told = { .death_signal = SIGUSR1 };

static void *start_told(void *nothing)
{
    return (void *)(intptr_t)kith_process_start(NULL, wait_for_sigusr1, nothing, &told);
}

static int sleep_with_a_child_that_is_told(void)
{
    EXPECT(start_told(NULL) == NULL);
    return sleep_forever(NULL);
}

static int sleep_with_a_child_of_a_thread(void)
{
    pthread_t thread;
    void *result;
    EXPECT(pthread_create(&thread, NULL, start_told, NULL) == 0);
    EXPECT(pthread_join(thread, &result) == 0 && !result);
    return sleep_forever(NULL);
}

static int exit_with_a_child_that_is_told(void)
{
    EXPECT(start_told(NULL) == NULL);
    EXPECT(hear() == 's');
    _exit(0);
}

/* @param by  what ends the parent */
static void expect_to_be_told(int (*parent_body)(void), int by)
{
    pid_t parent = apart_start(parent_body);
    assert_int_equal(hear(), 's');
    assert_int_equal(hear(), 's'); /* parent and child; the thread has ended, and nothing came of that */
    assert_int_equal(heard(), 0);
    kill(parent, by);
    assert_int_equal(apart_wait(parent), -by);
    assert_int_equal(hear(), 'u');
}

static void orphans_are_told_by_a_signal(void **state)
{
    (void)state;
    expect_to_be_told(sleep_with_a_child_that_is_told, SIGKILL);
    expect_to_be_told(sleep_with_a_child_that_is_told, SIGTERM);
    assert_int_equal(apart(exit_with_a_child_that_is_told), 0);
    assert_int_equal(hear(), 'u');
    give_living_away();
    wait_until_dead();
}

static void orphans_of_a_thread_are_told_when_the_process_ends(void **state)
{
    (void)state;
    expect_to_be_told(sleep_with_a_child_of_a_thread, SIGKILL);
    give_living_away();
    wait_until_dead();
}

static int mind_other_things(void *nothing)
{
    EXPECT(start_told(NULL) == NULL);
    return wait_and_return(nothing);
}

/* The signal of its parent's end is a child's own, and not its children's. */
static void a_death_signal_is_not_inherited(void **state)
{
    (void)state;
    kith_process *child = start(mind_other_things, NULL, &told);
    assert_int_equal(hear(), 's');
    assert_int_equal(heard(), 0);
    assert_code(kith_process_kill(child), 0);
    assert_int_equal(hear(), 'u'); /* the grandchild was told, since its own parent has ended */
    finish(child, -SIGKILL);
    give_living_away();
    wait_until_dead();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(interrupt_is_like_a_key),
        TEST(stop_ends_a_child_by_sigterm),
        TEST(stop_kills_a_child_that_does_not_heed_it),
        TEST(stop_without_grace_kills),
        TEST(stop_kills_a_stopped_child),
        TEST(stop_waits_for_a_child_that_takes_its_time),
        TEST(stop_can_be_interrupted),
        TEST(only_children_are_stopped),
        TEST(no_zombies_gather),
        TEST(orphans_know_that_they_are),
        TEST(orphans_are_told_by_a_signal),
        TEST(orphans_of_a_thread_are_told_when_the_process_ends),
        TEST(a_death_signal_is_not_inherited),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
