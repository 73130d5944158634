/* The keeper's thread.
 *
 * It goes round: buries workers that have ended, takes in what the others report, feeds maps, tells callbacks, looks at
 * time limits. Then it sleeps, until a worker rings the bell, a worker ends, or somebody wakes it.
 *
 * How deep it sleeps: while there was something to do in the last round, it looks again two milliseconds later, at the
 * latest: workers that are busy don't wake it for each task. When nothing happened in that time, it sleeps until it
 * is woken, and those who hand in tasks have to do it: so a busy pool costs them no system call, and an idle one costs
 * nothing. As long as chunks wait in the ring that nobody claims (for whoever was woken for them may be stopped), it
 * looks every 10 ms.
 *
 * And how lightly: when many reports came in a round, more will be there in a moment. Then it naps a little and looks
 * again, instead of having the next report ring: a wake-up for each report would cost more than the tasks. When they
 * were as many as it takes in at a time, more are there already, and it does not rest at all. */
#include "pool/keeper.h"

#include "os/events.h"
#include "os/flag.h"
#include "os/futex.h"
#include "os/poll.h"
#include "pool/limits.h"
#include "pool/map.h"
#include "pool/pool.h"
#include "pool/progress.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BATCH = 256,              /* reports that are taken in under the mutex in one go, */
    BATCH_BYTES = 128 * 1024, /* of so many bytes */
    MANY = 64,                /* reports of a round after which it naps */
    NAP = 50 * 1000,          /* for so long, in nanoseconds */
    LOOK = 10 * 1000 * 1000,  /* how long a chunk may lie in the ring before sleepers are woken, in nanoseconds */
    GLANCE = 2 * 1000 * 1000, /* how long it goes on looking by itself after it has found something; see worker.c */
};

/* ---- its tools ---- */

static int watch(struct kith_pool *pool, int descriptor, void *tag)
{
    int code = os_events_watch(pool->keeper.events, descriptor, OS_POLL_READ, tag);
    return code < 0 ? error_fail(code, "the pool can't watch a descriptor: %s", kith_strerror(code)) : 0;
}

int keeper_new(struct kith_pool *pool)
{
    struct keeper *keeper = &pool->keeper;
    keeper->look_at_ring = OS_FOREVER;
    keeper->buffer = malloc(BATCH_BYTES);
    keeper->sizes = malloc(BATCH * sizeof *keeper->sizes);
    if (!keeper->buffer || !keeper->sizes)
        return error_fail(-ENOMEM, "no memory for a pool's keeper");
    int code = keeper->wake = os_flag_new();
    if (code >= 0)
        code = keeper->events = os_events_new();
    if (code < 0)
        return error_fail(code, "no descriptors for a pool's keeper: %s", kith_strerror(code));
    code = watch(pool, keeper->wake, &keeper->wake);
    return code < 0 ? code : watch(pool, pool->board.bell, &pool->board.bell);
}

void keeper_join(struct kith_pool *pool)
{
    if (pool->keeper.runs)
        pthread_join(pool->keeper.thread, NULL);
    pool->keeper.runs = false;
}

void keeper_free(struct kith_pool *pool)
{
    struct keeper *keeper = &pool->keeper;
    free(keeper->buffer);
    free(keeper->sizes);
    if (keeper->wake >= 0)
        close(keeper->wake);
    if (keeper->events >= 0)
        close(keeper->events);
}

void keeper_wake(struct kith_pool *pool)
{
    os_flag_raise(pool->keeper.wake);
}

void keeper_note_task(struct kith_pool *pool)
{
    pool->keeper.news = true;
    if (!pool->keeper.deep)
        return;
    pool->keeper.deep = false;
    keeper_wake(pool);
}

int keeper_watch(struct kith_pool *pool, struct worker *worker)
{
    return watch(pool, kith_process_sentinel(worker->process), worker);
}

void keeper_forget(struct kith_pool *pool, struct worker *worker)
{
    os_events_forget(pool->keeper.events, kith_process_sentinel(worker->process));
}

/* ---- reports ---- */

