/* Kill torture of starts: a parent starts children by one of the methods, as quickly as it can, while at random
 * instants children, images that are about to begin and the forkserver are killed, or the parent itself is. Then
 *   - no start and no join hangs; a start that failed has not run its entry point, and none ran twice;
 *   - a child that ended by itself has run, and has the exit code that it returned;
 *   - the parent, when it lives, has no zombie and no descriptor left over;
 *   - when it was killed, all that it has begun ends: daemons with it, the others when they are done, and images that
 *     nobody had let go yet, and the forkserver, at once.
 * The last is also shown of owners of pools, whose workers are killed and replaced meanwhile.
 *
 * usage: start_kills [STARTS [SEED]]   STARTS a test; the seed is printed, and replays the choices, as far as the
 * scheduler lets it. Output is TAP. */
#include "belongings.h"
#include "killing.h"
#include "kin.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { STARTS_MAX = 200000, AT_A_TIME = 4, WORKERS = 3, KIN_MAX = 100, PATIENCE = 30, FAILURES_MAX = 8 };

enum start_state { NEVER_RETURNED, STARTED, FAILED };

/** What is known of each start. In shared memory, which children find as "ledger". */
struct ledger {
    _Atomic uint32_t next;    /* its number */
    _Atomic uint32_t started; /* those that did not fail */
    _Atomic uint32_t ended;   /* children whose end was seen */
    _Atomic uint32_t wrong;
    char why[200];
    _Atomic int failures[FAILURES_MAX]; /* the codes of starts that failed, each once */
    _Atomic uint8_t runs[STARTS_MAX];
    _Atomic uint8_t states[STARTS_MAX];
};

static kith_segment *segment;
static struct ledger *ledger;
static kith_start_method method;
static uint64_t randomness, killer_random;

static void wrong(const char *why, uint32_t number, int code)
{
    if (atomic_fetch_add(&ledger->wrong, 1) == 0)
        snprintf(ledger->why, sizeof ledger->why, "%s: start %u, code %d: %s", why, number, code,
                 code < -255 ? kith_error_detail() : "");
}

/* ---- a child ---- */

KITH_ENTRY(nap)
{
    kith_segment *mine;
    int number, daemon;
    must(kith_value_unpack(kith_call_args(call), "(ib)", &number, &daemon), "arguments");
    must(kith_segment_from_fd(&mine, kith_call_fd(call, "ledger")), "ledger");
    struct ledger *book = kith_segment_data(mine);
    uint64_t state = (uint64_t)number;
    atomic_fetch_add(&book->runs[number], 1);
    kith_segment_free(mine);
    while (daemon)
        pause();
    pause_for(random_below(&state, 2000000));
    return number % 200;
}

/* ---- the parent ---- */

/** A child that has not been joined yet. */
struct child {
    kith_process *process;
    uint32_t number;
    bool daemon;
};

static void note_failure(int code)
{
    for (int i = 0; i < FAILURES_MAX; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&ledger->failures[i], &none, code) || none == code)
            return;
    }
}

static void begin_child(struct child *child, kith_arena *arena)
{
    const kith_process_fd fds[] = { { "ledger", kith_segment_share_fd(segment) } };
    uint64_t chance = random_below(&randomness, 16);
    kith_process_options options = { .method = method,
                                     .fds = fds,
                                     .fd_count = 1,
                                     .daemon = chance % 4 == 0,
                                     .directory = chance / 4 == 0 ? "/" : NULL };
    bool without_handle = chance == 7;
    *child = (struct child){ .number = atomic_fetch_add(&ledger->next, 1), .daemon = options.daemon };
    kith_arena_reset(arena);
    int code = kith_process_start_entry(without_handle ? NULL : &child->process, nap,
                                        kith_value_pack(arena, "(ib)", (int)child->number, options.daemon), &options);
    atomic_store(&ledger->states[child->number], code == 0 ? STARTED : FAILED);
    if (code < 0)
        note_failure(code);
    else
        atomic_fetch_add(&ledger->started, 1);
}

