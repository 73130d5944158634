/* imap: results one by one, while items are made one by one.
 *
 * It is a result (result.h) whose tasks take turns in a ring of cells, as many as may be handed out at a time. All is
 * done by the thread that asks for results: before it takes one, it makes chunks, when there is room for enough of them
 * to be worth while, and as long as the result that it wants is not there. So it hands out and is woken once for some
 * tasks, not for each.
 *
 * In order, task i has cell i % cells. As they come, a task that takes long must not keep the others from going on when
 * its cell's turn comes again: so its index is passed over, and what item it was is noted beside the cell. */
#include "pool/chunk_size.h"
#include "pool/pool.h"
#include "pool/progress.h"
#include "pool/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 1000
#define PROMPT ((int64_t)1000000) /* no result waits longer for items to be made, in nanoseconds */
#define COMPANY ((int64_t)250000) /* no result waits longer for others */
#define RETRY ((int64_t)5000000)  /* so often it is seen whether a pool that was full has room */
#define FREE SIZE_MAX

struct kith_imap {
    struct kith_result *result;
    kith_pool_next *next;
    void *context;
    kith_arena *arena;    /* next's */
    struct bundle bundle; /* items that have been made and not handed in */
    size_t made;          /* items, ever */
    size_t *items;        /* unordered: the item whose task has the cell, or FREE. In order: NULL */
    unsigned workers;     /* of the pool, which may end before this */
    unsigned chunk;       /* how large the last was to be; 0: there was none */
    size_t company;       /* so many results come in the time that one may wait for others */
    size_t known;         /* so many results are there, as far as was looked; in order: up to that one */
    size_t given;         /* of these, were given */
    size_t cleared;       /* of these, their cells are free again: all but the last */
    kith_outcome outcome; /* of the last, while given > cleared */
    bool ended;           /* no more items are made: there are none, or failure tells why */
    int failure;          /* what is to be returned when all results have been given; 0: nothing */
    char detail[256];     /* with it */
};

/* ---- the cells ---- */

static size_t index_of(const struct kith_imap *imap, size_t nth)
{
    const struct kith_result *result = imap->result;
    return imap->items ? result->order[nth % result->cell_count] : nth;
}

/* Looks what has ended. @return whether the next result is there */
static bool look(struct kith_imap *imap)
{
    const struct kith_result *result = imap->result;
    if (imap->items)
        imap->known = result_done(result);
    else
        while (imap->known < result->count && cell_ended(result_cell(result, imap->known)))
            imap->known++;
    return imap->given < imap->known;
}

/* Frees the cell of the result that was given last. */
static void give_back(struct kith_imap *imap)
{
    if (imap->cleared == imap->given)
        return;
    size_t index = index_of(imap, imap->cleared++);
    cell_clear(result_cell(imap->result, index));
    if (imap->items)
        imap->items[index % imap->result->cell_count] = FREE;
}

/* Finds cells for the next chunk, of which at least one is free. @return how many there are in a row, up to size */
static size_t find_row(struct kith_imap *imap, size_t size)
{
    struct kith_result *result = imap->result;
    size_t cells = result->cell_count, row = 0;
    if (!imap->items)
        return size;
    while (imap->items[result->next_index % cells] != FREE)
        result->next_index++;
    while (row < size && imap->items[(result->next_index + row) % cells] == FREE)
        row++;
    return row;
}

/* ---- making items ---- */

/* No more items: the results that are on their way are given, then the code is returned. */
static void end(struct kith_imap *imap, int failure)
{
    imap->ended = true;
    imap->failure = failure;
    snprintf(imap->detail, sizeof imap->detail, "%s", kith_error_detail());
}

static int check_args(const struct kith_imap *imap, const kith_value *args, unsigned before)
{
    int code = kith_arena_error(imap->arena);
    if (code < 0)
        return error_fail(code, "the arguments of item %zu could not be made: %s", imap->made,
                          error_reason(code, before));
    if (args && kith_value_kind(args) != KITH_TUPLE)
        return error_fail(-EINVAL, "the arguments of item %zu are of kind %s: give a tuple", imap->made,
                          kith_kind_name(kith_value_kind(args)));
    return 0;
}

static void make_item(struct kith_imap *imap)
{
    kith_value *args = NULL;
    kith_arena_reset(imap->arena);
    unsigned before = error_count();
    int code = imap->next(imap->context, imap->arena, &args);
    if (code == 0) {
        end(imap, 0);
        return;
    }
    if (code < 0)
        code = error_fail(code, "item %zu could not be made: %s", imap->made, error_reason(code, before));
    else
        code = check_args(imap, args, before);
    if (code == 0)
        code = bundle_add_args(&imap->bundle, args);
    if (code < 0) {
        end(imap, code);
        return;
    }
    if (imap->items)
        imap->items[(imap->result->next_index + imap->bundle.count - 1) % imap->result->cell_count] = imap->made;
    imap->made++;
}

/* Makes items until there are enough for a chunk, or that takes long: others may make them slowly, and workers are not
 * to wait for that. */
