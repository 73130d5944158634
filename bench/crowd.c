/* kith-crowd: how long a call to a manager's server takes while it has many clients, and what memory the server has
 * then. manager.py starts the server (kith-managed or managed.py), and runs this.
 *
 *   kith-crowd ADDRESS PID IDLE BUSY SECONDS [sockets]    PID is the server's
 *
 * A call is a get of a dict's item. One client calls as fast as it can, in four situations, SECONDS each:
 *   alone    nobody else is connected
 *   idle     IDLE others have called once, and keep their connections
 *   paced    and BUSY others, each a process, make 100 calls a second each
 *   crowded  and these call as fast as they can, which are then measured instead of the one
 * Printed is JSON: of each the calls, and in nanoseconds the median and the 99th percentile; and the server's memory at
 * the end.
 */
#include "histogram.h"
#include "turns.h"

#include <kith/manager.h>
#include <kith/process.h>
#include <kith/proxy.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HOLDERS = 4, BUSY_MAX = 1000, WARM_UP = 300, PATIENCE = 60 };
#define PACE 10000000 /* nanoseconds from one call of a paced client to its next */

enum situation { WAIT, PACED, CROWDED };

/** What all processes see. Zeroed at first. */
struct board {
    _Atomic unsigned ready;    /* clients that have called; those count themselves */
    _Atomic unsigned failed;   /* processes that gave up */
    _Atomic int situation;     /* written by the parent, followed by the busy */
    _Atomic unsigned followed; /* busy ones that have come to the end of a situation */
    struct histogram taken[];  /* one for each busy client, its own */
};

struct crowd {
    const char *address;
    int sockets;
    unsigned idle, busy;
    double seconds;
    struct board *board;
};

struct caller {
    kith_manager *manager;
    kith_proxy *dict;
    kith_arena *arena;
};

/* ---- one client ---- */

static int caller_open(struct caller *caller, const struct crowd *crowd, kith_arena *arena)
{
    static const char key[] = "bench";
    kith_manager_options options = {
        .authkey = key, .authkey_size = sizeof key - 1, .retry = 1, .no_shared_memory = crowd->sockets
    };
    *caller = (struct caller){ .arena = arena };
    int code = kith_manager_connect(&caller->manager, crowd->address, &options, KITH_SECONDS(PATIENCE));
    return code < 0 ? code : kith_manager_create(caller->manager, &caller->dict, "get_dict", KITH_NO_ARGS, NULL);
}

static void caller_close(struct caller *caller)
{
    kith_proxy_free(caller->dict);
    kith_manager_free(caller->manager);
}

static int call_once(struct caller *caller)
{
    kith_value *item;
    int code = kith_proxy_get_item(caller->dict, kith_value_str(caller->arena, "key"), caller->arena, &item);
    kith_arena_reset(caller->arena);
    return code;
}

/** @param taken  NULL: nobody counts */
static int call_and_count(struct caller *caller, struct histogram *taken)
{
    double start = turns_now();
    int code = call_once(caller);
    if (taken)
        histogram_add(taken, (uint64_t)((turns_now() - start) * 1e9));
    return code;
}

/* ---- the idle ones ---- */

static int connect_idle(const struct crowd *crowd, kith_arena *arena)
{
    unsigned count = crowd->idle / HOLDERS;
    struct caller *callers = calloc(count, sizeof *callers);
    int code = callers ? 0 : -ENOMEM;
    for (unsigned i = 0; i < count && code == 0; i++) {
        code = caller_open(&callers[i], crowd, arena);
        if (code == 0)
            code = call_once(&callers[i]);
        atomic_fetch_add(&crowd->board->ready, code == 0);
    }
    return code; /* they stay as they are until the process ends */
}

static int be_idle(void *context)
{
    const struct crowd *crowd = context;
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    if (code == 0)
        code = connect_idle(crowd, arena);
    if (code == 0)
        pause();
    atomic_fetch_add(&crowd->board->failed, 1);
    return turns_fail("an idle client", code);
}

/* ---- the busy ones ---- */

static void sleep_until(struct timespec *time, long more)
{
    time->tv_nsec += more;
    time->tv_sec += time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, time, NULL) == EINTR)
        continue;
}

/** Follows the board until something fails. @param mine  which of the busy it is */
static int follow(const struct crowd *crowd, struct caller *caller, unsigned mine)
{
    struct timespec next;
    int code = 0, before = WAIT;
    clock_gettime(CLOCK_MONOTONIC, &next);
    sleep_until(&next, PACE / (long)crowd->busy * (long)mine); /* not all at the same instant */
    while (code == 0) {
        int situation = atomic_load(&crowd->board->situation);
        if (situation != before)
            atomic_fetch_add(&crowd->board->followed, 1);
        before = situation;
        if (situation == CROWDED)
            code = call_and_count(caller, &crowd->board->taken[mine]);
        else if (situation == PACED)
            code = call_once(caller);
        if (situation != CROWDED)
            sleep_until(&next, PACE);
    }
    return code;
}

struct busy_one {
    const struct crowd *crowd;
    unsigned mine;
};

static int be_busy(void *context)
{
    const struct busy_one *one = context;
    struct caller caller;
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    if (code == 0)
        code = caller_open(&caller, one->crowd, arena);
    for (int i = 0; i < WARM_UP && code == 0; i++)
        code = call_once(&caller);
    if (code == 0) {
        atomic_fetch_add(&one->crowd->board->ready, 1);
        code = follow(one->crowd, &caller, one->mine);
    }
    atomic_fetch_add(&one->crowd->board->failed, 1);
    return turns_fail("a busy client", code);
}

