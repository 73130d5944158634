/* kith/process.h: what happens when the system refuses what a start needs. */
#include "family.h"
#include "refuse.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

static int run_out_of_descriptors(void)
{
    enum { LIMIT = 64 };
    int spare[LIMIT], count = 0;
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < LIMIT && (spare[count] = dup(0)) >= 0)
        count++;
    EXPECT(errno == EMFILE && count > 3);
    /* A new process's first child needs two at a time. */
    for (int left = 0; left < 2; left++) {
        kith_process *child = NULL;
        EXPECT(kith_process_start(&child, say_that_it_ran, NULL, NULL) == -EMFILE);
        EXPECT(strstr(kith_error_detail(), "file descriptor"));
        EXPECT(child == NULL && heard() == 0);
        EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        close(spare[--count]);
    }
    EXPECT(run(return_it, &(int){ 6 }) == 6);
    EXPECT(run(return_it, &(int){ 7 }) == 7); /* nothing was lost on the way */
    return 0;
}

static void no_descriptors(void **state)
{
    (void)state;
    assert_int_equal(apart(run_out_of_descriptors), 0);
}

/* A start that fails must leave nothing behind. */
static int expect_refusal(int code)
{
    int before = descriptors();
    kith_process *child = NULL;
    EXPECT(kith_process_start(&child, say_that_it_ran, NULL, NULL) == code);
    EXPECT(kith_error_detail()[0]);
    EXPECT(child == NULL && heard() == 0);
    EXPECT(kith_process_active_children(NULL, 0) == 0);
    EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    EXPECT(descriptors() == before);
    return 0;
}

static int refuse_fork(void)
{
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(refuse(SYS_clone, EAGAIN) == 0);
    EXPECT(expect_refusal(-EAGAIN) == 0);
    _exit(expect_refusal(-EAGAIN)); /* at exit, the leak sanitizer would want a thread */
}

static void no_fork(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_fork), 0);
}

static int refuse_first_sentinel(void)
{
    EXPECT(refuse(SYS_pidfd_open, ENFILE) == 0);
    return expect_refusal(-ENFILE);
}

/* Between the fork and what the parent does then, the child has all the time that it could want. */
static void give_the_child_time(void)
{
    readable(said[0], 20);
}

static int refuse_later_sentinel(void)
{
    EXPECT(run(return_it, NULL) == 0);
    EXPECT(pthread_atfork(NULL, give_the_child_time, NULL) == 0);
    EXPECT(refuse(SYS_pidfd_open, ENOMEM) == 0);
    return expect_refusal(-ENOMEM);
}

static void no_sentinel(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_first_sentinel), 0);
    assert_int_equal(apart(refuse_later_sentinel), 0);
}

/* The page for gates is mapped once a process. */
static int refuse_gate(void)
{
    EXPECT(refuse_when(SYS_mmap, 3, MAP_SHARED | MAP_ANONYMOUS, ENOMEM) == 0);
    return expect_refusal(-ENOMEM);
}

static void no_gate(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_gate), 0);
}

static void let_the_child_sleep(void)
{
    readable(said[0], 30);
}

static int lift_late(void)
{
    EXPECT(pthread_atfork(NULL, let_the_child_sleep, NULL) == 0);
    EXPECT(run(say_that_it_ran, NULL) == 0 && heard() == '!');
    EXPECT(run(say_that_it_ran, NULL) == 0 && heard() == '!');
    return 0;
}

static void a_child_waits_for_a_slow_parent(void **state)
{
    (void)state;
    assert_int_equal(apart(lift_late), 0);
}

static void die_in_the_middle(void)
{
    readable(said[0], 30);
    raise(SIGKILL);
}

static int start_and_die(void)
{
    EXPECT(pthread_atfork(NULL, die_in_the_middle, NULL) == 0);
    return kith_process_start(NULL, say_that_it_ran, NULL, NULL);
}

static void a_child_whose_parent_dies_in_the_middle_ends_itself(void **state)
{
    (void)state;
    assert_int_equal(apart(start_and_die), -SIGKILL);
    give_living_away();
    wait_until_dead();
    assert_int_equal(heard(), 0);
}

static int refuse_as_old_kernels_do(void)
{
    EXPECT(refuse(SYS_pidfd_open, ENOSYS) == 0);
    return expect_refusal(-ENOSYS);
}

static void no_such_call(void **state)
{
    (void)state;
    assert_int_equal(apart(refuse_as_old_kernels_do), 0);
}

/* The thread that refuses itself new threads, but not forks: the C library makes the one by clone3, the other by
 * clone. */
static void *start_daemon(void *nothing)
{
    kith_process *daemon = NULL;
    const kith_process_options options = { .daemon = 1 };
    EXPECT_OR(refuse(SYS_clone3, EAGAIN) == 0, return NULL);
    EXPECT_OR(kith_process_start(&daemon, say_that_it_ran, nothing, &options) == -EAGAIN, return NULL);
    EXPECT_OR(strstr(kith_error_detail(), "daemon: no thread"), return NULL);
    EXPECT_OR(daemon == NULL && kith_process_active_children(NULL, 0) == 0, return NULL);
    say('k');
    return NULL;
}

static int start_daemon_in_a_thread(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, start_daemon, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return 0;
}

static void no_thread_to_watch_the_parent_with(void **state)
{
    (void)state;
    assert_int_equal(apart(start_daemon_in_a_thread), 0);
    assert_int_equal(heard(), 'k');
    assert_int_equal(heard(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_descriptors),
        TEST(no_fork),
        TEST(no_sentinel),
        TEST(no_gate),
        TEST(a_child_waits_for_a_slow_parent),
        TEST(a_child_whose_parent_dies_in_the_middle_ends_itself),
        TEST(no_such_call),
        TEST(no_thread_to_watch_the_parent_with),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
