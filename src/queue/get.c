/* The getters' side: get, get_many, peek and release, take. */
#include "queue/queue.h"

#include <stdlib.h>

/* An idle getter sleeps so long, in nanoseconds, before it gives back the memory of a busy time. */
#define IDLE 1000000000

void get_leave_to_waiter(struct queue_shared *shared)
{
    struct monitor *get = &shared->get;
    if (getters_can_go_on(shared)) {
        monitor_pass(get);
    } else {
        monitor_leave_asleep(get);
        if (getters_can_go_on(shared))
            monitor_notify(get);
    }
}

/** Sleeps until getters can go on, after monitor_retire. @return as word_sleep */
static int get_sleep(struct queue_shared *shared, deadline until)
{
    position seen = atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    return getters_can_go_on(shared) ? 0 : queue_sleep(shared, &shared->get, &shared->tail, seen, until);
}

deadline queue_nap_end(const struct kith_queue *queue, deadline until)
{
    if (!chain_has_grown(&queue->chain))
        return until;
    int64_t idle = os_clock_now() + IDLE;
    return idle < until ? idle : until;
}

/** From inside. */
static void get_release_idle(struct os_thread *self, struct kith_queue *queue)
{
    robust_pending(self, &queue->chain.shared->put.word);
    chain_release_idle(self, &queue->chain);
}

void queue_release_idle(struct kith_queue *queue)
{
    struct os_thread *self = os_thread_self();
    if (self && entered(get_lock(self, queue->chain.shared, DEADLINE_PASSED))) {
        get_release_idle(self, queue);
        get_leave(self, queue);
    }
}

/** From inside: sleeps until there may be a message. @return as monitor_enter */
static int get_wait(struct os_thread *self, struct kith_queue *queue, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    struct monitor *get = &shared->get;
    deadline nap = queue_nap_end(queue, until);
    count_up(&shared->get_waits);
    monitor_retire(self, get);
    int code = shared->redeliver ? redeliver_sleep(shared, NULL, nap) : get_sleep(shared, nap);
    bool idle = code == -ETIMEDOUT && nap != until;
    if (code == 0 || idle) {
        code = get_lock(self, shared, until);
        if (idle && entered(code))
            get_release_idle(self, queue);
        return code;
    }
    robust_pending(self, NULL);
    return code;
}

/** Whether there is a message at the head. */
static inline bool message_seen(struct queue_shared *shared, position head)
{
    if (likely(head != shared->tail_seen))
        return true;
    /* acquire: pairs with put_commit. */
    position tail = shared->tail_seen = atomic_load_explicit(&shared->tail, memory_order_acquire);
    note_depth(shared, head, tail);
    return head != tail;
}

/** From inside: the record that is to be got next, when no more than a look is needed to find it. */
static inline bool get_find_at_once(struct kith_queue *queue, char **record, position *at)
{
    struct queue_shared *shared = queue->chain.shared;
    *at = atomic_load_explicit(&shared->head, memory_order_relaxed);
    if (unlikely(shared->redeliver || !message_seen(shared, *at)))
        return false;
    uint32_t first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    /* acquire: pairs with lap_link. */
    if (unlikely(atomic_load_explicit(&shared->laps[first].end, memory_order_acquire) == position_units(*at)))
        return false;
    *record = chain_record(&queue->chain, first, *at);
    return *record;
}

/** From inside: the record that is to be got next. @return 1; 0 when there is none; -ENOMEM */
static int get_find(struct os_thread *self, struct kith_queue *queue, char **record, position *at)
{
    struct queue_shared *shared = queue->chain.shared;
    if (shared->redeliver)
        return redeliver_find(self, queue, record, at);
    *at = atomic_load_explicit(&shared->head, memory_order_relaxed);
    if (!message_seen(shared, *at))
        return 0;
    chain_follow(&queue->chain);
    *record = chain_record(&queue->chain, atomic_load_explicit(&shared->first, memory_order_relaxed), *at);
    return *record ? 1 : -ENOMEM;
}

/** From inside, with nothing to be got: why there is no use in waiting.
 *  @return KITH_ECLOSED, KITH_EEMPTY, -EAGAIN; 0: wait */
static int get_no_use(struct queue_shared *shared, deadline until)
{
    if (unlikely(is_shut(shared)) && getters_can_go_on(shared)) {
        /* Shut, and drained, unless the last message came before the queue was shut, but after we looked. */
        if (is_empty(shared) && !(shared->redeliver && has_orphans(shared)))
            return error_fail(KITH_ECLOSED, "the queue is shut, and drained");
        return until == DEADLINE_AT_ONCE ? -EAGAIN : 0;
    }
    return deadline_passed(until) ? KITH_EEMPTY : 0;
}

