/* The workers: started, buried, stopped. */
#include "pool/crew.h"

#include "os/process.h"
#include "pool/pool.h"
#include "process/entry.h"
#include "value/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STILLBORN_MAX = 10 };

#define PAUSE_FIRST ((int64_t)10000000) /* after a start that failed, in nanoseconds; twice as long after the next */
#define PAUSE_MAX ((int64_t)1000000000)
#define PATIENCE ((int64_t)10000000000) /* how long starts may fail while no worker is there */
#define GRACE ((int64_t)1000000000)     /* from SIGTERM to SIGKILL */

/* ---- what they are started with ---- */

static int check(const kith_pool_options *options)
{
    const kith_process_options *process = options->process;
    if (options->initializer_args && kith_value_kind(options->initializer_args) != KITH_TUPLE)
        return error_fail(-EINVAL, "initializer_args is of kind %s: give a tuple",
                          kith_kind_name(kith_value_kind(options->initializer_args)));
    if (!process)
        return 0;
    if (process->fd_count > KITH_PROCESS_FDS_MAX - WORKER_FDS)
        return error_fail(-EINVAL, "%zu descriptors: a worker is handed at most %d", process->fd_count,
                          KITH_PROCESS_FDS_MAX - WORKER_FDS);
    if (!process->fds && process->fd_count)
        return error_fail(-EINVAL, "fds is NULL, but fd_count is %zu", process->fd_count);
    for (int i = 0; process->stdio && i < 3; i++) {
        if (process->stdio[i].kind == KITH_STDIO_PIPE)
            return error_fail(-EINVAL, "stdio[%d] is a pipe: to which worker?", i);
    }
    return 0;
}

/** @return the copy; NULL for NULL, and when there is no memory, which the arena tells */
static void *copy(kith_arena *arena, const void *data, size_t size)
{
    return data ? arena_copy(arena, data, size) : NULL;
}

static char *copy_text(kith_arena *arena, const char *text)
{
    return text ? copy(arena, text, strlen(text)) : NULL;
}

static const char *const *copy_environment(kith_arena *arena, const char *const *environment)
{
    size_t count = 0;
    while (environment && environment[count])
        count++;
    char **copies = environment ? arena_take(arena, (count + 1) * sizeof *copies) : NULL;
    if (!copies)
        return NULL;
    for (size_t i = 0; i < count; i++)
        copies[i] = copy_text(arena, environment[i]);
    copies[count] = NULL;
    return (const char *const *)copies;
}

/** The descriptors that a worker is handed: the pool's, to be filled in for each, and then the user's. */
static const kith_process_fd *copy_fds(kith_arena *arena, const kith_process_options *process)
{
    kith_process_fd *fds = arena_take(arena, (WORKER_FDS + process->fd_count) * sizeof *fds);
    for (size_t i = 0; fds && i < process->fd_count; i++)
        fds[WORKER_FDS + i] = (kith_process_fd){ copy_text(arena, process->fds[i].name), process->fds[i].fd };
    return fds;
}

static void copy_options(struct crew *crew, const kith_process_options *process)
{
    kith_arena *arena = crew->arena;
    kith_process_options *options = &crew->options;
    *options = *process;
    options->daemon = 1;
    options->connections = copy(arena, process->connections, process->connection_count * sizeof *process->connections);
    options->fds = copy_fds(arena, process);
    options->fd_count = WORKER_FDS + process->fd_count;
    options->environment = copy_environment(arena, process->environment);
    options->directory = copy_text(arena, process->directory);
    options->stdio = copy(arena, process->stdio, 3 * sizeof *process->stdio);
    options->limits = copy(arena, process->limits, process->limit_count * sizeof *process->limits);
    options->cpus = copy(arena, process->cpus, process->cpu_count * sizeof *process->cpus);
    crew->name = copy_text(arena, process->name ? process->name : "PoolWorker");
}

static int copy_initializer(struct crew *crew, const kith_pool_options *options)
{
    struct worker_settings *settings = &crew->settings;
    settings->max_tasks = options->max_tasks;
    if (!options->initializer)
        return 0;
    if (crew->options.method == KITH_FORK)
        settings->initializer = options->initializer;
    else
        settings->initializer_name = entry_name(options->initializer);
    if (!settings->initializer && !settings->initializer_name)
        return error_fail(-EINVAL, "initializer is no entry point: workers that are fresh images find only functions "
                                   "that KITH_ENTRY made");
    if (options->initializer_args)
        settings->initializer_args = kith_value_copy(crew->arena, options->initializer_args);
    return 0;
}

int crew_new(struct crew *crew, const kith_pool_options *options, unsigned count)
{
    static const kith_process_options defaults;
    int code = check(options);
    if (code == 0)
        code = kith_arena_new(&crew->arena);
    if (code < 0)
        return code;
    copy_options(crew, options->process ? options->process : &defaults);
    code = copy_initializer(crew, options);
    if (code == 0)
        code = kith_arena_error(crew->arena);
    if (code < 0)
        return code;
    pthread_sigmask(SIG_SETMASK, NULL, &crew->mask);
    crew->kill_at = crew->give_up_at = OS_FOREVER;
    crew->pause = PAUSE_FIRST;
    crew->workers = calloc(count, sizeof *crew->workers);
    if (!crew->workers)
        return error_fail(-ENOMEM, "no memory for %u workers", count);
    crew->count = count;
    return 0;
}

