/* Queue and JoinableQueue: queue.Queue. Here are the rules, who waits, and what becomes of messages that were got;
 * where they lie is store.h's.
 *
 * What is put goes into the store, and whoever waits first gets it from there at once. So nobody waits to get while
 * there is something, nor to put while there is room; but a message that comes back is taken in though there be none.
 *
 * A message that never reached its client comes back by put_back. With redeliver, the queue also keeps what was got
 * until task_done is said of it, and when its client ends before that, all that this had comes back at the head, in
 * order. task_done does not say of what: so it is of the oldest that this client has; or, since one thread may get for
 * another, of the oldest of that client which has had some longest. */
#include "base/deadline.h"
#include "manager/kind.h"
#include "manager/line.h"
#include "manager/server.h"
#include "manager/store.h"
#include "manager/waiter.h"

#include <errno.h>
#include <kith/queue.h>
#include <stdlib.h>

/* A message that was got and is not done with. */
struct given {
    struct given *next, *previous;
    struct cell *cell; /* held */
    uint64_t line;     /* the number of the one that got it */
};

struct queue {
    struct store store;
    int64_t max_size; /* 0 or less: none */
    bool redeliver;
    bool shut; /* shutdown was called */
    struct given *first_given, *last_given;
    struct waiters getters, putters, joiners; /* a putter's cell is what it is to put */
};

static bool is_empty(const struct queue *queue)
{
    return store_count(&queue->store) == 0;
}

static bool is_full(const struct queue *queue)
{
    return queue->max_size > 0 && store_count(&queue->store) >= (uint64_t)queue->max_size;
}

/* Says to clients that use the queue themselves that somebody is about to wait here.
 * @return whether there are any: then one more look is to follow */
static bool expect(struct queue *queue, uint32_t whom)
{
    if (queue->store.shared)
        shared_queue_expect(queue->store.shared, whom, true);
    return queue->store.shared;
}

/* ---- making ---- */

static int make_queue(void **state, const struct queue *what)
{
    struct queue *queue = malloc(sizeof *queue);
    if (!queue)
        return error_fail(-ENOMEM, "no memory for a queue");
    *queue = *what;
    *state = queue;
    return 0;
}

static int make(struct request *request, void **state)
{
    const kith_value *max_size, *redeliver;
    struct queue made = { 0 };
    int code = request_arguments(request, "maxsize? redeliver?", &max_size, &redeliver);
    if (code == 0 && kith_value_length(request->args) > 1)
        code = error_fail(KITH_ETYPE, "redeliver is given by its name");
    if (code == 0 && max_size)
        code = request_integer(max_size, &made.max_size);
    if (code < 0)
        return code;
    made.redeliver = request_truth(redeliver, false);
    made.store.max_count = made.max_size > 0 ? (uint64_t)made.max_size : 0;
    return make_queue(state, &made);
}

static void forget_given(struct queue *queue, struct given *given)
{
    *(given->previous ? &given->previous->next : &queue->first_given) = given->next;
    *(given->next ? &given->next->previous : &queue->last_given) = given->previous;
    free(given);
}

static void end(struct server *server, void *state)
{
    struct queue *queue = state;
    while (queue->first_given) {
        cell_drop(server, queue->first_given->cell);
        forget_given(queue, queue->first_given);
    }
    store_end(server, &queue->store);
    free(queue);
}

/* ---- what waits, and how it ends ---- */

/* Until when a call is parked that is not to wait, but that a client's own call on the queue was in the way of. */
static int64_t wait_or_soon(int64_t until)
{
    return until == DEADLINE_PASSED ? os_clock_now() + KITH_SECONDS(1) : until;
}

/* Whether a call that was tried again stays parked. Its number: whether it waits for what is not there, too.
 * @param none  the code that there is none */
static bool waits_on(const struct waiter *waiter, int code, int none)
{
    return code == -EBUSY || (code == none && waiter->number);
}

