/* Kill torture of pools: while tasks run, one worker after the other is killed by SIGKILL, or stopped by SIGSTOP, at
 * random instants, some 10 ms apart, for as long as it takes; and where there is a forkserver, it is killed as well.
 * Tasks that take some milliseconds are mostly hit themselves, trivial ones at claims and reports. Then
 *   - every task has ended, once: with the right result, or lost, or beyond its time limit;
 *   - who is said to be lost or late was begun as often as was asked for; no task has run twice unless retries were
 *     asked for, nor more often than its outcome says;
 *   - nobody hung: tasks were begun as long as there were any, and the pool came to its end;
 *   - the pool's statistics agree; no child and no descriptor is left.
 *
 * usage: pool_kills [TASKS [ROUNDS [SEED]]]   TASKS a round, ROUNDS a way of handing in tasks; the seed is printed, and
 * replays the choices (who, when), as far as the scheduler lets it. Output is TAP. */
#include "belongings.h"
#include "killing.h"
#include "kin.h"
#include "pool_work.h"
#include "tormentor.h"

#include <string.h>

enum { WORKERS = 4, PATIENCE = 30 };

/** How tasks are handed in, and their results taken. */
typedef void hand_in(void);

/** A round. */
static struct round {
    enum kith_start_method method;
    enum weapon weapon;
    unsigned retries, chunk, max_tasks;
    uint64_t longest; /* how long tasks take, as in the ledger */
    bool as_bytes;
} now;

static struct work work;
static kith_pool *pool;
static kith_task_options options;
static _Atomic uint64_t told; /* callbacks called */

static const char *const methods[] = { "fork", "spawn", "forkserver" };

/* ---- ways ---- */

static void be_told(void *nothing, kith_value *value)
{
    (void)nothing;
    (void)value;
    atomic_fetch_add(&told, 1);
}

static void be_told_of_failure(void *nothing, const kith_outcome *outcome)
{
    (void)nothing;
    (void)outcome;
    atomic_fetch_add(&told, 1);
}

static void expect_told(uint64_t times)
{
    if (atomic_load(&told) != times && !work.wrong)
        work.wrong = "callbacks are called too often, or not at all";
}

/** Waits for a result, looks at it and gives it back. */
static void take(kith_result *result, size_t first)
{
    must(kith_result_wait(result, KITH_FOREVER), "wait");
    work_see_result(&work, first, result, now.as_bytes);
    kith_result_free(result);
}

static void end_pool(void)
{
    torment(NULL, NULL, "closing the pool");
    must(kith_pool_close(pool), "close");
    must(kith_pool_join(pool, KITH_FOREVER), "join");
}

static kith_result *start_map(void)
{
    kith_result *result;
    size_t tasks = work.promise.tasks;
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    kith_value *items = kith_value_list(arena);
    size_t *numbers = calloc(tasks, sizeof *numbers);
    kith_message *messages = calloc(tasks, sizeof *messages);
    must(numbers && messages ? 0 : -ENOMEM, "items");
    for (size_t i = 0; i < tasks; i++) {
        numbers[i] = i;
        messages[i] = (kith_message){ &numbers[i], sizeof numbers[i] };
        must(kith_value_append(items, kith_value_int(arena, (int64_t)i)), "append");
    }
    int code = now.as_bytes ? kith_pool_map_bytes_async(pool, &result, do_work, messages, tasks, &options)
                            : kith_pool_map_async(pool, &result, do_work, items, &options);
    must(code, "map");
    free(messages);
    free(numbers);
    kith_arena_free(arena);
    return result;
}

static void by_map(void)
{
    options.callback = be_told;
    options.error_callback = be_told_of_failure;
    take(start_map(), 0);
    end_pool();
    expect_told(1);
}

/** The pool is closed while nearly all is still to be done. */
static void by_map_and_close(void)
{
    kith_result *result = start_map();
    must(kith_pool_close(pool), "close");
    must(kith_pool_join(pool, KITH_FOREVER), "join");
    torment(NULL, NULL, "taking results");
    take(result, 0);
}

