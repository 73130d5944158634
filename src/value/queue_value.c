/* Values through queues: a message each. A small one is written on the stack, and got into memory that its arena
 * has already, where its long bytes stay: neither side asks the heap for anything. */
#include <kith/codec.h>

#include "base/deadline.h"
#include "value/pickle.h"

#include <errno.h>

enum { SMALL = 2048 };

int kith_queue_put_value(kith_queue *queue, const kith_value *value, kith_timeout timeout)
{
    unsigned char small[SMALL];
    struct pickle_out pickle = { .data = small, .capacity = sizeof small, .lent = true };
    int code = pickle_write_to(&pickle, value, NULL);
    if (code == 0)
        code = kith_queue_put(queue, pickle.data, pickle.size, timeout);
    pickle_out_free(&pickle);
    return code;
}

/** @return what is left, as a timeout */
static kith_timeout time_until(deadline until)
{
    if (until == DEADLINE_AT_ONCE)
        return KITH_AT_ONCE;
    if (until == DEADLINE_PASSED || until == OS_FOREVER)
        return until == OS_FOREVER ? KITH_FOREVER : KITH_NOWAIT;
    int64_t now = os_clock_now();
    return now < until ? until - now : KITH_NOWAIT;
}

/** Gets a message into the arena: into what is left of its block, or, when the message is longer, into room made for
 *  it. Somebody else may get that message meanwhile, and the next one may be longer still.
 *  @return as kith_queue_get; -ENOMEM: it stays in the queue */
static int get_message(kith_queue *queue, kith_arena *arena, const void **data, size_t *size, deadline until)
{
    size_t capacity;
    void *room = arena_room(arena, &capacity);
    int code = kith_queue_get(queue, room, capacity, size, time_until(until));
    if (code == 0 && *size > 0)
        room = arena_take(arena, *size); /* where it lies */
    while (code == -EMSGSIZE) {
        capacity = *size;
        room = arena_take(arena, capacity);
        code = room ? kith_queue_get(queue, room, capacity, size, time_until(until)) : arena->last;
    }
    if (code == 0)
        *data = room;
    return code;
}

int kith_queue_get_value(kith_queue *queue, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    deadline until;
    const void *data;
    size_t size;
    if (!arena || !value)
        return error_fail(-EINVAL, "%s is NULL", arena ? "value" : "arena");
    int code = deadline_from(timeout == KITH_AT_ONCE ? KITH_NOWAIT : timeout, &until);
    if (timeout == KITH_AT_ONCE)
        until = DEADLINE_AT_ONCE;
    if (code == 0)
        code = get_message(queue, arena, &data, &size, until);
    if (code == 0)
        code = kith_message_read(arena, value, data, size, &(kith_pickle_read_options){ .borrow = 1 });
    return code;
}
