/* Kill torture of all that kith/sync.h has: workers are killed by SIGKILL at random instants and replaced.
 *
 *   - A lock guards two counters that must be equal. Who is told KITH_EOWNERDEAD repairs them; who is not must find
 *     them equal. So a death that is not reported, or a lock that two own, shows. The same with a lock that anyone
 *     releases.
 *   - A semaphore whose units have owners lets two in at a time. Never more are inside, and at the end all units are
 *     back.
 *   - A plain semaphore is released by two workers and acquired by two. A killed worker loses at most one unit.
 *   - Units that a condition guards are put by two workers and taken by two, who wait for them without a timeout.
 *   - An event is set and cleared at once by two workers, and waited for by two, without a timeout.
 *   - A barrier of three is used by four, who reset it when it is broken: by a death, for nobody's time is ever over.
 *   - Nobody hangs.
 *
 * usage: lock_kills [KILLS [SEED]]   KILLS a part; the seed is printed, and replays the choices. Output is TAP. */
#include "killing.h"

#include <errno.h>
#include <sched.h>

enum { WORKERS = 4, UNITS = 2, PATIENCE = 30 };

struct ledger {
    _Atomic uint64_t progress;
    _Atomic bool stop;
    _Atomic uint32_t wrong;
    _Atomic uint32_t reported; /* deaths that KITH_EOWNERDEAD told of */
    uint64_t first, second;    /* guarded by the lock */
    _Atomic bool inside[WORKERS];
    _Atomic uint32_t deaths; /* odd while a worker is being killed: what it left in "inside" is not true */
    _Atomic uint64_t released, acquired;
};

static struct ledger *ledger;
static kith_lock *lock;
static kith_semaphore *semaphore;
static kith_condition *condition;
static kith_event *event;
static kith_barrier *barrier;

/* ---- what the workers do ---- */

static int use_lock(void *argument)
{
    (void)argument;
    while (!atomic_load(&ledger->stop)) {
        int code = kith_lock_acquire(lock, KITH_FOREVER);
        if (code == KITH_EOWNERDEAD) {
            atomic_fetch_add(&ledger->reported, 1);
            ledger->second = ledger->first;
        } else {
            must(code, "acquire");
        }
        if (ledger->first != ledger->second)
            atomic_fetch_add(&ledger->wrong, 1);
        ledger->first++;
        atomic_signal_fence(memory_order_seq_cst); /* so that a kill can fall between the two */
        ledger->second++;
        must(kith_lock_release(lock), "release");
        atomic_fetch_add(&ledger->progress, 1);
    }
    return 0;
}

static int use_owned_semaphore(void *argument)
{
    uintptr_t me = (uintptr_t)argument;
    while (!atomic_load(&ledger->stop)) {
        int code = kith_semaphore_acquire(semaphore, KITH_FOREVER);
        if (code == KITH_EOWNERDEAD)
            atomic_fetch_add(&ledger->reported, 1);
        else
            must(code, "acquire");
        atomic_store(&ledger->inside[me], true);
        uint32_t deaths = atomic_load(&ledger->deaths);
        int inside = 0;
        for (int i = 0; i < WORKERS; i++)
            inside += atomic_load(&ledger->inside[i]);
        if (inside > UNITS && deaths % 2 == 0 && deaths == atomic_load(&ledger->deaths))
            atomic_fetch_add(&ledger->wrong, 1);
        atomic_store(&ledger->inside[me], false);
        must(kith_semaphore_release(semaphore), "release");
        atomic_fetch_add(&ledger->progress, 1);
    }
    return 0;
}

static int use_plain_semaphore(void *argument)
{
    bool releases = (uintptr_t)argument % 2 == 0;
    while (!atomic_load(&ledger->stop)) {
        if (releases) {
            if (kith_semaphore_value(semaphore) > 100)
                continue;
            must(kith_semaphore_release(semaphore), "release");
            atomic_fetch_add(&ledger->released, 1);
        } else {
            int code = kith_semaphore_acquire(semaphore, KITH_MS(100));
            if (code == -ETIMEDOUT)
                continue;
            must(code, "acquire");
            atomic_fetch_add(&ledger->acquired, 1);
        }
        atomic_fetch_add(&ledger->progress, 1);
    }
    return 0;
}