/* Whether it ends because there is none: also when nobody could look, but it has waited as long as it was to. */
static bool has_none(const struct waiter *waiter, int code, int none)
{
    return code == none || (code == -EBUSY && waiter->number);
}

static int raise_empty(struct request *request)
{
    return request_raise_value(request, "queue.Empty", NULL);
}

static int raise_full(struct request *request)
{
    return request_raise_value(request, "queue.Full", NULL);
}

static int raise_shut(struct request *request)
{
    return request_raise_value(request, "queue.ShutDown", NULL);
}

/* @param until  DEADLINE_PASSED: it is not to wait */
static int wait_until(const kith_value *block, const kith_value *timeout, int64_t *until)
{
    double seconds;
    *until = DEADLINE_PASSED;
    if (!request_truth(block, true))
        return 0;
    if (kith_value_as_float(timeout, &seconds) == 0 && seconds < 0)
        return error_fail(-EINVAL, "'timeout' must be a non-negative number");
    return request_deadline(timeout, until);
}

/* ---- putting ---- */

/* @return as store_put */
static int put_cell(struct request *request, struct cell *cell)
{
    struct queue *queue = request->object->state;
    int code = store_put(request->server, &queue->store, cell);
    if (code == 0)
        waiters_wake(request->server, &queue->getters);
    return code;
}

static int try_to_put(struct waiter *waiter, struct request *request, bool late)
{
    const struct queue *queue = waiter->object->state;
    if (queue->shut)
        return raise_shut(request);
    int code = put_cell(request, waiter->cell);
    if (!late && waits_on(waiter, code, KITH_EFULL))
        return REQUEST_PARKED;
    if (code < 0)
        return has_none(waiter, code, KITH_EFULL) ? raise_full(request) : code;
    waiter->cell = NULL;
    return request_answer_none(request);
}

static int put(struct request *request, const kith_value *item, int64_t until)
{
    struct queue *queue = request->object->state;
    struct cell *cell;
    if (until == DEADLINE_PASSED && is_full(queue))
        return raise_full(request);
    int code = cell_new(request->server, &cell, item);
    if (code < 0)
        return code;
    bool waits = until != DEADLINE_PASSED;
    code = put_cell(request, cell);
    if (code == KITH_EFULL && waits && expect(queue, NOTE_PUTTERS))
        code = put_cell(request, cell);
    if (code == -EBUSY)
        (void)expect(queue, NOTE_PUTTERS); /* it may come to wait for room */
    if (code == -EBUSY || (code == KITH_EFULL && waits))
        return waiter_park(request, &queue->putters, wait_or_soon(until), try_to_put, cell, waits);
    if (code < 0)
        cell_drop(request->server, cell);
    return code == 0 ? request_answer_none(request) : code == KITH_EFULL ? raise_full(request) : code;
}

static int run_put(struct request *request)
{
    const struct queue *queue = request->object->state;
    const kith_value *item, *block, *timeout;
    int64_t until = OS_FOREVER;
    int code = request_arguments(request, "item block? timeout?", &item, &block, &timeout);
    if (code < 0)
        return code;
    if (queue->shut)
        return raise_shut(request);
    if (queue->max_size > 0) /* else Python looks at neither */
        code = wait_until(block, timeout, &until);
    return code < 0 ? code : put(request, item, until);
}

static int run_put_nowait(struct request *request)
{
    const struct queue *queue = request->object->state;
    const kith_value *item;
    int code = request_arguments(request, "item", &item);
    if (code < 0)
        return code;
    return queue->shut ? raise_shut(request) : put(request, item, DEADLINE_PASSED);
}

/* ---- getting ---- */