/** What is not about a task. Under the mutex. */
static void take_word(struct kith_pool *pool, struct worker *worker, const struct report *report, size_t size)
{
    if (report->kind == REPORT_READY) {
        worker->ready = true;
        pool->crew.stillborn = 0;
    } else if (report->kind == REPORT_RETIRED) {
        worker->retiring = true;
    } else if (report->kind == REPORT_BROKEN && !worker->ready) {
        char detail[256];
        const struct worker_settings *settings = &pool->crew.settings;
        snprintf(detail, sizeof detail, "%s failed with code %d%s%.*s",
                 settings->initializer || settings->initializer_name ? "a worker's initializer" : "a worker",
                 (int)report->code, size > 0 ? ": " : "", (int)(size < sizeof detail ? size : sizeof detail),
                 (const char *)(report + 1));
        pool_break(pool, report->code < 0 ? report->code : KITH_ETASK, detail);
    }
}

/** Under the mutex. @param owned  the report is from malloc, to be kept or freed */
static void take_report(struct kith_pool *pool, struct worker *worker, const struct report *report, size_t size,
                        bool owned)
{
    bool whole = size >= sizeof *report;
    if (whole && report->ticket != 0) {
        ledger_report(pool, worker, report, size - sizeof *report, owned);
        return;
    }
    if (whole)
        take_word(pool, worker, report, size - sizeof *report);
    if (owned)
        free((void *)(uintptr_t)report);
}

/** A report that is too long for the buffer. Where there is no memory to take it in, its task has failed, and those
 *  behind it can be heard. @return 1; 0 when it can't be had now */
static size_t take_long(struct kith_pool *pool, struct worker *worker)
{
    const void *there;
    size_t size;
    if (kith_queue_peek(worker->outbox, &there, &size, KITH_NOWAIT) < 0)
        return 0;
    struct report failed = *(const struct report *)there;
    failed.kind = REPORT_FAILED;
    failed.code = -ENOMEM;
    void *report = malloc(size);
    if (report)
        memcpy(report, there, size);
    if (kith_queue_release(worker->outbox, 1) < 0) {
        free(report);
        return 0;
    }
    pool_lock(pool);
    if (report)
        take_report(pool, worker, report, size, true);
    else
        take_report(pool, worker, &failed, sizeof failed, false);
    pool_tell_of_room(pool);
    worker->reported = os_clock_now();
    pool_unlock(pool);
    return 1;
}

/** Takes in as many as fit the buffer. @return how many */
static size_t take_batch(struct kith_pool *pool, struct worker *worker)
{
    struct keeper *keeper = &pool->keeper;
    int count = kith_queue_get_many(worker->outbox, keeper->buffer, BATCH_BYTES, keeper->sizes, BATCH, KITH_NOWAIT);
    if (count == -EMSGSIZE)
        return take_long(pool, worker);
    if (count <= 0)
        return 0;
    const char *at = keeper->buffer;
    pool_lock(pool);
    for (int i = 0; i < count; i++) {
        take_report(pool, worker, (const void *)at, keeper->sizes[i], false);
        at += chunk_padded(keeper->sizes[i]);
    }
    pool_tell_of_room(pool);
    worker->reported = os_clock_now();
    pool_unlock(pool);
    return (size_t)count;
}

size_t keeper_empty(struct kith_pool *pool, struct worker *worker)
{
    size_t all = 0, some;
    do {
        some = take_batch(pool, worker);
        all += some;
    } while (some > 0);
    return all;
}

/** Takes in what is there, of each worker no more than a batch. @return how many reports there were */
static size_t take_in(struct kith_pool *pool)
{
    size_t all = 0;
    for (unsigned i = 0; i < pool->crew.count; i++) {
        struct worker *worker = &pool->crew.workers[i];
        if (worker->process)
            all += take_batch(pool, worker);
    }
    return all;
}

/* ---- telling ---- */

static void tell_end(struct kith_result *result)
{
    kith_outcome outcome;
    kith_arena *arena = NULL;
    kith_value *value = NULL;
    if (progress_due(result, true) == 0)
        progress_tell(result, result_done(result), result->total, true);
    int code = 0;
    if (result->first_failed != RESULT_NO_INDEX) {
        cell_outcome(result_cell(result, result->first_failed), result->first_failed, &outcome);
        code = outcome.code;
    } else if (result->callback) {
        code = kith_arena_new(&arena);
        if (code == 0)
            code = result_value(result, arena, &value);
        outcome = (kith_outcome){ .code = code, .attempts = 1, .detail = kith_error_detail() };
    }
    if (code == 0 && result->callback)
        result->callback(result->context, value);
    if (code < 0 && result->error_callback)
        result->error_callback(result->context, &outcome);
    kith_arena_free(arena);
}

