/* Processes that wait for what another one, the actor, brings about: children; a round goes on when they are asleep in
 * the kernel, which /proc tells, or through. */
#ifndef KITH_TESTS_CRASH_BYSTANDERS_H
#define KITH_TESTS_CRASH_BYSTANDERS_H

#include "stepper.h"

#include <linux/futex.h>

static struct call *bystander_call(int i)
{
    return &round_now.calls[1 + i];
}

static bool is_asleep(int bystander)
{
    return !atomic_load(&bystander_call(bystander)->over) && in_futex_or_poll(round_now.bystanders[bystander]);
}

static int sleepers(void)
{
    int count = 0;
    for (int i = 0; i < round_now.count; i++)
        count += !atomic_load(&bystander_call(i)->over);
    return count;
}

static bool all_over(void)
{
    return sleepers() == 0;
}

/** Each bystander is through or asleep: without the actor, nothing moves any more. */
static bool all_settled(void)
{
    for (int i = 0; i < round_now.count; i++) {
        if (!atomic_load(&bystander_call(i)->over) && !is_asleep(i))
            return false;
    }
    return true;
}

/** Starts a bystander, and waits until it sleeps or is through. */
static void bystander_start(role *body)
{
    struct call *call = bystander_call(round_now.count);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        call->code = body(call);
        atomic_store(&call->over, true);
        _exit(0);
    }
    expect(pid > 0, "no process for a bystander");
    if (pid < 0)
        return;
    round_now.bystanders[round_now.count++] = pid;
    expect(eventually(all_settled), "a bystander neither sleeps nor gets through");
}

/** Whether the traced process stands before a system call in which it would fall asleep. */
static bool falls_asleep(pid_t pid)
{
    struct __ptrace_syscall_info info = { 0 };
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return false;
#ifdef SYS_futex_waitv
    if (info.entry.nr == SYS_futex_waitv)
        return true;
#endif
    if (info.entry.nr == SYS_ppoll)
        return true;
    return info.entry.nr == SYS_futex && (info.entry.args[1] & (uint64_t)FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/** Starts a bystander, and holds it where it has decided to sleep, before the kernel hears of it. */
static void bystander_hold(role *body)
{
    struct call *call = bystander_call(round_now.count);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || kill(getpid(), SIGSTOP) < 0)
            _exit(1);
        call->code = body(call);
        atomic_store(&call->over, true);
        _exit(0);
    }
    expect(pid > 0, "no process for a bystander");
    if (pid < 0)
        return;
    round_now.bystanders[round_now.count++] = round_now.held = pid;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGSTOP)
            expect(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0, "it can't be traced");
        else if (falls_asleep(pid))
            return;
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    }
    expect(false, "a bystander gets through that should be about to sleep");
    round_now.held = 0;
}

static void bystander_let_go(void)
{
    if (round_now.held)
        ptrace(PTRACE_DETACH, round_now.held, NULL, NULL);
    round_now.held = 0;
}

static void bystanders_end(void)
{
    bystander_let_go();
    for (int i = 0; i < round_now.count; i++) {
        kill(round_now.bystanders[i], SIGKILL);
        waitpid(round_now.bystanders[i], NULL, 0);
    }
    round_now.count = 0;
}

#endif
