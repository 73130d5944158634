/* The queue: one side for putters, one for getters, and how they wait for each other.
 *
 * Each side is a monitor: its lock makes one putter, or one getter, at a time; its condition is room, or messages. The
 * one who is inside works on the ring (ring.h) and commits by one store of its position, then notifies the other side.
 *
 * From its commit on, a caller owes the other side a wake-up. That debt is in the thread's slot, while its own side is
 * on the thread's list: so whatever kills it, the kernel releases the side, and wakes a sleeper of the other. */
#include <kith/queue.h>

#include "queue/chain.h"

#include <stdlib.h>

struct kith_queue {
    struct chain chain;
    bool closed;
    _Atomic int spins, stride; /* how long to wait awake, and how closely to look: this process's experience */
};

/* Waiting for the other side spins for so many pauses, about 15 ns each, and looks at its position every so many of
 * them. */
enum { SPINS_MIN = 10, SPINS_MAX = 2000, LONG_SPIN_EVERY = 16, STRIDE_MAX = 128, AT_ONCE = 8, YIELDS = 8 };

/* An idle getter sleeps so long, in nanoseconds, before it gives back the memory of a busy time. */
#define IDLE 1000000000

/* ---- conditions: looked at from anywhere; seq_cst as sync/word.h asks for ---- */

/** The head and the tail at one instant. */
static void look(const struct queue_shared *shared, position *head, position *tail)
{
    do {
        *head = atomic_load_explicit(&shared->head, memory_order_seq_cst);
        *tail = atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    } while (*head != atomic_load_explicit(&shared->head, memory_order_seq_cst));
}

static bool is_empty(const struct queue_shared *shared)
{
    /* Positions only grow: if the tail is now where the head was, it was there then, too. */
    position head = atomic_load_explicit(&shared->head, memory_order_seq_cst);
    return head == atomic_load_explicit(&shared->tail, memory_order_seq_cst);
}

/** @param head  receives the head at which that is so or not */
static bool has_room_seen(const struct queue_shared *shared, uint64_t units, position *head)
{
    position tail;
    look(shared, head, &tail);
    return items_between(*head, tail) < shared->max_items &&
           units_between(position_units(*head), position_units(tail)) + units <= shared->max_units;
}

static bool has_room(const struct queue_shared *shared, uint64_t units)
{
    position head;
    return has_room_seen(shared, units, &head);
}

/** What sleeping putters wait for. */
static bool has_room_for_sleepers(const struct queue_shared *shared)
{
    return has_room(shared, atomic_load_explicit(&shared->need, memory_order_relaxed));
}

/* ---- waiting ---- */

/** How many messages the other side has moved on by. */
static uint64_t moved_by(const _Atomic position *other, position seen)
{
    return items_between(seen, atomic_load_explicit(other, memory_order_relaxed));
}

/** Looks at the other side's position every so many pauses, as long as that has paid before.
 *
 *  How often it looks is learnt, too. If the other side moves on at once, sooner than it could have answered us, or by
 *  several messages, it is in full flow, and every look takes the line with its position away from it: so the next look
 *  is later, and finds more. If not, somebody may be waiting for an answer, and the looks are closer. */
static bool spin_while(struct kith_queue *queue, const _Atomic position *other, position seen)
{
    static _Thread_local unsigned waits;
    int usual = atomic_load_explicit(&queue->spins, memory_order_relaxed);
    if (usual == 0) /* one CPU: the other side can't move on while we spin */
        return false;
    int stride = atomic_load_explicit(&queue->stride, memory_order_relaxed);
    int rounds =
        ++waits % LONG_SPIN_EVERY == 0 ? SPINS_MAX : usual; /* now and then, to see whether it would pay again */
    int waited = 0;
    uint64_t moved = 0;
    do {
        for (int i = 0; i < stride; i++)
            os_cpu_relax();
        waited += stride;
        moved = moved_by(other, seen);
    } while (!moved && waited < rounds);
    usual = moved ? usual * 2 : usual / 2;
    usual = usual < SPINS_MIN ? SPINS_MIN : usual > SPINS_MAX ? SPINS_MAX : usual;
    atomic_store_explicit(&queue->spins, usual, memory_order_relaxed);
    bool in_flow = moved && (waited <= AT_ONCE || (waited == stride && moved > 1));
    stride = in_flow ? stride * 2 : stride / 2;
    stride = stride < 1 ? 1 : stride > STRIDE_MAX ? STRIDE_MAX : stride;
    atomic_store_explicit(&queue->stride, stride, memory_order_relaxed);
    return moved > 0;
}

