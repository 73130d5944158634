#include "process/children.h"

#include "os/memory.h"
#include "os/packet.h"
#include "os/poll.h"
#include "os/process.h"
#include "process/forks.h"
#include "process/report.h"
#include "process/self.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kith_process *first;
static unsigned long started;
static bool keeping; /* see children_keep */

/* ---- the list; all of this under forks_block ---- */

static void append(struct kith_process *child)
{
    struct kith_process **link = &first;
    while (*link)
        link = &(*link)->next;
    *link = child;
}

static void take_out(struct kith_process *child)
{
    struct kith_process **link = &first;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    record_free(child);
}

static bool ended(struct kith_process *child)
{
    if (child->ended || child->pid == 0)
        return child->ended;
    int outcome = os_process_reap(child->sentinel, &child->exit_code);
    child->ended = outcome != 0;
    child->reaped = outcome > 0;
    return child->ended;
}

/* Reaps the children that have ended, and frees those whose handles nobody has. */
static void sweep(void)
{
    struct kith_process **link = &first;
    while (*link) {
        struct kith_process *child = *link;
        if (ended(child) && !child->held && !keeping) {
            *link = child->next;
            record_free(child);
        } else {
            link = &child->next;
        }
    }
}

/* ---- from the start to the end of a child ---- */

/* @return 0 or -ENOMEM */
static int name(struct kith_process *child, const char *wanted)
{
    const char *family = process_self->path;
    int length =
        family ? asprintf(&child->path, "%s:%lu", family, started + 1) : asprintf(&child->path, "%lu", started + 1);
    if (length < 0) {
        child->path = NULL; /* after a failure its content is undefined */
        return -ENOMEM;
    }
    if (wanted)
        child->name = strdup(wanted);
    else if (asprintf(&child->name, "Process-%s", child->path) < 0)
        child->name = NULL;
    return child->name ? 0 : -ENOMEM;
}

/* What the two talk by until the child has begun. */
static int open_passing(struct kith_process *child, const kith_process_options *options, bool reports)
{
    int code = options->method == KITH_FORK ? gate_new(&child->gate) : 0; /* others find theirs in their parcel */
    if (code == 0 && reports)
        code = report_open(child->report);
    return code == 0 ? streams_open(&child->streams, options->stdio) : code;
}

static int write_down(struct kith_process *child, const kith_process_options *options, bool reports)
{
    sweep();
    int code = children_register_end();
    if (code == 0)
        code = name(child, options->name);
    if (code == 0)
        code = open_passing(child, options, reports);
    if (code == 0)
        code = self_open_sentinel();
    if (code < 0)
        return code;
    started += !child->hidden;
    append(child);
    return 0;
}

int children_allowed(void)
{
    if (process_self->daemon)
        return error_fail(-EPERM, "%s is a daemon, which may not have children: nobody would end them",
                          record_name(process_self));
    return 0;
}

int children_add(struct kith_process **child, const kith_process_options *options, bool reports,
                 enum children_holder holder)
{
    struct kith_process *made = record_new();
    if (!made)
        return error_fail(-ENOMEM, "no memory for a child's record");
    made->parent_pid = process_self->pid;
    made->hidden = holder == HOLDER_LIBRARY;
    made->held = holder != HOLDER_NONE;
    made->daemon = options->daemon || made->hidden;
    made->generation = forks_generation();
    forks_block();
    int code = write_down(made, options, reports);
    if (code < 0)
        record_free(made);
    forks_allow();
    if (code < 0)
        return error_fail(code, "nothing to write a child down with: %s", kith_strerror(code));
    *child = made;
    return 0;
}

int children_pack_file(struct kith_process *child, const char *label)
{
    forks_block();
    int code = child->luggage[LUGGAGE_FILE] = os_memory_file(label);
    forks_allow();
    return code < 0 ? code : 0;
}

int children_pack_pair(struct kith_process *child)
{
    forks_block();
    int code = os_packet_pair(&child->luggage[LUGGAGE_NEAR]);
    forks_allow();
    return code;
}