/** What get_enter does when it does not find a message at once. @param code  of its get_lock */
static int get_enter_slowly(struct os_thread *self, struct kith_queue *queue, char **record, position *at,
                            deadline until, int code)
{
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = patience_end(queue);
    bool spun = false;
    for (;;) {
        if (likely(entered(code))) {
            code = get_find(self, queue, record, at);
            if (likely(code == 1))
                return 0;
            if (code == 0)
                code = get_no_use(shared, until);
            if (code != 0) {
                get_leave(self, queue);
                return code;
            }
            if (!spun) {
                spun = true;
                position seen = shared->tail_seen;
                get_leave(self, queue);
                wait_awake(&queue->vigil, &shared->tail, seen);
                code = get_lock(self, shared, until);
            } else {
                code = get_wait(self, queue, until);
            }
        } else if (code == -ETIMEDOUT || code == -EAGAIN) {
            if (!getters_can_go_on(shared))
                return KITH_EEMPTY;
            if (code == -EAGAIN)
                return code;
            code = monitor_enter_late(self, &shared->get, &patience);
        } else if (code == -EDEADLK) {
            return error_fail(code, "this thread has peeked at the queue: release that first");
        } else {
            return code;
        }
    }
}

/** Enters with a message to be got. @return 0: inside; else outside, with the reason */
static inline int get_enter(struct os_thread *self, struct kith_queue *queue, char **record, position *at,
                            deadline until)
{
    int code = get_lock(self, queue->chain.shared, until);
    if (likely(code == 0) && likely(get_find_at_once(queue, record, at)))
        return 0;
    return get_enter_slowly(self, queue, record, at, until, code);
}

/** Where a message is to go. */
struct destination {
    void *data;
    size_t capacity;
    size_t size;   /* of the message, once it is known */
    bool allocate; /* take memory of the message's size */
};

/* Up to so many bytes of a message fit into the nearer caches, with those that are queued. */
#define TOUCH_MAX ((size_t)64 * 1024)

/** Writes to each cache line of a record that was copied out, what is there already. The putter that writes there next
 *  takes the line over from one cache, as it would one of the getter's own. A line that both have only read since it
 *  was written belongs to both, and to take it is three times as slow (docs/design/queue.md). */
static inline void record_touch(char *record, size_t size)
{
    for (size_t at = 0; at == 0 || (at < size && size <= TOUCH_MAX); at += CACHE_LINE) {
        volatile char *line = record + at;
        char there = *line;
        *line = there;
    }
}

static int copy_out(char *record, struct destination *to)
{
    to->size = (size_t)record_size(record);
    if (to->allocate) {
        to->data = malloc(to->size > 0 ? to->size : 1);
        if (!to->data)
            return error_fail(-ENOMEM, "no memory for a message of %zu bytes: it stays in the queue", to->size);
    } else if (to->size > to->capacity) {
        return error_fail(-EMSGSIZE, "the message has %zu bytes, the buffer %zu: it stays in the queue", to->size,
                          to->capacity);
    }
    if (to->size > 0)
        memcpy(to->data, record_data(record), to->size);
    record_touch(record, to->size);
    return 0;
}

/** A call that gets. */
struct getting {
    struct os_thread *self;
    int seat;     /* with redelivery; else 0 */
    char *record; /* what is to be got next */
    position at;
};

/** What a call ends with that has got nothing. */
static int got_nothing(const struct getting *call, struct kith_queue *queue, int code)
{
    if (call->seat > 0 && code != -EDEADLK) /* who has peeked has its seat for that */
        seat_leave(call->self, queue, (uint32_t)call->seat);
    if (code == KITH_EEMPTY)
        ready_settle(queue);
    return code;
}

/** What a call ends with that has got something, outside of the getters' side. */
static inline void got_something(struct kith_queue *queue)
{
    if (unlikely(atomic_load_explicit(&queue->ready, memory_order_relaxed)))
        ready_got(queue);
}

/** Enters with a message to be got, which is not poison. @return as get_enter */
static inline int get_enter_for(struct getting *call, struct kith_queue *queue, deadline until)
{
    int code = get_enter(call->self, queue, &call->record, &call->at, until);
    while (unlikely(call->seat > 0) && code == 0 && is_poison(queue, call->record)) {
        if (until == DEADLINE_AT_ONCE) { /* to hand it over takes who knows how long */
            get_leave(call->self, queue);
            code = -EAGAIN;
            break;
        }
        redeliver_poison(call->self, queue, call->record, (uint32_t)call->seat);
        code = get_enter(call->self, queue, &call->record, &call->at, until);
    }
    return code;
}

