/* A queue's life, and looks at it from outside. */
#include "queue/queue.h"

#include "os/futex.h"
#include "queue/counts.h"

#include <stdlib.h>

int queue_unusable(const kith_queue *queue)
{
    if (!queue)
        return error_fail(-EINVAL, "queue is NULL");
    return error_fail(KITH_ECLOSED, "this process has closed the queue");
}

/* ---- life ---- */

static int check(const kith_queue_options *options)
{
    if (!options)
        return 0;
    if (options->max_items > KITH_QUEUE_ITEMS_MAX)
        return error_fail(-EINVAL, "max_items %llu: give at most %llu, or 0 for no bound",
                          (unsigned long long)options->max_items, (unsigned long long)KITH_QUEUE_ITEMS_MAX);
    if (options->max_bytes > 0 && options->max_bytes < UNIT)
        return error_fail(-EINVAL, "max_bytes %llu: an empty message counts 8 already",
                          (unsigned long long)options->max_bytes);
    if (options->max_deliveries > (options->redeliver ? KITH_QUEUE_DELIVERIES_MAX : 0))
        return error_fail(-EINVAL, "max_deliveries %u: give at most %d, and together with redeliver",
                          options->max_deliveries, KITH_QUEUE_DELIVERIES_MAX);
    return options->redeliver ? word_can_wait_any() : 0;
}

/** A handle without a queue. @return NULL with the detail */
static kith_queue *handle_new(void)
{
    kith_queue *made = calloc(1, sizeof *made);
    if (!made)
        error_fail(-ENOMEM, "no memory for a queue's handle");
    return made;
}

static int no_queue(void)
{
    return error_fail(-EINVAL, "queue is NULL: give the address of a kith_queue pointer");
}

/** What a call ends with that makes a handle. */
static int handle_finish(kith_queue **queue, kith_queue *made, int code)
{
    if (code < 0) {
        free(made);
        return code;
    }
    *queue = made;
    return 0;
}

int kith_queue_new(kith_queue **queue, const kith_queue_options *options)
{
    if (!queue)
        return no_queue();
    int code = check(options);
    if (code < 0)
        return code;
    if (!word_thread())
        return -ENOTSUP;
    kith_queue *made = handle_new();
    return made ? handle_finish(queue, made, chain_new(&made->chain, options)) : -ENOMEM;
}

int kith_queue_open(kith_queue **queue, const char *name, kith_open how, const kith_queue_options *options)
{
    if (!queue)
        return no_queue();
    int code = how == KITH_OPEN ? 0 : check(options); /* what is there keeps its own */
    if (code < 0)
        return code;
    if (!word_thread())
        return -ENOTSUP;
    kith_queue *made = handle_new();
    return made ? handle_finish(queue, made, chain_open(&made->chain, name, how, options)) : -ENOMEM;
}

int kith_queue_from_fd(kith_queue **queue, int fd)
{
    if (!queue)
        return no_queue();
    if (!word_thread())
        return -ENOTSUP;
    kith_queue *made = handle_new();
    return made ? handle_finish(queue, made, chain_from_fd(&made->chain, fd)) : -ENOMEM;
}

int kith_queue_unlink(const char *name)
{
    return chain_unlink(name);
}

int kith_queue_share_fd(const kith_queue *queue)
{
    int code = queue_usable(queue);
    return code < 0 ? code : queue->chain.object.file;
}

static bool is_owned_by_us(const struct robust_word *word)
{
    uint32_t owner = atomic_load_explicit(&word->value, memory_order_relaxed) & ROBUST_OWNER;
    return owner > 0 && os_thread_is_ours(owner);
}

/** Whether other threads of this process have reserved or peeked through this handle, or have unfinished messages:
 *  these words are on their robust lists, and must stay mapped. */