/** Waits a little, awake, for the other side to move on: sleeping and being woken takes longer than many a message. First
 *  in the hope that it runs on another CPU, then in the hope that it is waiting for this one. */
static void wait_awake(struct kith_queue *queue, const _Atomic position *other, position seen)
{
    if (spin_while(queue, other, seen))
        return;
    for (int i = 0; i < YIELDS && !moved_by(other, seen); i++)
        os_thread_yield();
}

static bool entered(int code)
{
    return code == 0 || code == KITH_EOWNERDEAD; /* a dead owner has left nothing half done */
}

/* ---- the putters' side ---- */

static void put_leave(struct os_thread *self, struct queue_shared *shared)
{
    struct monitor *put = &shared->put;
    if (unlikely(!monitor_leave(self, put))) {
        /* Those who waited for the lock alone have not said what they need. */
        if (!atomic_load_explicit(&put->asleep, memory_order_relaxed))
            atomic_store_explicit(&shared->need, 1, memory_order_relaxed);
        if (has_room_for_sleepers(shared)) {
            monitor_pass(put);
        } else {
            monitor_leave_asleep(put);
            if (has_room_for_sleepers(shared))
                monitor_notify(put);
        }
    }
    robust_pending(self, NULL);
}

/** From inside: sleeps until there may be room. @return as monitor_enter */
static int put_wait(struct os_thread *self, struct queue_shared *shared, uint64_t units, deadline until)
{
    struct monitor *put = &shared->put;
    uint64_t need = atomic_load_explicit(&shared->need, memory_order_relaxed);
    if (units > need || !atomic_load_explicit(&put->asleep, memory_order_relaxed))
        atomic_store_explicit(&shared->need, units, memory_order_relaxed);
    monitor_retire(self, put);
    position head;
    bool room = has_room_seen(shared, atomic_load_explicit(&shared->need, memory_order_relaxed), &head);
    int code = room ? 0 : monitor_sleep(put, position_half(&shared->head), (uint32_t)head, until);
    if (code == 0)
        return monitor_enter(self, put, until);
    robust_pending(self, NULL);
    return code;
}

static int put_room(struct kith_queue *queue, uint64_t units)
{
    struct queue_shared *shared = queue->chain.shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    if (likely(units <= units_between(position_units(tail), shared->limit) &&
               items_between(shared->head_seen, tail) < shared->max_items))
        return 0;
    return chain_make_room(&queue->chain, units);
}

/** Enters with room at the tail. @return 0: inside; else outside, with the reason */
static int put_enter(struct os_thread *self, struct kith_queue *queue, uint64_t units, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = 0;
    bool spun = false;
    int code = monitor_enter(self, &shared->put, until);
    for (;;) {
        if (likely(entered(code))) {
            code = put_room(queue, units);
            if (likely(code == 0))
                return 0;
            if (code == KITH_EFULL && !shared->bounded)
                code = error_fail(-ENOSPC, "the queue holds all that a queue can hold");
            if (code != KITH_EFULL || deadline_passed(until)) {
                put_leave(self, shared);
                return code;
            }
            if (!spun) {
                spun = true;
                position seen = shared->head_seen;
                put_leave(self, shared);
                wait_awake(queue, &shared->head, seen);
                code = monitor_enter(self, &shared->put, until);
            } else {
                code = put_wait(self, shared, units, until);
            }
        } else if (code == -ETIMEDOUT) {
            if (shared->bounded && !has_room(shared, units))
                return KITH_EFULL;
            code = monitor_enter_late(self, &shared->put, &patience);
        } else {
            return code;
        }
    }
}

