#include "manager/shared_queue.h"

#include "base/error.h"
#include "manager/line.h"
#include "manager/loans.h"
#include "manager/server.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/named.h"
#include "os/socket.h"
#include "os/thread.h"
#include "queue/counts.h"

#include <errno.h>
#include <kith/codec.h>
#include <kith/queue.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* How often to look whether messages with references have been got, in nanoseconds. */
#define LOOK ((int64_t)10 * 1000000000)

/* How long to wait for a client that is in the middle of its call, in nanoseconds: usually; for what clients seldom ask
 * for, and must not fail for nothing; and how long nobody tries when it was in vain. */
enum { PATIENCE = 100000, LONG_PATIENCE = 100000000, PAUSE = 5000000 };

struct kept {
    struct cell *cell; /* held */
    uint64_t number;   /* when so many messages have been got, so has this one */
    struct kept *next;
};

struct shared_queue {
    struct server *server;
    struct object *object; /* whose messages they are */
    kith_queue *queue;
    struct note *note;
    uint32_t expects; /* what the note says */
    uint64_t moves;   /* puts and gets, as seen for the last snapshot */
    int note_file;
    struct kept *returned; /* the one that was returned last is the next */
    size_t returned_count;
    struct kept *referring, **referring_end; /* put by the server, with references that it holds meanwhile */
    struct timer referring_timer;
    int64_t put_pause, get_pause;      /* until then nobody tries; 0: they may */
    struct timer pause_timer;          /* set while calls are parked for such a pause */
    struct shared_queue *next, **link; /* among the server's */
};

/* ---- messages with references ---- */

/* @param gets  how many messages have been got, or are taken to be */
static void referring_let_go(struct shared_queue *shared, uint64_t gets)
{
    while (shared->referring && shared->referring->number <= gets) {
        struct kept *kept = shared->referring;
        shared->referring = kept->next;
        if (!shared->referring)
            shared->referring_end = &shared->referring;
        if (gets < UINT64_MAX)
            lend_all(shared->server, NULL, kept->cell); /* whoever has got it is about to say that it has references */
        cell_drop(shared->server, kept->cell);
        free(kept);
    }
}

static void on_referring_timer(struct server *server, struct timer *timer)
{
    struct shared_queue *shared =
        (struct shared_queue *)((char *)timer - offsetof(struct shared_queue, referring_timer));
    referring_let_go(shared, queue_count_gets(shared->queue));
    if (shared->referring)
        timer_set(server, timer, os_clock_now() + LOOK); /* there is room: it was set just now */
}

/* Makes ready to keep what a message refers to, before it is put. @return NULL when there is no memory */
static struct kept *referring_prepare(struct shared_queue *shared, struct cell *cell)
{
    struct kept *kept = malloc(sizeof *kept);
    if (kept && !shared->referring && timer_set(shared->server, &shared->referring_timer, os_clock_now() + LOOK) < 0) {
        free(kept);
        kept = NULL;
    }
    if (kept)
        *kept = (struct kept){ .cell = cell_hold(cell) };
    return kept;
}

/* The message has been put, or not. */
static void referring_settle(struct shared_queue *shared, struct kept *kept, bool put)
{
    if (!put) {
        cell_drop(shared->server, kept->cell);
        free(kept);
        return;
    }
    kept->number = queue_count_puts(shared->queue);
    *shared->referring_end = kept;
    shared->referring_end = &kept->next;
}

/* ---- clients in the middle of their calls ---- */

static void on_pause_timer(struct server *server, struct timer *timer)
{
    const struct shared_queue *shared =
        (struct shared_queue *)((char *)timer - offsetof(struct shared_queue, pause_timer));
    shared_queue_try_again(server, shared->object);
}

/* @return -EBUSY, and the caller is told when to try again; -ENOMEM */
static int refer_to_later(struct shared_queue *shared)
{
    struct timer *timer = &shared->pause_timer;
    if (!timer->place && timer_set(shared->server, timer, os_clock_now() + PAUSE) < 0)
        return error_fail(-ENOMEM, "no memory to wait for a client");
    return error_fail(-EBUSY, "a client has been in the middle of its call on this queue for a second: is it stopped?");
}

static bool is_paused(const int64_t *pause)
{
    return *pause && os_clock_now() < *pause;
}

/* @param code  what an attempt gave. @return what it comes to */
static int after_attempt(struct shared_queue *shared, int64_t *pause, int code)
{
    *pause = code == -EBUSY ? os_clock_now() + PAUSE : 0;
    return code == -EBUSY ? refer_to_later(shared) : code;
}

/* What the loop does not do any more, it may wait for. */
static void be_patient(struct shared_queue *shared)
{
    bool serves = !atomic_load_explicit(&shared->server->stopping, memory_order_relaxed);
    queue_set_patience(shared->queue, serves ? LONG_PATIENCE : 0);
}

static void be_impatient(struct shared_queue *shared)
{
    queue_set_patience(shared->queue, PATIENCE);
}

/* ---- life ---- */

static void note_own(struct note *note)
{
    struct os_thread *self = os_thread_self();
    robust_pending(self, &note->server);
    atomic_store_explicit(&note->server.value, self->id, memory_order_release);
    robust_link(self, &note->server);
    robust_pending(self, NULL);
}