/** Tells of all that has ended. @return whether there was something */
static bool tell_ends(struct kith_pool *pool)
{
    bool told = false;
    pool_lock(pool);
    for (struct kith_result *result; (result = result_take_ended(pool)); told = true) {
        pool_unlock(pool);
        tell_end(result);
        pool_lock(pool);
        result_drop(result);
    }
    pool_unlock(pool);
    return told;
}

/** The first whose progress is to be told now. Under the mutex. @param next  when the next one is */
static struct kith_result *due_for_progress(struct kith_pool *pool, int64_t now, deadline *next)
{
    for (struct kith_result *result = pool->attended; result; result = result->next) {
        int64_t due = progress_due(result, false);
        if (due <= now)
            return result;
        if (due < *next)
            *next = due;
    }
    return NULL;
}

/** @return when the next is to be told */
static deadline tell_progress(struct kith_pool *pool, int64_t now)
{
    deadline next = OS_FOREVER;
    pool_lock(pool);
    for (struct kith_result *result; (result = due_for_progress(pool, now, &next));) {
        size_t done = result_done(result), total = result->total;
        result->references++;
        pool_unlock(pool);
        progress_tell(result, done, total, false);
        pool_lock(pool);
        result_drop(result);
    }
    pool_unlock(pool);
    return next;
}

/* ---- feeding ---- */

/** Feeds maps in turn, as long as there is room. */
static void feed_maps(struct kith_pool *pool)
{
    pool_lock(pool);
    for (unsigned turns = pool->feeds; turns > 0 && pool_has_much_room(pool); turns--) {
        struct kith_result *result = result_next_to_feed(pool);
        if (!result)
            break;
        result->references++;
        pool_unlock(pool);
        feed_some(result);
        pool_lock(pool);
        result_drop(result);
    }
    pool_unlock(pool);
}

/* ---- the ring ---- */

/** Whether there is a worker, and it has no task: not even if all of its chunk has been reported, and it has not put
 *  that down. Under the mutex. */
static bool is_idle(const struct kith_pool *pool, unsigned number)
{
    struct board_sight sight;
    return pool->crew.workers[number].process &&
           (!board_look(&pool->board, number, &sight) || !ledger_find(&pool->ledger, sight.ticket));
}

/** Under the mutex. */
static bool somebody_is_idle(const struct kith_pool *pool)
{
    for (unsigned i = 0; i < pool->crew.count; i++) {
        if (is_idle(pool, i))
            return true;
    }
    return false;
}

/** Whether somebody has to go on, and does not: to claim a chunk, or to end. Under the mutex. */
static bool something_waits(struct kith_pool *pool)
{
    if (pool->crew.stopping)
        return pool->crew.running > 0;
    return board_waiting(&pool->board) > 0 && somebody_is_idle(pool);
}

/** Those who are stopped as well: when all were, nobody would ever claim anything. Under the mutex. */
static void wake_idle(struct kith_pool *pool)
{
    board_wake_all(&pool->board);
    for (unsigned i = 0; i < pool->crew.count; i++) {
        if (is_idle(pool, i))
            crew_let_go_on(&pool->crew.workers[i]);
    }
}

/** Sees to it that chunks which wait are claimed, whoever was woken for them. @return when to look again */
static deadline look_at_ring(struct kith_pool *pool, int64_t now)
{
    struct keeper *keeper = &pool->keeper;
    pool_lock(pool);
    ledger_unpark(pool);
    pool_tell_of_room(pool);
    if (!something_waits(pool)) {
        keeper->look_at_ring = OS_FOREVER;
    } else if (keeper->look_at_ring == OS_FOREVER) {
        keeper->look_at_ring = now + LOOK;
    } else if (keeper->look_at_ring <= now) {
        wake_idle(pool);
        keeper->look_at_ring = now + LOOK;
    }
    pool_unlock(pool);
    return keeper->look_at_ring;
}

/* ---- going round ---- */

static deadline earlier(deadline one, deadline other)
{
    return one < other ? one : other;
}