/** One way or the other. */
static int bring_to_its_end(const struct child *child)
{
    uint64_t chance = random_below(&randomness, 8);
    if (chance == 0 || child->daemon)
        return kith_process_stop(child->process, chance % 2 ? KITH_NOWAIT : KITH_FOREVER);
    if (chance == 1)
        must(kith_process_kill(child->process), "kill");
    if (chance == 2)
        must(kith_process_interrupt(child->process), "interrupt");
    return kith_process_join(child->process, KITH_FOREVER);
}

static void end_child(struct child *child)
{
    int exit_code = 0;
    if (!child->process)
        return;
    int code = bring_to_its_end(child);
    if (code == 0)
        code = kith_process_exit_code(child->process, &exit_code);
    if (code < 0)
        wrong("a child can't be joined", child->number, code);
    else if (exit_code >= 0 && exit_code != (int)child->number % 200)
        wrong("a child ended otherwise than it did", child->number, exit_code);
    else if (exit_code >= 0 && atomic_load(&ledger->runs[child->number]) == 0)
        wrong("a child ended well and has not run", child->number, exit_code);
    if (kith_process_close(child->process) < 0)
        wrong("a child can't be closed", child->number, 0);
    child->process = NULL;
    atomic_fetch_add(&ledger->ended, 1);
}

static void *kill_children(void *over)
{
    pid_t kin[KIN_MAX];
    uint32_t seen = UINT32_MAX;
    while (!atomic_load((_Atomic bool *)over)) {
        pause_for(random_below(&killer_random, 2000000));
        /* Mostly lets something get started before it strikes again: else no server would ever begin. */
        uint32_t started = atomic_load(&ledger->started);
        if (started == seen && random_below(&killer_random, 8) > 0)
            continue;
        seen = started;
        int count = children_of(getpid(), kin, KIN_MAX);
        bool all = random_below(&killer_random, 8) == 0;
        uint64_t one = count > 0 ? random_below(&killer_random, (uint64_t)count) : 0;
        for (int i = 0; i < count; i++) {
            if (all || one == (uint64_t)i)
                kill(kin[i], SIGKILL);
        }
    }
    return NULL;
}

static void start_and_end(uint32_t until)
{
    struct child children[AT_A_TIME] = { 0 };
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    while (atomic_load(&ledger->next) < until) {
        struct child *child = &children[random_below(&randomness, AT_A_TIME)];
        end_child(child);
        begin_child(child, arena);
    }
    for (int i = 0; i < AT_A_TIME; i++)
        end_child(&children[i]);
    kith_arena_free(arena);
}

/** Once, so that what the library keeps is there; and to have those reaped that nobody joins. */
static void start_one(void)
{
    kith_process *process;
    kith_arena *arena;
    const kith_process_fd fds[] = { { "ledger", kith_segment_share_fd(segment) } };
    uint32_t number = atomic_fetch_add(&ledger->next, 1);
    must(kith_arena_new(&arena), "arena");
    must(kith_process_start_entry(&process, nap, kith_value_pack(arena, "(ib)", (int)number, 0),
                                  &(kith_process_options){ .fds = fds, .fd_count = 1 }),
         "start");
    must(kith_process_join(process, KITH_FOREVER), "join");
    must(kith_process_close(process), "close");
    kith_arena_free(arena);
}

static void expect_nothing_left(long descriptors)
{
    pid_t kin[KIN_MAX];
    must(kith_forkserver_stop(), "forkserver_stop");
    while (kith_process_active_children(NULL, 0) > 0)
        pause_for(1000000); /* those without a handle, which end by themselves */
    start_one();
    int children = children_of(getpid(), kin, KIN_MAX);
    if (children > 0)
        wrong(state_of(kin[0]) == 'Z' ? "zombies are left" : "children are left", 0, children);
    if (count_entries("/proc/self/fd", "") != descriptors)
        wrong("descriptors are left", 0, (int)(count_entries("/proc/self/fd", "") - descriptors));
}

