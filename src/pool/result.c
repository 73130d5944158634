/* Results: how tasks end, who waits for that, and who is told. */
#include "pool/result.h"

#include "os/futex.h"
#include "pool/chunk_size.h"
#include "pool/map.h"
#include "pool/pool.h"
#include "pool/progress.h"
#include "process/entry.h"
#include "process/forks.h"
#include "value/pickle.h"

#include <stdlib.h>
#include <string.h>

/* ---- cells ---- */

static const unsigned char none[] = { OP_PROTO, PICKLE_PROTOCOL_DEFAULT, OP_NONE, OP_STOP };

const void *cell_data(const struct cell *cell, size_t *size)
{
    *size = cell->far ? cell->far_data.size : cell->near_size;
    if (*size == 0 && atomic_load_explicit(&cell->state, memory_order_relaxed) == CELL_VALUE) {
        *size = sizeof none;
        return none;
    }
    return cell->far ? (const void *)(cell->far_data.report + 1) : cell->near_data;
}

static const char *cell_detail(const struct cell *cell)
{
    return cell->failure.detail ? cell->failure.detail : kith_strerror(cell->code);
}

int cell_value(const struct cell *cell, kith_arena *arena, kith_value **value)
{
    static const kith_pickle_read_options as_deep_as_written = { .max_depth = KITH_VALUE_DEPTH_MAX };
    int state = atomic_load_explicit(&cell->state, memory_order_relaxed);
    if (state == CELL_FAILED)
        return error_fail(cell->code, "%s", cell_detail(cell));
    if (!value)
        return 0;
    size_t size;
    const void *data = cell_data(cell, &size);
    if (state == CELL_VALUE)
        return kith_pickle_read(arena, value, data, size, &as_deep_as_written);
    kith_value *bytes = kith_value_bytes(arena, data, size);
    if (!bytes)
        return -ENOMEM;
    *value = bytes;
    return 0;
}

void cell_outcome(const struct cell *cell, size_t index, kith_outcome *outcome)
{
    bool failed = atomic_load_explicit(&cell->state, memory_order_relaxed) == CELL_FAILED;
    *outcome = (kith_outcome){
        .code = failed ? cell->code : 0,
        .index = index,
        .exit_code = failed ? cell->failure.exit_code : 0,
        .worker = cell->worker,
        .attempts = cell->attempts,
        .detail = failed ? cell_detail(cell) : "",
    };
}

void cell_clear(struct cell *cell)
{
    int state = atomic_load_explicit(&cell->state, memory_order_relaxed);
    if (cell->far)
        free(state == CELL_FAILED ? (void *)(uintptr_t)cell->failure.detail : cell->far_data.report);
    cell->far = false;
    cell->near_size = 0;
    atomic_store_explicit(&cell->state, CELL_WAITING, memory_order_relaxed);
}

static enum cell_state fail(struct cell *cell, const struct ending *ending)
{
    bool copy = ending->detail && !ending->lasting;
    cell->code = ending->code;
    cell->failure.exit_code = ending->exit_code;
    cell->failure.detail = copy ? strdup(ending->detail) : ending->detail;
    cell->far = copy && cell->failure.detail;
    return CELL_FAILED;
}

/** What the task returned that failed. */
static enum cell_state fail_as_reported(struct cell *cell, const struct ending *ending)
{
    const struct report *report = ending->report;
    struct ending said = { .code = report->code < 0 ? report->code : KITH_ETASK };
    said.exit_code = report->code > 0 ? report->code : 0;
    char *detail = ending->size > 0 ? strndup((const char *)(report + 1), ending->size) : NULL;
    said.detail = detail;
    said.lasting = true;
    fail(cell, &said);
    cell->far = detail;
    return CELL_FAILED;
}

