/* Soak of pools: pools of all kinds are made, used by several threads in every way there is, and end in every way,
 * while workers, the forkserver and other children are killed, stopped and continued at random. Tasks fail, exit and
 * die, are given up, forgotten, or called too late. Then
 *   - no call hangs; every task that somebody asked about has ended once, and rightly, and none ran too often;
 *   - what tasks themselves did is told as it was;
 *   - each callback is called once;
 *   - at the end this process has what it had at the beginning: descriptors, mappings, memory, no children.
 *
 * usage: pool_soak [SECONDS [SEED]]   the seed is printed, and replays the choices, as far as the scheduler lets it.
 * Output is TAP. */
#include "belongings.h"
#include "killing.h"
#include "kin.h"
#include "pool_work.h"
#include "tormentor.h"

#include <pthread.h>
#include <signal.h>

enum { LINES = 2, USERS = 2, TASKS = 1 << 16, BATCH = 60, PATIENCE = 60, SLACK = 4096 };

/* ThreadSanitizer does not follow into children that are forked while there are threads. */
#if defined(__SANITIZE_THREAD__)
enum { FIRST_METHOD = KITH_SPAWN, METHODS = 1 };
#else
enum { FIRST_METHOD = KITH_FORK, METHODS = 3 };
#endif

struct line;

/** A thread that uses a pool. */
struct user {
    struct line *line;
    pthread_t thread;
    uint64_t random;
    kith_arena *arena;
    const char *_Atomic what; /* it is at; NULL: it is through */
    _Atomic time_t since;
    _Atomic uint64_t owed, told; /* callbacks */
};

/** A pool, and those who use it. */
static struct line {
    kith_pool *pool;
    kith_start_method method;
    struct work work;
    pthread_mutex_t mutex; /* guards work */
    _Atomic size_t next;   /* task */
    uint64_t seen;         /* how many had been begun at the last strike */
    _Atomic bool stop;
    _Atomic uint32_t wrong;
    const char *why;
    struct user users[USERS];
} lines[LINES];

static uint64_t randomness, made, struck, tasks_done;
static _Atomic uint64_t steps;

/* ---- tasks that do not end well ---- */

enum end { FAIL, EXIT, DIE, SAY_NOTHING, ENDS };

KITH_ENTRY(end_badly)
{
    int how = -1;
    int code = kith_value_unpack(kith_call_args(call), "(i)", &how);
    if (how == EXIT)
        _exit(3);
    if (how == DIE)
        kill(getpid(), SIGKILL);
    return how == FAIL ? 5 : code;
}

static bool told_as_it_was(enum end how, const kith_outcome *outcome)
{
    if (how == FAIL)
        return outcome->code == KITH_ETASK && outcome->exit_code == 5;
    if (how == EXIT)
        return outcome->code == KITH_EWORKERLOST && outcome->exit_code == 3;
    return how == DIE ? outcome->code == KITH_EWORKERLOST && outcome->exit_code == -SIGKILL : outcome->code == 0;
}

/* ---- what users do ---- */

static void wrong(struct line *line, const char *why)
{
    if (atomic_fetch_add(&line->wrong, 1) == 0)
        line->why = why;
}

static void be_told(void *user, kith_value *value)
{
    (void)value;
    atomic_fetch_add(&((struct user *)user)->told, 1);
}

static void be_told_of_failure(void *user, const kith_outcome *outcome)
{
    (void)outcome;
    atomic_fetch_add(&((struct user *)user)->told, 1);
}

static void forget(struct line *line, size_t first, size_t count)
{
    pthread_mutex_lock(&line->mutex);
    work_forget(&line->work, first, count);
    pthread_mutex_unlock(&line->mutex);
}

static uint64_t choose(struct user *user, uint64_t below)
{
    return random_below(&user->random, below);
}

static kith_task_options choose_options(struct user *user)
{
    static const unsigned chunks[] = { 0, 1, 5, 100 };
    return (kith_task_options){ .timeout = KITH_MS(100),
                                .retries = user->line->work.promise.retries,
                                .chunk = chunks[choose(user, 4)],
                                .ahead = choose(user, 2) ? 0 : 7 };
}

/** Some tasks of one's own. @return how many; 0 when there are none left */
static size_t take_tasks(struct user *user, size_t *first)
{
    size_t count = 1 + choose(user, BATCH);
    *first = atomic_fetch_add(&user->line->next, count);
    if (*first + count <= TASKS)
        return count;
    if (*first < TASKS)
        forget(user->line, *first, TASKS - *first);
    return 0;
}

