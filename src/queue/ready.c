/* Readiness: a descriptor that can be polled.
 *
 * Behind it is a thread of this process, that sleeps among the getters and raises a flag of the system's when there is
 * a message. So putters, of whatever program, know nothing of it and pay nothing for it; and it misses nothing when a
 * putter dies between its commit and its wake-up, for then the kernel wakes it like any getter. Rejected: a flag that
 * putters raise: each would need its descriptor, and one that dies before it raises it leaves a message that nobody
 * hears of. */
#include "os/flag.h"
#include "queue/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARMED = 1, STOP = 2 };

struct ready {
    struct kith_queue *queue;
    unsigned generation; /* of the process whose thread it is: a child made by fork has none */
    int flag;
    pthread_t thread;
    _Atomic uint32_t control; /* ARMED: raise the flag when there is a message. The thread sleeps on it, too */
    pthread_mutex_t flagging; /* the flag and ARMED change together: either is raised, or the thread is to raise it */
};

/** What the descriptor tells. */
static bool is_ready(const struct queue_shared *shared)
{
    return !is_empty_of_all(shared) || is_over(shared);
}

static bool has_to_stop(const struct ready *ready)
{
    return atomic_load_explicit(&ready->control, memory_order_seq_cst) & STOP;
}

/** Enters the getters' side. Who was called may leave it to the one that has it just now: that one looks at the
 *  condition itself before it leaves anybody asleep. */
static bool enter_unless_stopped(struct os_thread *self, struct ready *ready)
{
    enum { SLICE = 10000000 };
    int code;
    do
        code = get_lock(self, ready->queue->chain.shared, os_clock_now() + SLICE);
    while (!entered(code) && !has_to_stop(ready));
    return entered(code);
}

/** Sleeps among the getters until there is a message. @return whether there is one */
static bool watch(struct os_thread *self, struct ready *ready)
{
    struct queue_shared *shared = ready->queue->chain.shared;
    if (!enter_unless_stopped(self, ready))
        return false;
    if (!getters_can_go_on(shared)) {
        monitor_retire(self, &shared->get);
        struct os_futex_pair control = { &ready->control, ARMED };
        redeliver_sleep(shared, &control, OS_FOREVER);
        if (!enter_unless_stopped(self, ready))
            return false;
    }
    char *record;
    position at;
    if (shared->redeliver) /* a getter that died has left nothing, perhaps: then its seat is freed by this */
        (void)redeliver_find(self, ready->queue, &record, &at);
    get_leave(self, ready->queue); /* and calls the next getter: we take nothing */
    return is_ready(shared);
}

/** Raises the flag if there is a message, else lowers it and has the thread watch. Who takes the last message calls
 *  this behind its commit, and the thread before it raises the flag: so it never stays raised for what is gone. */
static void settle(struct ready *ready)
{
    pthread_mutex_lock(&ready->flagging);
    bool armed = atomic_load_explicit(&ready->control, memory_order_seq_cst) & ARMED;
    bool found = is_ready(ready->queue->chain.shared);
    if (found && armed) {
        atomic_fetch_and_explicit(&ready->control, ~(uint32_t)ARMED, memory_order_seq_cst);
        os_flag_raise(ready->flag);
    } else if (!found && !armed) {
        os_flag_lower(ready->flag);
        atomic_fetch_or_explicit(&ready->control, ARMED, memory_order_seq_cst);
        os_futex_wake(&ready->control, 1);
    }
    pthread_mutex_unlock(&ready->flagging);
}

static void *ready_main(void *argument)
{
    struct ready *ready = argument;
    struct os_thread *self = os_thread_self();
    while (self && !has_to_stop(ready)) {
        uint32_t control = atomic_load_explicit(&ready->control, memory_order_seq_cst);
        if (!(control & ARMED)) {
            os_futex_wait(&ready->control, control, OS_FOREVER);
        } else if (watch(self, ready)) {
            settle(ready);
        }
    }
    return NULL;
}

void ready_settle(struct kith_queue *queue)
{
    struct ready *ready = atomic_load_explicit(&queue->ready, memory_order_acquire);
    if (ready && ready->generation == os_thread_generation)
        settle(ready);
}

void ready_got(struct kith_queue *queue)
{
    if (!is_ready(queue->chain.shared)) /* else it is raised, or the thread is about to */
        ready_settle(queue);
}

/** Ends a flag and the thread behind it. */
static void ready_free(struct ready *ready)
{
    if (ready->generation == os_thread_generation) {
        atomic_fetch_or_explicit(&ready->control, STOP, memory_order_seq_cst);
        os_futex_wake(&ready->control, INT32_MAX);
        pthread_join(ready->thread, NULL);
    }
    close(ready->flag);
    free(ready);
}

/** @param made  receives a flag with the thread behind it */
static int ready_new(struct ready **made, struct kith_queue *queue)
{
    struct ready *ready = calloc(1, sizeof *ready);
    if (!ready)
        return error_fail(-ENOMEM, "no memory for a descriptor to poll");
    int code = ready->flag = os_flag_new();
    if (code >= 0) {
        ready->queue = queue;
        ready->generation = os_thread_generation;
        atomic_init(&ready->control, ARMED);
        pthread_mutex_init(&ready->flagging, NULL);
        code = os_thread_start(&ready->thread, ready_main, ready);
        if (code == 0) {
            *made = ready;
            return 0;
        }
        close(ready->flag);
    }
    free(ready);
    return error_fail(code, "no descriptor to poll, and thread behind it: %s", kith_strerror(code));
}

void ready_close(struct kith_queue *queue)
{
    struct ready *ready = atomic_exchange_explicit(&queue->ready, NULL, memory_order_acq_rel);
    if (ready)
        ready_free(ready);
}

int kith_queue_fd(kith_queue *queue)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    struct ready *ready = atomic_load_explicit(&queue->ready, memory_order_acquire);
    if (ready && ready->generation == os_thread_generation) {
        settle(ready);
        return ready->flag;
    }
    struct ready *made;
    code = ready_new(&made, queue);
    if (code < 0)
        return code;
    /* Not under a lock, which a fork meanwhile would leave locked for ever: of two threads that come here, one was in
     * vain. */
    struct ready *before = ready;
    if (atomic_compare_exchange_strong_explicit(&queue->ready, &before, made, memory_order_acq_rel,
                                                memory_order_acquire)) {
        if (ready)
            ready_free(ready); /* the parent's */
        settle(made);
        return made->flag;
    }
    ready_free(made);
    return before->flag;
}