void crew_free(struct kith_pool *pool)
{
    struct crew *crew = &pool->crew;
    for (unsigned i = 0; i < crew->count; i++) {
        kith_queue_free(crew->workers[i].outbox);
        if (crew->workers[i].process)
            kith_process_close(crew->workers[i].process);
    }
    free(crew->workers);
    kith_arena_free(crew->arena);
}

/* ---- starting ---- */

static void set_fds(struct kith_pool *pool, const kith_queue *outbox)
{
    kith_process_fd *fds = (kith_process_fd *)(uintptr_t)pool->crew.options.fds;
    fds[0] = (kith_process_fd){ WORKER_BOARD, pool->board.file };
    fds[1] = (kith_process_fd){ WORKER_BELL, pool->board.bell };
    fds[2] = (kith_process_fd){ WORKER_OUTBOX, kith_queue_share_fd(outbox) };
}

/** Starts a process for a desk. The keeper's thread blocks all signals, which workers should not. */
static int start_process(struct kith_pool *pool, unsigned number, const kith_queue *outbox, kith_process **process)
{
    struct crew *crew = &pool->crew;
    char name[128];
    sigset_t mask;
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    snprintf(name, sizeof name, "%s-%u", crew->name, crew->started + 1);
    crew->options.name = name;
    crew->settings.number = number;
    set_fds(pool, outbox);
    const kith_value *args = worker_args(arena, &crew->settings);
    if (!args) {
        code = kith_arena_error(arena);
    } else {
        pthread_sigmask(SIG_SETMASK, &crew->mask, &mask);
        code = kith_process_start_entry(process, worker_run, args, &crew->options);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
    }
    crew->options.name = NULL;
    kith_arena_free(arena);
    return code;
}

static int start_worker(struct kith_pool *pool, unsigned number)
{
    struct worker *worker = &pool->crew.workers[number];
    struct worker made = { 0 };
    int code = kith_queue_new(&made.outbox, NULL);
    if (code == 0)
        code = start_process(pool, number, made.outbox, &made.process);
    if (code == 0) {
        made.pid = kith_process_pid(made.process);
        pool_lock(pool);
        *worker = made;
        pool->crew.running++;
        pool->crew.started++;
        if (pool->broken || pool->state == POOL_TERMINATED)
            crew_terminate(pool); /* the others were asked to end while this one was started */
        pool_unlock(pool);
        code = keeper_watch(pool, worker);
        if (code < 0)
            kith_process_kill(made.process); /* its end can't be waited for: it is looked at in crew_bury */
        worker->unwatched = code < 0;
        return code;
    }
    kith_queue_free(made.outbox);
    return code;
}

/** Waits before the next try. When no worker is left, not for ever. */
static void note_failure(struct kith_pool *pool, int code)
{
    struct crew *crew = &pool->crew;
    int64_t now = os_clock_now();
    kith_log(KITH_LOG_WARNING, "a pool can't start a worker: %s", kith_error_detail());
    crew->start_at = now + crew->pause;
    crew->pause = crew->pause < PAUSE_MAX / 2 ? crew->pause * 2 : PAUSE_MAX;
    if (crew->running > 0)
        crew->give_up_at = OS_FOREVER;
    else if (crew->give_up_at == OS_FOREVER)
        crew->give_up_at = now + PATIENCE;
    if (now < crew->give_up_at)
        return;
    char detail[256];
    snprintf(detail, sizeof detail, "no worker can be started: %s", kith_error_detail());
    pool_lock(pool);
    pool_break(pool, code, detail);
    pool_unlock(pool);
}

int crew_start(struct kith_pool *pool)
{
    struct crew *crew = &pool->crew;
    int code = 0;
    if (crew->running == crew->count || (crew->start_at > 0 && os_clock_now() < crew->start_at))
        return 0;
    for (unsigned i = 0; i < crew->count && code == 0; i++) {
        pool_lock(pool);
        bool wanted = !crew->stopping && !crew->workers[i].process;
        pool_unlock(pool);
        if (wanted)
            code = start_worker(pool, i);
    }
    if (code < 0) {
        note_failure(pool, code);
    } else {
        crew->start_at = 0;
        crew->pause = PAUSE_FIRST;
        crew->give_up_at = OS_FOREVER;
    }
    return code;
}

/* ---- burying ---- */

/** Says how a worker ended. @param code  of kith_process_exit_code. @param where  follows an exit code */
static void describe(char *text, size_t size, const struct worker *worker, int code, int exit_code, const char *where)
{
    int pid = (int)worker->pid;
    if (code < 0)
        snprintf(text, size, "worker %d ended, and somebody else was told how", pid);
    else if (worker->overdue_ticket)
        snprintf(text, size, "worker %d was killed", pid);
    else if (exit_code < 0)
        snprintf(text, size, "worker %d was killed by signal %d (%s)", pid, -exit_code, strsignal(-exit_code));
    else
        snprintf(text, size, "worker %d ended with exit code %d%s", pid, exit_code, where);
}

