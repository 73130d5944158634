/* bench/manner.c: see manner.h. Each loop is written out, so that nothing but the transport's own call is measured. */
#include "manner.h"

#include "reason.h"

#include <string.h>

/* Tells the parent of a message that came. It reads the sum after the count. */
static void tell(struct tally *tally, uint64_t count, uint64_t sum)
{
    atomic_store_explicit(&tally->sum, sum, memory_order_relaxed);
    atomic_store_explicit(&tally->count, count, memory_order_release);
}

/* ---- copied in and copied out ---- */

static bool is_always_offered(const struct transport *transport)
{
    (void)transport;
    return true;
}

static int put_copies(const struct task *task)
{
    for (uint64_t number = 0; number < task->messages; number++) {
        message_stamp(task->buffer, task->size, task->putter, number);
        if (task->transport->put(task->channel, task->buffer) < 0)
            return FAILED;
    }
    return 0;
}

static int get_copies(struct task *task)
{
    uint64_t sum = 0;
    for (uint64_t count = 1;; count++) {
        const void *message = task->buffer;
        uint64_t stamp;
        ssize_t size = task->transport->get(task->channel, task->buffer, &message);
        if (size < 0 || message_check(&task->expected, message, (size_t)size, &stamp) < 0)
            return FAILED;
        tell(task->tally, count, sum += stamp);
    }
}

/* ---- several a call ---- */

static int put_batch(const struct task *task, unsigned count)
{
    if (task->transport->put_many)
        return task->transport->put_many(task->channel, task->buffer, count);
    for (unsigned i = 0; i < count; i++)
        if (task->transport->put(task->channel, (char *)task->buffer + i * task->size) < 0)
            return FAILED;
    return 0;
}

static int put_batches(const struct task *task)
{
    for (uint64_t number = 0; number < task->messages;) {
        uint64_t rest = task->messages - number;
        unsigned count = rest < task->batch ? (unsigned)rest : task->batch;
        for (unsigned i = 0; i < count; i++)
            message_stamp((char *)task->buffer + i * task->size, task->size, task->putter, number + i);
        if (put_batch(task, count) < 0)
            return FAILED;
        number += count;
    }
    return 0;
}

static int get_batches(struct task *task)
{
    if (!task->transport->get_many)
        return get_copies(task);
    uint64_t sum = 0;
    for (uint64_t count = 0;;) {
        int got = task->transport->get_many(task->channel, task->buffer, task->batch);
        if (got < 0)
            return FAILED;
        for (int i = 0; i < got; i++) {
            uint64_t stamp;
            const char *message = (const char *)task->buffer + (size_t)i * task->size;
            if (message_check(&task->expected, message, task->size, &stamp) < 0)
                return FAILED;
            sum += stamp;
        }
        tell(task->tally, count += (unsigned)got, sum);
    }
}

/* ---- where they lie ---- */

static bool is_peek_offered(const struct transport *transport)
{
    return transport->peek;
}

static bool is_reserve_offered(const struct transport *transport)
{
    return transport->reserve && transport->peek;
}

static int put_in_place(const struct task *task)
{
    for (uint64_t number = 0; number < task->messages; number++) {
        void *message = task->transport->reserve(task->channel);
        if (!message)
            return FAILED;
        message_stamp(message, task->size, task->putter, number);
        if (task->transport->commit(task->channel, message) < 0)
            return FAILED;
    }
    return 0;
}

static int get_in_place(struct task *task)
{
    uint64_t sum = 0;
    for (uint64_t count = 1;; count++) {
        const void *message;
        uint64_t stamp;
        ssize_t size = task->transport->peek(task->channel, &message);
        if (size < 0 || message_check(&task->expected, message, (size_t)size, &stamp) < 0)
            return FAILED;
        if (task->transport->release(task->channel, message) < 0)
            return FAILED;
        tell(task->tally, count, sum += stamp);
    }
}

const struct manner *manner_find(const char *name)
{
    static const struct manner manners[] = {
        { "copy", is_always_offered, put_copies, get_copies },
        { "batch", is_always_offered, put_batches, get_batches },
        { "read-in-place", is_peek_offered, put_copies, get_in_place },
        { "in-place", is_reserve_offered, put_in_place, get_in_place },
    };
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++)
        if (strcmp(manners[i].name, name) == 0)
            return &manners[i];
    return NULL;
}
