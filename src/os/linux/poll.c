/* ppoll(2): as poll, with nanoseconds. */
#include "os/poll.h"

#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

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

int os_poll(int descriptor, enum os_poll_for what, int64_t deadline)
{
    struct pollfd one = { .fd = descriptor, .events = what == OS_POLL_WRITE ? POLLOUT : POLLIN };
    struct timespec left;
    int ready = ppoll(&one, 1, remaining(deadline, &left), NULL);
    if (ready < 0)
        return -errno;
    return ready > 0 ? 0 : -ETIMEDOUT;
}