/* Answers with a cell, and keeps it, until it is done with. */
static int give(struct request *request, struct cell *cell)
{
    struct queue *queue = request->object->state;
    struct given *given = malloc(sizeof *given);
    if (!given)
        return error_fail(-ENOMEM, "no memory to note who got a message");
    int code = holding_change(request->server, request->line, request->object, 1);
    if (code < 0) {
        free(given);
        return code;
    }
    *given = (struct given){ .previous = queue->last_given, .cell = cell, .line = request->line->number };
    *(given->previous ? &given->previous->next : &queue->first_given) = given;
    queue->last_given = given;
    code = request_answer_cell(request, cell);
    if (code < 0) {
        holding_change(request->server, request->line, request->object, -1);
        forget_given(queue, given);
    }
    return code;
}

/* @return KITH_EEMPTY; else as a method */
static int get_cell(struct request *request)
{
    struct queue *queue = request->object->state;
    struct cell *cell;
    int code = store_get(request->server, &queue->store, &cell);
    if (code < 0)
        return code;
    code = queue->redeliver ? give(request, cell) : request_answer_taken(request, cell);
    if (code < 0)
        (void)store_put_back(request->server, &queue->store, cell); /* there is room: it was got just now */
    else
        waiters_wake(request->server, &queue->putters);
    return code;
}

/* Nothing is there to be got, and nobody is to wait. */
static int raise_none(struct request *request)
{
    const struct queue *queue = request->object->state;
    return queue->shut ? raise_shut(request) : raise_empty(request);
}

static int try_to_get(struct waiter *waiter, struct request *request, bool late)
{
    const struct queue *queue = waiter->object->state;
    int code = get_cell(request);
    bool over = late || (code == KITH_EEMPTY && queue->shut);
    if (!over && waits_on(waiter, code, KITH_EEMPTY))
        return REQUEST_PARKED;
    return has_none(waiter, code, KITH_EEMPTY) ? raise_none(request) : code;
}

static int get(struct request *request, int64_t until)
{
    struct queue *queue = request->object->state;
    bool waits = until != DEADLINE_PASSED;
    int code = get_cell(request);
    if (code == KITH_EEMPTY && (queue->shut || !waits))
        return raise_none(request);
    if (code == KITH_EEMPTY && expect(queue, NOTE_GETTERS))
        code = get_cell(request);
    if (code == -EBUSY)
        (void)expect(queue, NOTE_GETTERS); /* it may come to wait for a message */
    if (code != -EBUSY && code != KITH_EEMPTY)
        return code;
    return waiter_park(request, &queue->getters, wait_or_soon(until), try_to_get, NULL, waits);
}

static int run_get(struct request *request)
{
    const struct queue *queue = request->object->state;
    const kith_value *block, *timeout;
    int64_t until;
    int code = request_arguments(request, "block? timeout?", &block, &timeout);
    if (code < 0)
        return code;
    if (queue->shut && is_empty(queue))
        return raise_shut(request);
    code = wait_until(block, timeout, &until);
    return code < 0 ? code : get(request, until);
}

static int run_get_nowait(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : get(request, DEADLINE_PASSED);
}

/* ---- being done ---- */

/* @return the oldest message that a line has got, which has some */
static struct given *find_given(const struct queue *queue, const struct line *line)
{
    struct given *given = queue->first_given;
    while (given->line != line->number)
        given = given->next;
    return given;
}

static void done_with_one(struct request *request)
{
    struct queue *queue = request->object->state;
    struct line *line = request->line;
    if (holding_of(line, request->object) == 0)
        line = holding_oldest(request->server, request->object);
    if (!line)
        return;
    struct given *given = find_given(queue, line);
    holding_change(request->server, line, request->object, -1);
    cell_drop(request->server, given->cell);
    forget_given(queue, given);
}

static int run_task_done(struct request *request)
{
    struct queue *queue = request->object->state;
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    if (store_done(&queue->store) < 0)
        return error_fail(-EINVAL, "task_done() called too many times");
    done_with_one(request);
    waiters_wake_all(request->server, &queue->joiners);
    return request_answer_none(request);
}