static void make_chunk(struct kith_imap *imap, size_t size)
{
    int64_t late = imap->result->chunk == 0 ? os_clock_now() + PROMPT : OS_FOREVER;
    do {
        make_item(imap);
    } while (!imap->ended && imap->bundle.count < size &&
             (late == OS_FOREVER || (imap->bundle.size < CHUNK_BYTES_ENOUGH && os_clock_now() < late)));
}

/* ---- handing out ---- */

/* Chooses how many tasks the next chunk is to have, and how many results to wait for, by what tasks take. Of those that
 * may be on their way each worker is to have two chunks or more, also when larger ones were asked for. */
static void choose_size(struct kith_imap *imap)
{
    const struct kith_result *result = imap->result;
    size_t half = result->cell_count / 2 / imap->workers;
    struct chunk_outlook outlook = {
        .asked = result->chunk <= half ? result->chunk
                 : half > 0            ? (unsigned)half
                                       : 1,
        .left = result->cell_count,
        .limit = result->pool->max_pending,
        .workers = imap->workers,
        .previous = imap->chunk,
    };
    pool_lock(result->pool);
    outlook.measured = result->running_done;
    outlook.took = result->running_time;
    pool_unlock(result->pool);
    imap->chunk = chunk_size(&outlook);
    imap->company = outlook.took > 0 ? (size_t)(COMPANY * (int64_t)outlook.measured / outlook.took) : 0;
}

static size_t room(const struct kith_imap *imap)
{
    return imap->result->cell_count - (imap->result->count - imap->cleared);
}

/* How much room there is to be before more is handed out while there are results to give: what the workers do in a
 * moment, for they may be asleep, and it costs more than a quick task to wake one. */
static size_t worth_while(const struct kith_imap *imap)
{
    size_t moment = imap->company * imap->workers, half = imap->result->cell_count / 2;
    size_t some = moment < half ? moment : half;
    return some > imap->chunk ? some : imap->chunk;
}

/* Whether the pool takes tasks still. When it does not, the walk has ended: next, which may take long or have effects,
 * is not asked for items that nobody would run. */
static bool may_go_on(struct kith_imap *imap)
{
    pool_lock(imap->result->pool);
    int code = pool_open(imap->result->pool);
    pool_unlock(imap->result->pool);
    if (code < 0)
        end(imap, code);
    return code == 0;
}

/* Makes a chunk when there is room for a whole one; or for less, when the next result is not there, and workers may be
 * without work. */
static void prepare(struct kith_imap *imap, bool there)
{
    struct kith_result *result = imap->result;
    size_t most = room(imap), running = result->count - result_done(result);
    bool enough = there || running >= (size_t)imap->chunk * imap->workers;
    if (imap->ended || imap->bundle.count > 0 || most == 0 || (most < imap->chunk && enough))
        return;
    if (may_go_on(imap)) {
        choose_size(imap);
        make_chunk(imap, find_row(imap, imap->chunk < most ? imap->chunk : most));
    }
    if (imap->ended && imap->bundle.count == 0)
        result_complete(result);
}

/* Hands in the chunk that was made.
 * @return 0; -ETIMEDOUT, -EINTR, -EDEADLK: it is still there. Other failures end the walk, after the results before */
static int hand_in(struct kith_imap *imap, deadline until)
{
    int code = submit(imap->result, &imap->bundle, until);
    if (code == -ETIMEDOUT || code == -EINTR || code == -EDEADLK)
        return code;
    if (code < 0) {
        bundle_clear(&imap->bundle);
        end(imap, code);
    }
    if (imap->ended)
        result_complete(imap->result);
    return 0;
}

/* Hands out as far as there is room, until the next result is there and has waited for long enough. Waits for room in
 * the pool, but only when no result can come: else what was made is kept. */
static int feed(struct kith_imap *imap, deadline until)
{
    if (imap->bundle.count == 0 && room(imap) < worth_while(imap) && look(imap))
        return 0;
    int64_t late = os_clock_now() + PROMPT;
    do {
        prepare(imap, look(imap));
        if (imap->bundle.count == 0)
            break;
        bool none = imap->result->count == imap->given;
        int code = hand_in(imap, none ? until : DEADLINE_PASSED);
        if (code < 0)
            return code == -ETIMEDOUT && !none ? 0 : code;
    } while (!look(imap) || os_clock_now() < late);
    return 0;
}

/* ---- taking results ---- */

static deadline sooner(deadline until, int64_t wait)
{
    deadline soon = os_clock_now() + wait;
    return soon < until ? soon : until;
}

/* Waits until the next `count` results are there: in order, the last of them. */
static int wait_for(struct kith_imap *imap, size_t count, deadline until)
{
    size_t behind = imap->given + count;
    return imap->items ? result_wait(imap->result, RESULT_NO_INDEX, behind, until)
                       : result_wait(imap->result, behind - 1, 0, until);
}

