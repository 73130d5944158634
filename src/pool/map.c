/* Maps: tasks that are handed in by and by, as far as there is room; first by the thread that calls, then by the
 * keeper. */
#include "pool/map.h"

#include "os/futex.h"
#include "pool/bundle.h"
#include "pool/chunk_size.h"
#include "pool/pool.h"
#include "pool/progress.h"

#include <stdlib.h>
#include <string.h>

/* So many chunks, or so many bytes, are made before they are handed in, and workers woken for them: quick tasks are
 * done with sooner than others can be made, and to wake a worker costs as much as some of them. The first run is short,
 * so that nobody waits for long. */
enum { RUN_FIRST = 16, RUN_CHUNKS = 256, RUN_BYTES = 256 * 1024 };

/** What a map is given. */
struct items {
    const kith_value *values; /* list, tuple, set; NULL: messages */
    const kith_message *messages;
    size_t count;
    bool are_args; /* each value is the tuple of arguments */
};

struct feed {
    struct items items;
    kith_arena *arena; /* owns a copy of the values; NULL: there is none */
    void *copies;      /* of the messages, from malloc; NULL: none */
    size_t next;       /* the item that is handed in next */
    unsigned size;     /* of the last chunk */
    unsigned most;     /* chunks of the next run */
    bool busy;         /* a thread hands in. Under the pool's mutex */
};

/* ---- a run: chunks that are made, and then handed in together ---- */

struct run {
    struct bundle bundle;
    struct load loads[RUN_CHUNKS];
    unsigned count;
    size_t next; /* the item behind them; */
    int code;    /* why it can't be handed in; 0: it can, or was not looked at */
    char *detail;
};

static int add(struct bundle *bundle, const struct items *items, size_t index)
{
    if (!items->values)
        return bundle_add_bytes(bundle, items->messages[index].data, items->messages[index].size);
    const kith_value *value = kith_value_at(items->values, index);
    return items->are_args ? bundle_add_args(bundle, value) : bundle_add_argument(bundle, value);
}

/** Adds a chunk of up to so many items. @return whether the next one can be added */
static bool run_add_chunk(struct run *run, const struct items *items, unsigned size, bool bounded)
{
    size_t before = run->bundle.size;
    unsigned made = 0;
    while (made < size && run->code == 0 && !(bounded && run->bundle.size - before >= CHUNK_BYTES_ENOUGH)) {
        run->code = add(&run->bundle, items, run->next);
        if (run->code == 0) {
            made++;
            run->next++;
        }
    }
    if (made > 0)
        run->loads[run->count++] = (struct load){ .size = run->bundle.size - before, .count = made };
    if (run->code < 0)
        run->detail = strdup(kith_error_detail());
    return run->code == 0;
}

/** Makes chunks of the next items. @param room  for how many at most */
static void run_make(struct run *run, struct feed *feed, struct chunk_outlook *outlook, size_t room)
{
    size_t end = feed->items.count - feed->next < room ? feed->items.count : feed->next + room;
    bundle_clear(&run->bundle);
    run->count = 0;
    run->next = feed->next;
    bool more = true;
    while (more && run->next < end && run->count < feed->most && run->bundle.size < RUN_BYTES) {
        outlook->left = feed->items.count - run->next;
        outlook->previous = feed->size;
        feed->size = chunk_size(outlook);
        unsigned size = feed->size < end - run->next ? feed->size : (unsigned)(end - run->next);
        more = run_add_chunk(run, &feed->items, size, outlook->asked == 0);
    }
    const unsigned char *data = run->bundle.data;
    for (unsigned i = 0; i < run->count; i++) {
        run->loads[i].data = data;
        data += run->loads[i].size;
    }
}

static void run_free(struct run *run)
{
    bundle_free(&run->bundle);
    free(run->detail);
}

/** The next item ends without having been handed in. Under the mutex. */
static void end_next(struct kith_result *result, struct feed *feed, const struct ending *ending)
{
    pool_task_given_up(result->pool);
    result_end(result, feed->next++, ending);
}

/** Hands in what was made. Under the mutex.
 *  @return false: there is no memory for more now; when others have ended, there may be */