static void by_apply(void)
{
    size_t tasks = work.promise.tasks;
    kith_arena *arena;
    kith_result **results = calloc(tasks, sizeof *results);
    must(results ? kith_arena_new(&arena) : -ENOMEM, "arena");
    options.callback = be_told;
    options.error_callback = be_told_of_failure;
    for (size_t i = 0; i < tasks; i++) {
        kith_value *args = kith_value_pack(arena, "(I)", (int64_t)i);
        int code = now.as_bytes ? kith_pool_apply_bytes_async(pool, &results[i], do_work, &i, sizeof i, &options)
                                : kith_pool_apply_async(pool, &results[i], do_work, args, &options);
        must(code, "apply");
        kith_arena_reset(arena);
    }
    for (size_t i = 0; i < tasks; i++)
        take(results[i], i);
    end_pool();
    expect_told(tasks);
    kith_arena_free(arena);
    free(results);
}

static int next_item(void *context, kith_arena *arena, kith_value **args)
{
    size_t *next = context;
    if (*next == work.promise.tasks)
        return 0;
    *args = kith_value_pack(arena, "(I)", (int64_t)(*next)++);
    return *args ? 1 : -ENOMEM;
}

static void walk(bool in_order)
{
    size_t next = 0, tasks = work.promise.tasks;
    kith_imap *imap;
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    must(in_order ? kith_pool_imap(pool, &imap, do_work, next_item, &next, &options)
                  : kith_pool_imap_unordered(pool, &imap, do_work, next_item, &next, &options),
         "imap");
    for (size_t i = 0; i < tasks; i++) {
        kith_value *value = NULL;
        kith_outcome outcome = { 0 };
        int code = kith_imap_next(imap, arena, &value, KITH_FOREVER);
        must(kith_imap_outcome(imap, &outcome), "imap_outcome");
        if ((code != outcome.code || (in_order && outcome.index != i)) && !work.wrong)
            work.wrong = "the outcome tells otherwise than the walk";
        work_see(&work, outcome.index, &outcome, value);
        kith_arena_reset(arena);
    }
    if (kith_imap_next(imap, arena, NULL, KITH_FOREVER) != KITH_EEMPTY && !work.wrong)
        work.wrong = "a walk does not end";
    kith_imap_free(imap);
    kith_arena_free(arena);
    end_pool();
}

static void by_imap(void)
{
    options.ahead = 50;
    walk(true);
}

static void by_imap_unordered(void)
{
    walk(false);
}

/* ---- rounds ---- */

static void open_pool(void)
{
    const kith_process_fd fds[] = { { WORK_LEDGER, kith_segment_share_fd(work.segment) } };
    const kith_process_options process = { .method = now.method, .fds = fds, .fd_count = 1 };
    must(kith_pool_new(&pool,
                       &(kith_pool_options){ .workers = WORKERS, .process = &process, .max_tasks = now.max_tasks }),
         "pool_new");
}

static bool stops(void)
{
    return now.weapon == STOP_WORKERS || now.weapon == ALL_WEAPONS;
}

static bool agree(const kith_pool_stats *stats)
{
    return stats->pending == 0 && stats->done == work.promise.tasks && stats->lost == work.lost &&
           stats->timed_out == work.timed_out && stats->failed == 0;
}

/** Whether nothing is left of this round. */
static bool cleared_up(long descriptors)
{
    pid_t kin[1];
    must(kith_forkserver_stop(), "forkserver_stop");
    int children = children_of(getpid(), kin, 1);
    long left = count_entries("/proc/self/fd", "") - descriptors;
    if (children > 0 || left != 0)
        printf("# %ld descriptors are left over%s\n", left, children ? ", and children" : "");
    return children == 0 && left == 0;
}

