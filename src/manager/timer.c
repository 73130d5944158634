/* Timers: a binary heap, the earliest first, in which each knows its place. */
#include "manager/server.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct timers *timers, struct timer *timer, size_t at)
{
    timers->heap[at - 1] = timer;
    timer->place = at;
}

/* Moves a timer up or down until it stands right. */
static void settle(struct timers *timers, struct timer *timer)
{
    size_t at = timer->place;
    while (at > 1 && timers->heap[at / 2 - 1]->until > timer->until) {
        place(timers, timers->heap[at / 2 - 1], at);
        at /= 2;
    }
    for (size_t child; (child = at * 2) <= timers->count; at = child) {
        if (child < timers->count && timers->heap[child]->until < timers->heap[child - 1]->until)
            child++;
        if (timers->heap[child - 1]->until >= timer->until)
            break;
        place(timers, timers->heap[child - 1], at);
    }
    place(timers, timer, at);
}

static int make_room(struct timers *timers)
{
    if (timers->count < timers->capacity)
        return 0;
    size_t capacity = timers->capacity ? timers->capacity * 2 : 16;
    struct timer **heap = realloc(timers->heap, capacity * sizeof(struct timer *));
    if (!heap)
        return -ENOMEM;
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

int timer_set(struct server *server, struct timer *timer, int64_t until)
{
    struct timers *timers = &server->timers;
    if (until == OS_FOREVER) {
        timer_clear(server, timer);
        return 0;
    }
    if (!timer->place) {
        int code = make_room(timers);
        if (code < 0)
            return code;
        timer->place = ++timers->count;
    }
    timer->until = until;
    settle(timers, timer);
    return 0;
}

void timer_clear(struct server *server, struct timer *timer)
{
    struct timers *timers = &server->timers;
    if (!timer->place)
        return;
    struct timer *last = timers->heap[--timers->count];
    if (last != timer) {
        last->place = timer->place;
        settle(timers, last);
    }
    timer->place = 0;
}