/** Begins a call: enters the getters' side with a message to be got. @return 0: inside; else the call's result */
static inline int get_begin(struct getting *call, struct kith_queue *queue, kith_timeout timeout)
{
    deadline until;
    int code = queue_call_at_once(queue, timeout, &until, &call->self);
    if (unlikely(code < 0))
        return code;
    call->seat = 0;
    if (unlikely(queue->chain.shared->redeliver)) {
        call->seat = seat_take(call->self, queue, until);
        if (call->seat < 0)
            return call->seat;
    }
    code = get_enter_for(call, queue, until);
    return likely(code == 0) ? 0 : got_nothing(call, queue, code);
}

/** From inside: moves the head on, which makes room. */
static inline void get_advance(struct os_thread *self, struct kith_queue *queue, position from, position to)
{
    struct queue_shared *shared = queue->chain.shared;
    robust_pending(self, &shared->put.word); /* from the commit on, a putter is owed a wake-up */
    /* The commit. Releases the room: pairs with the acquire in chain_make_room. */
    atomic_exchange_explicit(&shared->head, to, memory_order_seq_cst);
    putters_notify(shared);
    if (unlikely(lap_region(atomic_load_explicit(&shared->first, memory_order_relaxed)) > 0))
        chain_release(self, &queue->chain, from, to);
}

/** From inside: takes the record off the queue. */
static inline void get_commit(const struct getting *call, struct kith_queue *queue)
{
    if (unlikely(call->seat > 0))
        redeliver_take(queue, call->record, call->at, (uint32_t)call->seat);
    else
        get_advance(call->self, queue, call->at, position_after(call->at, record_units(record_size(call->record))));
}

static int get(kith_queue *queue, struct destination *to, kith_timeout timeout)
{
    struct getting call;
    int code = get_begin(&call, queue, timeout);
    if (unlikely(code < 0))
        return code;
    code = copy_out(call.record, to);
    if (likely(code == 0))
        get_commit(&call, queue);
    get_leave(call.self, queue);
    if (unlikely(code < 0))
        return got_nothing(&call, queue, code);
    got_something(queue);
    return 0;
}

int kith_queue_get(kith_queue *queue, void *buffer, size_t capacity, size_t *size, kith_timeout timeout)
{
    if (unlikely(!size || (!buffer && capacity > 0)))
        return error_fail(-EINVAL, "%s is NULL", !size ? "size" : "buffer");
    struct destination to = { .data = buffer, .capacity = capacity };
    int code = get(queue, &to, timeout);
    if (code == 0 || code == -EMSGSIZE)
        *size = to.size;
    return code;
}

int kith_queue_get_bytes(kith_queue *queue, kith_bytes *message, kith_timeout timeout)
{
    if (unlikely(!message))
        return error_fail(-EINVAL, "message is NULL");
    struct destination to = { .allocate = true };
    int code = get(queue, &to, timeout);
    if (code == 0)
        *message = (kith_bytes){ to.data, to.size };
    return code;
}

/* ---- many at once ---- */

/** What has been got so far, and what is left of the buffer. */
struct batch {
    char *buffer;
    size_t capacity;
    size_t *sizes;
    unsigned count; /* room in sizes */
    unsigned done;
};

/** Copies a record to the batch. @return false when it does not fit */
static bool batch_add(struct batch *batch, char *record)
{
    size_t size = (size_t)record_size(record);
    size_t room = (size + UNIT - 1) / UNIT * UNIT; /* the next one begins at a multiple of 8 */
    if (size > batch->capacity) {
        if (batch->done == 0)
            batch->sizes[0] = size;
        return false;
    }
    batch->sizes[batch->done++] = size;
    if (size > 0) {
        size_t used = room < batch->capacity ? room : batch->capacity;
        memcpy(batch->buffer, record_data(record), size);
        batch->buffer += used;
        batch->capacity -= used;
    }
    record_touch(record, size);
    return true;
}

/** From inside: gets the records that lie behind one another in one lap. @return false when the next does not fit */
static bool get_run(struct getting *call, struct kith_queue *queue, struct batch *batch)
{
    struct queue_shared *shared = queue->chain.shared;
    position from = call->at;
    uint32_t first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&shared->laps[first].end, memory_order_acquire);
    bool fits = true;
    while (batch->done < batch->count && call->at != shared->tail_seen && position_units(call->at) != end) {
        fits = batch_add(batch, call->record);
        if (!fits)
            break;
        uint64_t units = record_units(record_size(call->record));
        call->record += units * UNIT;
        call->at = position_after(call->at, units);
    }
    if (call->at != from)
        get_advance(call->self, queue, from, call->at);
    return fits;
}