static bool run_hand_in(struct run *run, struct kith_result *result, struct feed *feed)
{
    struct kith_pool *pool = result->pool;
    for (unsigned i = 0; i < run->count; i++) {
        int code = ledger_enter(pool, result, feed->next, &run->loads[i]);
        if (code < 0 && pool->pending > 0)
            return false;
        for (uint32_t item = 0; item < run->loads[i].count && code < 0; item++)
            end_next(result, feed, &(struct ending){ .code = code, .detail = kith_error_detail() });
        if (code == 0)
            feed->next += run->loads[i].count;
        result->count = result->next_index = feed->next;
    }
    if (run->code < 0)
        end_next(result, feed, &(struct ending){ .code = run->code, .detail = run->detail });
    free(run->detail);
    run->detail = NULL;
    run->code = 0;
    return true;
}

/* ---- feeding ---- */

static void feed_free(struct feed *feed)
{
    kith_arena_free(feed->arena);
    free(feed->copies);
    free(feed);
}

/** All is handed in. Under the mutex. */
static void end_feed(struct kith_result *result)
{
    feed_free(result->feed);
    result->feed = NULL;
    result->pool->feeds--;
    atomic_fetch_add_explicit(&result->word, 1, memory_order_seq_cst); /* for wait_until_fed */
    if (atomic_load_explicit(&result->waiting, memory_order_seq_cst) > 0)
        os_futex_wake(&result->word, INT32_MAX);
}

/** Whether the tasks that are left can be handed in; if not, ends them. Under the mutex. */
static bool goes_on(struct kith_result *result)
{
    struct ending ending = { .code = -ECANCELED };
    struct feed *feed = result->feed;
    if (pool_given_up(result->pool, &ending) || result->cancelled) {
        while (feed->next < feed->items.count)
            end_next(result, feed, &ending);
    }
    return feed->next < feed->items.count;
}

bool feed_is_busy(const struct kith_result *result)
{
    return result->feed->busy;
}

void feed_give_up(struct kith_result *result)
{
    if (!result->feed || result->feed->busy)
        return; /* who is at it will see */
    result->references++;
    goes_on(result);
    end_feed(result);
    result_drop(result);
}

/** For how many tasks there is room: half of it, where others wait to hand in one by one; the odd one by turns. */
static size_t room_for_feed(const struct kith_pool *pool)
{
    size_t room = pool_room(pool);
    return pool->waiting > 0 ? (room + (pool->stats.done & 1)) / 2 : room;
}

/** Hands in, as long as there is room. Under the mutex, but not while chunks are made. */
static void hand_in(struct kith_result *result, struct feed *feed)
{
    struct kith_pool *pool = result->pool;
    struct run run = { 0 };
    bool more = true;
    for (size_t room = room_for_feed(pool); more && room > 0 && goes_on(result); room = room_for_feed(pool)) {
        struct chunk_outlook outlook = {
            .asked = result->chunk,
            .limit = pool->max_pending,
            .workers = pool->crew.count,
            .measured = result->running_done,
            .took = result->running_time,
        };
        pool_unlock(pool);
        run_make(&run, feed, &outlook, room);
        pool_lock(pool);
        more = goes_on(result) && run_hand_in(&run, result, feed);
        ledger_call(pool);
        feed->most = feed->most < RUN_CHUNKS / 2 ? feed->most * 2 : RUN_CHUNKS;
    }
    pool_unlock(pool);
    run_free(&run);
    pool_lock(pool);
}

void feed_some(struct kith_result *result)
{
    struct kith_pool *pool = result->pool;
    pool_lock(pool);
    struct feed *feed = result->feed;
    if (feed && !feed->busy) {
        feed->busy = true;
        result->references++; /* all its tasks may end meanwhile */
        hand_in(result, feed);
        feed->busy = false;
        if (!goes_on(result))
            end_feed(result);
        result_drop(result);
    }
    pool_unlock(pool);
}

/** Waits until the items are not needed any more. */
static void wait_until_fed(struct kith_result *result)
{
    bool fed = false;
    atomic_fetch_add_explicit(&result->waiting, 1, memory_order_seq_cst);
    while (!fed) {
        uint32_t seen = atomic_load_explicit(&result->word, memory_order_seq_cst);
        pool_lock(result->pool);
        fed = !result->feed;
        pool_unlock(result->pool);
        if (!fed)
            os_futex_wait(&result->word, seen, OS_FOREVER);
    }
    atomic_fetch_sub_explicit(&result->waiting, 1, memory_order_seq_cst);
}

