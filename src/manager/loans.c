#include "manager/loans.h"

#include "manager/line.h"
#include "manager/server.h"

#include <stddef.h>
#include <stdlib.h>

/* An object that somebody has got in replies: one for each process that has, and one for those whom nobody knows. */
struct lent {
    struct object *object; /* held */
    pid_t pid;             /* 0: nobody knows */
    uint64_t awaited;      /* how many times incref is to be said */
    int64_t until;
    struct loans *loans; /* that it is among */
    struct lent *next, **link;
    struct lent *next_of_object, **link_of_object;
};

static void leave_loans(struct lent *lent)
{
    *lent->link = lent->next;
    *(lent->next ? &lent->next->link : &lent->loans->end) = lent->link;
}

static void lent_free(struct server *server, struct lent *lent)
{
    *lent->link_of_object = lent->next_of_object;
    if (lent->next_of_object)
        lent->next_of_object->link_of_object = lent->link_of_object;
    object_drop(server, lent->object);
    free(lent);
}

/* Among those that end last. */
static void join_loans(struct server *server, struct loans *loans, struct lent *lent)
{
    lent->until = os_clock_now() + loans->patience;
    if (!loans->first && timer_set(server, &loans->timer, lent->until) < 0) {
        lent_free(server, lent);
        return;
    }
    lent->loans = loans;
    lent->next = NULL;
    lent->link = loans->end;
    *loans->end = lent;
    loans->end = &lent->next;
}

static void end_first(struct server *server, const struct loans *loans)
{
    struct lent *lent = loans->first;
    leave_loans(lent);
    lent_free(server, lent);
}

static void on_time(struct server *server, struct timer *timer)
{
    const struct loans *loans = (struct loans *)((char *)timer - offsetof(struct loans, timer));
    int64_t now = os_clock_now();
    while (loans->first && loans->first->until <= now)
        end_first(server, loans);
    if (loans->first)
        (void)timer_set(server, timer, loans->first->until); /* there is room: it was set just now */
}

void loans_begin(struct server *server)
{
    server->awaited = (struct loans){ .patience = KITH_SECONDS(60), .timer.due = on_time };
    server->awaited.end = &server->awaited.first;
    server->claimed = (struct loans){ .patience = KITH_SECONDS(1), .timer.due = on_time };
    server->claimed.end = &server->claimed.first;
}

void loans_end(struct server *server)
{
    while (server->awaited.first)
        end_first(server, &server->awaited);
    while (server->claimed.first)
        end_first(server, &server->claimed);
}

static struct lent *find_lent(const struct object *object, pid_t pid)
{
    struct lent *lent = object->lent;
    while (lent && lent->pid != pid)
        lent = lent->next_of_object;
    return lent;
}

static struct lent *lent_new(struct object *object, pid_t pid)
{
    struct lent *lent = malloc(sizeof *lent);
    if (!lent)
        return NULL;
    *lent = (struct lent){
        .object = object_hold(object),
        .pid = pid,
        .next_of_object = object->lent,
        .link_of_object = &object->lent,
    };
    if (lent->next_of_object)
        lent->next_of_object->link_of_object = &lent->next_of_object;
    object->lent = lent;
    return lent;
}

void lend(struct server *server, const struct line *line, struct object *object)
{
    pid_t pid = line ? line->pid : 0;
    struct lent *lent = find_lent(object, pid);
    if (lent)
        leave_loans(lent);
    else
        lent = lent_new(object, pid);
    if (!lent)
        return;
    lent->awaited++;
    join_loans(server, &server->awaited, lent);
}

void lend_all(struct server *server, const struct line *line, const struct cell *cell)
{
    for (unsigned i = 0; i < cell->reference_count; i++)
        lend(server, line, cell->references[i]);
}

void loan_claimed(struct server *server, const struct line *line, const struct object *object)
{
    struct lent *lent = line->pid > 0 ? find_lent(object, line->pid) : NULL;
    if (!lent || lent->awaited == 0 || --lent->awaited > 0)
        return;
    leave_loans(lent);
    join_loans(server, &server->claimed, lent);
}