static bool play(hand_in *way, size_t tasks, uint64_t seed)
{
    const struct promise promise = {
        .tasks = tasks, .retries = now.retries, .may_be_lost = now.weapon != STOP_WORKERS, .may_time_out = stops()
    };
    kith_pool_stats stats;
    long descriptors = count_entries("/proc/self/fd", "");
    options = (kith_task_options){ .retries = now.retries, .chunk = now.chunk, .timeout = stops() ? KITH_MS(50) : 0 };
    atomic_store(&told, 0);
    work_begin(&work, &promise, now.longest);
    open_pool();
    torment_begin(seed, now.weapon, now.longest > 0 ? 10000000 : 1000000);
    torment(pool, &work.ledger->begun, "tasks");
    way();
    must(kith_pool_get_stats(pool, &stats), "stats");
    torment(NULL, NULL, "freeing the pool");
    must(kith_pool_free(pool), "pool_free");
    uint64_t strikes = torment_end();
    bool good = work_judge(&work);
    if (!agree(&stats)) {
        printf("# the statistics do not agree: %llu pending, %llu done, %llu lost, %llu timed out, %llu failed\n",
               (unsigned long long)stats.pending, (unsigned long long)stats.done, (unsigned long long)stats.lost,
               (unsigned long long)stats.timed_out, (unsigned long long)stats.failed);
        good = false;
    }
    printf("# %s, chunk %u, %u retries, %s: %llu strikes, %zu right, %zu lost, %zu late, %llu begun again\n",
           methods[now.method], now.chunk, now.retries, now.longest ? "some ms" : "trivial",
           (unsigned long long)strikes, work.right, work.lost, work.timed_out, (unsigned long long)stats.retried);
    work_end(&work);
    return cleared_up(descriptors) && good;
}

/** Of the weapons and ways that there are, each round takes other options. */
static bool play_all(hand_in *way, enum weapon weapon, size_t tasks, int rounds, uint64_t seed)
{
    static const unsigned chunks[] = { 1, 7, 0, 50 };
    uint64_t random = seed;
    bool good = true;
    for (int i = 0; i < rounds && good; i++) {
        bool trivial = random_below(&random, 2) == 0;
        now = (struct round){ .method = (enum kith_start_method)((seed + (uint64_t)i) % 3),
                              .weapon = weapon,
                              .retries = random_below(&random, 2) ? 3 : 0,
                              .chunk = chunks[random_below(&random, 4)],
                              .max_tasks = random_below(&random, 4) ? 0 : 20,
                              .longest = trivial ? 0 : 5000000,
                              .as_bytes = random_below(&random, 2) == 0 };
        good = play(way, trivial ? tasks * 10 : tasks, random_next(&random));
    }
    return good;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        hand_in *way;
    } ways[] = { { "map", by_map },
                 { "map, closed meanwhile", by_map_and_close },
                 { "apply_async", by_apply },
                 { "imap", by_imap },
                 { "imap_unordered", by_imap_unordered } };
    static const struct {
        const char *name;
        enum weapon weapon;
    } weapons[] = { { "workers killed", KILL_WORKERS },
                    { "workers stopped", STOP_WORKERS },
                    { "any children killed", KILL_KIN },
                    { "all of that", ALL_WEAPONS } };
    enum { WAYS = sizeof ways / sizeof *ways, WEAPONS = sizeof weapons / sizeof *weapons };
    must(kith_begin(count, arguments), "begin");
    size_t tasks = number_of(count, arguments, 1, 80);
    int rounds = (int)number_of(count, arguments, 2, 1), failed = 0;
    uint64_t seed = number_of(count, arguments, 3, (uint64_t)time(NULL));
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_first();
    printf("1..%d\n# seed %llu\n", WAYS * WEAPONS, (unsigned long long)seed);
    for (int i = 0; i < WAYS * WEAPONS; i++) {
        char name[100];
        bool good = play_all(ways[i % WAYS].way, weapons[i / WAYS].weapon, tasks, rounds, seed + (uint64_t)i);
        snprintf(name, sizeof name, "%s, %s", ways[i % WAYS].name, weapons[i / WAYS].name);
        failed += verdict(i + 1, good, name);
    }
    return failed > 0;
}