/* Only by the thread that owns it: not in a child that was forked, nor twice. */
static void note_disown(struct note *note)
{
    struct os_thread *self = os_thread_self();
    if ((atomic_load_explicit(&note->server.value, memory_order_relaxed) & ROBUST_OWNER) != self->id)
        return;
    robust_pending(self, &note->server);
    robust_unlink(self, &note->server);
    atomic_store_explicit(&note->server.value, 0, memory_order_release);
    robust_pending(self, NULL);
}

static int note_make(struct shared_queue *shared)
{
    void *memory = NULL;
    int code = shared->note_file = os_memory_file("kith-note");
    if (code >= 0)
        code = os_memory_back(shared->note_file, 0, sizeof *shared->note);
    if (code >= 0)
        code = os_memory_map(&memory, shared->note_file, 0, sizeof *shared->note);
    shared->note = memory;
    /* What is left are for clients' connections: this is but a short cut. */
    if (code >= 0 && !os_file_leaves_room(shared->note_file))
        code = -EMFILE;
    return code < 0 ? error_fail(code, "no memory to share a queue: %s", kith_strerror(code)) : 0;
}

static void free_parts(struct shared_queue *shared)
{
    kith_queue_free(shared->queue);
    if (shared->note)
        os_memory_unmap(shared->note, sizeof *shared->note);
    if (shared->note_file >= 0)
        close(shared->note_file);
    free(shared);
}

static void add(struct server *server, struct shared_queue *shared)
{
    shared->next = server->shared_queues;
    shared->link = &server->shared_queues;
    if (shared->next)
        shared->next->link = &shared->next;
    server->shared_queues = shared;
    count_up(server->counters.shared_queues, 1);
}

int shared_queue_new(struct server *server, struct shared_queue **shared, struct object *object, uint64_t max_items)
{
    struct shared_queue *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory to share a queue");
    made->note_file = -1;
    made->server = server;
    made->object = object;
    made->referring_end = &made->referring;
    made->referring_timer.due = on_referring_timer;
    made->pause_timer.due = on_pause_timer;
    int code = kith_queue_new(&made->queue, &(kith_queue_options){ .max_items = max_items });
    if (code == 0)
        code = note_make(made);
    if (code < 0) {
        free_parts(made);
        return code;
    }
    be_impatient(made);
    note_own(made->note);
    add(server, made);
    *shared = made;
    return 0;
}

void shared_queue_free(struct shared_queue *shared)
{
    struct server *server = shared->server;
    note_disown(shared->note);
    timer_clear(server, &shared->referring_timer);
    timer_clear(server, &shared->pause_timer);
    referring_let_go(shared, UINT64_MAX);
    while (shared->returned) {
        struct kept *kept = shared->returned;
        shared->returned = kept->next;
        cell_drop(server, kept->cell);
        free(kept);
    }
    *shared->link = shared->next;
    if (shared->next)
        shared->next->link = shared->link;
    count_up(server->counters.shared_queues, -1U);
    free_parts(shared);
}

void shared_queues_begin(struct server *server)
{
    for (struct shared_queue *shared = server->shared_queues; shared; shared = shared->next)
        note_own(shared->note);
}

void shared_queues_cease(struct server *server)
{
    for (struct shared_queue *shared = server->shared_queues; shared; shared = shared->next)
        note_disown(shared->note);
}

int shared_queue_begin_unfinished(struct shared_queue *shared, uint64_t count)
{
    int code = 0;
    for (; count > 0 && code == 0; count--) {
        size_t size;
        code = kith_queue_put(shared->queue, NULL, 0, KITH_NOWAIT);
        if (code == 0)
            code = kith_queue_get(shared->queue, NULL, 0, &size, KITH_NOWAIT);
    }
    return code;
}

int shared_queue_send(const struct shared_queue *shared, int socket)
{
    int code = os_socket_send_descriptor(socket, kith_queue_share_fd(shared->queue));
    return code < 0 ? code : os_socket_send_descriptor(socket, shared->note_file);
}

/* ---- messages ---- */

int shared_queue_put(struct shared_queue *shared, struct cell *cell)
{
    enum { HEAD = sizeof cell->head, STOP = 1 };
    struct kept *kept = NULL;
    if (is_paused(&shared->put_pause))
        return refer_to_later(shared);
    if (cell->reference_count > 0) {
        kept = referring_prepare(shared, cell);
        if (!kept)
            return error_fail(-ENOMEM, "no memory to keep what a message refers to");
    }
    int code = kith_queue_put(shared->queue, cell->head, HEAD + cell->size + STOP, KITH_NOWAIT);
    if (kept)
        referring_settle(shared, kept, code == 0);
    return after_attempt(shared, &shared->put_pause, code);
}

static int take_returned(struct shared_queue *shared, struct cell **cell)
{
    struct kept *kept = shared->returned;
    *cell = kept->cell;
    shared->returned = kept->next;
    shared->returned_count--;
    free(kept);
    if (!shared->returned)
        note_clear(shared->note, NOTE_RETURNED);
    return 0;
}