/** Does all there is to do. @param next  receives when to look again @return how much there was */
static size_t go_round(struct kith_pool *pool, deadline *next)
{
    crew_bury(pool);
    size_t done = take_in(pool);
    feed_maps(pool);
    done += tell_ends(pool);
    crew_start(pool);
    crew_kill_late(pool);
    int64_t now = os_clock_now();
    *next = tell_progress(pool, now);
    *next = earlier(*next, crew_next(pool));
    *next = earlier(*next, look_at_ring(pool, now));
    if (now >= pool->keeper.look_at_limits || done == 0) {
        deadline limits = limits_enforce(pool, now);
        /* Tasks with shorter limits may come while this goes round and round. */
        pool->keeper.look_at_limits = earlier(limits, now + LOOK);
        *next = earlier(*next, limits);
    } else {
        *next = earlier(*next, pool->keeper.look_at_limits);
    }
    return done;
}

/** Whether nothing is left to do for good. Dismisses the workers of a pool that is closed when all is done. */
static bool is_through(struct kith_pool *pool)
{
    pool_lock(pool);
    bool idle = pool->state != POOL_OPEN && pool->pending == 0 && pool->feeds == 0 && !pool->complete;
    if (idle && !pool->crew.stopping)
        crew_dismiss(pool);
    bool through = pool->keeper.gone = idle && pool->crew.running == 0;
    pool_unlock(pool);
    return through;
}

/** Says how deep it is going to sleep. @return until when */
static deadline lie_down(struct kith_pool *pool, deadline next, bool active)
{
    pool_lock(pool);
    active = active || pool->keeper.news; /* they may have come after the looks at the ring and at limits */
    pool->keeper.news = false;
    pool->keeper.deep = !active;
    pool_unlock(pool);
    return active ? earlier(next, os_clock_now() + GLANCE) : next;
}

static void take_events(struct kith_pool *pool)
{
    void *tag;
    while (os_events_take(pool->keeper.events, &tag)) {
        if (tag == &pool->keeper.wake) {
            os_flag_lower(pool->keeper.wake);
        } else if (tag == &pool->board.bell) {
            os_flag_lower(pool->board.bell);
        } else {
            struct worker *worker = tag;
            if (worker->ended)
                return; /* it is known */
            worker->ended = true;
        }
    }
}

/** Sleeps until something happens, or may have. @return whether something did */
static bool rest(struct kith_pool *pool, deadline next, bool active)
{
    deadline until = lie_down(pool, next, active);
    board_keeper_sleeps(&pool->board);
    bool woken = take_in(pool) > 0 || os_poll(pool->keeper.events, OS_POLL_READ, until) == 0;
    board_keeper_wakes(&pool->board);
    woken = take_in(pool) > 0 || woken; /* at once: somebody may wait for it */
    take_events(pool);
    return woken;
}

/** Waits for the word. @return whether to go round at all */
static bool may_begin(struct keeper *keeper)
{
    uint32_t word;
    /* acquire: what its maker did before, the workers among it, is there. */
    while ((word = atomic_load_explicit(&keeper->word, memory_order_acquire)) == KEEPER_WAITS)
        os_futex_wait(&keeper->word, KEEPER_WAITS, OS_FOREVER);
    return word == KEEPER_BEGINS;
}

static void *keeper_main(void *argument)
{
    struct kith_pool *pool = argument;
    bool active = true;
    if (!may_begin(&pool->keeper))
        return NULL;
    for (;;) {
        deadline next;
        size_t done = go_round(pool, &next);
        if (is_through(pool))
            break;
        if (done >= MANY) {
            if (done < BATCH)
                os_clock_nap(NAP);
            take_events(pool);
            active = true;
        } else {
            active = rest(pool, next, active || done > 0);
        }
    }
    pool_end(pool);
    return NULL;
}

int keeper_start(struct kith_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's handlers are not for this thread */
    int code = -pthread_create(&pool->keeper.thread, NULL, keeper_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code < 0)
        return error_fail(-EAGAIN, "no thread for a pool's keeper: %s", kith_strerror(code));
    pool->keeper.runs = true;
    return 0;
}

static void give_word(struct keeper *keeper, enum keeper_word word)
{
    atomic_store_explicit(&keeper->word, word, memory_order_release);
    os_futex_wake(&keeper->word, 1);
}

void keeper_begin(struct kith_pool *pool)
{
    give_word(&pool->keeper, KEEPER_BEGINS);
}

void keeper_undo(struct kith_pool *pool)
{
    give_word(&pool->keeper, KEEPER_LEAVES);
    keeper_join(pool);
}
