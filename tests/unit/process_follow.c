/* kith/process.h: children that the program made by a fork of its own, and that are to end with it. */
#include "family.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What poll(2) is to the kernel. */
#ifdef SYS_poll
enum { POLL = SYS_poll };
#else
enum { POLL = SYS_ppoll };
#endif

/** What a child asks for, and of whom. */
static int by_kernel;
static pid_t other;

static void say_usr1(int number)
{
    (void)number;
    say('u');
    _exit(0);
}

static void say_usr2(int number)
{
    (void)number;
    say('v');
    _exit(0);
}

static void handle_both(void)
{
    signal(SIGUSR1, say_usr1);
    signal(SIGUSR2, say_usr2);
}

static int signal_of_the_kernel(void)
{
    int number = -1;
    prctl(PR_GET_PDEATHSIG, &number);
    return number;
}

static int threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? (int)tasks.st_nlink - 2 : -1;
}

/* ---- children ---- */

static int follow(void)
{
    handle_both();
    EXPECT(kith_process_end_with(other, by_kernel, SIGUSR1) == 0);
    EXPECT(signal_of_the_kernel() == (by_kernel ? SIGUSR1 : 0));
    EXPECT(threads() == (by_kernel ? 1 : 2));
    return sleep_forever(NULL);
}

static void *follow_in_a_thread(void *nothing)
{
    (void)nothing;
    return (void *)(intptr_t)kith_process_end_with(other, 1, SIGUSR1);
}

/* What a thread asked of the kernel would be forgotten with it. */
static int follow_by_a_thread(void)
{
    pthread_t thread;
    void *code;
    handle_both();
    EXPECT(pthread_create(&thread, NULL, follow_in_a_thread, NULL) == 0);
    EXPECT(pthread_join(thread, &code) == 0 && !code);
    EXPECT(signal_of_the_kernel() == 0);
    return sleep_forever(NULL);
}

static int follow_with_another_signal(void)
{
    handle_both();
    EXPECT(kith_process_end_with(other, by_kernel, SIGUSR1) == 0);
    EXPECT(kith_process_end_with(other, !by_kernel, SIGUSR1) == 0);
    EXPECT(kith_process_end_with(other, by_kernel, SIGUSR2) == 0);
    return sleep_forever(NULL);
}

static void wait_for_another_parent(pid_t parent)
{
    while (getppid() == parent)
        sched_yield();
}

static int follow_no_more(void)
{
    pid_t parent = getppid();
    int before = descriptors();
    handle_both();
    for (int i = 0; i < 3; i++) {
        EXPECT(kith_process_end_with(parent, 1, SIGUSR1) == 0);
        EXPECT(kith_process_end_with(parent, 0, SIGUSR1) == 0);
        EXPECT(kith_process_end_with(parent, 0, 0) == 0);
    }
    EXPECT(signal_of_the_kernel() == 0 && threads() == 2 && descriptors() == before + 1);
    say('s');
    wait_for_another_parent(parent);
    while (threads() > 1) /* it has seen the end, and sent nothing */
        sched_yield();
    say('0');
    return 0;
}

static int come_too_late(void)
{
    pid_t parent = getppid();
    handle_both();
    say('s');
    wait_for_another_parent(parent);
    EXPECT(kith_process_end_with(parent, 1, SIGUSR1) == -ESRCH); /* a zombie */
    EXPECT(strlen(kith_error_detail()) > 10);
    say('z');
    wait_to_go();
    EXPECT(kith_process_end_with(parent, 1, SIGUSR1) == -ESRCH); /* nothing at all */
    EXPECT(kith_process_end_with(parent, 0, SIGUSR1) == -ESRCH);
    EXPECT(signal_of_the_kernel() == 0 && threads() == 1);
    say('0');
    return 0;
}

/** Waits until a thread is in a system call of that number. */
static void wait_for_call(pid_t thread, long wanted)
{
    char path[40];
    long number = -1;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)thread);
    while (number != wanted) {
        FILE *file = fopen(path, "re");
        if (!file || fscanf(file, "%ld", &number) != 1)
            number = -1; /* running */
        if (file)
            fclose(file);
        sched_yield();
    }
}

/** The library's thread polls: it has begun, and is in the middle of nothing that a fork would leave half done (as
 *  sanitizers are while a thread begins). */
static void wait_for_the_watcher(void)
{
    DIR *directory = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid())
            wait_for_call(atoi(entry->d_name), POLL);
    }
    closedir(directory);
}

