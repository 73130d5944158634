/* The putters' side: put, put_many, reserve and commit. */
#include "queue/queue.h"

/* For so long, in nanoseconds, a large message may have smaller ones wait for the room that it needs. */
#define TURN 1000000000

/** Leaves, when somebody waits: wakes who can go on. */
static void put_leave_to_waiter(struct queue_shared *shared)
{
    struct monitor *put = &shared->put;
    /* Those who waited for the lock alone have not said what they need. */
    if (!atomic_load_explicit(&put->asleep, memory_order_relaxed))
        atomic_store_explicit(&shared->need, 1, memory_order_relaxed);
    if (putters_can_go_on(shared)) {
        monitor_pass(put);
    } else {
        monitor_leave_asleep(put);
        if (putters_can_go_on(shared))
            monitor_notify(put);
    }
}

static inline void put_leave(struct os_thread *self, struct queue_shared *shared)
{
    if (unlikely(!monitor_leave(self, &shared->put)))
        put_leave_to_waiter(shared);
    robust_pending(self, NULL);
}

/** Whether sleeping putters may need more room one than the other. */
static inline bool is_bounded_in_bytes(const struct queue_shared *shared)
{
    return shared->max_units < QUEUE_UNITS_MAX;
}

static deadline turn_end(deadline until)
{
    int64_t soon = os_clock_now() + TURN;
    return soon < until ? soon : until;
}

/** Enters, a turn at a time. @param code  of the first attempt */
static int put_lock_by_turns(struct os_thread *self, struct queue_shared *shared, deadline until, int code)
{
    while (code == -ETIMEDOUT && !deadline_passed(until))
        code = monitor_enter(self, &shared->put, turn_end(until));
    return code;
}

/** Enters the putters' side. Waits as monitor_enter. Who sleeps for the lock alone may be left asleep with those who
 *  wait for more room than it needs (sync/word.h): so, in a queue that is bounded in bytes, no
 *  longer than a turn. */
static inline int put_lock(struct os_thread *self, struct queue_shared *shared, deadline until)
{
    if (likely(!is_bounded_in_bytes(shared)))
        return monitor_enter(self, &shared->put, until);
    int code = monitor_enter(self, &shared->put, first_attempt(until));
    return likely(code == 0) ? 0 : put_lock_by_turns(self, shared, until, code);
}

/** From inside: says how much room this putter is about to sleep for. @return whether others sleep for more */
static bool put_say_need(struct queue_shared *shared, uint64_t units)
{
    bool others = atomic_load_explicit(&shared->put.asleep, memory_order_relaxed);
    uint64_t need = atomic_load_explicit(&shared->need, memory_order_relaxed);
    if (others && units <= need)
        return units < need;
    /* The others must know that from now on somebody needs more than they. Before, so that no death comes in between;
     * they come in when we have gone. */
    if (others)
        os_futex_wake(&shared->put.word.value, INT32_MAX);
    atomic_store_explicit(&shared->need, units, memory_order_relaxed);
    return false;
}

/** From inside: sleeps until there may be room. @return as monitor_enter */
static int put_wait(struct os_thread *self, struct queue_shared *shared, uint64_t units, deadline until)
{
    struct monitor *put = &shared->put;
    deadline turn = put_say_need(shared, units) ? turn_end(until) : until;
    count_up(&shared->put_waits);
    monitor_retire(self, put);
    position seen = atomic_load_explicit(&shared->head, memory_order_seq_cst);
    int code = putters_can_go_on(shared) ? 0 : queue_sleep(shared, put, &shared->head, seen, turn);
    bool over = code == -ETIMEDOUT && turn != until;
    if (code == 0 || over) {
        code = put_lock(self, shared, until);
        /* Who needed more had its turn, or is gone. If not, it says so again when it is woken. */
        if (over && entered(code))
            atomic_store_explicit(&shared->need, units, memory_order_relaxed);
        return code;
    }
    robust_pending(self, NULL);
    return code;
}

/** From inside: whether there is room at the tail for certain. */
static inline bool put_room_seen(const struct queue_shared *shared, uint64_t units)
{
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    return units <= units_between(position_units(tail), shared->limit) &&
           items_between(shared->head_seen, tail) < shared->max_items;
}

