/* AsyncResult, as multiprocessing.pool has it, and the iterators of imap and imap_unordered. */
#include "base/error.h"
#include "manager/result.h"
#include "manager/server.h"

#include <errno.h>
#include <stdlib.h>

/** Answers with a new object. @param state  is freed by its kind when there is none */
static int answer_with(struct request *request, const struct kind *kind, void *state)
{
    struct object *object;
    int code = object_add(request->server, &object, kind, kind->name, state);
    if (code == 0)
        return request_answer_object(request, object);
    kind->end(request->server, state);
    return code;
}

/** Tries, and waits when that has to: for so long as the call's one argument says. */
static int wait_on(struct request *request, struct waiters *waiters, waiter_try *attempt)
{
    const kith_value *timeout;
    int64_t until;
    int code = request_arguments(request, "timeout?", &timeout);
    if (code == 0)
        code = request_deadline(timeout, &until);
    if (code < 0)
        return code;
    struct waiter at_once = { .list = waiters };
    code = attempt(&at_once, request, false);
    return code == REQUEST_PARKED ? waiter_park(request, waiters, until, attempt, NULL, 0) : code;
}

/* ---- AsyncResult ---- */

int result_answer(struct request *request, struct errand *errand)
{
    errand_keep(errand);
    return answer_with(request, &kind_result, errand);
}

static void end_result(struct server *server, void *state)
{
    (void)server;
    errand_let_go(state);
}

static struct errand *errand_asked(const struct request *request)
{
    return request->object->state;
}

/* What multiprocessing.TimeoutError is: no TimeoutError of Python's. */
static int try_to_get(struct waiter *waiter, struct request *request, bool late)
{
    const struct errand *errand = errand_of(waiter);
    if (!errand->over && late)
        return request_raise_value(request, "multiprocessing.context.TimeoutError", NULL);
    return errand_answer(errand, request);
}

static int run_get(struct request *request)
{
    return wait_on(request, &errand_asked(request)->waiters, try_to_get);
}

static int try_to_wait(struct waiter *waiter, struct request *request, bool late)
{
    return errand_of(waiter)->over || late ? request_answer_none(request) : REQUEST_PARKED;
}

static int run_wait(struct request *request)
{
    return wait_on(request, &errand_asked(request)->waiters, try_to_wait);
}

static int run_ready(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_bool(request, errand_asked(request)->over);
}

static int run_successful(struct request *request)
{
    const struct errand *errand = errand_asked(request);
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    if (!errand->over)
        return request_raise(request, "ValueError", "the result of %s is not ready", request->object->id);
    return request_answer_bool(request, errand_value(errand, NULL, NULL) == 0);
}

static const struct kind_method result_methods[] = {
    { "get", run_get, true },
    { "ready", run_ready, true },
    { "successful", run_successful, true },
    { "wait", run_wait, true },
};

const struct kind kind_result = {
    .name = "AsyncResult",
    .methods = result_methods,
    .method_count = sizeof result_methods / sizeof *result_methods,
    .end = end_result,
};

/* ---- the iterator ---- */

struct iterator {
    struct waiters waiters;
    bool in_order;            /* of the items */
    size_t count, next;       /* errands; those that were given */
    size_t ended;             /* not in order: so many of the first ones are over */
    struct errand *errands[]; /* in the order in which they are given, as far as it is known */
};

/** Swaps one that has ended to behind those that ended before. */
static void put_behind_ended(struct iterator *iterator, struct errand *errand)
{
    struct errand *other = iterator->errands[iterator->ended];
    iterator->errands[errand->place] = other;
    other->place = errand->place;
    iterator->errands[iterator->ended] = errand;
    errand->place = iterator->ended++;
}

static void on_end(struct errand *errand, void *context)
{
    struct iterator *iterator = context;
    if (!iterator->in_order)
        put_behind_ended(iterator, errand);
    waiters_wake(errand->pool->server, &iterator->waiters);
}

static void end_iterator(struct server *server, void *state)
{
    struct iterator *iterator = state;
    (void)server;
    for (size_t i = iterator->next; i < iterator->count; i++)
        errand_let_go(iterator->errands[i]);
    free(iterator);
}

static int try_next(struct waiter *waiter, struct request *request, bool late)
{
    struct iterator *iterator = (struct iterator *)((char *)waiter->list - offsetof(struct iterator, waiters));
    if (iterator->next == iterator->count)
        return request_raise_value(request, "StopIteration", NULL);
    struct errand *errand = iterator->errands[iterator->next];
    if (!errand->over)
        return late ? request_raise_value(request, "multiprocessing.context.TimeoutError", NULL) : REQUEST_PARKED;
    int code = errand_answer(errand, request);
    if (code == -ENOMEM && errand_value(errand, NULL, NULL) == 0)
        return code; /* it may be asked for again */
    iterator->next++;
    errand_let_go(errand);
    return code;
}

static int run_next(struct request *request)
{
    return wait_on(request, &((struct iterator *)request->object->state)->waiters, try_next);
}

static const struct kind_method iterator_methods[] = { { "__next__", run_next, false }, { "next", run_next, false } };

static const struct kind kind_imap = {
    .name = "Iterator",
    .proxy = "IteratorProxy",
    .methods = iterator_methods,
    .method_count = sizeof iterator_methods / sizeof *iterator_methods,
    .end = end_iterator,
};

/** Begins the next errand: a map of one item. */
static int add_errand(struct iterator *iterator, struct managed_pool *pool, struct errand what, kith_value *item,
                      kith_arena *arena)
{
    kith_value *list = kith_value_list(arena);
    int code = kith_value_append(list, item);
    what.args = list;
    what.ended = on_end;
    what.context = iterator;
    what.place = iterator->count;
    if (code == 0)
        code = errand_begin(pool, &iterator->errands[iterator->count], &what);
    if (code == 0)
        errand_keep(iterator->errands[iterator->count++]);
    return code;
}

int imap_answer(struct request *request, struct managed_pool *pool, const struct errand *what, const kith_value *items,
                bool in_order)
{
    size_t count = kith_value_length(items);
    struct iterator *iterator = calloc(1, sizeof *iterator + count * sizeof(struct errand *));
    int code = 0;
    if (!iterator)
        return error_fail(-ENOMEM, "no memory for an iterator of %zu tasks", count);
    iterator->in_order = in_order;
    for (size_t i = 0; i < count && code == 0; i++)
        code = add_errand(iterator, pool, *what, kith_value_at(items, i), request->arena);
    if (code == 0)
        return answer_with(request, &kind_imap, iterator);
    end_iterator(request->server, iterator);
    return code;
}