int shared_queue_get(struct shared_queue *shared, struct cell **cell)
{
    const void *data;
    size_t size;
    if (shared->returned)
        return take_returned(shared, cell);
    if (is_paused(&shared->get_pause))
        return refer_to_later(shared);
    int code = kith_queue_peek(shared->queue, &data, &size, KITH_NOWAIT);
    code = after_attempt(shared, &shared->get_pause, code);
    if (code < 0)
        return code;
    code = cell_from_message(shared->server, cell, data, size);
    kith_queue_release(shared->queue, code == 0 || code == KITH_EMALFORMED);
    return code;
}

int shared_queue_return(struct shared_queue *shared, struct cell *cell)
{
    struct kept *kept = malloc(sizeof *kept);
    if (!kept)
        return error_fail(-ENOMEM, "no memory to take a message back");
    *kept = (struct kept){ .cell = cell, .next = shared->returned };
    shared->returned = kept;
    shared->returned_count++;
    note_wait(shared->note, NOTE_RETURNED);
    return 0;
}

int shared_queue_done(struct shared_queue *shared)
{
    return kith_queue_task_done(shared->queue);
}

int shared_queue_shut(struct shared_queue *shared)
{
    be_patient(shared);
    int code = kith_queue_shut(shared->queue);
    be_impatient(shared);
    return code;
}

void shared_queue_expect(struct shared_queue *shared, uint32_t whom, bool waits)
{
    if (waits)
        note_wait(shared->note, shared->expects |= whom);
    else if (shared->expects & whom)
        note_clear(shared->note, whom), shared->expects &= ~whom;
}

/* ---- looks ---- */

uint64_t shared_queue_puts(const struct shared_queue *shared)
{
    return queue_count_puts(shared->queue);
}

bool shared_queue_was_done(const struct shared_queue *shared, uint64_t least)
{
    return queue_was_done(shared->queue, least);
}

uint64_t shared_queue_unfinished(const struct shared_queue *shared)
{
    kith_queue_stats stats;
    return kith_queue_get_stats(shared->queue, &stats) == 0 ? stats.unfinished : 0;
}

size_t shared_queue_length(const struct shared_queue *shared)
{
    return (size_t)kith_queue_qsize(shared->queue) + shared->returned_count;
}

/* ---- all of them ---- */

struct tour {
    struct server *server;
    int (*visit)(void *context, const struct cell *cell);
    void *context;
};

static int show(void *context, const void *data, size_t size)
{
    const struct tour *tour = context;
    struct cell *cell;
    int code = cell_from_message(tour->server, &cell, data, size);
    if (code < 0)
        return code;
    code = tour->visit(tour->context, cell);
    cell_drop(tour->server, cell);
    return code;
}

int shared_queue_walk(struct shared_queue *shared, int (*visit)(void *context, const struct cell *cell), void *context)
{
    struct tour tour = { shared->server, visit, context };
    int code = 0;
    for (const struct kept *kept = shared->returned; kept && code == 0; kept = kept->next)
        code = visit(context, kept->cell);
    if (code < 0)
        return code;
    be_patient(shared);
    code = kith_queue_walk(shared->queue, show, &tour);
    be_impatient(shared);
    return code;
}

static struct shared_queue *hold(struct shared_queue *shared)
{
    if (shared)
        object_hold(shared->object);
    return shared;
}

/* A call that waits may be what holds a queue, and be answered; and one queue may hold the next. */
void shared_queues_changed(struct server *server)
{
    struct shared_queue *shared = hold(server->shared_queues), *next;
    for (; shared; shared = next) {
        if (shared->expects)
            shared_queue_changed(server, shared->object);
        next = hold(shared->next);
        object_drop(server, shared->object);
    }
}

bool shared_queues_have_changed(struct server *server)
{
    bool changed = false;
    for (struct shared_queue *shared = server->shared_queues; shared; shared = shared->next) {
        uint64_t moves = queue_count_puts(shared->queue) + queue_count_gets(shared->queue);
        changed |= moves != shared->moves;
        shared->moves = moves;
    }
    return changed;
}

/* ---- calls of the server ---- */

static int find(struct request *request, struct object **object)
{
    const kith_value *value;
    const char *ident;
    int code = request_arguments(request, "ident", &value);
    if (code == 0)
        code = kith_value_as_str(value, &ident, NULL);
    if (code < 0)
        return code;
    *object = object_find(request->server, ident);
    return *object ? 0 : request_raise_value(request, "KeyError", kith_value_str(request->arena, ident));
}

int shared_queue_run_share(struct request *request)
{
    struct object *object = NULL;
    int code = find(request, &object);
    if (!object)
        return code;
    struct shared_queue *shared =
        line_takes_descriptors(request->line) ? shared_queue_of(request->server, object) : NULL;
    return request_answer_bool(request, shared && shared_queue_send(shared, request->line->channel.socket) == 0);
}

int shared_queue_run_changed(struct request *request)
{
    struct object *object = NULL;
    int code = find(request, &object);
    if (!object)
        return code;
    shared_queue_changed(request->server, object);
    return request_answer_none(request);
}