/** Looks at results, if they are there, and gives them back. Nobody hears more of others. */
static void put_away(struct user *user, kith_result *result, size_t first, bool as_bytes)
{
    struct line *line = user->line;
    size_t count = kith_result_count(result);
    pthread_mutex_lock(&line->mutex);
    if (kith_result_ready(result))
        work_see_result(&line->work, first, result, as_bytes);
    else
        work_forget(&line->work, first, count);
    pthread_mutex_unlock(&line->mutex);
    kith_result_free(result);
}

/** Waits, or does not, gives up, or does not. */
static void await(struct user *user, kith_result *result)
{
    uint64_t chance = choose(user, 8);
    if (chance == 0)
        (void)kith_result_cancel(result);
    if (chance == 1)
        return;
    int code = kith_result_get(result, user->arena, NULL, chance == 2 ? KITH_MS(1) : KITH_FOREVER);
    if (code == -ETIMEDOUT && chance != 2)
        wrong(user->line, "who waits for ever is told that the time is over");
}

static int use_map(struct user *user)
{
    size_t first, count = take_tasks(user, &first), numbers[BATCH];
    kith_message messages[BATCH];
    kith_task_options options = choose_options(user);
    kith_value *items = kith_value_list(user->arena);
    kith_result *result;
    bool as_bytes = choose(user, 2) == 0;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = first + i;
        messages[i] = (kith_message){ &numbers[i], sizeof numbers[i] };
        must(kith_value_append(items, kith_value_int(user->arena, (int64_t)numbers[i])), "append");
    }
    options.callback = be_told;
    options.error_callback = be_told_of_failure;
    options.context = user;
    int code = count == 0 ? KITH_ECLOSED
               : as_bytes ? kith_pool_map_bytes_async(user->line->pool, &result, do_work, messages, count, &options)
                          : kith_pool_map_async(user->line->pool, &result, do_work, items, &options);
    if (code < 0) {
        forget(user->line, first, count);
        return code;
    }
    atomic_fetch_add(&user->owed, 1);
    await(user, result);
    put_away(user, result, first, as_bytes);
    return 0;
}

static int use_apply(struct user *user)
{
    size_t first, count = take_tasks(user, &first), handed_in = 0;
    kith_task_options options = choose_options(user);
    kith_result *results[BATCH];
    int code = count == 0 ? KITH_ECLOSED : 0;
    options.callback = be_told;
    options.error_callback = be_told_of_failure;
    options.context = user;
    for (; handed_in < count && code == 0; handed_in += code == 0) {
        kith_value *args = kith_value_pack(user->arena, "(I)", (int64_t)(first + handed_in));
        code = kith_pool_apply_async(user->line->pool, &results[handed_in], do_work, args, &options);
    }
    atomic_fetch_add(&user->owed, handed_in);
    for (size_t i = 0; i < handed_in; i++) {
        await(user, results[i]);
        put_away(user, results[i], first + i, false);
    }
    forget(user->line, first + handed_in, count - handed_in);
    return code;
}

struct walk {
    size_t first, count, next;
};

static int next_item(void *context, kith_arena *arena, kith_value **args)
{
    struct walk *walk = context;
    if (walk->next == walk->count)
        return 0;
    *args = kith_value_pack(arena, "(I)", (int64_t)(walk->first + walk->next++));
    return *args ? 1 : -ENOMEM;
}

/** Walks over results, sometimes not to the end. */
static int use_imap(struct user *user)
{
    struct walk walk = { 0 };
    walk.count = take_tasks(user, &walk.first);
    size_t until = choose(user, 3) ? walk.count : choose(user, walk.count + 1), seen = 0;
    kith_task_options options = choose_options(user);
    bool in_order = choose(user, 2) == 0;
    unsigned char here[BATCH] = { 0 };
    kith_imap *imap = NULL;
    int code = walk.count == 0 ? KITH_ECLOSED
               : in_order      ? kith_pool_imap(user->line->pool, &imap, do_work, next_item, &walk, &options)
                               : kith_pool_imap_unordered(user->line->pool, &imap, do_work, next_item, &walk, &options);
    for (; seen < until && code == 0; seen++) {
        kith_value *value = NULL;
        kith_outcome outcome;
        int result = kith_imap_next(imap, user->arena, &value, KITH_FOREVER);
        code = kith_imap_outcome(imap, &outcome);
        if (code < 0) {
            code = result;
            break;
        }
        if (outcome.index >= walk.count || here[outcome.index]++ || result != outcome.code ||
            (in_order && outcome.index != seen)) {
            wrong(user->line, "a walk gives wrong results, or in a wrong order");
            break;
        }
        pthread_mutex_lock(&user->line->mutex);
        work_see(&user->line->work, walk.first + outcome.index, &outcome, value);
        pthread_mutex_unlock(&user->line->mutex);
    }
    kith_imap_free(imap);
    for (size_t i = 0; i < walk.count; i++) {
        if (!here[i])
            forget(user->line, walk.first + i, 1);
    }
    return code;
}

