/* kith/sync.h: events, between processes. */
#include "crew.h"

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

static kith_event *make(void)
{
    kith_event *event = NULL;
    assert_code(kith_event_new(&event), 0);
    return event;
}

static int wait_until_set(void *event)
{
    return -kith_event_wait(event, KITH_FOREVER);
}

static int set(void *event)
{
    return -kith_event_set(event);
}

static void event_is_set_and_cleared(void **state)
{
    (void)state;
    kith_event *event = make();
    assert_int_equal(kith_event_is_set(event), 0);
    assert_code(kith_event_wait(event, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_event_wait(event, KITH_MS(10)), -ETIMEDOUT);
    assert_int_equal(status_of(child(set, event)), 0);
    assert_int_equal(kith_event_is_set(event), 1);
    assert_code(kith_event_wait(event, KITH_NOWAIT), 0);
    assert_code(kith_event_set(event), 0);
    assert_code(kith_event_wait(event, KITH_FOREVER), 0);
    assert_code(kith_event_clear(event), 0);
    assert_code(kith_event_clear(event), 0);
    assert_int_equal(kith_event_is_set(event), 0);
    assert_code(kith_event_wait(event, KITH_NOWAIT), -ETIMEDOUT);
    kith_event_free(event);
    kith_event_free(NULL);
}

static void setting_releases_all_who_wait(void **state)
{
    (void)state;
    kith_event *event = make();
    pid_t waiters[5];
    for (int i = 0; i < 5; i++)
        waiters[i] = sleeper(wait_until_set, event);
    assert_code(kith_event_set(event), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(status_of(waiters[i]), 0);
    kith_event_free(event);
}

static void clearing_at_once_takes_nothing_back(void **state)
{
    (void)state;
    kith_event *event = make();
    pid_t waiters[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = sleeper(wait_until_set, event);
        stop_child(waiters[i]); /* so that it wakes up long after */
    }
    assert_code(kith_event_set(event), 0);
    assert_code(kith_event_clear(event), 0);
    pid_t later = sleeper(wait_until_set, event);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kill(waiters[i], SIGCONT), 0);
        assert_int_equal(status_of(waiters[i]), 0);
    }
    assert_int_equal(waitpid(later, NULL, WNOHANG), 0);
    assert_code(kith_event_set(event), 0);
    assert_int_equal(status_of(later), 0);
    kith_event_free(event);
}

static void a_dead_waiter_disturbs_nobody(void **state)
{
    (void)state;
    kith_event *event = make();
    pid_t first = sleeper(wait_until_set, event);
    pid_t second = sleeper(wait_until_set, event);
    kill_child(first);
    wait_until_asleep(second); /* it may have looked */
    assert_code(kith_event_set(event), 0);
    assert_int_equal(status_of(second), 0);
    kith_event_free(event);
}

static int set_traced(void *event)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        return 77;
    return kill(getpid(), SIGSTOP) < 0 || kith_event_set(event) != 0;
}

/** Whether the traced process stands before the system call that wakes somebody. */
static bool about_to_wake(pid_t pid)
{
    struct __ptrace_syscall_info info = { 0 };
    return ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0 &&
           info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_futex &&
           (info.entry.args[1] & (uint64_t)FUTEX_CMD_MASK) == FUTEX_WAKE;
}

/** Starts one that sets the event, and holds it when the event is set, and nobody awake yet. @return 0: it can't be */
static pid_t held_setter(kith_event *event)
{
    int status;
    pid_t pid = child(set_traced, event);
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGSTOP)
            ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
        else if (about_to_wake(pid))
            return pid;
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    }
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 77);
    return 0;
}

static void let_setter_go(pid_t setter)
{
    assert_int_equal(ptrace(PTRACE_DETACH, setter, NULL, NULL), 0);
    assert_int_equal(status_of(setter), 0);
}

/** What others do while a setter is stopped before it has woken anybody releases all. */
static void released_in_its_stead(bool clear_first)
{
    kith_event *event = make();
    pid_t waiters[2] = { sleeper(wait_until_set, event), sleeper(wait_until_set, event) };
    pid_t setter = held_setter(event);
    if (setter == 0) {
        kill_child(waiters[0]);
        kill_child(waiters[1]);
        kith_event_free(event);
        skip();
    }
    assert_int_equal(kith_event_is_set(event), 1);
    if (clear_first)
        assert_code(kith_event_clear(event), 0);
    assert_code(kith_event_set(event), 0);
    assert_int_equal(status_of(waiters[0]), 0);
    assert_int_equal(status_of(waiters[1]), 0);
    assert_code(kith_event_clear(event), 0);
    pid_t later = sleeper(wait_until_set, event);
    let_setter_go(setter); /* what it does now is nothing to those who came since */
    wait_until_asleep(later);
    assert_code(kith_event_set(event), 0);
    assert_int_equal(status_of(later), 0);
    kith_event_free(event);
}

static void a_stopped_setter_leaves_nobody_asleep(void **state)
{
    (void)state;
    released_in_its_stead(false);
    released_in_its_stead(true);
}

struct pair {
    kith_event *there, *back;
};

enum { ROUNDS = 2000 };

static int answer(void *argument)
{
    struct pair *pair = argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (kith_event_wait(pair->there, KITH_FOREVER) != 0 || kith_event_clear(pair->there) != 0 ||
            kith_event_set(pair->back) != 0)
            return 1;
    }
    return 0;
}

static void two_call_each_other(void **state)
{
    (void)state;
    struct pair pair = { make(), make() };
    pid_t other = child(answer, &pair);
    for (int i = 0; i < ROUNDS; i++) {
        assert_code(kith_event_set(pair.there), 0);
        assert_code(kith_event_wait(pair.back, KITH_FOREVER), 0);
        assert_code(kith_event_clear(pair.back), 0);
    }
    assert_int_equal(status_of(other), 0);
    kith_event_free(pair.there);
    kith_event_free(pair.back);
}

static int wait_until_interrupted(void *event)
{
    be_interruptible();
    return -kith_event_wait(event, KITH_FOREVER);
}

static void handlers_interrupt_a_wait(void **state)
{
    (void)state;
    kith_event *event = make();
    assert_int_equal(interrupt(sleeper(wait_until_interrupted, event)), EINTR);
    kith_event_free(event);
}

static void event_refuses_bad_input(void **state)
{
    (void)state;
    assert_explained(kith_event_new(NULL), -EINVAL);
    assert_explained(kith_event_set(NULL), -EINVAL);
    assert_explained(kith_event_clear(NULL), -EINVAL);
    assert_explained(kith_event_is_set(NULL), -EINVAL);
    assert_explained(kith_event_wait(NULL, KITH_FOREVER), -EINVAL);
    kith_event *event = make();
    assert_explained(kith_event_wait(event, -2), -EINVAL);
    kith_event_free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(event_is_set_and_cleared),
        with_board(setting_releases_all_who_wait),
        with_board(clearing_at_once_takes_nothing_back),
        with_board(a_dead_waiter_disturbs_nobody),
        with_board(a_stopped_setter_leaves_nobody_asleep),
        with_board(two_call_each_other),
        with_board(handlers_interrupt_a_wait),
        with_board(event_refuses_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
