/* Kill after every instruction of a pool's worker: from where it sleeps without work, over the claim of tasks, the
 * tasks and its reports, to where it sleeps again, or ends. In other scenarios it is stopped there, for good, and tasks
 * have a time limit.
 *
 * The owner of the pool is a child of this process; this process traces a worker, its grandchild. Another worker is
 * held in a task of its own until the first one is dead, so that the first one gets what is handed in. After each kill,
 *   - all tasks end: with their right results, but for one at the most, which is lost, or late;
 *   - none has run more often than was asked for; what was to be begun again gave its result after all;
 *   - the pool has as many workers as before.
 *
 * usage: every_instruction_pool [STRIDE [OFFSET]]   as rounds.h says; where workers are stopped, each time takes a time
 * limit, and the stride is STOP_STRIDE times as long. Output is TAP. */
#include "killing.h"
#include "kin.h"
#include "pool_work.h"
#include "stepper.h"

enum { BUDGET = 200000000, STOP_STRIDE = 29, TASKS_MAX = 4, TIME_LIMIT = 200, WORKERS = 2 };

struct scenario {
    const char *name;
    unsigned tasks; /* handed in together, as a chunk */
    unsigned retries, max_tasks;
    bool as_bytes, stops, cancels;
};

static const struct scenario *scenario;

/* ---- the owner of the pool ---- */

enum order { NOTHING, BEGIN, HAND_IN, CANCEL, FINISH, BE_GONE };

/** What the test and the owner tell each other. */
static struct talk {
    _Atomic int order;              /* the test's; the owner takes it off when it is done */
    _Atomic bool let_go;            /* the test's: who is held is to go on */
    _Atomic pid_t held;             /* the worker that is held; else 0 */
    _Atomic pid_t workers[WORKERS]; /* 0: it is not there */
    _Atomic bool all_told;          /* all results of the round are there */
    size_t lost;                    /* of its tasks, or late */
    bool wrong;                     /* something about the tasks was */
} * talk;

static struct {
    kith_pool *pool;
    kith_arena *arena;
    struct work work;
    kith_result *hold, *result;
} owner;

/** A task: keeps its worker until the test lets it go. */
static int be_held(kith_call *call)
{
    atomic_store(&talk->held, getpid());
    while (!atomic_load(&talk->let_go))
        pause_for(1000000);
    return kith_call_attempt(call) - 1;
}

static void open_pool(void)
{
    must(kith_arena_new(&owner.arena), "arena");
    const struct promise promise = { .tasks = scenario->tasks,
                                     .retries = scenario->retries,
                                     .may_be_lost = !scenario->stops && scenario->retries == 0,
                                     .may_time_out = scenario->stops && scenario->retries == 0,
                                     .may_be_cancelled = scenario->cancels };
    work_begin(&owner.work, &promise, 0);
    const kith_process_fd fds[] = { { WORK_LEDGER, kith_segment_share_fd(owner.work.segment) } };
    const kith_process_options process = { .fds = fds, .fd_count = 1 };
    must(kith_pool_new(
             &owner.pool,
             &(kith_pool_options){ .workers = WORKERS, .process = &process, .max_tasks = scenario->max_tasks }),
         "pool_new");
}

static void owner_begin(void)
{
    work_restart(&owner.work);
    talk->lost = 0;
    atomic_store(&talk->let_go, false);
    atomic_store(&talk->held, 0);
    atomic_store(&talk->all_told, false);
    must(kith_pool_apply_async(owner.pool, &owner.hold, be_held, KITH_NO_ARGS, NULL), "apply");
}

static void owner_hand_in(void)
{
    size_t numbers[TASKS_MAX];
    kith_message messages[TASKS_MAX];
    kith_value *items = kith_value_list(owner.arena);
    const kith_task_options options = { .retries = scenario->retries,
                                        .chunk = scenario->tasks,
                                        .timeout = scenario->stops ? KITH_MS(TIME_LIMIT) : 0 };
    for (size_t i = 0; i < scenario->tasks; i++) {
        numbers[i] = i;
        messages[i] = (kith_message){ &numbers[i], sizeof numbers[i] };
        must(kith_value_append(items, kith_value_int(owner.arena, (int64_t)i)), "append");
    }
    int code = scenario->as_bytes
                   ? kith_pool_map_bytes_async(owner.pool, &owner.result, do_work, messages, scenario->tasks, &options)
                   : kith_pool_map_async(owner.pool, &owner.result, do_work, items, &options);
    must(code, "map");
    kith_arena_reset(owner.arena);
}