/** Has a task end badly. It may also be hit by what hits all. */
static int use_bad_end(struct user *user)
{
    enum end how = (enum end)choose(user, ENDS);
    kith_result *result;
    kith_outcome outcome;
    const kith_task_options options = { .timeout = KITH_MS(200) };
    int code = kith_pool_apply_async(user->line->pool, &result, end_badly,
                                     kith_value_pack(user->arena, "(i)", (int)how), &options);
    if (code < 0)
        return code;
    must(kith_result_wait(result, KITH_FOREVER), "wait");
    must(kith_result_outcome(result, 0, &outcome), "outcome");
    bool killed = outcome.code == KITH_EWORKERLOST && outcome.exit_code == -SIGKILL;
    if (!told_as_it_was(how, &outcome) && !killed && outcome.code != KITH_EOVERTIME && outcome.code != -ECANCELED)
        wrong(user->line, "a task that ended badly is told of otherwise");
    kith_result_free(result);
    return 0;
}

static int use_directly(struct user *user)
{
    size_t first;
    kith_bytes bytes = { NULL, 0 };
    kith_task_options options = choose_options(user);
    size_t count = take_tasks(user, &first);
    int code = count == 0 ? KITH_ECLOSED
                          : kith_pool_apply_bytes(user->line->pool, do_work, &first, sizeof first, &bytes, &options);
    if (code == 0) {
        pthread_mutex_lock(&user->line->mutex);
        work_see_bytes(&user->line->work, first, &(kith_outcome){ .attempts = options.retries + 1 }, &bytes);
        pthread_mutex_unlock(&user->line->mutex);
    }
    forget(user->line, first + (code == 0), count - (code == 0));
    kith_bytes_free(&bytes);
    return code == KITH_EWORKERLOST || code == KITH_EOVERTIME || code == -ECANCELED ? 0 : code;
}

static int use_stats(struct user *user)
{
    kith_pool_stats stats;
    must(kith_pool_get_stats(user->line->pool, &stats), "stats");
    if (stats.busy > stats.workers || stats.failed + stats.lost + stats.timed_out > stats.done)
        wrong(user->line, "statistics are not possible");
    return 0;
}

static void *use(void *argument)
{
    static const struct {
        const char *name;
        int (*run)(struct user *user);
    } ways[] = { { "map", use_map },         { "apply_async", use_apply }, { "imap", use_imap },
                 { "bad end", use_bad_end }, { "apply", use_directly },    { "stats", use_stats } };
    struct user *user = argument;
    int code = 0;
    while (code == 0 && !atomic_load(&user->line->stop)) {
        size_t way = choose(user, sizeof ways / sizeof *ways);
        atomic_store(&user->since, time(NULL));
        atomic_store(&user->what, ways[way].name);
        code = ways[way].run(user);
        kith_arena_reset(user->arena);
        atomic_fetch_add(&steps, 1);
    }
    if (code < 0 && code != KITH_ECLOSED && code != -ECANCELED) {
        printf("# %s: %s: %s\n", atomic_load(&user->what), kith_strerror(code), kith_error_detail());
        wrong(user->line, "a call failed");
    }
    atomic_store(&user->what, NULL);
    return NULL;
}

/* ---- pools come and go ---- */

static void open_line(struct line *line)
{
    static const unsigned pendings[] = { 0, 3, 20 };
    const struct promise promise = { .tasks = TASKS,
                                     .retries = (unsigned)random_below(&randomness, 3),
                                     .may_be_lost = true,
                                     .may_time_out = true,
                                     .may_be_cancelled = true };
    work_begin(&line->work, &promise, random_below(&randomness, 2) ? 1000000 : 0);
    const kith_process_fd fds[] = { { WORK_LEDGER, kith_segment_share_fd(line->work.segment) } };
    const kith_process_options process = {
        .method = (kith_start_method)(FIRST_METHOD + random_below(&randomness, METHODS)), .fds = fds, .fd_count = 1
    };
    const kith_pool_options options = { .workers = 1 + (unsigned)random_below(&randomness, 4),
                                        .process = &process,
                                        .max_tasks = random_below(&randomness, 2) ? 0 : 30,
                                        .max_pending = pendings[random_below(&randomness, 3)] };
    must(kith_pool_new(&line->pool, &options), "pool_new");
    line->method = process.method;
    pthread_mutex_init(&line->mutex, NULL);
    for (int i = 0; i < USERS; i++) {
        struct user *user = &line->users[i];
        *user = (struct user){ .line = line, .random = random_next(&randomness), .since = time(NULL) };
        must(kith_arena_new(&user->arena), "arena");
        must(-pthread_create(&user->thread, NULL, use, user), "thread");
    }
    made++;
}