/* ---- the one that is measured, and the order of it all ---- */

/** Waits until a number on the board is so high. @return 0; -ECHILD when a process gave up; -ETIMEDOUT */
static int await(const struct crowd *crowd, const _Atomic unsigned *number, unsigned wanted)
{
    double end = turns_now() + PATIENCE;
    while (atomic_load(number) < wanted) {
        if (atomic_load(&crowd->board->failed) > 0)
            return -ECHILD;
        if (turns_now() > end)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return 0;
}

static void tell(const char *name, const struct histogram *taken)
{
    printf("\"%s\": {\"calls\": %llu, \"p50\": %llu, \"p99\": %llu}, ", name, (unsigned long long)taken->count,
           (unsigned long long)histogram_quantile(taken, 0.5), (unsigned long long)histogram_quantile(taken, 0.99));
}

static int measure(const struct crowd *crowd, struct caller *caller, const char *name)
{
    static struct histogram taken;
    memset(&taken, 0, sizeof taken);
    int code = 0;
    for (int i = 0; i < WARM_UP && code == 0; i++)
        code = call_once(caller);
    for (double end = turns_now() + crowd->seconds; turns_now() < end && code == 0;)
        code = call_and_count(caller, &taken);
    if (code == 0)
        tell(name, &taken);
    return code;
}

static int set_situation(const struct crowd *crowd, enum situation situation)
{
    atomic_store(&crowd->board->followed, 0);
    atomic_store(&crowd->board->situation, (int)situation);
    return await(crowd, &crowd->board->followed, crowd->busy);
}

static int start_idle(struct crowd *crowd)
{
    int code = 0;
    for (int i = 0; i < HOLDERS && code == 0; i++)
        code = kith_process_start(NULL, be_idle, crowd, &(kith_process_options){ .daemon = 1 });
    return code < 0 ? code : await(crowd, &crowd->board->ready, crowd->idle / HOLDERS * HOLDERS);
}

static int start_busy(const struct crowd *crowd)
{
    int code = 0;
    for (unsigned i = 0; i < crowd->busy && code == 0; i++)
        code =
            kith_process_start(NULL, be_busy, &(struct busy_one){ crowd, i }, &(kith_process_options){ .daemon = 1 });
    return code < 0 ? code : await(crowd, &crowd->board->ready, crowd->idle / HOLDERS * HOLDERS + crowd->busy);
}

static int measure_paced(const struct crowd *crowd, struct caller *caller)
{
    int code = set_situation(crowd, PACED);
    return code < 0 ? code : measure(crowd, caller, "paced");
}

static int measure_crowded(const struct crowd *crowd)
{
    static struct histogram all;
    int code = set_situation(crowd, CROWDED);
    nanosleep(&(struct timespec){ .tv_sec = (time_t)crowd->seconds,
                                  .tv_nsec = (long)((crowd->seconds - (double)(time_t)crowd->seconds) * 1e9) },
              NULL);
    if (code == 0)
        code = set_situation(crowd, WAIT);
    for (unsigned i = 0; i < crowd->busy && code == 0; i++)
        histogram_merge(&all, &crowd->board->taken[i]);
    if (code == 0)
        tell("crowded", &all);
    return code;
}

/** @return the memory of a process that is resident, in KiB; 0 when it can't be told */
static long resident(const char *pid)
{
    char line[200];
    long size = 0;
    snprintf(line, sizeof line, "/proc/%s/status", pid);
    FILE *status = fopen(line, "re");
    while (status && fgets(line, sizeof line, status) && sscanf(line, "VmRSS: %ld", &size) != 1)
        continue;
    if (status)
        fclose(status);
    return size;
}

static int run(struct crowd *crowd, struct caller *caller)
{
    kith_value *key = kith_value_str(caller->arena, "key");
    int code = kith_proxy_set_item(caller->dict, key, kith_value_int(caller->arena, 1));
    if (code == 0)
        code = measure(crowd, caller, "alone");
    if (code == 0)
        code = start_idle(crowd);
    if (code == 0)
        code = measure(crowd, caller, "idle");
    if (code == 0)
        code = start_busy(crowd);
    if (code == 0)
        code = measure_paced(crowd, caller);
    return code < 0 ? code : measure_crowded(crowd);
}

int main(int argc, char **argv)
{
    if (argc != 6 && !(argc == 7 && strcmp(argv[6], "sockets") == 0)) {
        fputs("usage: kith-crowd ADDRESS PID IDLE BUSY SECONDS [sockets]    manager.py runs it\n", stderr);
        return 2;
    }
    struct crowd crowd = { .address = argv[1],
                           .sockets = argc == 7,
                           .idle = (unsigned)atoi(argv[3]),
                           .busy = (unsigned)atoi(argv[4]),
                           .seconds = atof(argv[5]) };
    size_t size = sizeof *crowd.board + crowd.busy * sizeof crowd.board->taken[0];
    struct caller caller = { 0 };
    kith_arena *arena = NULL;
    crowd.board = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int code = crowd.board == MAP_FAILED ? -ENOMEM : kith_arena_new(&arena);
    if (code == 0)
        code = caller_open(&caller, &crowd, arena);
    putchar('{');
    if (code == 0)
        code = run(&crowd, &caller);
    printf("\"server_kib\": %ld}\n", resident(argv[2]));
    caller_close(&caller);
    kith_arena_free(arena);
    return code < 0 ? turns_fail("crowd", code) : 0;
}
