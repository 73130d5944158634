#include "pool_work.h"

#include "killing.h"

#include <signal.h>
#include <string.h>

/* ---- what a task does ---- */

enum { LARGEST = 100000, LARGE_EVERY = 61 };

/** Of each task some number of its own. */
static uint64_t mix(size_t task)
{
    uint64_t state = task;
    return random_next(&state);
}

/** How many bytes its result has; most have a few. */
static size_t size_of(size_t task)
{
    return task % LARGE_EVERY == LARGE_EVERY - 1 ? mix(task) % LARGEST : mix(task) % 20;
}

static bool is_answer(const void *data, size_t size, size_t task)
{
    const unsigned char *bytes = data;
    bool right = size == size_of(task);
    for (size_t i = 0; right && i < size; i++)
        right = bytes[i] == (unsigned char)task;
    return right;
}

/** In a worker. Each finds the ledger once. */
static struct ledger *find_ledger(const kith_call *call)
{
    static kith_segment *segment;
    if (!segment)
        must(kith_segment_from_fd(&segment, kith_call_fd(call, WORK_LEDGER)), "ledger");
    return kith_segment_data(segment);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void be_busy(uint64_t nanoseconds)
{
    int64_t end = now() + (int64_t)nanoseconds;
    while (now() < end)
        continue;
}

KITH_ENTRY(do_work)
{
    static unsigned char answer[LARGEST];
    struct ledger *ledger = find_ledger(call);
    size_t size, task;
    const void *bytes = kith_call_bytes(call, &size);
    int64_t number = -1;
    if (bytes && size == sizeof task)
        memcpy(&task, bytes, sizeof task);
    else if (!bytes && kith_value_unpack(kith_call_args(call), "(I)", &number) == 0)
        task = (size_t)number;
    else
        return (int)atomic_fetch_add(&ledger->strange, 1) + 1;
    uint32_t runs = atomic_fetch_add(&ledger->runs[task], 1) + 1;
    atomic_fetch_add(&ledger->begun, 1);
    if (kith_call_attempt(call) < (int)runs)
        atomic_fetch_add(&ledger->strange, 1);
    if (ledger->longest > 0)
        be_busy(mix(task) % ledger->longest);
    memset(answer, (unsigned char)task, size_of(task));
    return bytes ? kith_call_return_bytes(call, answer, size_of(task))
                 : kith_call_return(call, kith_value_bytes_borrowed(kith_call_arena(call), answer, size_of(task)));
}

/* ---- what came of it ---- */

void work_begin(struct work *work, const struct promise *promise, uint64_t longest)
{
    *work = (struct work){ .promise = *promise, .ended = calloc(promise->tasks, 1) };
    size_t size = sizeof *work->ledger + promise->tasks * sizeof *work->ledger->runs;
    must(work->ended ? kith_segment_new(&work->segment, size) : -ENOMEM, "ledger");
    work->ledger = kith_segment_data(work->segment);
    work->ledger->longest = longest;
}

void work_restart(struct work *work)
{
    const struct work fresh = {
        .promise = work->promise, .segment = work->segment, .ledger = work->ledger, .ended = work->ended
    };
    *work = fresh;
    memset(work->ended, 0, work->promise.tasks);
    atomic_store(&work->ledger->begun, 0);
    for (size_t i = 0; i < work->promise.tasks; i++)
        atomic_store(&work->ledger->runs[i], 0);
}

void work_end(struct work *work)
{
    kith_segment_free(work->segment);
    free(work->ended);
    *work = (struct work){ 0 };
}

static void wrong(struct work *work, size_t task, const kith_outcome *outcome, const char *what)
{
    if (work->wrong)
        return;
    work->wrong = what;
    work->where = task;
    work->how = *outcome;
    work->how.detail = "";
}

static void see_success(struct work *work, size_t task, const kith_outcome *outcome, bool right)
{
    work->right++;
    if (!right)
        wrong(work, task, outcome, "a result is wrong");
    if (atomic_load(&work->ledger->runs[task]) == 0)
        wrong(work, task, outcome, "there is a result of a task that has not run");
}

static void see_failure(struct work *work, size_t task, const kith_outcome *outcome)
{
    const struct promise *promise = &work->promise;
    bool lost = outcome->code == KITH_EWORKERLOST, late = outcome->code == KITH_EOVERTIME;
    bool cancelled = outcome->code == -ECANCELED;
    work->lost += lost;
    work->timed_out += late;
    work->cancelled += cancelled;
    if (!(lost && promise->may_be_lost) && !(late && promise->may_time_out) &&
        !(cancelled && promise->may_be_cancelled))
        wrong(work, task, outcome, "a task failed without reason");
    /* What somebody gives up is not begun again. */
    if ((lost || late) && outcome->attempts != promise->retries + 1 && !promise->may_be_cancelled)
        wrong(work, task, outcome, "a task was given up too early, or too late");
    if ((lost || late) && outcome->worker <= 0)
        wrong(work, task, outcome, "nobody is said to have had a lost task");
    if (lost && outcome->exit_code != -SIGKILL)
        wrong(work, task, outcome, "the worker is said to have ended otherwise");
}

static void see_end(struct work *work, size_t task, const kith_outcome *outcome, bool right)
{
    if (task >= work->promise.tasks) {
        wrong(work, task, outcome, "there is no such task");
        return;
    }
    if (++work->ended[task] != 1)
        wrong(work, task, outcome, "a task ended twice");
    if (outcome->code == 0)
        see_success(work, task, outcome, right);
    else
        see_failure(work, task, outcome);
    if (outcome->attempts > work->promise.retries + 1)
        wrong(work, task, outcome, "a task was begun more often than was asked for");
    if (atomic_load(&work->ledger->runs[task]) > outcome->attempts)
        wrong(work, task, outcome, "a task has run more often than is said");
}

void work_see(struct work *work, size_t task, const kith_outcome *outcome, const kith_value *value)
{
    const void *data = NULL;
    size_t size = 0;
    bool right = outcome->code != 0 || (kith_value_as_bytes(value, &data, &size) == 0 && is_answer(data, size, task));
    see_end(work, task, outcome, right);
}

void work_see_bytes(struct work *work, size_t task, const kith_outcome *outcome, const kith_bytes *bytes)
{
    see_end(work, task, outcome, outcome->code != 0 || is_answer(bytes->data, bytes->size, task));
}

void work_see_result(struct work *work, size_t first, kith_result *result, bool as_bytes)
{
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    for (size_t i = 0; i < kith_result_count(result); i++) {
        kith_outcome outcome = { 0 };
        kith_value *value = NULL;
        kith_bytes bytes = { NULL, 0 };
        must(kith_result_outcome(result, i, &outcome), "outcome");
        int code = as_bytes ? kith_result_bytes_at(result, i, &bytes) : kith_result_at(result, i, arena, &value);
        if (code != outcome.code || outcome.index != i)
            wrong(work, first + i, &outcome, "the outcome tells otherwise than the result");
        if (as_bytes)
            work_see_bytes(work, first + i, &outcome, &bytes);
        else
            work_see(work, first + i, &outcome, value);
        kith_bytes_free(&bytes);
        kith_arena_reset(arena);
    }
    kith_arena_free(arena);
}

void work_forget(struct work *work, size_t first, size_t count)
{
    memset(work->ended + first, 1, count);
}

bool work_judge(struct work *work)
{
    const kith_outcome nothing = { 0 };
    for (size_t i = 0; i < work->promise.tasks; i++) {
        if (work->ended[i] == 0)
            wrong(work, i, &nothing, "nothing was told of a task");
        if (atomic_load(&work->ledger->runs[i]) > work->promise.retries + 1)
            wrong(work, i, &nothing, "a task has run more often than was asked for");
    }
    if (atomic_load(&work->ledger->strange) > 0)
        wrong(work, 0, &nothing, "tasks were told nonsense");
    if (work->wrong)
        printf("# %s: task %zu, code %d, exit code %d, worker %d, attempts %u, run %u times\n", work->wrong,
               work->where, work->how.code, work->how.exit_code, (int)work->how.worker, work->how.attempts,
               work->where < work->promise.tasks ? atomic_load(&work->ledger->runs[work->where]) : 0);
    return !work->wrong;
}