/* A joiner's number is the mark of its coming. */
static int try_to_join(struct waiter *waiter, struct request *request, bool late)
{
    const struct queue *queue = waiter->object->state;
    if (store_was_done(&queue->store, (uint64_t)waiter->number))
        return request_answer_none(request);
    return late ? request_raise(request, "TimeoutError", "not all messages are done with") : REQUEST_PARKED;
}

/* The timeout is ours: Python's join has none. */
static int run_join(struct request *request)
{
    struct queue *queue = request->object->state;
    const kith_value *timeout;
    int64_t until;
    int code = request_arguments(request, "timeout?", &timeout);
    if (code == 0)
        code = request_deadline(timeout, &until);
    if (code < 0)
        return code;
    uint64_t mark = store_mark(&queue->store);
    bool done = store_was_done(&queue->store, mark);
    if (!done && expect(queue, NOTE_JOINERS))
        done = store_was_done(&queue->store, mark);
    return done ? request_answer_none(request)
                : waiter_park(request, &queue->joiners, until, try_to_join, NULL, (int64_t)mark);
}

/* ---- coming back ---- */

static void come_back(struct server *server, struct queue *queue, struct cell *cell)
{
    if (store_put_back(server, &queue->store, cell) < 0) {
        kith_log(KITH_LOG_ERROR, "a message that its client did not get is lost: %s", kith_error_detail());
        cell_drop(server, cell);
    }
}

static void put_back(struct server *server, struct object *object, struct cell *cell)
{
    struct queue *queue = object->state;
    come_back(server, queue, cell);
    waiters_wake(server, &queue->getters);
}

static void give_back(struct server *server, struct object *object, struct line *line, int64_t count)
{
    (void)count;
    struct queue *queue = object->state;
    for (struct given *given = queue->last_given, *previous; given; given = previous) {
        previous = given->previous;
        if (given->line != line->number)
            continue;
        come_back(server, queue, given->cell);
        forget_given(queue, given);
    }
    waiters_wake(server, &queue->getters);
}

/* ---- the other methods ---- */

static int run_qsize(struct request *request)
{
    const struct queue *queue = request->object->state;
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_int(request, (int64_t)store_count(&queue->store));
}

static int run_empty(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, is_empty(request->object->state));
}

static int run_full(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, is_full(request->object->state));
}

static int run_shutdown(struct request *request)
{
    struct queue *queue = request->object->state;
    const kith_value *immediate;
    int code = request_arguments(request, "immediate?", &immediate);
    if (code < 0)
        return code;
    if (queue->store.shared && (code = shared_queue_shut(queue->store.shared)) < 0)
        return code;
    queue->shut = true;
    if (request_truth(immediate, false))
        code = store_clear(request->server, &queue->store);
    waiters_wake_all(request->server, &queue->joiners);
    waiters_wake_all(request->server, &queue->getters);
    waiters_wake_all(request->server, &queue->putters);
    return code < 0 ? code : request_answer_none(request);
}

/* ---- sharing ---- */

void shared_queue_changed(struct server *server, struct object *object)
{
    if (object->kind != &kind_queue || !((struct queue *)object->state)->store.shared)
        return;
    struct queue *queue = object_hold(object)->state;
    waiters_wake(server, &queue->getters);
    waiters_wake(server, &queue->putters);
    waiters_wake_all(server, &queue->joiners);
    shared_queue_expect(queue->store.shared, NOTE_GETTERS, queue->getters.first);
    shared_queue_expect(queue->store.shared, NOTE_PUTTERS, queue->putters.first);
    shared_queue_expect(queue->store.shared, NOTE_JOINERS, queue->joiners.first);
    object_drop(server, object);
}

void shared_queue_try_again(struct server *server, struct object *object)
{
    struct queue *queue = object_hold(object)->state;
    waiters_wake_all(server, &queue->getters);
    waiters_wake_all(server, &queue->putters);
    object_drop(server, object);
}

