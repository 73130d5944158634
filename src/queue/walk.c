/* Walking: a look at all that is queued, by one who is inside the getters' side, where it stays as it is. */
#include "queue/queue.h"

static int show(struct kith_queue *queue, kith_queue_visit *visit, void *context)
{
    struct queue_shared *shared = queue->chain.shared;
    position at = atomic_load_explicit(&shared->head, memory_order_relaxed);
    /* acquire: pairs with put_commit. */
    position tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    uint32_t lap = atomic_load_explicit(&shared->first, memory_order_relaxed);
    int code = 0;
    while (at != tail && code == 0) {
        lap = chain_lap_at(shared, lap, at);
        char *record = chain_record(&queue->chain, lap, at);
        if (!record)
            return -ENOMEM;
        if (!shared->redeliver || !redeliver_is_done(record))
            code = visit(context, record_data(record), (size_t)record_size(record));
        at = position_after(at, record_units(record_size(record)));
    }
    return code;
}

int kith_queue_walk(kith_queue *queue, kith_queue_visit *visit, void *context)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    if (!visit)
        return error_fail(-EINVAL, "visit is NULL: give the function that is to see the messages");
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = patience_end(queue);
    do /* not in one sleep: getters that wait for a message would leave us asleep among them */
        code = monitor_enter_late(self, &shared->get, &patience);
    while (code == -ETIMEDOUT || code == -EINTR);
    if (code == -EDEADLK)
        return error_fail(code, "this thread has peeked at the queue: release that first");
    if (!entered(code))
        return code;
    monitor_stay(self, &shared->get); /* visit may use other objects */
    code = show(queue, visit, context);
    monitor_resume(self, &shared->get);
    get_leave(self, queue);
    return code;
}