static enum cell_state succeed(struct cell *cell, const struct ending *ending)
{
    const struct report *report = ending->report;
    enum cell_state state = report->kind == REPORT_VALUE ? CELL_VALUE : CELL_BYTES;
    if (ending->size <= CELL_NEAR) {
        memcpy(cell->near_data, report + 1, ending->size);
        cell->near_size = (uint8_t)ending->size;
        return state;
    }
    struct report *kept = (struct report *)(uintptr_t)report;
    if (!ending->owned) {
        kept = malloc(sizeof *kept + ending->size);
        if (!kept)
            return fail(cell, &(struct ending){ .code = -ENOMEM,
                                                .detail = "no memory for the result of a task that succeeded",
                                                .lasting = true });
        memcpy(kept, report, sizeof *kept + ending->size);
    }
    cell->far_data.report = kept;
    cell->far_data.size = ending->size;
    cell->far = true;
    return state;
}

/** Fills a cell. @return its state, which is to be set last */
static enum cell_state fill(struct cell *cell, const struct ending *ending)
{
    cell->worker = ending->worker;
    cell->attempts = ending->attempts;
    if (!ending->report)
        return fail(cell, ending);
    switch (ending->report->kind) {
    case REPORT_VALUE:
    case REPORT_BYTES:
        return succeed(cell, ending);
    case REPORT_FAILED:
        return fail_as_reported(cell, ending);
    default:
        return fail(cell, &(struct ending){ .code = -ECANCELED });
    }
}

/* ---- a result's life ---- */

static int check_work(const struct kith_pool *pool, kith_entry *work, const char **name)
{
    if (!work)
        return error_fail(-EINVAL, "work is NULL: give the function that a worker is to call");
    *name = pool->by_name ? entry_name(work) : NULL;
    if (pool->by_name && !*name)
        return error_fail(-EINVAL, "work is no entry point: workers that are fresh images find only functions that "
                                   "KITH_ENTRY made");
    return 0;
}

static int check(const struct kith_pool *pool, kith_entry *work, const kith_task_options *options, const char **name)
{
    if (options && options->timeout < 0 && options->timeout != KITH_FOREVER)
        return error_fail(-EINVAL, "a time limit of %lld ns: give more than zero, or 0 for none",
                          (long long)options->timeout);
    return check_work(pool, work, name);
}

static void free_cells(struct kith_result *result)
{
    for (size_t i = 0; i < result->cell_count; i++)
        cell_clear(&result->cells[i]);
    free(result->cells);
    free(result->order);
}

/** @return NULL when there is no memory */
static struct kith_result *make(const kith_task_options *options, size_t cells, bool ordered)
{
    struct kith_result *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->references = 2;
    made->limit = options->timeout > 0 ? options->timeout : OS_FOREVER;
    made->retries = options->retries;
    made->chunk = options->chunk;
    made->callback = options->callback;
    made->error_callback = options->error_callback;
    made->progress = options->progress;
    made->context = options->context;
    made->first_failed = RESULT_NO_INDEX;
    made->cell_count = cells > 0 ? cells : 1;
    made->cells = calloc(made->cell_count, sizeof *made->cells);
    if (made->cells && ordered)
        made->order = calloc(made->cell_count, sizeof *made->order);
    if (!made->cells || (ordered && !made->order)) {
        free(made->cells);
        free(made);
        return NULL;
    }
    return made;
}

/** Puts it among those that the keeper attends to, or has to tell of. Under the mutex. */
static void enlist(struct kith_result **list, struct kith_result *result)
{
    result->next = *list;
    result->link = list;
    if (*list)
        (*list)->link = &result->next;
    *list = result;
}

static void strike(struct kith_result *result)
{
    if (!result->link)
        return;
    *result->link = result->next;
    if (result->next)
        result->next->link = result->link;
    result->link = NULL;
}

void result_attend(struct kith_result *result)
{
    if (!result->link)
        enlist(&result->pool->attended, result);
}

