#include "manager/loop.h"

#include "base/error.h"
#include "manager/line.h"
#include "manager/server.h"
#include "os/events.h"
#include "os/flag.h"
#include "process/forks.h"

#include <errno.h>

enum { READY_MAX = 64 };

/* ---- descriptors ---- */

int loop_watch(struct server *server, struct watch *watch, enum os_poll_for what)
{
    return os_events_watch(server->events, watch->descriptor, what, watch);
}

int loop_watch_end(struct server *server, struct watch *watch)
{
    return os_events_watch_end(server->events, watch->descriptor, watch);
}

void loop_forget(struct server *server, struct watch *watch)
{
    if (server->generation == forks_generation()) /* a forked child has the same set of events */
        os_events_forget(server->events, watch->descriptor);
    for (size_t i = 0; i < server->ready_count; i++) {
        if (server->ready[i] == watch)
            server->ready[i] = NULL;
    }
}

/* ---- turns ---- */

static void run_timers(struct server *server)
{
    struct timers *timers = &server->timers;
    if (timers->count == 0)
        return;
    int64_t now = os_clock_now();
    while (timers->count > 0 && timers->heap[0]->until <= now) {
        struct timer *timer = timers->heap[0];
        timer_clear(server, timer);
        timer->due(server, timer);
    }
}

static void run_ready(struct server *server, void **ready, size_t count)
{
    server->ready = ready;
    server->ready_count = count;
    for (size_t i = 0; i < count; i++) {
        struct watch *watch = ready[i];
        ready[i] = NULL;
        if (watch)
            watch->ready(server, watch);
    }
    server->ready_count = 0;
}

/* Until when this turn may sleep. */
static int64_t sleep_until(struct server *server, bool found, int64_t latest)
{
    if (found || server->due)
        return 0;
    int64_t next = server->timers.count > 0 ? server->timers.heap[0]->until : OS_FOREVER;
    return next < latest ? next : latest;
}

static int turn(struct server *server, int64_t latest)
{
    void *ready[READY_MAX];
    bool found = server->poll && server->poll(server);
    int count = os_events_wait(server->events, ready, READY_MAX, sleep_until(server, found, latest));
    if (count < 0)
        return error_fail(count, "the server at %s can't wait for its clients: %s", server->address,
                          kith_strerror(count));
    run_ready(server, ready, (size_t)count);
    lines_run_due(server);
    run_timers(server);
    return 0;
}

int loop_run(struct server *server)
{
    int code = 0;
    while (code == 0 && !atomic_load_explicit(&server->stopping, memory_order_relaxed))
        code = turn(server, OS_FOREVER);
    return code;
}

int loop_drain(struct server *server)
{
    const int64_t patience = KITH_SECONDS(5);
    int64_t until = os_clock_now() + patience;
    int code = 0;
    lines_drain(server);
    while (code == 0 && server->lines && os_clock_now() < until)
        code = turn(server, until);
    return code;
}
