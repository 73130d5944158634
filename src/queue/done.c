/* Finishing: how many messages were put and are not done yet, and waiting for none to be left.
 *
 * How many were put is in the tail, so only what is done is counted here: one word, and nothing to repair after a
 * death. With redelivery not even that: a message that is not done is still behind the head.
 *
 * Who joins sleeps on one word, without owning it: ROBUST_WAITERS in it means that somebody may sleep. Who makes the
 * last message done wakes all. It has that word in its slot meanwhile, and so has everybody who joins: if it dies
 * before it has woken them, the kernel wakes one of them, and that one wakes the rest. */
#include "queue/queue.h"

static uint64_t count_puts(const struct queue_shared *shared)
{
    return count_now(&shared->puts, &shared->tail);
}

static uint64_t count_gets(const struct queue_shared *shared)
{
    return count_now(&shared->gets, &shared->head);
}

static bool all_done(const struct queue_shared *shared)
{
    if (shared->redeliver)
        return atomic_load_explicit(&shared->head, memory_order_seq_cst) ==
               atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    /* In this order: both only grow, so if they are equal, they were when done was read. */
    uint64_t done = atomic_load_explicit(&shared->done, memory_order_seq_cst);
    return done == count_puts(shared);
}

void joiners_wake(struct queue_shared *shared)
{
    atomic_fetch_add_explicit(&shared->drains, 1, memory_order_relaxed);
    if (!has_joiners(shared))
        return;
    atomic_exchange_explicit(&shared->joiners.value, 0, memory_order_seq_cst);
    os_futex_wake(&shared->joiners.value, INT32_MAX);
}

/** One more is done. @return 0, or -EPERM */
static int count_done(struct queue_shared *shared)
{
    uint64_t done = atomic_load_explicit(&shared->done, memory_order_relaxed);
    do {
        if (done >= count_gets(shared))
            return error_fail(-EPERM, "all %llu messages that were got are done already", (unsigned long long)done);
    } while (!atomic_compare_exchange_weak_explicit(&shared->done, &done, done + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return 0;
}

int kith_queue_task_done(kith_queue *queue)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    if (shared->redeliver)
        return redeliver_done(self, queue);
    robust_pending(self, &shared->joiners);
    code = count_done(shared);
    if (code == 0 && all_done(shared))
        joiners_wake(shared);
    robust_pending(self, NULL);
    return code;
}

/** Who moved the head on may have died before it woke a putter: its one debt was to those who join (redeliver.c). */
static void pay_for_the_dead(struct os_thread *self, struct queue_shared *shared)
{
    robust_pending(self, &shared->put.word);
    putters_notify(shared);
    robust_pending(self, &shared->joiners);
}

/** @return 0 when woken, or when all is done; -ETIMEDOUT, -EINTR */
static int join_sleep(struct queue_shared *shared, deadline until)
{
    atomic_fetch_or_explicit(&shared->joiners.value, ROBUST_WAITERS, memory_order_seq_cst);
    return all_done(shared) ? 0 : os_futex_wait(&shared->joiners.value, ROBUST_WAITERS, until);
}

int kith_queue_join(kith_queue *queue, kith_timeout timeout)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, timeout, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    uint32_t drains = atomic_load_explicit(&shared->drains, memory_order_relaxed);
    robust_pending(self, &shared->joiners);
    while (code == 0 && !all_done(shared) && drains == atomic_load_explicit(&shared->drains, memory_order_relaxed)) {
        code = deadline_passed(until) ? -ETIMEDOUT : join_sleep(shared, until);
        if (code == 0 && shared->redeliver)
            pay_for_the_dead(self, shared);
    }
    if (code == 0)
        joiners_wake(shared); /* the others: should who was to wake us all have died */
    robust_pending(self, NULL);
    return code;
}
