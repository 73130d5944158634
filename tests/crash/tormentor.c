#include "tormentor.h"

#include "killing.h"
#include "kin.h"

#include <pthread.h>
#include <signal.h>

enum { PATIENCE = 30, KIN_MAX = 100 };

/** What the test is at. Guarded by the mutex, which the test has while it changes it, so that nobody is struck of a
 *  pool that is gone. */
static struct step {
    kith_pool *pool;
    const _Atomic uint64_t *moves;
    const char *what;
    uint64_t seen; /* what *moves was when it last changed */
    time_t since;  /* and when that was */
} now;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static _Atomic bool over;
static uint64_t randomness, pause_length, strikes;
static enum weapon weapon;

/* ---- striking ---- */

static bool strike_one(const pid_t *pids, int count, int signal, uint64_t *random)
{
    return count > 0 && kill(pids[random_below(random, (uint64_t)count)], signal) == 0;
}

bool strike(const kith_pool *pool, enum weapon with, uint64_t *random)
{
    pid_t pids[KIN_MAX];
    uint64_t chance = random_below(random, 4);
    if (with == ALL_WEAPONS)
        with = (enum weapon)random_below(random, ALL_WEAPONS);
    if (with == KILL_KIN)
        return strike_one(pids, children_of(getpid(), pids, KIN_MAX), SIGKILL, random);
    int count = kith_pool_workers(pool, pids, KIN_MAX);
    int signal = with == KILL_WORKERS ? SIGKILL : chance == 0 ? SIGCONT : SIGSTOP;
    return strike_one(pids, count > KIN_MAX ? KIN_MAX : count, signal, random);
}

void let_go_on(kith_pool *pool)
{
    pid_t workers[KIN_MAX];
    int count = kith_pool_workers(pool, workers, KIN_MAX);
    for (int i = 0; i < count && i < KIN_MAX; i++)
        kill(workers[i], SIGCONT);
}

/* ---- watching ---- */

/** What does not move is left as it is; this process ends, and its daemons with it. */
static void tell_that_it_hangs(void)
{
    pid_t kin[KIN_MAX];
    kith_pool_stats stats;
    int count = children_of(getpid(), kin, KIN_MAX);
    alarm(5); /* in case that the pool's own calls hang as well */
    printf("# nothing has moved for %d seconds: %s, %llu moves, %llu strikes\n", PATIENCE, now.what,
           (unsigned long long)now.seen, (unsigned long long)strikes);
    for (int i = 0; i < count; i++)
        printf("# child %d is in state %c\n", (int)kin[i], state_of(kin[i]));
    if (now.pool && kith_pool_get_stats(now.pool, &stats) == 0)
        printf("# %u workers, %u busy, %llu tasks pending, %llu done, %llu lost, %llu timed out, %llu retried\n",
               stats.workers, stats.busy, (unsigned long long)stats.pending, (unsigned long long)stats.done,
               (unsigned long long)stats.lost, (unsigned long long)stats.timed_out, (unsigned long long)stats.retried);
    printf("Bail out! it hangs\n");
    _exit(1);
}

/** @return whether something has moved since it was last asked; true when nothing is known to move */
static bool has_moved(void)
{
    uint64_t moves = now.moves ? atomic_load(now.moves) : 0;
    bool moved = moves != now.seen;
    if (moved) {
        now.seen = moves;
        now.since = time(NULL);
    } else if (now.what && time(NULL) > now.since + PATIENCE) {
        tell_that_it_hangs();
    }
    return moved;
}

static void *watch(void *nothing)
{
    bool moved = false;
    while (!atomic_load(&over)) {
        pause_for(random_below(&randomness, 2 * pause_length));
        pthread_mutex_lock(&mutex);
        moved = has_moved() || moved;
        if (now.pool && moved) {
            strikes += strike(now.pool, weapon, &randomness);
            moved = false;
        }
        pthread_mutex_unlock(&mutex);
    }
    return nothing;
}

void torment(kith_pool *pool, const _Atomic uint64_t *moves, const char *step)
{
    pthread_mutex_lock(&mutex);
    now = (struct step){ pool, moves, step, moves ? atomic_load(moves) : 0, time(NULL) };
    pthread_mutex_unlock(&mutex);
}

void torment_begin(uint64_t seed, enum weapon with, uint64_t pause)
{
    randomness = seed;
    weapon = with;
    pause_length = pause;
    strikes = 0;
    atomic_store(&over, false);
    torment(NULL, NULL, NULL);
    must(-pthread_create(&thread, NULL, watch, NULL), "thread");
}

uint64_t torment_end(void)
{
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return strikes;
}