/** From inside: makes sure of room at the tail. @return 0; KITH_ECLOSED; as chain_make_room */
static int put_room(struct kith_queue *queue, uint64_t units)
{
    struct queue_shared *shared = queue->chain.shared;
    if (put_room_seen(shared, units))
        return 0;
    if (is_shut(shared)) /* who shut it took the room away */
        return error_fail(KITH_ECLOSED, "the queue is shut: nothing can be put any more");
    int code = chain_make_room(&queue->chain, units);
    if (code == KITH_EFULL && !shared->bounded)
        return error_fail(-ENOSPC, "the queue holds all that a queue can hold");
    return code;
}

/** What put_enter does when it does not find room at once. @param code  of its monitor_enter */
static int put_enter_slowly(struct os_thread *self, struct kith_queue *queue, uint64_t units, deadline until, int code)
{
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = patience_end(queue);
    bool spun = false;
    for (;;) {
        if (entered(code)) {
            code = put_room(queue, units);
            if (code == 0)
                return 0;
            if (code != KITH_EFULL || deadline_passed(until)) {
                put_leave(self, shared);
                return code;
            }
            if (!spun) {
                spun = true;
                position seen = shared->head_seen;
                put_leave(self, shared);
                wait_awake(&queue->vigil, &shared->head, seen);
                code = put_lock(self, shared, until);
            } else {
                code = put_wait(self, shared, units, until);
            }
        } else if (code == -ETIMEDOUT || code == -EAGAIN) {
            if (shared->bounded && !has_room(shared, units))
                return KITH_EFULL;
            if (code == -EAGAIN)
                return code;
            code = monitor_enter_late(self, &shared->put, &patience);
        } else if (code == -EDEADLK) {
            return error_fail(code, "this thread has reserved room in the queue: commit or cancel that first");
        } else {
            return code;
        }
    }
}

/** Enters with room at the tail. @return 0: inside; else outside, with the reason */
static inline int put_enter(struct os_thread *self, struct kith_queue *queue, uint64_t units, deadline until)
{
    int code = put_lock(self, queue->chain.shared, until);
    if (likely(code == 0 && put_room_seen(queue->chain.shared, units)))
        return 0;
    return put_enter_slowly(self, queue, units, until, code);
}

/** @return 0, or why this queue can never hold such a message */
static inline int size_check(const struct queue_shared *shared, const void *data, size_t size)
{
    if (unlikely(!data && size > 0))
        return error_fail(-EINVAL, "data is NULL");
    if (unlikely(size > PTRDIFF_MAX))
        return error_fail(-EINVAL, "a size of %zu bytes: is it a negative number?", size);
    uint64_t units = record_units(size);
    if (unlikely(size > KITH_QUEUE_MESSAGE_MAX || units > shared->max_units))
        return error_fail(-EMSGSIZE, "a message of %zu bytes counts %llu, and this queue holds %llu", size,
                          (unsigned long long)(units * UNIT), (unsigned long long)(shared->max_units * UNIT));
    return 0;
}

/** From inside: makes what was written before a position the queue's, and wakes a getter. */
static inline void put_commit(struct os_thread *self, struct queue_shared *shared, position tail)
{
    robust_pending(self, &shared->get.word); /* from the commit on, a getter is owed a wake-up */
    /* The commit. Releases the records: pairs with the acquire in message_seen. */
    atomic_exchange_explicit(&shared->tail, tail, memory_order_seq_cst);
    monitor_notify(&shared->get);
}

int kith_queue_put(kith_queue *queue, const void *data, size_t size, kith_timeout timeout)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call_at_once(queue, timeout, &until, &self);
    if (unlikely(code < 0))
        return code;
    struct queue_shared *shared = queue->chain.shared;
    code = size_check(shared, data, size);
    if (unlikely(code < 0))
        return code;
    uint64_t units = record_units(size);
    code = put_enter(self, queue, units, until);
    if (unlikely(code < 0))
        return code;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    char *record = chain_record(&queue->chain, shared->last, tail);
    if (likely(record)) {
        record_write(record, data, size);
        put_commit(self, shared, position_after(tail, units));
    } else {
        code = -ENOMEM;
    }
    put_leave(self, shared);
    return code;
}

/* ---- many at once ---- */

/** From inside, with room for the first: puts as many as there is room for without a look at the head. @return how
 *  many; or -ENOMEM */