void children_unpack(struct kith_process *child, int which)
{
    forks_block();
    close(child->luggage[which]);
    child->luggage[which] = -1;
    forks_allow();
}

/* @return 0, or as os_process_open */
static int let_go(struct kith_process *child, pid_t pid)
{
    forks_block();
    int code = os_process_open(pid);
    if (code >= 0) {
        child->sentinel = code;
        gate_lift(&child->gate);
    }
    forks_allow();
    return code < 0
               ? error_fail(code, "no sentinel for a child, so it was ended before it ran: %s", kith_strerror(code))
               : 0;
}

/* Of one that has not begun. By its sentinel, since the program may have reaped it, with a handler of SIGCHLD. */
static void end_and_reap(const struct kith_process *child)
{
    int exit_code;
    os_process_signal(child->sentinel, SIGKILL);
    while (os_poll(child->sentinel, OS_POLL_READ, OS_FOREVER) == -EINTR)
        continue;
    os_process_reap(child->sentinel, &exit_code);
}

int children_admit(struct kith_process *child, pid_t pid, kith_stdio *stdio)
{
    int code = let_go(child, pid);
    if (code < 0) {
        os_process_discard(pid);
        return code;
    }
    if (child->report[0] >= 0)
        code = report_await(child->report[0], child->sentinel);
    if (code < 0) {
        end_and_reap(child);
        return code;
    }
    forks_block();
    streams_hand_out(&child->streams, stdio);
    record_close_passing(child);
    child->pid = pid;
    forks_allow();
    return 0;
}

void children_remove(struct kith_process *child)
{
    forks_block();
    take_out(child);
    forks_allow();
}

bool child_ended(struct kith_process *child)
{
    forks_block();
    bool result = ended(child);
    forks_allow();
    return result;
}

int child_wait(struct kith_process *child, deadline until)
{
    /* The sentinel of one that was reaped stays readable. */
    int code = os_poll(child->sentinel, OS_POLL_READ, until);
    while (code == 0 && !child_ended(child)) {
        /* It is dead, but a debugger has not let go of it yet. */
        if (deadline_passed(until))
            return -ETIMEDOUT;
        os_clock_nap(1000000);
    }
    return code;
}

int child_exit_code(struct kith_process *child, int *code)
{
    forks_block();
    int result = !ended(child) ? -EAGAIN : !child->reaped ? -ECHILD : 0;
    if (result == 0)
        *code = child->exit_code;
    forks_allow();
    return result;
}

int child_close(struct kith_process *child)
{
    forks_block();
    int code = ended(child) ? 0 : -EBUSY;
    if (code == 0 && !keeping)
        take_out(child);
    forks_allow();
    return code;
}

int children_active(struct kith_process **children, size_t capacity)
{
    size_t count = 0;
    forks_block();
    sweep();
    for (struct kith_process *child = first; child; child = child->next) {
        if (child->pid == 0 || child->hidden || ended(child))
            continue;
        if (count < capacity) {
            children[count] = child;
            child->held = true;
        }
        count++;
    }
    forks_allow();
    return (int)count;
}

/* ---- the ends of a list: of this process's, and of its parent's in a new one ---- */

void children_keep(void)
{
    forks_block();
    keeping = true;
    forks_allow();
}

struct kith_process *children_next(struct kith_process *child, bool daemon)
{
    forks_block();
    child = child ? child->next : first;
    while (child && (child->daemon != daemon || child->pid == 0 || ended(child)))
        child = child->next;
    forks_allow();
    return child;
}

static void forget(struct kith_process *child)
{
    if (!child->held || child->pid == 0) {
        record_free(child);
        return;
    }
    /* The program may have the handle, and ask for the name, or close it. */
    close(child->sentinel);
    child->sentinel = -1;
    child->next = NULL;
}

void children_forget(struct kith_process *self)
{
    struct kith_process *child = first;
    first = NULL;
    started = 0;
    keeping = false;
    while (child) {
        struct kith_process *next = child->next;
        if (child != self)
            forget(child);
        child = next;
    }
}