/** From inside: gets one of those that are redelivered. @return false when it does not fit, or is poison */
static bool get_one(const struct getting *call, struct kith_queue *queue, struct batch *batch)
{
    if (is_poison(queue, call->record) || !batch_add(batch, call->record))
        return false;
    get_commit(call, queue);
    return true;
}

int kith_queue_get_many(kith_queue *queue, void *buffer, size_t capacity, size_t *sizes, unsigned count,
                        kith_timeout timeout)
{
    if (!sizes || (!buffer && capacity > 0))
        return error_fail(-EINVAL, "%s is NULL", sizes ? "buffer" : "sizes");
    if (count == 0 || count > INT32_MAX)
        return error_fail(-EINVAL, "a count of %u: give 1 to %d", count, INT32_MAX);
    struct getting call;
    int code = get_begin(&call, queue, timeout);
    if (code < 0)
        return code;
    struct batch batch = { .buffer = buffer, .capacity = capacity, .sizes = sizes, .count = count };
    bool more = true;
    while (more && batch.done < count && (batch.done == 0 || get_find(call.self, queue, &call.record, &call.at) == 1))
        more = call.seat == 0 ? get_run(&call, queue, &batch) : get_one(&call, queue, &batch);
    get_leave(call.self, queue);
    if (batch.done > 0) {
        got_something(queue);
        return (int)batch.done;
    }
    return got_nothing(
        &call, queue,
        error_fail(-EMSGSIZE, "the message has %zu bytes, the buffer %zu: it stays in the queue", sizes[0], capacity));
}

/* ---- in place ---- */

int kith_queue_peek(kith_queue *queue, const void **data, size_t *size, kith_timeout timeout)
{
    if (!data || !size)
        return error_fail(-EINVAL, "%s is NULL", data ? "size" : "data");
    struct getting call;
    int code = get_begin(&call, queue, timeout);
    if (code < 0)
        return code;
    *data = record_data(call.record);
    *size = (size_t)record_size(call.record);
    queue->peeked = call.record;
    queue->peeked_at = call.at;
    monitor_stay(call.self, &queue->chain.shared->get);
    return 0;
}

int kith_queue_release(kith_queue *queue, int take)
{
    deadline until;
    struct getting call = { .seat = 0 };
    int code = queue_call(queue, KITH_NOWAIT, &until, &call.self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    if (!monitor_has(call.self, &shared->get) || !queue->peeked)
        return error_fail(-EPERM, "this thread has not peeked at the queue");
    if (shared->redeliver)
        call.seat = seat_of(call.self, shared); /* peek has taken it, and closing another handle gives it up */
    bool refused = take && shared->redeliver && call.seat == 0;
    monitor_resume(call.self, &shared->get);
    /* Not what is next by now: what another getter had that died meanwhile would come first. */
    call.record = queue->peeked;
    call.at = queue->peeked_at;
    queue->peeked = NULL;
    record_touch(call.record, 0); /* of the message we do not know what was read */
    if (take && !refused)
        get_commit(&call, queue);
    get_leave(call.self, queue);
    if (refused)
        return error_fail(-EPERM, "this thread has closed another handle of the queue since it peeked: peek again");
    if (!take)
        return got_nothing(&call, queue, 0);
    got_something(queue);
    return 0;
}

int kith_queue_take(kith_queue *queue, const void **data, size_t *size, kith_timeout timeout)
{
    if (!data || !size)
        return error_fail(-EINVAL, "%s is NULL", data ? "size" : "data");
    deadline until;
    struct getting call;
    struct hold *hold;
    int code = queue_call_at_once(queue, timeout, &until, &call.self);
    if (code == 0 && !queue->chain.shared->redeliver)
        code = error_fail(-EPERM, "the queue does not redeliver: make it with redeliver, or get, or peek");
    if (code == 0)
        code = hold_of(queue, until, &hold);
    if (code < 0)
        return code;
    call.seat = (int)hold_seat(hold);
    code = get_enter_for(&call, queue, until);
    if (code == 0) {
        code = hold_add(hold, call.record);
        if (code == 0) {
            *data = record_data(call.record);
            *size = (size_t)record_size(call.record);
            get_commit(&call, queue);
        }
        get_leave(call.self, queue);
    }
    call.seat = 0; /* the hold keeps it */
    if (code < 0)
        return got_nothing(&call, queue, code);
    got_something(queue);
    return 0;
}