static void owner_finish(void)
{
    must(kith_result_wait(owner.result, KITH_FOREVER), "wait");
    must(kith_result_get(owner.hold, owner.arena, NULL, KITH_FOREVER), "the task of the worker that was held");
    work_see_result(&owner.work, 0, owner.result, scenario->as_bytes);
    talk->wrong = !work_judge(&owner.work);
    talk->lost = owner.work.lost + owner.work.timed_out;
    kith_result_free(owner.result);
    kith_result_free(owner.hold);
    owner.result = owner.hold = NULL;
}

static void look_around(void)
{
    pid_t workers[WORKERS] = { 0 };
    (void)kith_pool_workers(owner.pool, workers, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        atomic_store(&talk->workers[i], workers[i]);
    atomic_store(&talk->all_told, owner.result && kith_result_ready(owner.result));
}

static _Noreturn void own(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open_pool();
    for (;;) {
        int order = atomic_load(&talk->order);
        if (order == BEGIN)
            owner_begin();
        else if (order == HAND_IN)
            owner_hand_in();
        else if (order == CANCEL)
            (void)kith_result_cancel(owner.result);
        else if (order == FINISH)
            owner_finish();
        else if (order == BE_GONE)
            break;
        if (order != NOTHING)
            atomic_store(&talk->order, NOTHING);
        look_around();
        pause_for(300000);
    }
    must(kith_pool_free(owner.pool), "pool_free");
    work_end(&owner.work);
    kith_arena_free(owner.arena);
    exit(0);
}

/* ---- the test ---- */

static bool order_done(void)
{
    return atomic_load(&talk->order) == NOTHING;
}

static void tell_owner(enum order order)
{
    atomic_store(&talk->order, order);
    expect(eventually(order_done), "the owner of the pool hangs");
}

/** The worker that is not held, when it sleeps without work; else 0. */
static pid_t idle_worker(void)
{
    pid_t held = atomic_load(&talk->held), other = 0;
    for (int i = 0; i < WORKERS && held; i++) {
        pid_t pid = atomic_load(&talk->workers[i]);
        if (pid == 0)
            return 0;
        other = pid != held ? pid : other;
    }
    return other && in_futex(other) ? other : 0;
}

static bool is_there_idle_worker(void)
{
    return idle_worker() != 0;
}

/** Traces the worker that is idle, which sleeps on. */
static void trace_worker(void)
{
    int status;
    expect(eventually(is_there_idle_worker), "there is no worker that waits for work");
    pid_t pid = idle_worker();
    if (round_now.wrong)
        return;
    bool traced = ptrace(PTRACE_SEIZE, pid, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT)) == 0 &&
                  ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid &&
                  WIFSTOPPED(status);
    expect(traced, "a worker can't be traced");
    if (!traced)
        return;
    round_now.actor = pid;
    actor_step();
    expect(round_now.asleep, "a worker without work does not sleep");
}

/** Whether the worker is about to end. */
static bool worker_exits(void)
{
    siginfo_t info = { 0 };
    return !round_now.asleep && ptrace(PTRACE_GETSIGINFO, round_now.actor, NULL, &info) == 0 &&
           info.si_code == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
}

/** Whether it goes on by itself, having slept for something else than work. */
static bool worker_was_woken(void)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)round_now.actor, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

static bool told_or_woken(void)
{
    return atomic_load(&talk->all_told) || worker_was_woken();
}

/** Whether it has done all, and sleeps for more work, or is about to end. */
static bool worker_is_through(void)
{
    if (round_now.asleep)
        return eventually(told_or_woken) && !worker_was_woken();
    return scenario->max_tasks > 0 && worker_exits();
}

/** Lets it go so many steps from where it has been woken, or to its end. */
static void worker_go(long steps, long cancel_step)
{
    for (round_now.steps = 0; round_now.steps < steps && !round_now.wrong; round_now.steps++) {
        if (scenario->cancels && round_now.steps == cancel_step)
            tell_owner(CANCEL);
        actor_step();
        if (!round_now.actor || round_now.wrong || worker_is_through())
            return;
    }
}

/** As actor_kill; it stops once more on its way out, unless it stands there already. */
static void worker_kill(void)
{
    int status;
    if (!round_now.actor)
        return;
    actor_locate();
    kill(round_now.actor, SIGKILL);
    if (worker_exits())
        ptrace(PTRACE_CONT, round_now.actor, NULL, NULL);
    while (waitpid(round_now.actor, &status, 0) == round_now.actor && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, round_now.actor, NULL, NULL);
    round_now.asleep = false;
}

static bool worker_stands(void)
{
    char state = state_of(round_now.actor);
    return state != 'R' && state != 't';
}