/* Waits for the next result, and a moment for some behind it: each wake-up costs more than a quick task.
 * @return 0; KITH_EEMPTY, or why there are no more; -ETIMEDOUT, -EINTR, -EDEADLK */
static int await(struct kith_imap *imap, deadline until)
{
    size_t out = imap->result->count - imap->given;
    if (look(imap))
        return 0;
    if (out == 0) {
        int failure = imap->failure;
        imap->failure = 0;
        progress_end(imap->result, imap->result->count);
        return failure < 0 ? error_fail(failure, "%s", imap->detail) : KITH_EEMPTY;
    }
    size_t some = imap->company < out / 2 ? imap->company : out / 2;
    if (some > 1 && !deadline_passed(until)) {
        int code = wait_for(imap, some, sooner(until, COMPANY));
        if (code < 0 && code != -ETIMEDOUT)
            return code;
        if (look(imap))
            return 0;
    }
    int code = wait_for(imap, 1, until);
    if (code == 0)
        look(imap);
    return code;
}

static int give(struct kith_imap *imap, kith_arena *arena, kith_value **value)
{
    const struct kith_result *result = imap->result;
    size_t index = index_of(imap, imap->given);
    const struct cell *cell = result_cell(result, index);
    kith_outcome outcome;
    cell_outcome(cell, imap->items ? imap->items[index % result->cell_count] : index, &outcome);
    int code = cell_value(cell, arena, value);
    if (code == -ENOMEM && outcome.code == 0)
        return code; /* it stays, to be asked for again */
    imap->outcome = outcome;
    imap->given++;
    return code;
}

int kith_imap_next(kith_imap *imap, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    if (!imap || (value && !arena))
        return error_fail(-EINVAL, "%s is NULL", imap ? "the arena for the value" : "the imap");
    deadline until;
    int code = pool_usable(imap->result->pool);
    if (code == 0)
        code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    give_back(imap);
    bool again;
    do {
        code = feed(imap, until);
        bool full = imap->bundle.count > 0;
        if (code == 0)
            code = await(imap, full ? sooner(until, RETRY) : until);
        again = code == -ETIMEDOUT && full && !deadline_passed(until);
    } while (again);
    return code == 0 ? give(imap, arena, value) : code;
}

int kith_imap_outcome(const kith_imap *imap, kith_outcome *outcome)
{
    if (!imap || !outcome)
        return error_fail(-EINVAL, "%s is NULL", imap ? "the outcome" : "the imap");
    if (imap->given == imap->cleared)
        return error_fail(-ENOENT, "the last kith_imap_next gave no result");
    *outcome = imap->outcome;
    return 0;
}

/* ---- beginning and end ---- */

static int imap_new(kith_imap **imap, kith_pool *pool, kith_entry *work, kith_pool_next *next, void *context,
                    const kith_task_options *options, bool ordered)
{
    if (!imap || !next)
        return error_fail(-EINVAL, "%s is NULL", imap ? "the function that makes the tasks" : "the imap");
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    kith_task_options mine = options ? *options : (kith_task_options){ 0 };
    mine.callback = NULL;
    mine.error_callback = NULL;
    size_t cells = mine.ahead > 0 ? mine.ahead : AHEAD;
    kith_imap *made = calloc(1, sizeof *made);
    size_t *items = ordered ? NULL : malloc(cells * sizeof *items);
    if (!made || (!ordered && !items)) {
        code = error_fail(-ENOMEM, "no memory for an imap that is %zu tasks ahead", cells);
        goto fail;
    }
    code = kith_arena_new(&made->arena);
    if (code < 0)
        goto fail;
    code = result_new(&made->result, pool, work, &mine, 0, cells, !ordered);
    if (code < 0)
        goto fail;
    for (size_t i = 0; items && i < cells; i++)
        items[i] = FREE;
    made->items = items;
    made->workers = pool->crew.count;
    made->next = next;
    made->context = context;
    *imap = made;
    return 0;
fail:
    if (made)
        kith_arena_free(made->arena);
    free(made);
    free(items);
    return code;
}

int kith_pool_imap(kith_pool *pool, kith_imap **imap, kith_entry *work, kith_pool_next *next, void *context,
                   const kith_task_options *options)
{
    return imap_new(imap, pool, work, next, context, options, true);
}

int kith_pool_imap_unordered(kith_pool *pool, kith_imap **imap, kith_entry *work, kith_pool_next *next, void *context,
                             const kith_task_options *options)
{
    return imap_new(imap, pool, work, next, context, options, false);
}

void kith_imap_free(kith_imap *imap)
{
    if (!imap)
        return;
    if (pool_usable(imap->result->pool) == 0) {
        if (imap->ended && result_done(imap->result) == imap->result->count)
            progress_end(imap->result, imap->result->count);
        progress_silence(imap->result);
        if (!imap->ended || imap->bundle.count > 0)
            result_complete(imap->result);
        result_cancel(imap->result);
    }
    result_release(imap->result);
    bundle_free(&imap->bundle);
    kith_arena_free(imap->arena);
    free(imap->items);
    free(imap);
}