/** Makes it one of the pool's. */
static int join_pool(struct kith_result *result, struct kith_pool *pool)
{
    pool_lock(pool);
    int code = pool_open(pool);
    if (code == 0) {
        pool->references++;
        result->pool = pool;
        if (result->progress)
            result_attend(result);
    }
    pool_unlock(pool);
    if (code == 0 && result->progress)
        keeper_wake(pool);
    return code;
}

int result_new(struct kith_result **result, struct kith_pool *pool, kith_entry *work, const kith_task_options *options,
               size_t total, size_t cells, bool ordered)
{
    static const kith_task_options defaults;
    const char *name = NULL;
    if (!options)
        options = &defaults;
    int code = check(pool, work, options, &name);
    if (code < 0)
        return code;
    struct kith_result *made = make(options, cells, ordered);
    if (!made)
        return error_fail(-ENOMEM, "no memory for the results of %zu tasks", cells);
    made->work = work;
    made->name = name;
    made->total = total;
    code = join_pool(made, pool);
    if (code < 0) {
        free_cells(made);
        free(made);
        return code;
    }
    *result = made;
    return 0;
}

struct kith_result *result_take_ended(struct kith_pool *pool)
{
    struct kith_result *result = pool->complete;
    if (result)
        strike(result);
    return result;
}

struct kith_result *result_next_to_feed(struct kith_pool *pool)
{
    struct kith_result *result = pool->attended;
    while (result && (!result->feed || feed_is_busy(result)))
        result = result->next;
    if (!result)
        return NULL;
    strike(result); /* and goes behind the others */
    struct kith_result **end = &pool->attended;
    while (*end)
        end = &(*end)->next;
    enlist(end, result);
    return result;
}

static void free_result(struct kith_result *result)
{
    struct kith_pool *pool = result->pool;
    strike(result);
    free_cells(result);
    free(result);
    pool->references--; /* never the last one: whoever is in here has another */
}

void result_drop(struct kith_result *result)
{
    if (--result->references == 0)
        free_result(result);
}

/** In a child made by fork: whatever its parent's other threads were at. */
static void forget(struct kith_result *result)
{
    if (--result->references > 0) {
        /* Tasks were on their way, and the pool's own handle stays in this copy for ever. */
        static struct kith_result *on_their_way;
        result->beside = on_their_way;
        on_their_way = result;
        return;
    }
    struct kith_pool *pool = result->pool;
    free_cells(result);
    free(result);
    pool_forget(pool);
}

static void give_back(struct kith_result *result, unsigned handles)
{
    struct kith_pool *pool = result->pool;
    pool_lock(pool);
    pool->references++;
    while (handles-- > 0)
        result_drop(result);
    pool_unlock(pool);
    pool_release(pool);
}

void result_release(struct kith_result *result)
{
    if (result->pool->generation == forks_generation())
        give_back(result, 1);
    else
        forget(result);
}

void result_undo(struct kith_result *result)
{
    give_back(result, 2);
}

/** All tasks have ended, and no more come. */
static void end_all(struct kith_result *result)
{
    struct kith_pool *pool = result->pool;
    result->ended = true;
    strike(result);
    bool to_be_told = result->callback || result->error_callback || result->progress;
    if (to_be_told && !pool->keeper.gone) { /* an imap may outlive the pool */
        enlist(&pool->complete, result);
        keeper_wake(pool);
    } else {
        result_drop(result);
    }
}

void result_complete(struct kith_result *result)
{
    struct kith_pool *pool = result->pool;
    pool_lock(pool);
    result->total = result->count;
    if (!result->ended && result_done(result) == result->total)
        end_all(result);
    pool_unlock(pool);
}

/* ---- ending ---- */

