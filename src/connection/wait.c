/* kith_wait: every thing that can be waited for has a descriptor that tells when it is ready; of a connection, a part
 * of what came may lie in this process already, or in shared memory. So connections are asked first, and then the
 * system for all; and where it tells of a bell alone (lane.h), once more. */
#include "base/deadline.h"
#include "connection/connection.h"
#include "os/poll.h"

#include <stdio.h>
#include <stdlib.h>

/* Of what comes by a lane. @return a descriptor, or a code with its detail; KITH_ECLOSED when the lane has ended */
static int of_lane(kith_connection *connection, struct os_poll_one *one, deadline until)
{
    int socket = connection->channel.socket;
    int code = connection_note_in(connection, lane_watch(connection->in, socket, until));
    one->ready = code == 1;
    if (code == KITH_ECLOSED)
        return code;
    return code >= 0 || code == -ETIMEDOUT ? socket : error_fail(code, "no message: %s", kith_strerror(code));
}

/* @return a descriptor, or a code with its detail */
static int of_connection(kith_connection *connection, struct os_poll_one *one, deadline until)
{
    int code = connection_check_receive(connection);
    if (code < 0)
        return code;
    if (connection_in_lane(connection) && (code = of_lane(connection, one, until)) != KITH_ECLOSED)
        return code;
    one->what = connection->channel.receive_wants;
    /* What is lost is ready: who receives from it connects anew. */
    one->ready = connection->channel.socket < 0 || connection_pending(connection);
    return one->ready ? 0 : connection->channel.socket;
}

static int of_one(const kith_waitable *item, struct os_poll_one *one, deadline until)
{
    int named = !!item->connection + !!item->listener + !!item->queue + !!item->process;
    if (named > 1)
        return error_fail(-EINVAL, "more than one thing is named");
    if (item->connection)
        return of_connection(item->connection, one, until);
    if (item->listener)
        return kith_listener_fd(item->listener);
    if (item->queue)
        return kith_queue_fd(item->queue);
    if (item->process)
        return kith_process_sentinel(item->process);
    return item->fd < 0 ? error_fail(-EINVAL, "nothing is named") : item->fd;
}

/* Keeps the detail, and says whose it is. */
static int fail_at(size_t index, int code)
{
    char why[256];
    snprintf(why, sizeof why, "%s", kith_error_detail());
    return error_fail(code, "items[%zu]: %s", index, why);
}

/* @return how many are ready without asking the system; a negative code */
static int prepare(const kith_waitable *items, struct os_poll_one *ones, size_t count, deadline until)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        ones[i] = (struct os_poll_one){ .what = OS_POLL_READ };
        int descriptor = of_one(&items[i], &ones[i], until);
        if (descriptor < 0)
            return fail_at(i, descriptor);
        ones[i].descriptor = ones[i].ready ? -1 : descriptor;
        ready += ones[i].ready;
    }
    return ready;
}

/* What a readable socket means. @return 1: ready; 0: it is not; KITH_ECLOSED: a lane has ended, look again */
static int confirm(kith_connection *connection)
{
    if (!connection || !connection_in_lane(connection))
        return 1;
    int code = connection_note_in(connection, lane_confirm(connection->in, connection->channel.socket));
    return code == KITH_EEOF ? 1 : code;
}

/* @param again  receives whether to look again, also when the time is over
 *  @return how many are ready; -EBADF with its detail */
static int settle(const kith_waitable *items, struct os_poll_one *ones, size_t count, bool *again)
{
    int ready = 0;
    *again = false;
    for (size_t i = 0; i < count; i++) {
        if (ones[i].none)
            return error_fail(-EBADF, "items[%zu]: descriptor %d is not open", i, ones[i].descriptor);
        int code = ones[i].ready && ones[i].descriptor >= 0 ? confirm(items[i].connection) : ones[i].ready;
        ones[i].ready = code == 1;
        ready += code == 1;
        *again |= code == KITH_ECLOSED;
    }
    return ready;
}

/* @return how many are ready */
static int wait_for(kith_waitable *items, struct os_poll_one *ones, size_t count, deadline until)
{
    int ready;
    bool again;
    do {
        ready = prepare(items, ones, count, until);
        if (ready < 0)
            return ready;
        int code = os_poll_many(ones, count, ready > 0 ? DEADLINE_PASSED : until);
        if (code < 0)
            return error_fail(code, "waiting for %zu things: %s", count, kith_strerror(code));
        ready = settle(items, ones, count, &again);
    } while (ready == 0 && (again || !deadline_passed(until)));
    for (size_t i = 0; i < count && ready >= 0; i++)
        items[i].ready = ones[i].ready;
    return ready;
}

int kith_wait(kith_waitable *items, size_t count, kith_timeout timeout)
{
    enum { FEW = 16 };
    struct os_poll_one few[FEW], *ones = few;
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    if (!items && count)
        return error_fail(-EINVAL, "items is NULL, but count is %zu", count);
    if (count > FEW && !(ones = calloc(count, sizeof *ones)))
        return error_fail(-ENOMEM, "no memory to wait for %zu things", count);
    code = wait_for(items, ones, count, until);
    if (ones != few)
        free(ones);
    return code;
}
