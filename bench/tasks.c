/* kith-tasks: what a task costs that does nothing but give back what it was given: in each way that a pool has, and by
 * two bare queues, which are what is left to gain. pool.py runs it, by turns with CPython's pools.
 *
 *   kith-tasks WAY
 *
 * All results are summed up, and the sum is checked.
 */
#include "turns.h"

#include <kith/codec.h>
#include <kith/pool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 2, AHEAD = 1024 };

/* What a way needs, made before the first turn. */
struct office {
    kith_arena *arena;
    kith_pool *pool;
    kith_queue *there, *back;
    unsigned chunk;
};

static int check(int64_t sum, long count)
{
    return sum == (int64_t)count * (count - 1) / 2 ? 0 : -EILSEQ;
}

/* ---- the tasks ---- */

KITH_ENTRY(same)
{
    return kith_call_return(call, kith_value_at(kith_call_args(call), 0));
}

KITH_ENTRY(same_bytes)
{
    size_t size;
    const void *data = kith_call_bytes(call, &size);
    return kith_call_return_bytes(call, data, size);
}

/* ---- the pool's ways ---- */

static int open_pool(struct office *office)
{
    return kith_pool_new(&office->pool, &(kith_pool_options){ .workers = WORKERS });
}

static int add(int64_t *sum, const kith_value *value)
{
    int64_t number;
    int code = kith_value_as_int(value, &number);
    if (code == 0)
        *sum += number;
    return code;
}

static int map(struct office *office, long count)
{
    kith_arena *arena = office->arena;
    kith_value *items = kith_value_list(arena), *results;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++)
        code = kith_value_append(items, kith_value_int(arena, i));
    if (code == 0)
        code =
            kith_pool_map(office->pool, same, items, arena, &results, &(kith_task_options){ .chunk = office->chunk });
    int64_t sum = 0;
    for (long i = 0; i < count && code == 0; i++)
        code = add(&sum, kith_value_at(results, (size_t)i));
    return code < 0 ? code : check(sum, count);
}

static int sum_bytes(const kith_bytes *results, long count)
{
    int64_t sum = 0, number;
    for (long i = 0; i < count; i++) {
        if (results[i].size != sizeof number)
            return -EILSEQ;
        memcpy(&number, results[i].data, sizeof number);
        sum += number;
    }
    return check(sum, count);
}

static int map_bytes(struct office *office, long count)
{
    size_t many = (size_t)count;
    int64_t *items = calloc(many, sizeof *items);
    kith_message *messages = calloc(many, sizeof *messages);
    kith_bytes *results = calloc(many, sizeof *results);
    int code = items && messages && results ? 0 : -ENOMEM;
    for (long i = 0; i < count && code == 0; i++) {
        items[i] = i;
        messages[i] = (kith_message){ &items[i], sizeof items[i] };
    }
    if (code == 0)
        code = kith_pool_map_bytes(office->pool, same_bytes, messages, many, results,
                                   &(kith_task_options){ .chunk = office->chunk });
    if (code == 0) {
        code = sum_bytes(results, count);
        for (long i = 0; i < count; i++)
            kith_bytes_free(&results[i]);
    }
    free(results);
    free(messages);
    free(items);
    return code;
}

static int submit(struct office *office, kith_result **result, long number)
{
    kith_value *arg = kith_value_int(office->arena, number);
    int code = kith_pool_apply_async(office->pool, result, same, kith_value_tuple(office->arena, &arg, 1), NULL);
    kith_arena_reset(office->arena);
    return code;
}

static int collect(struct office *office, kith_result *result, int64_t *sum)
{
    kith_value *value;
    int code = kith_result_get(result, office->arena, &value, KITH_FOREVER);
    if (code == 0)
        code = add(sum, value);
    kith_result_free(result);
    kith_arena_reset(office->arena);
    return code;
}

static int apply_async(struct office *office, long count)
{
    kith_result *waiting[AHEAD];
    int64_t sum = 0;
    long submitted = 0, collected = 0;
    int code = 0;
    while (collected < count && code == 0) {
        while (submitted < count && submitted - collected < AHEAD && code == 0) {
            code = submit(office, &waiting[submitted % AHEAD], submitted);
            submitted += code == 0;
        }
        if (code == 0)
            code = collect(office, waiting[collected++ % AHEAD], &sum);
    }
    while (collected < submitted)
        kith_result_free(waiting[collected++ % AHEAD]);
    return code < 0 ? code : check(sum, count);
}

struct walk {
    long next, count;
};

static int next_item(void *context, kith_arena *arena, kith_value **args)
{
    struct walk *walk = context;
    if (walk->next == walk->count)
        return 0;
    kith_value *number = kith_value_int(arena, walk->next++);
    *args = kith_value_tuple(arena, &number, 1);
    return *args ? 1 : -ENOMEM;
}

static int sum_imap(struct office *office, kith_imap *imap, int64_t *sum)
{
    kith_value *value;
    int code;
    while ((code = kith_imap_next(imap, office->arena, &value, KITH_FOREVER)) == 0 && (code = add(sum, value)) == 0)
        kith_arena_reset(office->arena);
    return code == KITH_EEMPTY ? 0 : code;
}