static int units_are_there(void *nothing)
{
    (void)nothing;
    return ledger->first > 0 || atomic_load(&ledger->stop);
}

static int use_condition(void *argument)
{
    bool puts = (uintptr_t)argument % 2 == 0;
    while (!atomic_load(&ledger->stop)) {
        int code = kith_condition_acquire(condition, KITH_FOREVER);
        if (code == 0 && !puts)
            code = kith_condition_wait_for(condition, units_are_there, NULL, KITH_FOREVER);
        if (code == KITH_EOWNERDEAD)
            atomic_fetch_add(&ledger->reported, 1);
        else
            must(code, "wait");
        if (puts && ledger->first < 100) {
            ledger->first++;
            must(kith_condition_notify(condition, 1), "notify");
        } else if (!puts && ledger->first > 0) {
            ledger->first--;
            atomic_fetch_add(&ledger->progress, 1);
        }
        must(kith_condition_release(condition), "release");
    }
    return 0;
}

static int use_event(void *argument)
{
    bool sets = (uintptr_t)argument % 2 == 0;
    while (!atomic_load(&ledger->stop)) {
        if (sets) {
            must(kith_event_set(event), "set");
            must(kith_event_clear(event), "clear");
            sched_yield();
        } else {
            must(kith_event_wait(event, KITH_FOREVER), "wait");
            atomic_fetch_add(&ledger->progress, 1);
        }
    }
    return 0;
}

static int use_barrier(void *argument)
{
    (void)argument;
    while (!atomic_load(&ledger->stop)) {
        int code = kith_barrier_wait(barrier, KITH_FOREVER);
        if (code == KITH_EBROKEN) {
            atomic_fetch_add(&ledger->reported, 1);
            if (!atomic_load(&ledger->stop) && kith_barrier_broken(barrier) == 1)
                must(kith_barrier_reset(barrier), "reset");
        } else {
            must(code, "wait");
            atomic_fetch_add(&ledger->progress, 1);
        }
    }
    return 0;
}

/* ---- the killer ---- */

static kith_process *start(kith_process_main work, int worker)
{
    kith_process *process;
    must(kith_process_start(&process, work, (void *)(uintptr_t)worker, NULL), "start");
    return process;
}

/** Waits for a worker that was told to stop, and for what would never come. */
static bool has_stopped(kith_process *worker, void (*release)(void))
{
    int code = -ETIMEDOUT;
    for (int i = 0; i < PATIENCE * 100 && code == -ETIMEDOUT; i++) {
        if (release)
            release();
        code = kith_process_join(worker, KITH_MS(10));
    }
    return code == 0;
}

/** @param release  wakes those who wait without a timeout; NULL: nobody does @return whether nobody hung */
static bool torture(kith_process_main work, void (*release)(void), int kills, uint64_t *random)
{
    kith_process *workers[WORKERS];
    bool alive = true;
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start(work, i);
    for (int i = 0; i < kills && alive; i++) {
        alive = gets_on(&ledger->progress, PATIENCE);
        pause_for(random_below(random, 300000));
        int worker = (int)random_below(random, WORKERS);
        atomic_fetch_add(&ledger->deaths, 1);
        kill_and_close(workers[worker]);
        atomic_store(&ledger->inside[worker], false);
        atomic_fetch_add(&ledger->deaths, 1);
        workers[worker] = start(work, worker);
    }
    alive = alive && gets_on(&ledger->progress, PATIENCE);
    atomic_store(&ledger->stop, true);
    for (int i = 0; i < WORKERS; i++) {
        alive = alive && has_stopped(workers[i], release);
        kill_and_close(workers[i]);
    }
    printf("# %llu rounds, %u deaths reported, %u wrong%s\n", (unsigned long long)ledger->progress, ledger->reported,
           ledger->wrong, alive ? "" : "; WEDGED");
    return alive && !ledger->wrong;
}

