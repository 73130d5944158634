/* Finishing: how many messages were put and are not done yet, and waiting for none to be left.
 *
 * How many were put is in the tail, so only what is done is counted here: one word, and nothing to repair after a
 * death. With redelivery not even that: a message that is not done is still behind the head.
 *
 * Who joins sleeps on one word, without owning it: ROBUST_WAITERS in it means that somebody may sleep. Who makes the
 * last message done says how many are, and wakes all. It has that word in its slot meanwhile, and so has everybody who
 * joins: if it dies before it has woken them, the kernel wakes one of them, and that one wakes the rest. */
#include "queue/counts.h"
#include "queue/queue.h"

static uint64_t count_puts(const struct queue_shared *shared)
{
    return count_now(&shared->puts, &shared->tail);
}

uint64_t count_gets(const struct queue_shared *shared)
{
    uint64_t known = atomic_load_explicit(&shared->puts, memory_order_acquire); /* before the tail, see count_from */
    position head, tail;
    queue_look(shared, &head, &tail);
    return count_from(known, tail) - items_between(head, tail);
}

/** How many messages are done, of those that were put. */
static uint64_t count_done(const struct queue_shared *shared)
{
    return shared->redeliver ? count_gets(shared) : atomic_load_explicit(&shared->done, memory_order_seq_cst);
}

/** Whether all messages are done that have been put up to now; or once were, when at least so many had been put. */
static bool is_joined(const struct queue_shared *shared, uint64_t least)
{
    if (atomic_load_explicit(&shared->drained, memory_order_seq_cst) >= least)
        return true;
    /* In this order: both only grow, so if they are equal, they were when done was read. */
    uint64_t done = count_done(shared);
    return done == count_puts(shared);
}

static void joiners_call(struct queue_shared *shared)
{
    /* Who owns the word keeps it: joiners_own in redeliver.c. */
    atomic_fetch_and_explicit(&shared->joiners.value, ROBUST_OWNER, memory_order_seq_cst);
    os_futex_wake(&shared->joiners.value, INT32_MAX);
}

void joiners_wake(struct queue_shared *shared, uint64_t drained)
{
    raise_to(&shared->drained, drained);
    if (has_joiners(shared))
        joiners_call(shared);
}

/** One more is done. @param count  receives how many are. @return 0, or -EPERM */
static int finish_one(struct queue_shared *shared, uint64_t *count)
{
    uint64_t done = atomic_load_explicit(&shared->done, memory_order_relaxed);
    do {
        if (done >= count_gets(shared))
            return error_fail(-EPERM, "all %llu messages that were got are done already", (unsigned long long)done);
    } while (!atomic_compare_exchange_weak_explicit(&shared->done, &done, done + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    *count = done + 1;
    return 0;
}

int queue_finish(kith_queue *queue)
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
    uint64_t done = 0;
    code = finish_one(shared, &done);
    bool all = code == 0 && done == count_puts(shared);
    if (all)
        joiners_wake(shared, done);
    robust_pending(self, NULL);
    return all ? 1 : code;
}

int kith_queue_task_done(kith_queue *queue)
{
    int code = queue_finish(queue);
    return code < 0 ? code : 0;
}

/** Sleeps on what tells that all is done, too: see sync/word.h.
 *  @return 0 when woken, or when there is no need to sleep; -ETIMEDOUT, -EINTR */
static int join_sleep(struct os_thread *self, struct kith_queue *queue, uint64_t least, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    _Atomic uint64_t *count = shared->redeliver ? &shared->head : &shared->done;
    uint64_t seen = atomic_load_explicit(count, memory_order_seq_cst);
    uint32_t value = atomic_fetch_or_explicit(&shared->joiners.value, ROBUST_WAITERS, memory_order_seq_cst);
    value |= ROBUST_WAITERS;
    if (is_joined(shared, least))
        return 0;
    if (shared->redeliver)
        return redeliver_join_sleep(self, queue, value, seen, until);
    struct os_futex_pair pairs[] = { { &shared->joiners.value, value }, { position_half(count), (uint32_t)seen } };
    return word_sleep_any(pairs, 2, until);
}

int kith_queue_join(kith_queue *queue, kith_timeout timeout)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, timeout, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    uint64_t least = count_puts(shared);
    robust_pending(self, &shared->joiners);
    while (code == 0 && !is_joined(shared, least))
        code = deadline_passed(until) ? -ETIMEDOUT : join_sleep(self, queue, least, until);
    if (code == 0) {
        /* The others: who was to wake us all may have died, with the word saying already that nobody sleeps. */
        raise_to(&shared->drained, least);
        joiners_call(shared);
    }
    robust_pending(self, NULL);
    return code;
}

/* ---- for others ---- */

uint64_t queue_count_puts(const kith_queue *queue)
{
    return count_puts(queue->chain.shared);
}

uint64_t queue_count_gets(const kith_queue *queue)
{
    return count_gets(queue->chain.shared);
}

bool queue_was_done(const kith_queue *queue, uint64_t least)
{
    return is_joined(queue->chain.shared, least);
}