/* Who waits here already does so for what clients are going to do, too. */
static void begin_sharing(struct server *server, struct object *object)
{
    struct queue *queue = object->state;
    for (struct waiter *joiner = queue->joiners.first; joiner; joiner = joiner->next)
        joiner->number = (int64_t)store_mark(&queue->store);
    shared_queue_changed(server, object);
}

/* Not where clients must not do all that they could do then, nor where what they put must be counted. */
static bool may_share(const struct server *server, const struct object *object)
{
    const struct queue *queue = object->state;
    return !queue->redeliver && !queue->shut && !object->read_only && !object->allowed &&
           server->options.max_memory == 0 && (uint64_t)queue->store.max_count <= KITH_QUEUE_ITEMS_MAX;
}

struct shared_queue *shared_queue_of(struct server *server, struct object *object)
{
    if (object->kind != &kind_queue)
        return NULL;
    struct queue *queue = object->state;
    if (!queue->store.shared && may_share(server, object) && store_share(server, &queue->store, object) == 0)
        begin_sharing(server, object);
    return queue->store.shared;
}

static const struct kind_method methods[] = {
    { "put", run_put, false },
    { "get", run_get, false },
    { "put_nowait", run_put_nowait, false },
    { "get_nowait", run_get_nowait, false },
    { "task_done", run_task_done, false },
    { "join", run_join, true },
    { "qsize", run_qsize, true },
    { "empty", run_empty, true },
    { "full", run_full, true },
    { "shutdown", run_shutdown, false },
};

/* ---- snapshots: what was got is finished, unless it would come back ---- */

struct saving {
    struct server *server;
    kith_arena *arena;
    kith_value *items;
    bool passing; /* the cells are made for the walk: what is read of them has to be copied */
};

static int save_cell(void *context, const struct cell *cell)
{
    const struct saving *saving = context;
    kith_value *item;
    int code = cell_save(saving->server, cell, saving->arena, &item);
    if (code == 0 && saving->passing)
        item = kith_value_copy(saving->arena, item);
    if (code == 0 && (!item || kith_value_append(saving->items, item) < 0))
        code = kith_arena_error(saving->arena);
    return code;
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    const struct queue *queue = state;
    struct saving saving = { server, arena, kith_value_list(arena), queue->store.shared };
    int code = 0;
    for (const struct given *given = queue->first_given; code == 0 && given; given = given->next)
        code = save_cell(&saving, given->cell);
    if (code == 0)
        code = store_walk(&queue->store, save_cell, &saving);
    if (code < 0)
        return code;
    *value = kith_value_pack(arena, "(Ibbv)", queue->max_size, (int)queue->redeliver, (int)queue->shut, saving.items);
    return *value ? 0 : kith_arena_error(arena);
}

static int load_items(struct server *server, struct queue *queue, const kith_value *items)
{
    for (size_t i = 0; i < kith_value_length(items); i++) {
        struct cell *cell;
        int code = cell_load(server, &cell, kith_value_at(items, i), false);
        if (code < 0)
            return code;
        code = store_put(server, &queue->store, cell);
        if (code < 0) {
            cell_drop(server, cell);
            return code;
        }
    }
    return 0;
}

static int load(struct server *server, const kith_value *value, void **state)
{
    struct queue found = { 0 };
    kith_value *items;
    int redeliver, shut;
    int code = kith_value_unpack(value, "(Ibbv)", &found.max_size, &redeliver, &shut, &items);
    if (code < 0)
        return code;
    found.redeliver = redeliver;
    found.shut = shut;
    code = load_items(server, &found, items);
    found.store.max_count = found.max_size > 0 ? (uint64_t)found.max_size : 0; /* what came back may exceed it */
    if (code == 0)
        code = make_queue(state, &found);
    if (code < 0)
        store_end(server, &found.store);
    return code;
}

const struct kind kind_queue = {
    .name = "Queue",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .save = save,
    .load = load,
    .give_back = give_back,
    .holds_messages = true,
    .put_back = put_back,
};