static void worker_stop(void)
{
    if (!round_now.actor)
        return;
    actor_locate();
    kill(round_now.actor, SIGSTOP);
    /* One that sleeps has to hear of it before it can be let go. */
    bool heard = round_now.asleep && waitpid(round_now.actor, NULL, 0) == round_now.actor;
    ptrace(PTRACE_DETACH, round_now.actor, NULL, heard ? (void *)SIGSTOP : NULL);
    round_now.asleep = false;
    expect(eventually(worker_stands), "a worker does not stop");
}

/** One kill, after so many steps. */
static void play(long steps, long cancel_step)
{
    round_begin();
    round_now.may_be_killed = scenario->stops; /* at its time limit, when this takes long */
    tell_owner(BEGIN);
    trace_worker();
    if (!round_now.wrong)
        tell_owner(HAND_IN);
    worker_go(steps, cancel_step);
    if (scenario->stops)
        worker_stop();
    else
        worker_kill();
    atomic_store(&talk->let_go, true);
    tell_owner(FINISH);
    expect(!talk->wrong, "tasks did not end as they must");
    expect(talk->lost <= 1, "more tasks are lost than the one that the worker had");
    if (scenario->stops && round_now.actor)
        kill(round_now.actor, SIGCONT); /* it may have had nothing, and live on */
}

/** Plays a scenario. @return 1 when it went wrong */
static int play_all(int test, long stride, long offset)
{
    int failures = 0, kills = 0;
    memset(talk, 0, sizeof *talk);
    pid_t pid = fork();
    if (pid == 0)
        own();
    int64_t begun = now();
    play(STEPS_MAX, -1);
    long length = round_now.steps;
    expect(length < STEPS_MAX, "the worker does not come to its end");
    stride = stride > 0 ? stride : (long)(1 + length * (now() - begun) / 2 / BUDGET);
    stride *= scenario->stops ? STOP_STRIDE : 1;
    for (long k = offset % stride; !round_now.wrong && k < length + stride; k += stride, kills++) {
        uint64_t seed = (uint64_t)(offset + k);
        play(k, (long)random_below(&seed, (uint64_t)k + 1));
    }
    if (round_now.wrong) {
        printf("# after %ld instructions, %s: %s\n", round_now.steps, round_now.where, round_now.wrong);
        kill(pid, SIGKILL);
        failures++;
    } else {
        atomic_store(&talk->order, BE_GONE);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%sok %d - %s\n# %ld instructions, %d kills\n", failures || status ? "not " : "", test, scenario->name,
           length, kills);
    return failures || status;
}

int main(int count, char **arguments)
{
    static const struct scenario scenarios[] = {
        { "a task, killed", .tasks = 1 },
        { "a task of bytes, killed", .tasks = 1, .as_bytes = true },
        { "a task that is to be begun again, killed", .tasks = 1, .retries = 1, .as_bytes = true },
        { "a chunk of two, killed", .tasks = 2, .as_bytes = true },
        { "a chunk of two, to be begun again, killed", .tasks = 2, .retries = 1, .as_bytes = true },
        { "a chunk of two, given up meanwhile, killed", .tasks = 2, .cancels = true, .as_bytes = true },
        { "a worker's last task, killed", .tasks = 1, .max_tasks = 1, .as_bytes = true },
        { "a chunk of two of which a worker does one, killed", .tasks = 2, .max_tasks = 1, .as_bytes = true },
        { "a task, stopped", .tasks = 1, .as_bytes = true, .stops = true },
        { "a chunk of two, stopped", .tasks = 2, .as_bytes = true, .stops = true },
        { "a chunk of two, to be begun again, stopped", .tasks = 2, .retries = 1, .as_bytes = true, .stops = true },
    };
    enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };
    /* Else the first call of each function would go through the dynamic linker, step by step. */
    if (!getenv("LD_BIND_NOW") && setenv("LD_BIND_NOW", "1", 1) == 0)
        execv("/proc/self/exe", arguments);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *unable = stepper_open();
    if (unable) {
        printf("1..0 # SKIP %s\n", unable);
        return 0;
    }
    long stride = count > 1 ? atol(arguments[1]) : 0;
    long offset = count > 2 ? atol(arguments[2]) : (long)(time(NULL) % 1000);
    int failed = 0;
    talk = share(sizeof *talk);
    printf("1..%d\n# stride %ld, offset %ld\n", SCENARIOS, stride, offset);
    for (int i = 0; i < SCENARIOS; i++) {
        scenario = &scenarios[i];
        failed += play_all(i + 1, stride, offset);
    }
    return failed > 0;
}