/** @param killer  whether children are killed */
static _Noreturn void be_parent(uint32_t until, bool killer)
{
    _Atomic bool over = false;
    pthread_t thread;
    killer_random = random_next(&randomness);
    start_one();
    long descriptors = count_entries("/proc/self/fd", "");
    if (killer)
        must(-pthread_create(&thread, NULL, kill_children, &over), "thread");
    start_and_end(until);
    atomic_store(&over, true);
    if (killer)
        pthread_join(thread, NULL);
    expect_nothing_left(descriptors);
    exit(0);
}

/* ---- the owner of a pool ---- */

/** Tasks of all kinds, some of which never end: who is killed leaves workers at any place. */
static void hand_in_tasks(kith_pool *pool, kith_arena *arena)
{
    for (uint64_t tasks = random_below(&randomness, 100); tasks > 0; tasks--) {
        uint32_t number = atomic_fetch_add(&ledger->next, 1);
        bool endless = random_below(&randomness, 50) == 0;
        const kith_task_options options = { .timeout = KITH_MS(5) };
        kith_value *args = kith_value_pack(arena, "(ib)", (int)number, endless);
        int code = kith_pool_apply_async(pool, NULL, nap, args, &options);
        if (code == KITH_EWORKERLOST) /* ten workers in a row were killed before they had begun */
            return;
        must(code, "apply");
        kith_arena_reset(arena);
        pause_for(random_below(&randomness, 200000)); /* so that workers have begun by and by */
    }
}

static _Noreturn void be_owner(void)
{
    const kith_process_fd fds[] = { { "ledger", kith_segment_share_fd(segment) } };
    const kith_process_options process = { .method = method, .fds = fds, .fd_count = 1 };
    pthread_t thread;
    _Atomic bool over = false;
    kith_arena *arena;
    killer_random = random_next(&randomness);
    must(kith_arena_new(&arena), "arena");
    must(-pthread_create(&thread, NULL, kill_children, &over), "thread");
    for (;;) {
        kith_pool *pool;
        int code = kith_pool_new(&pool, &(kith_pool_options){ .workers = WORKERS, .process = &process });
        if (code == KITH_EWORKERLOST) /* forkservers are killed as well */
            continue;
        must(code, "pool_new");
        hand_in_tasks(pool, arena);
        must(kith_pool_free(pool), "pool_free");
    }
}

/* ---- the test ---- */

static bool hangs(const char *what)
{
    pid_t kin[KIN_MAX];
    int count = children_of(getpid(), kin, KIN_MAX);
    printf("# %s: nothing has moved for %d seconds, behind start %u\n", what, PATIENCE, atomic_load(&ledger->next));
    for (int i = 0; i < count; i++) {
        printf("# child %d is in state %c\n", (int)kin[i], state_of(kin[i]));
        kill(kin[i], SIGKILL);
    }
    return false;
}

/** Waits until the ledger tells of so many starts, or the parent has ended. @return false when it does not get on */
static bool wait_for(pid_t parent, uint32_t starts, bool *ended)
{
    time_t since = time(NULL);
    siginfo_t info;
    for (uint32_t moves = 0;; pause_for(100000)) {
        uint32_t moved = atomic_load(&ledger->next) + atomic_load(&ledger->ended);
        info.si_pid = 0;
        *ended = waitid(P_PID, (id_t)parent, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == parent;
        if (*ended || atomic_load(&ledger->next) >= starts)
            return true;
        if (moves != moved)
            since = time(NULL);
        else if (time(NULL) > since + PATIENCE)
            return hangs("the parent");
        moves = moved;
    }
}

/** All that the parent has left behind are this process's children now. @return false when they do not end */
static bool all_end(void)
{
    time_t since = time(NULL);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0)
            return true;
        if (pid > 0)
            since = time(NULL);
        else if (time(NULL) > since + PATIENCE)
            return hangs("orphans");
        else
            pause_for(200000);
    }
}

