/* What the tests of locks and the like are made of: children, made by plain fork, and a board in memory that all
 * share. */
#ifndef KITH_TESTS_UNIT_CREW_H
#define KITH_TESTS_UNIT_CREW_H

#include "../asleep.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** What children and the test tell each other. */
struct board {
    _Atomic int step;
    _Atomic uint64_t count;
    _Atomic int places[64]; /* by those whom "count" gives a number */
};

static struct board *board;

static inline int setup(void **state)
{
    (void)state;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board == MAP_FAILED ? -1 : 0;
}

/** Children that a failed test has left behind die with this process; here they are a mistake. */
static inline int teardown(void **state)
{
    (void)state;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return munmap(board, sizeof *board);
}

static inline void wait_for_step(int step)
{
    while (atomic_load(&board->step) < step)
        sched_yield();
}

/** Runs a function in a child, which ends with the test. What it returns is the exit status; 0 is good. */
static inline pid_t child(int (*function)(void *), void *argument)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(function(argument));
    }
    return pid;
}

static inline int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void kill_child(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(status_of(pid), -SIGKILL);
}

/** Until it is continued, it does nothing. */
static inline void stop_child(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

static inline int sleep_until_killed(void)
{
    for (;;)
        pause();
    return 0;
}

/** A child that sleeps. */
static inline pid_t sleeper(int (*function)(void *), void *argument)
{
    pid_t pid = child(function, argument);
    wait_until_asleep(pid);
    return pid;
}

static inline void ignore_signal(int signal)
{
    (void)signal;
}

/** Sends signals to a child whose wait they are to interrupt, until it ends. @return its status */
static inline int interrupt(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        kill(pid, SIGUSR1);
        sched_yield();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/** In such a child. */
static inline void be_interruptible(void)
{
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore_signal }, NULL);
}

enum { COUNTS = 20000 };

/** So often counts up what only the lock guards. */
static inline int count_under_lock(void *lock)
{
    for (int i = 0; i < COUNTS; i++) {
        if (kith_lock_acquire(lock, KITH_FOREVER) != 0)
            return 1;
        uint64_t count = atomic_load_explicit(&board->count, memory_order_relaxed);
        atomic_store_explicit(&board->count, count + 1, memory_order_relaxed);
        if (kith_lock_release(lock) != 0)
            return 2;
    }
    return 0;
}

#define with_board(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