/** What the tasks of a dead worker come to. Under the mutex. */
static void settle(struct kith_pool *pool, unsigned number, const struct worker *worker, int code, int exit_code)
{
    struct board_sight sight;
    if (!board_bury(&pool->board, number, &sight))
        return;
    char how[128];
    describe(how, sizeof how, worker, code, exit_code, " in the task");
    struct fate fate = { .code = KITH_EWORKERLOST, .exit_code = exit_code, .how = how };
    if (worker->overdue_ticket == sight.ticket && worker->overdue_item == sight.item)
        fate = (struct fate){ .code = KITH_EOVERTIME, .how = how };
    ledger_bury(pool, worker, &sight, &fate);
    ledger_call(pool);
    pool_tell_of_room(pool);
}

/** Breaks the pool when workers end before they are ready, time after time. Under the mutex. */
static void note_stillborn(struct kith_pool *pool, const char *how)
{
    if (++pool->crew.stillborn < STILLBORN_MAX)
        return;
    char detail[256];
    snprintf(detail, sizeof detail, "%d workers in a row ended before they were ready; of the last, %s", STILLBORN_MAX,
             how);
    pool_break(pool, KITH_EWORKERLOST, detail);
}

static void bury(struct kith_pool *pool, unsigned number)
{
    struct worker *worker = &pool->crew.workers[number];
    char how[128];
    int exit_code = 0;
    keeper_forget(pool, worker);
    keeper_empty(pool, worker);
    int code = kith_process_exit_code(worker->process, &exit_code);
    describe(how, sizeof how, worker, code, exit_code, "");
    struct worker dead = *worker;
    pool_lock(pool);
    settle(pool, number, &dead, code, exit_code);
    if (!pool->crew.stopping && !dead.ready)
        note_stillborn(pool, how);
    pool->stats.replaced += !pool->crew.stopping && !dead.retiring;
    pool->crew.running--;
    *worker = (struct worker){ 0 };
    pool_unlock(pool);
    kith_log(KITH_LOG_INFO, "of a pool, %s", how);
    kith_queue_free(dead.outbox);
    kith_process_close(dead.process);
    pool->crew.start_at = 0; /* what the last start lacked may be what this one had */
    pool->crew.pause = PAUSE_FIRST;
}

void crew_bury(struct kith_pool *pool)
{
    for (unsigned i = 0; i < pool->crew.count; i++) {
        const struct worker *worker = &pool->crew.workers[i];
        if (worker->process && (worker->ended || worker->unwatched) && !kith_process_is_alive(worker->process))
            bury(pool, i);
    }
}

/* ---- stopping ---- */

static void signal_all(struct kith_pool *pool, int (*send)(kith_process *))
{
    for (unsigned i = 0; i < pool->crew.count; i++) {
        if (pool->crew.workers[i].process)
            send(pool->crew.workers[i].process);
    }
}

void crew_let_go_on(const struct worker *worker)
{
    int sentinel = kith_process_sentinel(worker->process);
    if (os_process_is_stopped(sentinel))
        os_process_signal(sentinel, SIGCONT);
}

void crew_dismiss(struct kith_pool *pool)
{
    pool->crew.stopping = true;
    board_dismiss(&pool->board);
}

void crew_terminate(struct kith_pool *pool)
{
    pool->crew.stopping = true;
    pool->crew.kill_at = os_clock_now() + GRACE;
    signal_all(pool, kith_process_terminate);
}

void crew_kill_late(struct kith_pool *pool)
{
    pool_lock(pool);
    if (pool->crew.kill_at != OS_FOREVER && os_clock_now() >= pool->crew.kill_at) {
        signal_all(pool, kith_process_kill);
        pool->crew.kill_at = OS_FOREVER;
    }
    pool_unlock(pool);
}

void crew_undo(struct kith_pool *pool)
{
    signal_all(pool, kith_process_kill);
    for (unsigned i = 0; i < pool->crew.count; i++) {
        kith_process *process = pool->crew.workers[i].process;
        while (process && kith_process_join(process, KITH_FOREVER) == -EINTR)
            continue;
    }
}

/* ---- looking ---- */

deadline crew_next(struct kith_pool *pool)
{
    const struct crew *crew = &pool->crew;
    pool_lock(pool);
    deadline next = crew->kill_at;
    if (!crew->stopping && crew->running < crew->count && crew->start_at < next)
        next = crew->start_at;
    pool_unlock(pool);
    for (unsigned i = 0; i < crew->count; i++) {
        /* It is dead, but a debugger has not let go of it yet; or its end can't be watched. */
        if (crew->workers[i].process && (crew->workers[i].ended || crew->workers[i].unwatched))
            return os_clock_now() + 1000000;
    }
    return next;
}