/** Wakes those who wait for just this; once, for until the woken one runs, more tasks may end. */
static void tell(struct kith_result *result, size_t index, size_t done)
{
    if (atomic_load_explicit(&result->waiting, memory_order_seq_cst) == 0)
        return;
    if (atomic_load_explicit(&result->awaited_index, memory_order_relaxed) != index &&
        atomic_load_explicit(&result->awaited_done, memory_order_relaxed) > done)
        return;
    if (atomic_exchange_explicit(&result->asked, 0, memory_order_seq_cst) == 0)
        return;
    atomic_fetch_add_explicit(&result->word, 1, memory_order_seq_cst);
    os_futex_wake(&result->word, INT32_MAX);
}

void result_end(struct kith_result *result, size_t index, const struct ending *ending)
{
    struct cell *cell = result_cell(result, index);
    size_t done = atomic_load_explicit(&result->done, memory_order_relaxed);
    enum cell_state state = fill(cell, ending);
    if (state == CELL_FAILED && index < result->first_failed)
        result->first_failed = index;
    if (ending->report && ending->report->kind != REPORT_CANCELLED)
        chunk_size_measure(&result->running_done, &result->running_time, ending->report->took);
    if (ending->owned && !(cell->far && state != CELL_FAILED))
        free((void *)(uintptr_t)ending->report);
    if (result->order)
        result->order[done % result->cell_count] = index;
    done++;
    atomic_store_explicit(&cell->state, (uint8_t)state, memory_order_seq_cst);
    atomic_store_explicit(&result->done, done, memory_order_seq_cst);
    tell(result, index, done);
    if (done == result->total)
        end_all(result);
}

/* ---- waiting ---- */

static bool has_come(struct kith_result *result, size_t index, size_t done)
{
    if (index == RESULT_NO_INDEX)
        return atomic_load_explicit(&result->done, memory_order_seq_cst) >= done;
    return atomic_load_explicit(&result_cell(result, index)->state, memory_order_seq_cst) != CELL_WAITING;
}

int result_wait(struct kith_result *result, size_t index, size_t done, deadline until)
{
    if (has_come(result, index, done))
        return 0;
    if (deadline_passed(until))
        return -ETIMEDOUT;
    if (pool_in_callback(result->pool))
        return error_fail(-EDEADLK, "a callback can't wait: the results come in through its own thread");
    atomic_store_explicit(&result->awaited_index, index, memory_order_relaxed);
    atomic_store_explicit(&result->awaited_done, index == RESULT_NO_INDEX ? done : SIZE_MAX, memory_order_relaxed);
    atomic_fetch_add_explicit(&result->waiting, 1, memory_order_seq_cst);
    int code = 0;
    while (code == 0) {
        atomic_store_explicit(&result->asked, 1, memory_order_seq_cst); /* before the look at the word, and has_come */
        uint32_t seen = atomic_load_explicit(&result->word, memory_order_seq_cst);
        if (has_come(result, index, done))
            break;
        code = os_futex_wait(&result->word, seen, until);
    }
    atomic_fetch_sub_explicit(&result->waiting, 1, memory_order_seq_cst);
    return code;
}

/* ---- the calls ---- */

static int usable(const struct kith_result *result)
{
    if (!result)
        return error_fail(-EINVAL, "result is NULL");
    return pool_usable(result->pool);
}

static int wait_for_all(struct kith_result *result, kith_timeout timeout)
{
    deadline until;
    int code = usable(result);
    if (code == 0)
        code = deadline_from(timeout, &until);
    if (code == 0)
        code = result_wait(result, RESULT_NO_INDEX, result->total, until);
    if (code == 0)
        progress_end(result, result->total);
    return code;
}

int kith_result_wait(kith_result *result, kith_timeout timeout)
{
    return wait_for_all(result, timeout);
}

int kith_result_ready(const kith_result *result)
{
    int code = usable(result);
    return code < 0 ? code : result_done(result) == result->total;
}