/* ---- beginning ---- */

static int check_values(const kith_value *values, bool are_args)
{
    int kind = kith_value_kind(values);
    if (!values)
        return error_refuse_null("items is NULL", ": it could not be made: ");
    if (kind != KITH_LIST && kind != KITH_TUPLE && kind != KITH_SET && kind != KITH_FROZENSET)
        return error_fail(-EINVAL, "items is of kind %s: give a list, tuple, set or frozenset", kith_kind_name(kind));
    for (size_t i = 0; are_args && i < kith_value_length(values); i++) {
        int item = kith_value_kind(kith_value_at(values, i));
        if (item != KITH_TUPLE)
            return error_fail(KITH_ETYPE, "item %zu is of kind %s: give a tuple of arguments", i, kith_kind_name(item));
    }
    return 0;
}

static int check_messages(const kith_message *messages, size_t count)
{
    if (!messages && count > 0)
        return error_fail(-EINVAL, "messages is NULL, but count is %zu", count);
    for (size_t i = 0; i < count; i++) {
        if (!messages[i].data && messages[i].size > 0)
            return error_fail(-EINVAL, "message %zu: data is NULL, but size is %zu", i, messages[i].size);
    }
    return 0;
}

/** Copies messages into one piece. @return NULL when there is no memory */
static kith_message *copy_messages(const kith_message *messages, size_t count)
{
    size_t size = count * sizeof *messages;
    for (size_t i = 0; i < count; i++)
        size += messages[i].size;
    kith_message *copies = malloc(size > 0 ? size : 1);
    if (!copies)
        return NULL;
    char *data = (char *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (kith_message){ data, messages[i].size };
        if (messages[i].size > 0)
            memcpy(data, messages[i].data, messages[i].size);
        data += messages[i].size;
    }
    return copies;
}

/** Makes the items the feed's own. */
static int copy_items(struct feed *feed)
{
    struct items *items = &feed->items;
    if (!items->values) {
        items->messages = feed->copies = copy_messages(items->messages, items->count);
        return feed->copies ? 0 : error_fail(-ENOMEM, "no memory to copy %zu messages", items->count);
    }
    int code = kith_arena_new(&feed->arena);
    if (code == 0)
        items->values = kith_value_copy(feed->arena, items->values);
    return code == 0 && !items->values ? kith_arena_error(feed->arena) : code;
}

/** @param copy  the caller's items are not there any more when the call has returned */
static int feed_new(struct feed **feed, const struct items *items, bool copy)
{
    struct feed *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a map");
    made->items = *items;
    made->most = RUN_FIRST;
    int code = copy ? copy_items(made) : 0;
    if (code < 0)
        feed_free(made);
    else
        *feed = made;
    return code;
}

/** Begins to feed. @return 0; KITH_ECLOSED, or why the pool is broken: it was open a moment ago */
static int attach(struct kith_result *result, struct feed *feed)
{
    struct kith_pool *pool = result->pool;
    pool_lock(pool);
    int code = pool_open(pool);
    if (code == 0) {
        result->feed = feed;
        pool->feeds++;
        result_attend(result);
    }
    pool_unlock(pool);
    if (code == 0)
        feed_some(result);
    return code;
}

static int begin(struct kith_result **result, kith_pool *pool, kith_entry *work, const struct items *items,
                 const kith_task_options *options, bool copy)
{
    struct kith_result *made;
    struct feed *feed = NULL;
    int code = result_new(&made, pool, work, options, items->count, items->count, false);
    if (code < 0)
        return code;
    made->is_list = true;
    if (items->count == 0) {
        result_complete(made);
        *result = made;
        return 0;
    }
    code = feed_new(&feed, items, copy);
    if (code == 0)
        code = attach(made, feed);
    if (code == 0) {
        *result = made;
        return 0;
    }
    if (feed)
        feed_free(feed);
    result_undo(made);
    return code;
}

static int begin_async(kith_result **result, kith_pool *pool, kith_entry *work, const struct items *items,
                       const kith_task_options *options)
{
    struct kith_result *made;
    int code = begin(&made, pool, work, items, options, true);
    if (code == 0 && result)
        *result = made;
    else if (code == 0)
        result_release(made);
    return code;
}