static int fork_and_outlive(void)
{
    EXPECT(kith_process_end_with(getppid(), 0, SIGKILL) == 0);
    wait_for_the_watcher();
    int before = descriptors();
    pid_t child = fork();
    if (child == 0) {
        EXPECT(descriptors() == before - 1 && threads() == 1);
        handle_both();
        EXPECT(kith_process_end_with(getppid(), 0, SIGUSR1) == 0);
    }
    return sleep_forever(NULL);
}

/* ---- parents ---- */

static int (*body)(void);

static int fork_and_sleep(void)
{
    other = getpid();
    pid_t child = fork();
    if (child == 0)
        exit(body());
    return sleep_forever(NULL);
}

/** A parent of such a child; both are asleep. */
static pid_t parent_of(int (*child)(void))
{
    body = child;
    pid_t parent = apart_start(fork_and_sleep);
    assert_int_equal(hear(), 's');
    assert_int_equal(hear(), 's');
    assert_int_equal(heard(), 0);
    return parent;
}

static void end_by(pid_t process, int number)
{
    assert_int_equal(kill(process, number), 0);
    assert_int_equal(apart_wait(process), -number);
}

static void nobody_is_left(void)
{
    give_living_away();
    wait_until_dead();
}

/* ---- tests ---- */

static void a_child_is_told_when_its_parent_is_killed(void **state)
{
    (void)state;
    for (by_kernel = 0; by_kernel <= 1; by_kernel++) {
        end_by(parent_of(follow), SIGKILL);
        assert_int_equal(hear(), 'u');
        end_by(parent_of(follow), SIGTERM);
        assert_int_equal(hear(), 'u');
    }
    nobody_is_left();
}

static void another_thread_may_ask(void **state)
{
    (void)state;
    end_by(parent_of(follow_by_a_thread), SIGKILL);
    assert_int_equal(hear(), 'u');
    nobody_is_left();
}

static void the_last_call_counts(void **state)
{
    (void)state;
    for (by_kernel = 0; by_kernel <= 1; by_kernel++) {
        end_by(parent_of(follow_with_another_signal), SIGKILL);
        assert_int_equal(hear(), 'v');
        assert_int_equal(heard(), 0);
    }
    nobody_is_left();
}

static void it_can_be_taken_back(void **state)
{
    (void)state;
    end_by(parent_of(follow_no_more), SIGKILL);
    assert_int_equal(hear(), '0');
    nobody_is_left();
}

static void who_comes_too_late_is_told_so(void **state)
{
    (void)state;
    pid_t parent = parent_of(come_too_late);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(hear(), 'z');
    assert_int_equal(apart_wait(parent), -SIGKILL);
    let_go();
    assert_int_equal(hear(), '0');
    nobody_is_left();
}

static void any_process_can_be_followed(void **state)
{
    (void)state;
    by_kernel = 0;
    pid_t stranger = fork();
    if (stranger == 0)
        _exit(sleep_forever(NULL));
    other = stranger;
    assert_int_equal(hear(), 's');
    pid_t follower = apart_start(follow);
    assert_int_equal(hear(), 's');
    assert_int_equal(kill(stranger, SIGKILL), 0);
    assert_int_equal(hear(), 'u');
    assert_int_equal(apart_wait(follower), 0);
    assert_int_equal(apart_wait(stranger), -SIGKILL);
}

static void forks_do_not_inherit_it(void **state)
{
    (void)state;
    body = fork_and_outlive;
    pid_t parent = apart_start(fork_and_sleep);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear(), 's');
    end_by(parent, SIGKILL);
    assert_int_equal(hear(), 'u'); /* by its own parent's end */
    nobody_is_left();
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    assert_explained(kith_process_end_with(getppid(), 0, -1), -EINVAL);
    assert_explained(kith_process_end_with(getppid(), 0, 65), -EINVAL);
    assert_explained(kith_process_end_with(0, 0, SIGTERM), -EINVAL);
    assert_explained(kith_process_end_with(-1, 0, SIGTERM), -EINVAL);
    assert_explained(kith_process_end_with(getpid(), 0, SIGTERM), -EINVAL);
    assert_code(kith_process_end_with(0, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_is_told_when_its_parent_is_killed),
        TEST(another_thread_may_ask),
        TEST(the_last_call_counts),
        TEST(it_can_be_taken_back),
        TEST(who_comes_too_late_is_told_so),
        TEST(any_process_can_be_followed),
        TEST(forks_do_not_inherit_it),
        TEST(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
