/* Kills a process after a given number of instructions, while others wait for what it was about to do: the processes.
 *
 * The actor is a child that is traced: it runs up to the call under test, then executes instruction by instruction, and
 * is killed by SIGKILL where the test says. Every wait is for a state, with a watchdog. Those who wait for what it does
 * are bystanders.h's.
 *
 * Everything runs on one CPU, where the library does not spin before it sleeps, so the same number of instructions ends
 * at the same place each time. What spinning would add are looks at the same words. */
#ifndef KITH_TESTS_CRASH_STEPPER_H
#define KITH_TESTS_CRASH_STEPPER_H

#include "../asleep.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { MESSAGE_MAX = 2000, BYSTANDERS = 3, PATIENCE = 5, STEPS_MAX = 1000000 };

/** What a process is to do, and what came of it. In shared memory, so that it outlives the process. */
struct call {
    uint32_t number;   /* of the message that it is to put; else 0 */
    _Atomic bool over; /* the call has returned */
    int code;          /* and returned this */
    size_t size;       /* of the message that it got, or of several; else 0 */
    unsigned char message[2 * MESSAGE_MAX];
};

/** @return what the library's call returned */
typedef int role(struct call *call);

/** The processes of one round. */
static struct {
    struct call *calls; /* the actor's, then the bystanders' */
    pid_t actor;
    bool may_be_killed; /* the actor, by others */
    bool asleep;        /* the actor is, in the kernel, in the middle of a step */
    int slept;          /* how often it has been, in this round */
    long steps;
    char where[200];
    pid_t bystanders[BYSTANDERS];
    int count;         /* of bystanders */
    pid_t held;        /* one of them, before it falls asleep; else 0 */
    const char *wrong; /* the first thing that was not as it must be */
} round_now;

static struct call *actor_call(void)
{
    return &round_now.calls[0];
}

static void expect(bool condition, const char *otherwise)
{
    if (!condition && !round_now.wrong)
        round_now.wrong = otherwise;
}

/* ---- waiting for a state ---- */

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * (int64_t)1000000000 + at.tv_nsec;
}

/** Lets others run between two looks; a little longer when they seem to need it. */
static void rest(long looks)
{
    if (looks < 100)
        sched_yield();
    else
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}

/** @return whether the state came about while the watchdog was patient; false at once when the round has failed */
static bool eventually(bool (*state)(void))
{
    int64_t end = now() + PATIENCE * (int64_t)1000000000;
    for (long looks = 0; !round_now.wrong; looks++) {
        if (state())
            return true;
        if (now() > end)
            return false;
        rest(looks);
    }
    return false;
}

/* ---- the actor ---- */

/** Starts the actor, and waits until it stands before the call under test. */
static void actor_start(role *ready, role *act)
{
    struct call *call = actor_call();
    pid_t pid = round_now.actor = fork();
    if (pid == 0) {
        if (ready(call) != 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(1);
        kill(getpid(), SIGSTOP);
        call->code = act(call);
        atomic_store(&call->over, true);
        for (;;)
            pause();
    }
    int status;
    bool stands = pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
    expect(stands, "the actor does not begin");
    if (!stands)
        round_now.actor = 0;
    else
        expect(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL) == 0, "the actor can't be traced");
}

/** Lets the actor execute one instruction. To fall asleep in a system call counts as one, to come back from it as
 *  another. */
static void actor_step(void)
{
    bool awaking = round_now.asleep;
    int status;
    int64_t end = now() + PATIENCE * (int64_t)1000000000;
    if (!awaking)
        expect(ptrace(PTRACE_SINGLESTEP, round_now.actor, NULL, NULL) == 0, "the actor can't be stepped");
    for (long looks = 0; !round_now.wrong; looks++) {
        rest(looks);
        if (waitpid(round_now.actor, &status, WNOHANG) == round_now.actor) {
            round_now.asleep = false;
            if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCONT) { /* it looked to somebody as if it were stopped */
                expect(ptrace(PTRACE_SINGLESTEP, round_now.actor, NULL, NULL) == 0, "the actor can't be stepped");
                continue;
            }
            bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            expect((WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) || (killed && round_now.may_be_killed),
                   "the call under test crashes");
            if (!WIFSTOPPED(status))
                round_now.actor = 0;
            return;
        }
        if (!awaking && looks % 8 == 7 && in_futex_or_poll(round_now.actor)) {
            round_now.asleep = true;
            return;
        }
        expect(now() < end, "the call under test sleeps, and is not woken");
    }
}