static void judge(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (atomic_load(&ledger->runs[i]) > 1)
            wrong("a child has run twice", i, 0);
        if (atomic_load(&ledger->states[i]) == FAILED && atomic_load(&ledger->runs[i]) > 0)
            wrong("a start failed, and the child has run", i, 0);
    }
}

/** Who is killed, beside children. */
enum victim { NOBODY, PARENTS, OWNERS };

/** One parent. */
static bool play(enum victim victim, uint32_t until)
{
    uint32_t from = atomic_load(&ledger->next);
    bool ended = false;
    int status = 0;
    uint32_t life = 1 + (uint32_t)random_below(&randomness, victim == OWNERS ? 150 : 20);
    bool killer = victim == NOBODY || random_below(&randomness, 4) == 0;
    random_next(&randomness);
    pid_t parent = fork();
    if (parent == 0 && victim == OWNERS)
        be_owner();
    if (parent == 0)
        be_parent(until, killer);
    must(parent < 0 ? -errno : 0, "fork");
    if (!wait_for(parent, victim == NOBODY ? UINT32_MAX : from + life, &ended))
        return false;
    if (ended && victim != NOBODY)
        wrong("the parent ended by itself", from, 0);
    if (!ended)
        pause_for(random_below(&randomness, 1500000));
    kill(parent, SIGKILL);
    waitpid(parent, &status, 0);
    if (victim == NOBODY && status != 0)
        wrong("the parent ended badly", 0, status);
    bool good = all_end();
    judge(from, atomic_load(&ledger->next));
    return good && !atomic_load(&ledger->wrong);
}

static bool torture(enum victim victim, uint32_t starts)
{
    int parents = 0;
    bool good = true;
    must(kith_segment_new(&segment, sizeof *ledger), "segment");
    ledger = kith_segment_data(segment);
    while (good && atomic_load(&ledger->next) < starts) {
        good = play(victim, victim == NOBODY ? starts : UINT32_MAX);
        parents++;
    }
    uint32_t failed = 0, lost = 0;
    for (uint32_t i = 0; i < atomic_load(&ledger->next); i++) {
        failed += atomic_load(&ledger->states[i]) == FAILED;
        lost += atomic_load(&ledger->runs[i]) == 0;
    }
    printf("# %d parents, %u starts, %u of them failed, %u have not run\n", parents, atomic_load(&ledger->next), failed,
           lost);
    for (int i = 0; i < FAILURES_MAX && atomic_load(&ledger->failures[i]); i++)
        printf("# failed with %s\n", kith_strerror(atomic_load(&ledger->failures[i])));
    if (ledger->wrong)
        printf("# %u times wrong; first: %s\n", ledger->wrong, ledger->why);
    kith_segment_free(segment);
    return good;
}

int main(int count, char **arguments)
{
    static const char *const methods[] = { "fork", "spawn", "forkserver" };
    static const char *const victims[] = { "children are killed", "the parent is killed",
                                           "the owner of a pool is killed" };
    enum { TESTS = 9 };
    must(kith_begin(count, arguments), "begin");
    uint32_t starts = (uint32_t)number_of(count, arguments, 1, 200);
    uint64_t seed = number_of(count, arguments, 2, (uint64_t)time(NULL));
    int failed = 0;
    starts = starts < STARTS_MAX / 2 ? starts : STARTS_MAX / 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0, "subreaper");
    printf("1..%d\n# seed %llu\n", TESTS, (unsigned long long)seed);
    for (int i = 0; i < TESTS; i++) {
        char name[100];
        randomness = seed + (uint64_t)i;
        method = (kith_start_method)(i % 3);
        bool good = torture((enum victim)(i / 3), starts);
        snprintf(name, sizeof name, "%s, %s", methods[i % 3], victims[i / 3]);
        failed += verdict(i + 1, good, name);
    }
    return failed > 0;
}
