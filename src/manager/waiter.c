#include "manager/waiter.h"

#include "base/error.h"
#include "manager/dispatch.h"
#include "manager/line.h"
#include "manager/server.h"
#include "manager/snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* ---- lists ---- */

static void append(struct waiters *list, struct waiter *waiter)
{
    waiter->list = list;
    waiter->next = NULL;
    waiter->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = waiter;
    list->last = waiter;
}

static void take_out(struct waiter *waiter)
{
    struct waiters *list = waiter->list;
    if (list->next == waiter)
        list->next = waiter->next;
    *(waiter->previous ? &waiter->previous->next : &list->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &list->last) = waiter->previous;
}

static void add_to_line(struct line *line, struct waiter *waiter)
{
    waiter->next_of_line = line->waiters;
    waiter->previous_of_line = NULL;
    if (line->waiters)
        line->waiters->previous_of_line = waiter;
    line->waiters = waiter;
}

static void take_off_line(struct waiter *waiter)
{
    *(waiter->previous_of_line ? &waiter->previous_of_line->next_of_line : &waiter->line->waiters) =
        waiter->next_of_line;
    if (waiter->next_of_line)
        waiter->next_of_line->previous_of_line = waiter->previous_of_line;
}

size_t waiters_count(const struct waiters *list)
{
    size_t count = 0;
    for (const struct waiter *waiter = list->first; waiter; waiter = waiter->next)
        count++;
    return count;
}

void waiter_move(struct waiter *waiter, struct waiters *to, waiter_try *attempt)
{
    timer_clear(waiter->line->server, &waiter->timer);
    take_out(waiter);
    append(to, waiter);
    waiter->attempt = attempt;
}

/* ---- parking ---- */

void waiter_forget(struct waiter *waiter)
{
    struct server *server = waiter->line->server;
    count_up(server->counters.waiting, -1U);
    timer_clear(server, &waiter->timer);
    take_out(waiter);
    take_off_line(waiter);
    cell_drop(server, waiter->cell);
    object_drop(server, waiter->object);
    free(waiter);
}

/* Has a waiter try, and answers for it. @return whether it is gone */
static bool try(struct server *server, struct waiter *waiter, bool late)
{
    unsigned char room[1024];
    struct message reply = MESSAGE_IN(room);
    struct line *line = waiter->line;
    struct request request = {
        .server = server,
        .line = line,
        .object = waiter->object,
        .args = KITH_NO_ARGS,
        .arena = server->arena,
        .reply = &reply,
        .errors = error_count(),
    };
    int code = waiter->attempt(waiter, &request, late);
    if (code == REQUEST_PARKED)
        return false;
    snapshot_changed(server);
    dispatch_finish(&request, code);
    waiter_forget(waiter);
    line_answer(line, &reply);
    message_free(&reply);
    return true;
}

static void wake(struct server *server, struct waiters *list, char how);

static void on_time(struct server *server, struct timer *timer)
{
    struct waiter *waiter = (struct waiter *)((char *)timer - offsetof(struct waiter, timer));
    struct waiters *list = waiter->list;
    struct object *object = object_hold(waiter->object);
    char waking = list->waking;
    list->waking = 1; /* nobody else tries for the one that is tried */
    try(server, waiter, true);
    list->waking = waking;
    if (list->again && !waking)
        wake(server, list, 0);
    object_drop(server, object);
}

int waiter_park(struct request *request, struct waiters *list, int64_t until, waiter_try *attempt, struct cell *cell,
                int64_t number)
{
    struct server *server = request->server;
    struct waiter *waiter = calloc(1, sizeof *waiter);
    int code = -ENOMEM;
    if (waiter) {
        waiter->timer.due = on_time;
        code = timer_set(server, &waiter->timer, until);
    }
    if (code < 0) {
        free(waiter);
        cell_drop(server, cell);
        return error_fail(code, "no memory for a call to wait");
    }
    waiter->line = request->line;
    waiter->object = object_hold(request->object);
    waiter->attempt = attempt;
    waiter->cell = cell;
    waiter->number = number;
    append(list, waiter);
    add_to_line(request->line, waiter);
    count_up(server->counters.waiting, 1);
    return REQUEST_PARKED;
}

/* ---- waking ---- */

static void try_first(struct server *server, struct waiters *list)
{
    while (list->first && try(server, list->first, false))
        ;
}

static void try_all(struct server *server, struct waiters *list)
{
    const struct waiter *last = list->last;
    for (struct waiter *waiter = list->first; waiter; waiter = list->next) {
        list->next = waiter == last ? NULL : waiter->next;
        try(server, waiter, false);
    }
}

/* What is called for while a waiter tries is done behind that, in this loop and not one level deeper. */
static void wake(struct server *server, struct waiters *list, char how)
{
    if (how > list->again)
        list->again = how;
    if (list->waking)
        return;
    if (!list->first) {
        list->again = 0;
        return;
    }
    struct object *object = object_hold(list->first->object); /* in whose state the list is */
    while ((how = list->again)) {
        list->again = 0;
        list->waking = how;
        (how == 2 ? try_all : try_first)(server, list);
        list->waking = 0;
    }
    object_drop(server, object);
}

void waiters_wake(struct server *server, struct waiters *list)
{
    wake(server, list, 1);
}

void waiters_wake_all(struct server *server, struct waiters *list)
{
    wake(server, list, 2);
}
