/* Tasks that are handed in one by one. */
#include "pool/submit.h"

#include "pool/pool.h"
#include "process/entry.h"

int submit(struct kith_result *result, struct bundle *bundle, deadline until)
{
    struct kith_pool *pool = result->pool;
    struct load load = { bundle->data, bundle->size, bundle->count };
    pool_lock(pool);
    int code = pool_wait_for_room(pool, until);
    if (code == 0)
        code = ledger_enter(pool, result, result->next_index, &load);
    if (code == 0) {
        result->count += load.count;
        result->next_index += load.count;
        ledger_call(pool);
    } else {
        /* The room that was kept for it is others'. */
        pool_tell_of_room(pool);
        keeper_note_task(pool);
    }
    pool_unlock(pool);
    if (code == 0)
        bundle_clear(bundle);
    return code;
}

/** What a task is given. */
struct given {
    const kith_value *args; /* a tuple, or: */
    bool is_bytes;
    const void *data;
    size_t size;
};

static int check(kith_pool *pool, const struct given *given)
{
    int code = pool_usable(pool);
    if (code < 0)
        return code;
    if (!given->is_bytes)
        return entry_check_args(given->args);
    if (!given->data && given->size > 0)
        return error_fail(-EINVAL, "data is NULL, but size is %zu", given->size);
    return 0;
}

/** Begins a task. @param options  progress is not for one task
 *  @param result  receives the handle */
static int begin(struct kith_result **result, kith_pool *pool, kith_entry *work, const struct given *given,
                 const kith_task_options *options)
{
    kith_task_options own = options ? *options : (kith_task_options){ 0 };
    own.progress = NULL;
    struct bundle bundle = { 0 };
    struct kith_result *made = NULL;
    int code = check(pool, given);
    if (code == 0)
        code = given->is_bytes ? bundle_add_bytes(&bundle, given->data, given->size)
                               : bundle_add_args(&bundle, given->args);
    if (code == 0)
        code = result_new(&made, pool, work, &own, 1, 1, false);
    if (code == 0)
        code = submit(made, &bundle, OS_FOREVER);
    bundle_free(&bundle);
    if (code < 0 && made)
        result_undo(made);
    if (code == 0)
        *result = made;
    return code;
}

static int begin_async(kith_result **result, kith_pool *pool, kith_entry *work, const struct given *given,
                       const kith_task_options *options)
{
    struct kith_result *made;
    int code = begin(&made, pool, work, given, options);
    if (code == 0 && result)
        *result = made;
    else if (code == 0)
        result_release(made);
    return code;
}

/** Begins a task, without anybody to be called, and waits for its end. */
static int begin_and_wait(struct kith_result **result, kith_pool *pool, kith_entry *work, const struct given *given,
                          const kith_task_options *options)
{
    kith_task_options alone = options ? *options : (kith_task_options){ 0 };
    alone.callback = NULL;
    alone.error_callback = NULL;
    int code = pool_usable(pool);
    if (code == 0 && pool_in_callback(pool))
        code = error_fail(-EDEADLK, "a callback can't wait for a task: use kith_pool_apply_async");
    if (code == 0)
        code = begin(result, pool, work, given, &alone);
    if (code < 0)
        return code;
    code = result_wait(*result, RESULT_NO_INDEX, 1, OS_FOREVER);
    if (code < 0) {
        result_cancel(*result);
        result_release(*result);
    }
    return code;
}

int kith_pool_apply(kith_pool *pool, kith_entry *work, const kith_value *args, kith_arena *arena, kith_value **value,
                    const kith_task_options *options)
{
    struct kith_result *result;
    if (value && !arena)
        return error_fail(-EINVAL, "arena is NULL: the value needs one");
    int code = begin_and_wait(&result, pool, work, &(struct given){ .args = args }, options);
    if (code < 0)
        return code;
    code = cell_value(result->cells, arena, value);
    result_release(result);
    return code;
}

int kith_pool_apply_async(kith_pool *pool, kith_result **result, kith_entry *work, const kith_value *args,
                          const kith_task_options *options)
{
    return begin_async(result, pool, work, &(struct given){ .args = args }, options);
}

int kith_pool_apply_bytes(kith_pool *pool, kith_entry *work, const void *data, size_t size, kith_bytes *bytes,
                          const kith_task_options *options)
{
    struct kith_result *result;
    struct given given = { .is_bytes = true, .data = data, .size = size };
    int code = begin_and_wait(&result, pool, work, &given, options);
    if (code < 0)
        return code;
    code = cell_bytes(result->cells, bytes);
    result_release(result);
    return code;
}

int kith_pool_apply_bytes_async(kith_pool *pool, kith_result **result, kith_entry *work, const void *data, size_t size,
                                const kith_task_options *options)
{
    return begin_async(result, pool, work, &(struct given){ .is_bytes = true, .data = data, .size = size }, options);
}