static bool torture_lock(const kith_lock_options *options, int kills, uint64_t *random)
{
    must(kith_lock_new(&lock, options), "new");
    bool good = torture(use_lock, NULL, kills, random) && ledger->reported <= (uint32_t)kills;
    kith_lock_free(lock);
    return good;
}

static bool lock_part(int kills, uint64_t *random)
{
    return torture_lock(NULL, kills, random);
}

static bool anyones_lock_part(int kills, uint64_t *random)
{
    return torture_lock(&(kith_lock_options){ .anyone_releases = 1 }, kills, random);
}

static bool owned_part(int kills, uint64_t *random)
{
    must(kith_semaphore_new(&semaphore, UNITS, &(kith_semaphore_options){ .owned = 1 }), "new");
    bool good = torture(use_owned_semaphore, NULL, kills, random) && kith_semaphore_value(semaphore) == UNITS &&
                ledger->reported <= (uint32_t)kills;
    kith_semaphore_free(semaphore);
    return good;
}

static bool plain_part(int kills, uint64_t *random)
{
    must(kith_semaphore_new(&semaphore, 0, NULL), "new");
    bool good = torture(use_plain_semaphore, NULL, kills, random);
    int64_t missing = (int64_t)(ledger->released - ledger->acquired) - kith_semaphore_value(semaphore);
    printf("# %llu released, %llu acquired, %lld missing\n", (unsigned long long)ledger->released,
           (unsigned long long)ledger->acquired, (long long)missing);
    good = good && missing <= kills && missing >= -kills;
    kith_semaphore_free(semaphore);
    return good;
}

static void release_condition(void)
{
    int code = kith_condition_acquire(condition, KITH_FOREVER);
    must(code == KITH_EOWNERDEAD ? 0 : code, "acquire");
    must(kith_condition_notify_all(condition), "notify");
    must(kith_condition_release(condition), "release");
}

static bool condition_part(int kills, uint64_t *random)
{
    must(kith_condition_new(&condition, NULL), "new");
    bool good = torture(use_condition, release_condition, kills, random);
    kith_condition_free(condition);
    return good;
}

static void release_event(void)
{
    must(kith_event_set(event), "set");
}

static bool event_part(int kills, uint64_t *random)
{
    must(kith_event_new(&event), "new");
    bool good = torture(use_event, release_event, kills, random);
    kith_event_free(event);
    return good;
}

static void release_barrier(void)
{
    must(kith_barrier_abort(barrier), "abort");
}

static bool barrier_part(int kills, uint64_t *random)
{
    must(kith_barrier_new(&barrier, WORKERS - 1, NULL), "new");
    bool good = torture(use_barrier, release_barrier, kills, random);
    kith_barrier_free(barrier);
    return good;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        bool (*run)(int kills, uint64_t *random);
    } parts[] = { { "lock", lock_part },
                  { "lock that anyone releases", anyones_lock_part },
                  { "semaphore with owners", owned_part },
                  { "semaphore", plain_part },
                  { "condition", condition_part },
                  { "event", event_part },
                  { "barrier", barrier_part } };
    enum { PARTS = sizeof parts / sizeof *parts };
    int kills = (int)number_of(count, arguments, 1, 70);
    uint64_t seed = number_of(count, arguments, 2, (uint64_t)time(NULL));
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n# seed %llu\n", PARTS, (unsigned long long)seed);
    for (int i = 0; i < PARTS; i++) {
        ledger = share(sizeof *ledger);
        uint64_t random = seed + (uint64_t)i;
        bool good = parts[i].run(kills, &random);
        printf("%sok %d - %d kills, %s\n", good ? "" : "not ", i + 1, kills, parts[i].name);
        failed += !good;
        munmap(ledger, sizeof *ledger);
    }
    return failed > 0;
}