/** Begins a map without anybody to be called but for its progress, and waits for its end. */
static int begin_and_wait(struct kith_result **result, kith_pool *pool, kith_entry *work, const struct items *items,
                          const kith_task_options *options)
{
    kith_task_options alone = options ? *options : (kith_task_options){ 0 };
    alone.callback = NULL;
    alone.error_callback = NULL;
    if (pool_in_callback(pool))
        return error_fail(-EDEADLK, "a callback can't wait for a map: use kith_pool_map_async");
    int code = begin(result, pool, work, items, &alone, false);
    if (code < 0)
        return code;
    code = result_wait(*result, RESULT_NO_INDEX, items->count, OS_FOREVER);
    if (code == 0) {
        progress_end(*result, items->count);
        return 0;
    }
    result_cancel(*result);
    wait_until_fed(*result);
    progress_silence(*result);
    result_release(*result);
    return code;
}

/* ---- the calls ---- */

static int map_values(kith_pool *pool, kith_entry *work, const kith_value *values, bool are_args, kith_arena *arena,
                      kith_value **list, const kith_task_options *options)
{
    struct items items = { .values = values, .count = kith_value_length(values), .are_args = are_args };
    struct kith_result *result;
    int code = pool_usable(pool);
    if (code == 0)
        code = check_values(values, are_args);
    if (code == 0 && list && !arena)
        code = error_fail(-EINVAL, "arena is NULL: the list needs one");
    if (code == 0)
        code = begin_and_wait(&result, pool, work, &items, options);
    if (code < 0)
        return code;
    code = result_value(result, arena, list);
    result_release(result);
    return code;
}

static int map_values_async(kith_pool *pool, kith_result **result, kith_entry *work, const kith_value *values,
                            bool are_args, const kith_task_options *options)
{
    struct items items = { .values = values, .count = kith_value_length(values), .are_args = are_args };
    int code = pool_usable(pool);
    if (code == 0)
        code = check_values(values, are_args);
    return code < 0 ? code : begin_async(result, pool, work, &items, options);
}

int kith_pool_map(kith_pool *pool, kith_entry *work, const kith_value *items, kith_arena *arena, kith_value **list,
                  const kith_task_options *options)
{
    return map_values(pool, work, items, false, arena, list, options);
}

int kith_pool_starmap(kith_pool *pool, kith_entry *work, const kith_value *items, kith_arena *arena, kith_value **list,
                      const kith_task_options *options)
{
    return map_values(pool, work, items, true, arena, list, options);
}

int kith_pool_map_async(kith_pool *pool, kith_result **result, kith_entry *work, const kith_value *items,
                        const kith_task_options *options)
{
    return map_values_async(pool, result, work, items, false, options);
}

int kith_pool_starmap_async(kith_pool *pool, kith_result **result, kith_entry *work, const kith_value *items,
                            const kith_task_options *options)
{
    return map_values_async(pool, result, work, items, true, options);
}

/** Takes all results, or, when one fails, none. */
static int take_bytes(const struct kith_result *result, kith_bytes *results)
{
    int code = result_value(result, NULL, NULL);
    for (size_t i = 0; results && code == 0 && i < result->total; i++) {
        code = cell_bytes(&result->cells[i], &results[i]);
        while (code < 0 && i > 0)
            kith_bytes_free(&results[--i]);
    }
    return code;
}

int kith_pool_map_bytes(kith_pool *pool, kith_entry *work, const kith_message *messages, size_t count,
                        kith_bytes *results, const kith_task_options *options)
{
    struct items items = { .messages = messages, .count = count };
    struct kith_result *result;
    int code = pool_usable(pool);
    if (code == 0)
        code = check_messages(messages, count);
    if (code == 0)
        code = begin_and_wait(&result, pool, work, &items, options);
    if (code < 0)
        return code;
    code = take_bytes(result, results);
    result_release(result);
    return code;
}

int kith_pool_map_bytes_async(kith_pool *pool, kith_result **result, kith_entry *work, const kith_message *messages,
                              size_t count, const kith_task_options *options)
{
    struct items items = { .messages = messages, .count = count };
    int code = pool_usable(pool);
    if (code == 0)
        code = check_messages(messages, count);
    return code < 0 ? code : begin_async(result, pool, work, &items, options);
}
