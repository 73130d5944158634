/* ppoll(2): as poll, with nanoseconds. */
#include "os/poll.h"

#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static const struct timespec *remaining(int64_t deadline, struct timespec *left)
{
    if (deadline == OS_FOREVER)
        return NULL;
    int64_t nanoseconds = deadline == 0 ? 0 : deadline - os_clock_now();
    if (nanoseconds < 0)
        nanoseconds = 0;
    left->tv_sec = (time_t)(nanoseconds / 1000000000);
    left->tv_nsec = (long)(nanoseconds % 1000000000);
    return left;
}

static short events(enum os_poll_for what)
{
    return what == OS_POLL_WRITE ? POLLOUT : POLLIN;
}

int os_poll(int descriptor, enum os_poll_for what, int64_t deadline)
{
    struct pollfd one = { .fd = descriptor, .events = events(what) };
    struct timespec left;
    int ready = ppoll(&one, 1, remaining(deadline, &left), NULL);
    if (ready < 0)
        return -errno;
    return ready > 0 ? 0 : -ETIMEDOUT;
}

int os_poll_many(struct os_poll_one *ones, size_t count, int64_t deadline)
{
    enum { FEW = 32 };
    struct pollfd few[FEW], *all = few;
    struct timespec left;
    if (count > FEW && !(all = calloc(count, sizeof *all)))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        all[i] = (struct pollfd){ .fd = ones[i].descriptor, .events = events(ones[i].what) };
    int ready = ppoll(all, count, remaining(deadline, &left), NULL);
    int code = ready < 0 ? -errno : ready;
    for (size_t i = 0; i < count && code >= 0; i++) {
        ones[i].ready |= all[i].revents != 0;
        ones[i].none = all[i].revents & POLLNVAL;
    }
    if (all != few)
        free(all);
    return code;
}