static int put_run(struct os_thread *self, struct kith_queue *queue, const kith_message *messages, unsigned count)
{
    struct queue_shared *shared = queue->chain.shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    char *record = chain_record(&queue->chain, shared->last, tail);
    if (unlikely(!record))
        return -ENOMEM;
    uint64_t room = units_between(position_units(tail), shared->limit);
    uint64_t items = shared->max_items - items_between(shared->head_seen, tail);
    unsigned done = 0;
    while (done < count && done < items) {
        uint64_t units = record_units(messages[done].size);
        if (units > room)
            break;
        record_write(record, messages[done].data, messages[done].size);
        record += units * UNIT;
        room -= units;
        tail = position_after(tail, units);
        done++;
    }
    put_commit(self, shared, tail);
    return (int)done;
}

int kith_queue_put_many(kith_queue *queue, const kith_message *messages, unsigned count, kith_timeout timeout)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call_at_once(queue, timeout, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    if (!messages || count == 0 || count > INT32_MAX)
        return error_fail(-EINVAL, messages ? "a count of %u: give 1 to %d" : "messages is NULL", count, INT32_MAX);
    for (unsigned i = 0; i < count && code == 0; i++)
        code = size_check(shared, messages[i].data, messages[i].size);
    unsigned done = 0;
    while (done < count && code >= 0) {
        code = put_enter(self, queue, record_units(messages[done].size), until);
        if (code < 0)
            break;
        do {
            code = put_run(self, queue, messages + done, count - done);
            done += code > 0 ? (unsigned)code : 0;
        } while (code > 0 && done < count && put_room(queue, record_units(messages[done].size)) == 0);
        put_leave(self, shared);
    }
    return done > 0 ? (int)done : code;
}

/* ---- in place ---- */

/** Whether this thread has reserved room through this handle. */
static bool has_reserved(const struct os_thread *self, const struct kith_queue *queue)
{
    return monitor_has(self, &queue->chain.shared->put) && queue->reserved > 0;
}

int kith_queue_reserve(kith_queue *queue, size_t size, void **data, kith_timeout timeout)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call_at_once(queue, timeout, &until, &self);
    if (code < 0)
        return code;
    if (!data)
        return error_fail(-EINVAL, "data is NULL: give the address of a pointer");
    struct queue_shared *shared = queue->chain.shared;
    code = size_check(shared, "", size);
    if (code < 0)
        return code;
    code = put_enter(self, queue, record_units(size), until);
    if (code < 0)
        return code;
    char *record = chain_record(&queue->chain, shared->last, atomic_load_explicit(&shared->tail, memory_order_relaxed));
    if (!record) {
        put_leave(self, shared);
        return -ENOMEM;
    }
    queue->reserved = record_units(size);
    monitor_stay(self, &shared->put);
    *data = record_data(record);
    return 0;
}

/** What a commit and a cancel begin with. @return 0: inside as after put_enter */
static int reservation_end(struct os_thread *self, kith_queue *queue)
{
    if (!has_reserved(self, queue))
        return error_fail(-EPERM, "this thread has reserved no room in the queue");
    queue->reserved = 0;
    monitor_resume(self, &queue->chain.shared->put);
    return 0;
}

int kith_queue_commit(kith_queue *queue, size_t size)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    if (has_reserved(self, queue) && (size > KITH_QUEUE_MESSAGE_MAX || record_units(size) > queue->reserved))
        return error_fail(-EMSGSIZE, "%zu bytes are more than were reserved", size);
    code = reservation_end(self, queue);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    record_begin(chain_record(&queue->chain, shared->last, tail), size);
    put_commit(self, shared, position_after(tail, record_units(size)));
    put_leave(self, shared);
    return 0;
}

int kith_queue_cancel(kith_queue *queue)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code == 0)
        code = reservation_end(self, queue);
    if (code == 0)
        put_leave(self, queue->chain.shared);
    return code;
}

/* ---- the end of putting ---- */

int kith_queue_shut(kith_queue *queue)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = patience_end(queue);
    do /* not in one sleep: putters that wait for room would leave us asleep among them */
        code = monitor_enter_late(self, &shared->put, &patience);
    while (code == -ETIMEDOUT || code == -EINTR);
    if (code == -EDEADLK)
        return error_fail(code, "this thread has reserved room in the queue: commit or cancel that first");
    if (!entered(code))
        return code;
    robust_pending(self, &shared->get.word); /* getters are owed a wake-up; putters get theirs as we leave */
    shared->limit =
        position_units(atomic_load_explicit(&shared->tail, memory_order_relaxed)); /* putters look closely */
    atomic_store_explicit(&shared->shut, 1, memory_order_seq_cst);
    monitor_notify(&shared->get);
    put_leave(self, shared);
    return 0;
}
