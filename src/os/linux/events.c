/* epoll(7), timerfd_create(2). */
#include "os/events.h"

#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

int os_events_new(void)
{
    int made = epoll_create1(EPOLL_CLOEXEC);
    return made < 0 ? -errno : made;
}

static int watch(int events, int descriptor, uint32_t what, void *tag)
{
    struct epoll_event event = { .events = what, .data.ptr = tag };
    int result = epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event);
    if (result < 0 && errno == EEXIST)
        result = epoll_ctl(events, EPOLL_CTL_MOD, descriptor, &event);
    return result < 0 ? -ENOMEM : 0; /* or the user watches too many */
}

int os_events_watch(int events, int descriptor, enum os_poll_for what, void *tag)
{
    return watch(events, descriptor, what == OS_POLL_WRITE ? EPOLLOUT : EPOLLIN, tag);
}

int os_events_watch_end(int events, int descriptor, void *tag)
{
    return watch(events, descriptor, EPOLLRDHUP, tag);
}

void os_events_forget(int events, int descriptor)
{
    epoll_ctl(events, EPOLL_CTL_DEL, descriptor, NULL);
}

int os_events_take(int events, void **tag)
{
    struct epoll_event event;
    if (epoll_wait(events, &event, 1, 0) != 1)
        return 0;
    *tag = event.data.ptr;
    return 1;
}

/* Not too early: a millisecond that has begun counts as one. */
static int milliseconds_until(int64_t deadline)
{
    if (deadline == OS_FOREVER)
        return -1;
    int64_t left = deadline > 0 ? deadline - os_clock_now() : 0;
    int64_t milliseconds = (left + 999999) / 1000000;
    return left <= 0 ? 0 : milliseconds < INT_MAX ? (int)milliseconds : INT_MAX;
}

int os_events_wait(int events, void **tags, size_t room, int64_t deadline)
{
    enum { MOST = 64 };
    struct epoll_event ready[MOST];
    int count = epoll_wait(events, ready, room < MOST ? (int)room : MOST, milliseconds_until(deadline));
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++)
        tags[i] = ready[i].data.ptr;
    return count;
}

int os_timer_new(void)
{
    int made = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return made < 0 ? -errno : made;
}

void os_timer_set(int timer, int64_t deadline)
{
    struct itimerspec when = { 0 };
    if (deadline != OS_FOREVER) {
        when.it_value.tv_sec = (time_t)(deadline / 1000000000);
        when.it_value.tv_nsec = (long)(deadline % 1000000000);
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}
