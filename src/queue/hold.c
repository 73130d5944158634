/* What a process holds in place: messages that kith_queue_take gave and that it has not finished.
 *
 * A seat belongs to a thread, and what lies on it goes to others when that thread ends (redeliver.c). But any thread of
 * the process may look at what is held, and the memory must not be used again meanwhile. So all that a process holds is
 * on one seat, which a thread has that does nothing else: it ends with the process, or when the handle is closed. What
 * is held is known by its address, in a list of this process alone: so nobody can finish what it has not, and the child
 * of a fork nothing of its parent's. */
#include "queue/queue.h"

#include <pthread.h>
#include <stdlib.h>

enum { BEGUN, READY, STOP };

struct hold {
    struct kith_queue *queue;
    struct hold *inherited; /* the parent's, in the child of a fork */
    unsigned generation;    /* of the process whose it is */
    pthread_t thread;
    deadline until;         /* for the seat */
    int seat;               /* the thread's; or why it has none. Before READY */
    _Atomic uint32_t state; /* the thread says READY, who closes the handle says STOP */
    pthread_mutex_t listing;
    char **records; /* in no order */
    size_t count, capacity;
};

/* ---- the list ---- */

/** Makes room for one more. The old list goes last: should another thread fork in the middle, the child frees the one
 *  that it finds. */
static int list_grow(struct hold *hold)
{
    enum { FIRST = 16 };
    size_t capacity = hold->capacity ? 2 * hold->capacity : FIRST;
    char **records = calloc(capacity, sizeof *records);
    char **old = hold->records;
    if (!records)
        return error_fail(-ENOMEM, "no memory to note what is taken: the message stays in the queue");
    if (hold->count > 0)
        memcpy(records, old, hold->count * sizeof *records);
    *(char **volatile *)&hold->records = records;
    hold->capacity = capacity;
    atomic_signal_fence(memory_order_seq_cst);
    free(old);
    return 0;
}

int hold_add(struct hold *hold, char *record)
{
    pthread_mutex_lock(&hold->listing);
    int code = hold->count < hold->capacity ? 0 : list_grow(hold);
    if (code == 0)
        hold->records[hold->count++] = record;
    pthread_mutex_unlock(&hold->listing);
    return code;
}

/** Takes a record off. @param data  its message. @return NULL when there is none */
static char *hold_remove(struct hold *hold, const void *data)
{
    char *record = NULL;
    pthread_mutex_lock(&hold->listing);
    size_t at = hold->count; /* most are finished soon, or in the order in which they came */
    while (at > 0 && record_data(hold->records[at - 1]) != data)
        at--;
    if (at > 0) {
        record = hold->records[at - 1];
        hold->records[at - 1] = hold->records[--hold->count];
    }
    pthread_mutex_unlock(&hold->listing);
    return record;
}

/* ---- the thread ---- */

static void say(struct hold *hold, uint32_t state)
{
    atomic_store_explicit(&hold->state, state, memory_order_release);
    os_futex_wake(&hold->state, INT32_MAX);
}

/** Waits until the other has said something. */
static void wait_past(struct hold *hold, uint32_t state)
{
    while (atomic_load_explicit(&hold->state, memory_order_acquire) == state)
        os_futex_wait(&hold->state, state, OS_FOREVER);
}

static void *hold_main(void *argument)
{
    struct hold *hold = argument;
    struct os_thread *self = os_thread_self();
    hold->seat = self ? seat_take(self, hold->queue, hold->until) : -ENOTSUP;
    say(hold, READY);
    wait_past(hold, READY);
    if (hold->seat > 0) {
        seat_leave(self, hold->queue, (uint32_t)hold->seat);
        seat_abandon(self, hold->queue); /* when something lies on it */
    }
    return NULL;
}

/** Ends it, and those that were inherited. */
static void hold_free(struct hold *hold)
{
    while (hold) {
        struct hold *inherited = hold->inherited;
        if (hold->generation == os_thread_generation) {
            say(hold, STOP);
            pthread_join(hold->thread, NULL);
        }
        free(hold->records);
        free(hold);
        hold = inherited;
    }
}

static int hold_refuse(int code)
{
    return error_fail(code, "this process can't hold messages: %s",
                      code == -EAGAIN ? "too many threads have unfinished ones, or no thread can be started"
                                      : kith_strerror(code));
}

static int hold_new(struct hold **made, struct kith_queue *queue, deadline until)
{
    struct hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return hold_refuse(-ENOMEM);
    hold->queue = queue;
    hold->generation = os_thread_generation;
    hold->until = until;
    pthread_mutex_init(&hold->listing, NULL);
    int code = os_thread_start(&hold->thread, hold_main, hold);
    if (code < 0) {
        free(hold);
        return hold_refuse(code);
    }
    wait_past(hold, BEGUN);
    code = hold->seat;
    if (code < 0) {
        hold_free(hold);
        return hold_refuse(code);
    }
    *made = hold;
    return 0;
}

/* ---- for others ---- */

/** What this process holds. @return NULL when it has begun to hold nothing */
static struct hold *hold_known(struct kith_queue *queue)
{
    struct hold *hold = atomic_load_explicit(&queue->hold, memory_order_acquire);
    return hold && hold->generation == os_thread_generation ? hold : NULL;
}

int hold_of(struct kith_queue *queue, deadline until, struct hold **hold)
{
    *hold = hold_known(queue);
    if (*hold)
        return 0;
    struct hold *before = atomic_load_explicit(&queue->hold, memory_order_acquire);
    struct hold *made = NULL;
    int code = hold_new(&made, queue, until);
    if (code < 0)
        return code;
    made->inherited = before && before->generation != made->generation ? before : NULL;
    /* Not under a lock, as in kith_queue_fd: of two threads that come here, one was in vain. */
    if (before == made->inherited && atomic_compare_exchange_strong_explicit(
                                         &queue->hold, &before, made, memory_order_acq_rel, memory_order_acquire)) {
        *hold = made;
        return 0;
    }
    made->inherited = NULL;
    hold_free(made);
    *hold = before;
    return 0;
}

uint32_t hold_seat(const struct hold *hold)
{
    return (uint32_t)hold->seat;
}

void hold_close(struct kith_queue *queue)
{
    hold_free(atomic_exchange_explicit(&queue->hold, NULL, memory_order_acq_rel));
}

int kith_queue_finish(kith_queue *queue, const void *data)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    if (!data)
        return error_fail(-EINVAL, "data is NULL");
    struct hold *hold = hold_known(queue);
    char *record = hold ? hold_remove(hold, data) : NULL;
    if (!record)
        return error_fail(-EPERM, "this process holds no message of the queue at %p", data);
    redeliver_finish(self, queue, record, hold_seat(hold));
    return 0;
}