/** The list of all results. */
static int list_of(const struct kith_result *result, kith_arena *arena, kith_value **list)
{
    kith_value *made = kith_value_list(arena);
    if (!made)
        return -ENOMEM;
    int code = 0;
    for (size_t i = 0; i < result->total && code == 0; i++) {
        kith_value *value;
        code = cell_value(&result->cells[i], arena, &value);
        if (code == 0)
            code = kith_value_append(made, value);
    }
    if (code == 0)
        *list = made;
    return code;
}

int result_value(const struct kith_result *result, kith_arena *arena, kith_value **value)
{
    if (result->first_failed != RESULT_NO_INDEX)
        return cell_value(result_cell(result, result->first_failed), NULL, NULL);
    if (!value)
        return 0;
    return result->is_list ? list_of(result, arena, value) : cell_value(result->cells, arena, value);
}

static int check_arena(const kith_arena *arena, kith_value *const *value)
{
    return value && !arena ? error_fail(-EINVAL, "arena is NULL: the value needs one") : 0;
}

int kith_result_get(kith_result *result, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    int code = check_arena(arena, value);
    if (code == 0)
        code = wait_for_all(result, timeout);
    return code < 0 ? code : result_value(result, arena, value);
}

size_t kith_result_count(const kith_result *result)
{
    return result ? result->total : 0;
}

size_t kith_result_done(const kith_result *result)
{
    return result ? result_done(result) : 0;
}

/** The cell of a task that has ended. */
static int find_cell(struct kith_result *result, size_t index, const struct cell **cell)
{
    int code = usable(result);
    if (code < 0)
        return code;
    if (index >= result->total)
        return error_fail(-ENOENT, "there is no task %zu: they are %zu, counted from 0", index, result->total);
    *cell = result_cell(result, index);
    return cell_ended(*cell) ? 0 : error_fail(-EAGAIN, "task %zu has not ended yet", index);
}

int kith_result_at(kith_result *result, size_t index, kith_arena *arena, kith_value **value)
{
    const struct cell *cell;
    int code = check_arena(arena, value);
    if (code == 0)
        code = find_cell(result, index, &cell);
    return code < 0 ? code : cell_value(cell, arena, value);
}

int cell_bytes(const struct cell *cell, kith_bytes *bytes)
{
    if (!bytes || atomic_load_explicit(&cell->state, memory_order_relaxed) == CELL_FAILED)
        return cell_value(cell, NULL, NULL);
    size_t size;
    const void *data = cell_data(cell, &size);
    void *copy = malloc(size > 0 ? size : 1);
    if (!copy)
        return error_fail(-ENOMEM, "no memory for a result of %zu bytes", size);
    memcpy(copy, data, size);
    bytes->data = copy;
    bytes->size = size;
    return 0;
}

int kith_result_bytes_at(kith_result *result, size_t index, kith_bytes *bytes)
{
    const struct cell *cell;
    int code = find_cell(result, index, &cell);
    return code < 0 ? code : cell_bytes(cell, bytes);
}

int kith_result_outcome(kith_result *result, size_t index, kith_outcome *outcome)
{
    const struct cell *cell;
    if (!outcome)
        return error_fail(-EINVAL, "outcome is NULL: give where to store it");
    int code = find_cell(result, index, &cell);
    if (code == 0)
        cell_outcome(cell, index, outcome);
    return code;
}

bool result_cancel(struct kith_result *result)
{
    struct kith_pool *pool = result->pool;
    pool_lock(pool);
    bool some = false;
    if (!result->ended) {
        result->cancelled = true;
        some = result->feed != NULL;
        feed_give_up(result);
        some = ledger_cancel(pool, result) || some;
        pool_tell_of_room(pool);
    }
    pool_unlock(pool);
    return some;
}

int kith_result_cancel(kith_result *result)
{
    int code = usable(result);
    if (code < 0)
        return code;
    return result_cancel(result) ? 0 : error_fail(-EALREADY, "all tasks have ended, or are running");
}

void kith_result_free(kith_result *result)
{
    if (result)
        result_release(result);
}