static int imap_by(struct office *office, long count, __typeof__(kith_pool_imap) *begin)
{
    struct walk walk = { 0, count };
    kith_imap *imap;
    int64_t sum = 0;
    int code = begin(office->pool, &imap, same, next_item, &walk, &(kith_task_options){ .chunk = office->chunk });
    if (code < 0)
        return code;
    code = sum_imap(office, imap, &sum);
    kith_imap_free(imap);
    return code < 0 ? code : check(sum, count);
}

static int imap(struct office *office, long count)
{
    return imap_by(office, count, kith_pool_imap);
}

static int imap_unordered(struct office *office, long count)
{
    return imap_by(office, count, kith_pool_imap_unordered);
}

/* ---- two bare queues, with the same messages ---- */

static int answer_bytes(void *context)
{
    struct office *office = context;
    int64_t number;
    size_t size;
    int code = 0;
    while (code == 0) {
        code = kith_queue_get(office->there, &number, sizeof number, &size, KITH_FOREVER);
        if (code == 0)
            code = kith_queue_put(office->back, &number, size, KITH_FOREVER);
    }
    return 1;
}

static int answer_values(void *context)
{
    struct office *office = context;
    kith_value *value;
    int code = 0;
    while (code == 0) {
        kith_arena_reset(office->arena);
        code = kith_queue_get_value(office->there, office->arena, &value, KITH_FOREVER);
        if (code == 0)
            code = kith_queue_put_value(office->back, kith_value_at(value, 0), KITH_FOREVER);
    }
    return 1;
}

static int open_queues(struct office *office, kith_process_main answer)
{
    int code = kith_queue_new(&office->there, NULL);
    if (code == 0)
        code = kith_queue_new(&office->back, NULL);
    for (int i = 0; i < WORKERS && code == 0; i++)
        code = kith_process_start(NULL, answer, office, &(kith_process_options){ .daemon = 1 });
    return code;
}

static int open_bytes(struct office *office)
{
    return open_queues(office, answer_bytes);
}

static int open_values(struct office *office)
{
    return open_queues(office, answer_values);
}

static int put_bytes(struct office *office, int64_t number)
{
    return kith_queue_put(office->there, &number, sizeof number, KITH_FOREVER);
}

static int get_bytes(struct office *office, int64_t *sum)
{
    int64_t number = 0;
    size_t size;
    int code = kith_queue_get(office->back, &number, sizeof number, &size, KITH_FOREVER);
    *sum += number;
    return code;
}

static int put_value(struct office *office, int64_t number)
{
    kith_arena_reset(office->arena);
    kith_value *arg = kith_value_int(office->arena, number);
    return kith_queue_put_value(office->there, kith_value_tuple(office->arena, &arg, 1), KITH_FOREVER);
}

static int get_value(struct office *office, int64_t *sum)
{
    kith_value *value;
    kith_arena_reset(office->arena);
    int code = kith_queue_get_value(office->back, office->arena, &value, KITH_FOREVER);
    return code < 0 ? code : add(sum, value);
}

static int exchange(struct office *office, long count, int (*put)(struct office *, int64_t),
                    int (*get)(struct office *, int64_t *))
{
    int64_t sum = 0;
    int code = 0;
    for (long sent = 0, got = 0; got < count && code == 0; got++) {
        while (sent < count && sent - got < AHEAD && code == 0)
            code = put(office, sent++);
        if (code == 0)
            code = get(office, &sum);
    }
    return code < 0 ? code : check(sum, count);
}

static int exchange_bytes(struct office *office, long count)
{
    return exchange(office, count, put_bytes, get_bytes);
}

static int exchange_values(struct office *office, long count)
{
    return exchange(office, count, put_value, get_value);
}

/* ---- which of them ---- */

struct way {
    const char *name;
    int (*open)(struct office *office);
    int (*work)(struct office *office, long count);
    unsigned chunk;
};

static const struct way ways[] = {
    { "map", open_pool, map, 1 },
    { "map-chunks", open_pool, map, 0 },
    { "map-bytes", open_pool, map_bytes, 1 },
    { "map-bytes-chunks", open_pool, map_bytes, 0 },
    { "apply-async", open_pool, apply_async, 1 },
    { "imap", open_pool, imap, 1 },
    { "imap-unordered", open_pool, imap_unordered, 1 },
    { "queues-bytes", open_bytes, exchange_bytes, 1 },
    { "queues-values", open_values, exchange_values, 1 },
};

struct job {
    struct office office;
    const struct way *way;
};

static int work(void *context, long count)
{
    struct job *job = context;
    int code = job->way->work(&job->office, count);
    kith_arena_reset(job->office.arena);
    return code;
}

int main(int argc, char **argv)
{
    const struct way *way = ways, *end = ways + sizeof ways / sizeof *ways;
    while (argc == 2 && way < end && strcmp(way->name, argv[1]) != 0)
        way++;
    if (argc != 2 || way == end) {
        fputs("usage: kith-tasks WAY    reads counts, and prints seconds; pool.py knows the ways\n", stderr);
        return 2;
    }
    struct job job = { { .chunk = way->chunk }, way };
    int code = kith_arena_new(&job.office.arena);
    if (code == 0)
        code = way->open(&job.office);
    if (code == 0)
        code = turns_take(work, &job);
    int status = code < 0 ? turns_fail(way->name, code) : 0;
    kith_pool_free(job.office.pool);
    kith_queue_free(job.office.there);
    kith_queue_free(job.office.back);
    kith_arena_free(job.office.arena);
    return status;
}