/** What happens while the actor is on its way; NULL for nothing. */
struct events {
    void (*asleep[2])(void); /* when it is asleep for the first time, for the second time */
    void (*arrival)(void);   /* when it has gone so many steps */
    long arrival_step;
};

/** @return whether there was one left to happen */
static bool event_asleep(const struct events *events)
{
    int times = round_now.slept++;
    if (times > 1 || !events->asleep[times])
        return false;
    events->asleep[times]();
    return true;
}

/** Lets the actor go so many steps, or to the end of its call. */
static void actor_go(long steps, const struct events *events)
{
    for (round_now.steps = 0; round_now.steps < steps && !round_now.wrong; round_now.steps++) {
        if (atomic_load(&actor_call()->over))
            return;
        if (events->arrival && round_now.steps == events->arrival_step)
            events->arrival();
        actor_step();
        if (round_now.asleep)
            event_asleep(events);
    }
}

/** Notes which instruction the actor would execute next, as an offset that addr2line understands. */
static void actor_locate(void)
{
    struct user_regs_struct registers = { 0 };
    struct iovec into = { &registers, sizeof registers };
    Dl_info info;
    uintptr_t at = 0;
    if (!round_now.asleep && ptrace(PTRACE_GETREGSET, round_now.actor, (void *)NT_PRSTATUS, &into) == 0) {
#if defined(__x86_64__)
        at = registers.rip;
#elif defined(__aarch64__)
        at = registers.pc;
#endif
    }
    if (!at)
        snprintf(round_now.where, sizeof round_now.where, round_now.asleep ? "asleep" : "at an unknown place");
    else if (!dladdr((void *)at, &info) || !info.dli_fname)
        snprintf(round_now.where, sizeof round_now.where, "at %#lx", (unsigned long)at);
    else
        snprintf(round_now.where, sizeof round_now.where, "at %s+%#lx%s%s", info.dli_fname,
                 (unsigned long)(at - (uintptr_t)info.dli_fbase), info.dli_sname ? ", behind " : "",
                 info.dli_sname ? info.dli_sname : "");
}

/** Kills the actor. When this returns, the kernel has cleaned up what it owned. */
static void actor_kill(void)
{
    int status;
    if (!round_now.actor)
        return;
    actor_locate();
    kill(round_now.actor, SIGKILL);
    while (waitpid(round_now.actor, &status, 0) == round_now.actor && WIFSTOPPED(status))
        continue;
    round_now.asleep = false;
}

/* ---- rounds ---- */

/** The test's own calls, too, can meet what a dead one left: here they crashed, or have not returned for long. */
static void give_up(int signal)
{
    char text[400];
    int length = snprintf(text, sizeof text, "Bail out! killed after %ld instructions, %s: the next call %s\n",
                          round_now.steps, round_now.where, signal == SIGALRM ? "does not return" : "crashes");
    _exit(write(STDOUT_FILENO, text, (size_t)length) == length ? 1 : 2);
}

static void round_begin(void)
{
    struct call *calls = round_now.calls;
    alarm(10 * PATIENCE);
    memset(&round_now, 0, sizeof round_now);
    memset(calls, 0, (1 + BYSTANDERS) * sizeof *calls);
    round_now.calls = calls;
}

static int do_nothing(struct call *call)
{
    (void)call;
    return 0;
}

/** @return NULL, or why this machine or this build can't do it */
static const char *stepper_open(void)
{
    static const int fatal[] = { SIGALRM, SIGSEGV, SIGBUS, SIGILL };
    const char *preload = getenv("LD_PRELOAD");
    for (int i = 0; i < 4; i++)
        signal(fatal[i], give_up);
    if (SANITIZED || (preload && strstr(preload, "vgpreload")))
        return "the instructions would be the checker's";
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        return "one CPU can't be chosen";
    round_now.calls = mmap(NULL, (1 + BYSTANDERS) * sizeof *round_now.calls, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (round_now.calls == MAP_FAILED)
        return "no shared memory";
    actor_start(do_nothing, do_nothing);
    actor_go(1, &(struct events){ 0 });
    actor_kill();
    return round_now.wrong;
}

#endif
