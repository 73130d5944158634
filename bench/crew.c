/* bench/crew.c: see crew.h. The parent polls instead of waiting for signals: its naps are short against what it
 * measures and long against what a look costs, and there is no signal handling to get wrong. */
#include "crew.h"

#include "processors.h"
#include "reason.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Shared by all processes of the run. */
struct board {
    atomic_uint ready; /* workers at the gate; each adds itself, the parent reads */
    struct tally tallies[WORKERS_MAX];
};

struct crew {
    struct board *board;
    int gate[2]; /* a pipe that nobody writes: workers wait in a read, which returns when the parent closes its end */
    double deadline;
    unsigned count;
    unsigned ended;
    pid_t workers[WORKERS_MAX]; /* 0 once reaped */
    struct cost cost;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

void crew_catch_signals(void)
{
    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

double now(void)
{
    return (double)now_ns() * 1e-9;
}

void nap(double seconds)
{
    struct timespec time = { .tv_sec = (time_t)seconds };
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

struct crew *crew_new(double seconds)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return NULL;
    crew->deadline = now() + seconds;
    crew->board = mmap(NULL, sizeof *crew->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crew->board == MAP_FAILED)
        goto no_board;
    if (pipe(crew->gate) < 0)
        goto no_gate;
    return crew;
no_gate:
    munmap(crew->board, sizeof *crew->board);
no_board:
    free(crew);
    return NULL;
}

static _Noreturn void worker_main(struct crew *crew, pid_t parent, crew_work work, unsigned index, void *argument)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before it could be asked for */
        _exit(1);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    close(crew->gate[1]);
    keep_to_processor(crew->count);
    _exit(work(crew, index, argument) == 0 ? 0 : 1);
}

int crew_add(struct crew *crew, crew_work work, unsigned index, void *argument)
{
    if (crew->count == WORKERS_MAX)
        return because(FAILED, "more than %d workers", WORKERS_MAX);
    pid_t parent = getpid();
    pid_t worker = fork();
    if (worker < 0)
        return because_errno("fork");
    if (worker == 0)
        worker_main(crew, parent, work, index, argument);
    crew->workers[crew->count++] = worker;
    return 0;
}

void crew_pass_gate(struct crew *crew)
{
    char nothing;
    atomic_fetch_add(&crew->board->ready, 1);
    while (read(crew->gate[0], &nothing, 1) < 0 && errno == EINTR)
        continue;
}

void crew_linger(void)
{
    for (;;)
        pause();
}

int crew_wait_ready(struct crew *crew)
{
    while (atomic_load(&crew->board->ready) < crew->count) {
        if (crew_look(crew) < 0)
            return FAILED;
        nap(200e-6);
    }
    return 0;
}

double crew_open_gate(struct crew *crew)
{
    double time = now();
    close(crew->gate[1]);
    crew->gate[1] = -1;
    return time;
}

int crew_wait_ended(struct crew *crew, unsigned count)
{
    for (;;) {
        int ended = crew_look(crew);
        if (ended < 0)
            return FAILED;
        if ((unsigned)ended >= count)
            return 0;
        nap(1e-3);
    }
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* Reaps one worker when it has ended. Returns 1 then, 0 when it still runs. */
static int reap(struct crew *crew, unsigned nth, int flags, int *status)
{
    struct rusage usage;
    if (!crew->workers[nth] || wait4(crew->workers[nth], status, flags, &usage) != crew->workers[nth])
        return 0;
    crew->workers[nth] = 0;
    crew->cost.user += seconds_of(usage.ru_utime);
    crew->cost.system += seconds_of(usage.ru_stime);
    crew->cost.waits += usage.ru_nvcsw;
    crew->cost.preempted += usage.ru_nivcsw;
    return 1;
}

int crew_look(struct crew *crew)
{
    if (stopped)
        return because(FAILED, "interrupted");
    for (unsigned nth = 0; nth < crew->count; nth++) {
        int status = 0;
        if (!reap(crew, nth, WNOHANG, &status))
            continue;
        if (WIFSIGNALED(status))
            return because(FAILED, "a worker died: %s", strsignal(WTERMSIG(status)));
        if (WEXITSTATUS(status) != 0)
            return because(FAILED, "a worker failed");
        crew->ended++;
    }
    if (now() > crew->deadline)
        return because(FAILED, "hung: not done in time");
    return (int)crew->ended;
}

struct tally *crew_tally(struct crew *crew, unsigned nth)
{
    return &crew->board->tallies[nth];
}

void crew_end(struct crew *crew, struct cost *cost)
{
    if (!crew)
        return;
    for (unsigned nth = 0; nth < crew->count; nth++)
        if (crew->workers[nth])
            kill(crew->workers[nth], SIGKILL);
    for (unsigned nth = 0; nth < crew->count; nth++) {
        int status;
        while (crew->workers[nth] && !reap(crew, nth, 0, &status) && errno == EINTR)
            continue;
    }
    *cost = crew->cost;
    close(crew->gate[0]);
    if (crew->gate[1] >= 0)
        close(crew->gate[1]);
    munmap(crew->board, sizeof *crew->board);
    free(crew);
}