int kith_queue_put(kith_queue *queue, const void *data, size_t size, kith_timeout timeout)
{
    if (unlikely(!queue || (!data && size > 0)))
        return error_fail(-EINVAL, "%s is NULL", queue ? "data" : "queue");
    if (unlikely(queue->closed))
        return error_fail(KITH_ECLOSED, "this process has closed the queue");
    deadline until;
    int code = deadline_from(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct queue_shared *shared = queue->chain.shared;
    if (unlikely(size > PTRDIFF_MAX))
        return error_fail(-EINVAL, "a size of %zu bytes: is it a negative number?", size);
    uint64_t units = record_units(size);
    if (unlikely(size > KITH_QUEUE_MESSAGE_MAX || units > shared->max_units))
        return error_fail(-EMSGSIZE, "a message of %zu bytes counts %llu, and this queue holds %llu", size,
                          (unsigned long long)(units * UNIT), (unsigned long long)(shared->max_units * UNIT));

    code = put_enter(self, queue, units, until);
    if (unlikely(code < 0))
        return code;
    char *memory = ring_memory(&queue->chain, shared->last);
    if (unlikely(!memory)) {
        put_leave(self, shared);
        return -ENOMEM;
    }
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    record_write(ring_record(&queue->chain, shared->last, memory, tail), data, size);
    robust_pending(self, &shared->get.word); /* from the commit on, a getter is owed a wake-up */
    /* The commit. Releases the record: pairs with the acquire in message_seen. */
    atomic_exchange_explicit(&shared->tail, position_after(tail, units), memory_order_seq_cst);
    monitor_notify(&shared->get);
    put_leave(self, shared);
    return 0;
}

/* ---- the getters' side ---- */

static void get_leave(struct os_thread *self, struct queue_shared *shared)
{
    struct monitor *get = &shared->get;
    if (unlikely(!monitor_leave(self, get))) {
        if (!is_empty(shared)) {
            monitor_pass(get);
        } else {
            monitor_leave_asleep(get);
            if (!is_empty(shared))
                monitor_notify(get);
        }
    }
    robust_pending(self, NULL);
}

/** From inside: sleeps until there may be a message. @return as monitor_enter */
static int get_wait(struct os_thread *self, struct kith_queue *queue, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    struct monitor *get = &shared->get;
    deadline nap = until;
    if (unlikely(atomic_load_explicit(&shared->first, memory_order_relaxed) > 0)) {
        int64_t idle = os_clock_now() + IDLE;
        nap = idle < until ? idle : until;
    }
    monitor_retire(self, get);
    position head = atomic_load_explicit(&shared->head, memory_order_seq_cst);
    position tail = atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    int code = head == tail ? monitor_sleep(get, position_half(&shared->tail), (uint32_t)tail, nap) : 0;
    bool idle = code == -ETIMEDOUT && nap != until;
    if (code == 0 || idle) {
        code = monitor_enter(self, get, until);
        if (idle && entered(code)) {
            robust_pending(self, &shared->put.word);
            chain_release_idle(self, &queue->chain);
        }
        return code;
    }
    robust_pending(self, NULL);
    return code;
}

static bool message_seen(struct queue_shared *shared)
{
    position head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    if (likely(head != shared->tail_seen))
        return true;
    /* acquire: pairs with the commit of kith_queue_put. */
    shared->tail_seen = atomic_load_explicit(&shared->tail, memory_order_acquire);
    return head != shared->tail_seen;
}

/** Enters with a message at the head. @return 0: inside; else outside, with the reason */
static int get_enter(struct os_thread *self, struct kith_queue *queue, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = 0;
    bool spun = false;
    int code = monitor_enter(self, &shared->get, until);
    for (;;) {
        if (likely(entered(code))) {
            if (likely(message_seen(shared)))
                return 0;
            if (deadline_passed(until)) {
                get_leave(self, shared);
                return KITH_EEMPTY;
            }
            if (!spun) {
                spun = true;
                position seen = shared->tail_seen;
                get_leave(self, shared);
                wait_awake(queue, &shared->tail, seen);
                code = monitor_enter(self, &shared->get, until);
            } else {
                code = get_wait(self, queue, until);
            }
        } else if (code == -ETIMEDOUT) {
            if (is_empty(shared))
                return KITH_EEMPTY;
            code = monitor_enter_late(self, &shared->get, &patience);
        } else {
            return code;
        }
    }
}

/** Where a message is to go. */
struct destination {
    void *data;
    size_t capacity;
    size_t size;   /* of the message, once it is known */
    bool allocate; /* take memory of the message's size */
};

static int copy_out(const char *record, struct destination *to)
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
    return 0;
}

/** From inside: copies the message at the head out. @return 0, or the reason why it stays where it is */
static int get_copy(struct kith_queue *queue, struct destination *to)
{
    struct queue_shared *shared = queue->chain.shared;
    position head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    uint32_t first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    /* acquire: pairs with ring_link. */
    if (unlikely(atomic_load_explicit(&shared->rings[first].end, memory_order_acquire) == position_units(head))) {
        chain_follow(&queue->chain);
        first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    }
    char *memory = ring_memory(&queue->chain, first);
    if (unlikely(!memory))
        return -ENOMEM;
    return copy_out(ring_record(&queue->chain, first, memory, head), to);
}