/** How the pool ends: while it is in use, or before that. */
static void end_pool(struct line *line, uint64_t how)
{
    if (how == 1)
        must(kith_pool_close(line->pool), "close");
    if (how == 2)
        must(kith_pool_terminate(line->pool), "terminate");
}

/** @return whether all was well */
static bool close_line(struct line *line)
{
    uint64_t how = random_below(&randomness, 4);
    kith_pool_stats stats;
    end_pool(line, how);
    atomic_store(&line->stop, true);
    uint64_t owed = 0, told = 0;
    for (int i = 0; i < USERS; i++) {
        pthread_join(line->users[i].thread, NULL);
        kith_arena_free(line->users[i].arena);
    }
    if (how == 1 || how == 2) {
        let_go_on(line->pool);
        must(kith_pool_join(line->pool, KITH_FOREVER), "join");
    }
    must(kith_pool_get_stats(line->pool, &stats), "stats");
    must(kith_pool_free(line->pool), "pool_free");
    for (int i = 0; i < USERS; i++) {
        owed += atomic_load(&line->users[i].owed);
        told += atomic_load(&line->users[i].told);
    }
    size_t used = atomic_load(&line->next);
    if (used < TASKS)
        work_forget(&line->work, used, TASKS - used);
    if (told != owed) {
        printf("# %llu callbacks were called of %llu\n", (unsigned long long)told, (unsigned long long)owed);
        wrong(line, "callbacks are called too often, or not at all");
    }
    bool good = work_judge(&line->work) && !line->wrong;
    if (line->wrong)
        printf("# %u times wrong; first: %s\n", line->wrong, line->why);
    tasks_done += stats.done;
    pthread_mutex_destroy(&line->mutex);
    work_end(&line->work);
    *line = (struct line){ 0 };
    return good;
}

/** Whether all users get on. */
static bool users_get_on(const struct line *line)
{
    for (int i = 0; i < USERS; i++) {
        const char *what = atomic_load(&line->users[i].what);
        if (what && time(NULL) > atomic_load(&line->users[i].since) + PATIENCE) {
            printf("# a user hangs: %s, start method %d\n", what, (int)line->method);
            torment(line->pool, NULL, what); /* which tells more, and ends all */
            for (;;)
                pause();
        }
    }
    return !atomic_load(&line->wrong);
}

/** Strikes when a task has been begun since the last time: workers that never live to be ready break a pool. */
static void strike_line(struct line *line)
{
    uint64_t begun = atomic_load(&line->work.ledger->begun);
    if (begun == line->seen)
        return;
    line->seen = begun;
    struck += strike(line->pool, ALL_WEAPONS, &randomness);
}

static bool step(void)
{
    struct line *line = &lines[random_below(&randomness, LINES)];
    pause_for(random_below(&randomness, 10000000));
    atomic_fetch_add(&steps, 1);
    if (!line->pool)
        open_line(line);
    else if (random_below(&randomness, 40) == 0)
        return close_line(line);
    else
        strike_line(line);
    return users_get_on(&lines[0]) && users_get_on(&lines[1]);
}

static bool close_all(void)
{
    bool good = true;
    for (int i = 0; i < LINES; i++) {
        if (lines[i].pool)
            good = close_line(&lines[i]) && good;
    }
    must(kith_forkserver_stop(), "forkserver_stop");
    return good;
}

int main(int count, char **arguments)
{
    must(kith_begin(count, arguments), "begin");
    uint64_t seconds = number_of(count, arguments, 1, 3);
    uint64_t seed = randomness = number_of(count, arguments, 2, (uint64_t)time(NULL));
    int failed = 0;
    pid_t kin[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..3\n# seed %llu, %llu seconds\n", (unsigned long long)seed, (unsigned long long)seconds);
    start_first();
    torment_begin(seed, ALL_WEAPONS, 10000000);
    torment(NULL, &steps, "pools come and go");
    /* Once each, so that what the libraries keep is there. */
    bool good = true;
    for (int i = 0; i < LINES; i++)
        open_line(&lines[i]);
    good = close_all();
    struct belongings before = take_stock();
    time_t end = time(NULL) + (time_t)seconds;
    while (good && time(NULL) < end)
        good = step();
    good = close_all() && good;
    struct belongings after = take_stock();
    torment_end();
    printf("# %llu pools, %llu strikes, %llu tasks\n", (unsigned long long)made, (unsigned long long)struck,
           (unsigned long long)tasks_done);
    print_stock("before:", &before);
    print_stock("after: ", &after);
    failed += verdict(1, good, "everybody gets on, and each task ends as it must");
    failed += verdict(2, nothing_left(&before, &after) && children_of(getpid(), kin, 1) == 0,
                      "no descriptor, mapping, name or child is left over");
    failed += verdict(3, memory_as_before(&before, &after, SLACK), "memory is what it was");
    return failed > 0;
}