static bool is_owned_by_others(const struct kith_queue *queue)
{
    const struct queue_shared *shared = queue->chain.shared;
    bool owned = (queue->reserved > 0 && is_owned_by_us(&shared->put.word)) ||
                 (queue->peeked && is_owned_by_us(&shared->get.word));
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_relaxed);
    for (uint32_t seat = 0; seat < high && !owned; seat++)
        owned = is_owned_by_us(&shared->seats[seat]);
    return owned;
}

int kith_queue_close(kith_queue *queue)
{
    if (!queue)
        return error_fail(-EINVAL, "queue is NULL");
    if (queue->closed)
        return 0;
    ready_close(queue);
    hold_close(queue);
    struct os_thread *self = os_thread_self();
    if (self) {
        if (monitor_has(self, &queue->chain.shared->put) && queue->reserved > 0)
            kith_queue_cancel(queue);
        if (monitor_has(self, &queue->chain.shared->get) && queue->peeked)
            kith_queue_release(queue, 0);
        if (queue->chain.shared->redeliver)
            seat_abandon(self, queue);
    }
    chain_close(&queue->chain, !is_owned_by_others(queue));
    queue->closed = true;
    return 0;
}

void kith_queue_free(kith_queue *queue)
{
    if (!queue)
        return;
    kith_queue_close(queue);
    free(queue);
}

/* ---- for others ---- */

void queue_set_patience(kith_queue *queue, int64_t patience)
{
    queue->patience = patience;
}

/* ---- looks ---- */

int kith_queue_qsize(const kith_queue *queue)
{
    int code = queue_usable(queue);
    if (code < 0)
        return code;
    const struct queue_shared *shared = queue->chain.shared;
    const _Atomic position *front = shared->redeliver ? &shared->next : &shared->head;
    position at, tail;
    queue_look_from(shared, front, &at, &tail);
    return (int)items_between(at, tail);
}

int kith_queue_empty(const kith_queue *queue)
{
    int code = queue_usable(queue);
    return code < 0 ? code : is_empty_of_all(queue->chain.shared);
}

int kith_queue_full(const kith_queue *queue)
{
    int code = queue_usable(queue);
    return code < 0 ? code : queue->chain.shared->bounded && !has_room(queue->chain.shared, 1);
}

int kith_queue_get_stats(const kith_queue *queue, kith_queue_stats *stats)
{
    int code = queue_usable(queue);
    if (code < 0)
        return code;
    if (!stats)
        return error_fail(-EINVAL, "stats is NULL");
    struct queue_shared *shared = queue->chain.shared;
    position head, tail;
    uint64_t done = atomic_load_explicit(&shared->done, memory_order_seq_cst);  /* before puts: it is never more */
    uint64_t known = atomic_load_explicit(&shared->puts, memory_order_acquire); /* before the tail, see count_from */
    queue_look(shared, &head, &tail);
    note_depth(shared, head, tail);
    uint64_t puts = count_from(known, tail);
    uint64_t gets = puts - items_between(head, tail);
    *stats = (kith_queue_stats){
        .puts = puts,
        .gets = gets,
        .put_waits = atomic_load_explicit(&shared->put_waits, memory_order_relaxed),
        .get_waits = atomic_load_explicit(&shared->get_waits, memory_order_relaxed),
        .items = (uint64_t)kith_queue_qsize(queue),
        .bytes = units_between(position_units(head), position_units(tail)) * UNIT,
        .unfinished = shared->redeliver ? puts - gets : puts - done,
        .items_high = atomic_load_explicit(&shared->items_high, memory_order_relaxed),
        .bytes_high = atomic_load_explicit(&shared->units_high, memory_order_relaxed) * UNIT,
        .memory = chain_memory(&queue->chain),
        .redelivered = atomic_load_explicit(&shared->redelivered, memory_order_relaxed),
        .poisoned = atomic_load_explicit(&shared->poisoned, memory_order_relaxed),
        .shut = is_shut(shared),
    };
    return 0;
}
