/* References of clients. Whose they are decides what becomes of them when somebody dies: those of a process on a Unix
 * socket end with the process; those of a kith client over TCP with its line; what stock Python has over TCP is
 * nobody's, and only decref ends it. */
#include "manager/holders.h"

#include "base/error.h"
#include "manager/holding.h"
#include "manager/line.h"
#include "manager/loans.h"
#include "manager/server.h"
#include "manager/tie.h"
#include "os/process.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A process that has references. */
struct holder {
    struct watch watch; /* its pidfd */
    pid_t pid;
    struct tie *claims;
    struct line *lines;  /* that have ended, and hold something still */
    struct holder *next; /* in its slot of server->holders */
};

static struct tie_ends ends_of(struct object *object)
{
    return (struct tie_ends){ &object->claims, &object->last_claim };
}

/* ---- processes ---- */

static struct holder **slot_of(struct server *server, pid_t pid)
{
    return &server->holders[(unsigned)pid % HOLDER_SLOTS];
}

static void holder_free(struct server *server, struct holder *holder)
{
    struct holder **link = slot_of(server, holder->pid);
    while (*link != holder)
        link = &(*link)->next;
    *link = holder->next;
    loop_forget(server, &holder->watch);
    close(holder->watch.descriptor);
    free(holder);
}

static void claims_drop(struct server *server, struct tie **claims);

static void on_death(struct server *server, struct watch *watch)
{
    struct holder *holder = (struct holder *)watch; /* its first member */
    while (holder->lines) {
        struct line *line = holder->lines;
        holder->lines = line->next;
        line->keeper = NULL;
        holdings_give_back(server, line);
        free(line);
    }
    claims_drop(server, &holder->claims);
    holder_free(server, holder);
}

/* @return 0; -ESRCH when it has ended already; another code when it can't be watched */
static int holder_new(struct server *server, struct holder **holder, pid_t pid)
{
    struct holder *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->pid = pid;
    made->watch.ready = on_death;
    made->watch.descriptor = os_process_open(pid);
    int code = made->watch.descriptor;
    if (code >= 0 && (code = loop_watch(server, &made->watch, OS_POLL_READ)) < 0)
        close(made->watch.descriptor);
    if (code < 0) {
        free(made);
        return code;
    }
    made->next = *slot_of(server, pid);
    *slot_of(server, pid) = made;
    *holder = made;
    return 0;
}

static struct holder *holder_find(struct server *server, pid_t pid)
{
    struct holder *holder = *slot_of(server, pid);
    while (holder && holder->pid != pid)
        holder = holder->next;
    return holder;
}

/* A process that has nothing is watched no more. */
static void holder_leave(struct server *server, struct holder *holder)
{
    if (!holder->claims && !holder->lines)
        holder_free(server, holder);
}

static int holder_of(struct server *server, struct holder **holder, pid_t pid)
{
    *holder = holder_find(server, pid);
    return *holder ? 0 : holder_new(server, holder, pid);
}

void holders_end(struct server *server)
{
    for (size_t i = 0; i < HOLDER_SLOTS; i++) {
        while (server->holders[i])
            on_death(server, &server->holders[i]->watch);
    }
}

/* ---- what lines held ---- */

bool holders_keep_line(struct server *server, struct line *line)
{
    struct holder *holder;
    if (!line->holdings || line->is_kith || line->pid <= 0 || holder_of(server, &holder, line->pid) < 0)
        return false;
    line->keeper = holder;
    line->next = holder->lines;
    line->link = &holder->lines;
    if (line->next)
        line->next->link = &line->next;
    holder->lines = line;
    return true;
}

void holders_drop_line(struct server *server, struct line *line)
{
    struct holder *holder = line->keeper;
    *line->link = line->next;
    if (line->next)
        line->next->link = line->link;
    free(line);
    holder_leave(server, holder);
}

/* ---- references ---- */

static void count_off(struct server *server, struct object *object, uint64_t count)
{
    object->claimed -= count;
    object->held -= count - 1;
    server->objects.claimed -= object->claimed == 0;
    object_drop(server, object);
}

static void claims_drop(struct server *server, struct tie **claims)
{
    while (*claims) {
        struct tie *tie = *claims;
        struct object *object = tie->object;
        uint64_t count = (uint64_t)tie->count;
        tie_free(tie, ends_of(object));
        count_up(server->counters.given_back, count);
        count_off(server, object, count);
    }
}

void claims_give_back(struct server *server, struct line *line)
{
    claims_drop(server, &line->claims);
}

static int add_to(struct tie **claims, void *owner, struct object *object)
{
    struct tie *tie = tie_find(*claims, object->claims, owner, object);
    if (!tie)
        tie = tie_new(claims, ends_of(object), owner, object);
    if (!tie)
        return -ENOMEM;
    tie->count++;
    return 0;
}

static int claim_for_process(struct server *server, pid_t pid, struct object *object)
{
    struct holder *holder;
    int code = holder_of(server, &holder, pid);
    if (code == 0) {
        code = add_to(&holder->claims, holder, object);
        holder_leave(server, holder);
    }
    return code;
}

int claim(struct server *server, struct line *line, struct object *object)
{
    int code = 0;
    if (line->pid > 0)
        code = claim_for_process(server, line->pid, object);
    else if (line->is_kith)
        code = add_to(&line->claims, line, object);
    if (code == -ESRCH) { /* it can't say decref any more */
        lend(server, NULL, object);
        return 0;
    }
    if (code == -ENOMEM)
        return error_fail(code, "no memory to note a reference");
    object_hold(object);
    server->objects.claimed += object->claimed++ == 0;
    loan_claimed(server, line, object);
    return 0;
}

/* @return whether that owner had one */
static bool take_from(struct tie *claims, struct object *object, const void *owner)
{
    struct tie *tie = tie_find(claims, object->claims, owner, object);
    if (tie && --tie->count == 0)
        tie_free(tie, ends_of(object));
    return tie;
}

static bool take_from_process(struct server *server, pid_t pid, struct object *object)
{
    struct holder *holder = pid > 0 ? holder_find(server, pid) : NULL;
    if (!holder || !take_from(holder->claims, object, holder))
        return false;
    holder_leave(server, holder);
    return true;
}

/* Takes one from whoever has had one longest, unless some are nobody's. A process is watched on, though it has none. */
static void take_from_anybody(struct object *object)
{
    uint64_t owned = 0;
    for (const struct tie *tie = object->claims; tie; tie = tie->next_of_object)
        owned += (uint64_t)tie->count;
    if (object->claimed == owned && --object->claims->count == 0)
        tie_free(object->claims, ends_of(object));
}

void disclaim(struct server *server, struct line *line, struct object *object)
{
    if (!take_from_process(server, line->pid, object) && !take_from(line->claims, object, line))
        take_from_anybody(object);
    count_off(server, object, 1);
}