/** From inside: takes the message at the head off the queue. */
static void get_commit(struct os_thread *self, struct kith_queue *queue, size_t size)
{
    struct queue_shared *shared = queue->chain.shared;
    position from = atomic_load_explicit(&shared->head, memory_order_relaxed);
    position to = position_after(from, record_units(size));
    robust_pending(self, &shared->put.word); /* from the commit on, a putter is owed a wake-up */
    /* The commit. Releases the room: pairs with the acquire in chain_make_room. */
    atomic_exchange_explicit(&shared->head, to, memory_order_seq_cst);
    if (unlikely(atomic_load_explicit(&shared->put.asleep, memory_order_seq_cst)) && has_room_for_sleepers(shared))
        monitor_notify(&shared->put);
    if (unlikely(atomic_load_explicit(&shared->first, memory_order_relaxed) > 0))
        chain_release(self, &queue->chain, from, to);
}

static int get(kith_queue *queue, struct destination *to, kith_timeout timeout)
{
    if (unlikely(queue->closed))
        return error_fail(KITH_ECLOSED, "this process has closed the queue");
    deadline until;
    int code = deadline_from(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    code = get_enter(self, queue, until);
    if (unlikely(code < 0))
        return code;
    code = get_copy(queue, to);
    if (likely(code == 0))
        get_commit(self, queue, to->size);
    get_leave(self, queue->chain.shared);
    return code;
}

int kith_queue_get(kith_queue *queue, void *buffer, size_t capacity, size_t *size, kith_timeout timeout)
{
    if (unlikely(!queue || !size || (!buffer && capacity > 0)))
        return error_fail(-EINVAL, "%s is NULL", !queue ? "queue" : !size ? "size" : "buffer");
    struct destination to = { .data = buffer, .capacity = capacity };
    int code = get(queue, &to, timeout);
    if (code == 0 || code == -EMSGSIZE)
        *size = to.size;
    return code;
}

int kith_queue_get_bytes(kith_queue *queue, kith_bytes *message, kith_timeout timeout)
{
    if (unlikely(!queue || !message))
        return error_fail(-EINVAL, "%s is NULL", queue ? "message" : "queue");
    struct destination to = { .allocate = true };
    int code = get(queue, &to, timeout);
    if (code == 0)
        *message = (kith_bytes){ to.data, to.size };
    return code;
}

/* ---- the rest ---- */

int kith_queue_new(kith_queue **queue, const kith_queue_options *options)
{
    uint64_t max_items = options ? options->max_items : 0;
    uint64_t max_bytes = options ? options->max_bytes : 0;
    if (!queue)
        return error_fail(-EINVAL, "queue is NULL: give the address of a kith_queue pointer");
    if (max_items > KITH_QUEUE_ITEMS_MAX)
        return error_fail(-EINVAL, "max_items %llu: give at most %llu, or 0 for no bound",
                          (unsigned long long)max_items, (unsigned long long)KITH_QUEUE_ITEMS_MAX);
    if (max_bytes > 0 && max_bytes < UNIT)
        return error_fail(-EINVAL, "max_bytes %llu: an empty message counts 8 already", (unsigned long long)max_bytes);
    if (!word_thread())
        return -ENOTSUP;
    kith_queue *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a queue's handle");
    int code = chain_create(&made->chain);
    if (code < 0) {
        free(made);
        return code;
    }
    struct queue_shared *shared = made->chain.shared;
    shared->max_items = max_items ? max_items : KITH_QUEUE_ITEMS_MAX;
    shared->max_units = max_bytes && max_bytes / UNIT < QUEUE_UNITS_MAX ? max_bytes / UNIT : QUEUE_UNITS_MAX;
    shared->bounded = max_items || max_bytes;
    atomic_init(&made->spins, os_cpu_count() > 1 ? SPINS_MAX : 0);
    atomic_init(&made->stride, 1);
    *queue = made;
    return 0;
}

static int usable(const kith_queue *queue)
{
    if (!queue)
        return error_fail(-EINVAL, "queue is NULL");
    return queue->closed ? error_fail(KITH_ECLOSED, "this process has closed the queue") : 0;
}

int kith_queue_qsize(const kith_queue *queue)
{
    int code = usable(queue);
    if (code < 0)
        return code;
    position head, tail;
    look(queue->chain.shared, &head, &tail);
    return (int)items_between(head, tail);
}

int kith_queue_empty(const kith_queue *queue)
{
    int code = usable(queue);
    return code < 0 ? code : is_empty(queue->chain.shared);
}

int kith_queue_full(const kith_queue *queue)
{
    int code = usable(queue);
    return code < 0 ? code : queue->chain.shared->bounded && !has_room(queue->chain.shared, 1);
}

int kith_queue_close(kith_queue *queue)
{
    if (!queue)
        return error_fail(-EINVAL, "queue is NULL");
    if (!queue->closed)
        chain_close(&queue->chain);
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
