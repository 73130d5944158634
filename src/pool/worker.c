#include "pool/worker.h"

#include "base/error.h"
#include "os/clock.h"
#include "pool/answer.h"
#include "pool/board.h"
#include "pool/report.h"
#include "process/call.h"
#include "process/entry.h"
#include "process/forks.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What it takes so many bytes to report is not counted as the next item's time. */
enum { LARGE = 64 * 1024 };

/* So long after a ring, a worker that has more to do does not wake the keeper: half of the time that the keeper goes on
 * looking by itself after it has found something (GLANCE in keeper.c). So what was put is found, however long the next
 * item takes. */
#define RING_PAUSE ((int64_t)1000 * 1000) /* nanoseconds */

/* What a worker has around it. */
struct workplace {
    const kith_call *own; /* the call that it runs in, which has the descriptors */
    unsigned number;      /* of its desk */
    unsigned max_tasks;   /* 0: no such limit */
    unsigned begun;       /* tasks, so far */
    bool mute;            /* a task has closed the bell: the keeper hears of what was reported when this worker ends */
    struct board board;
    kith_queue *outbox;
    kith_arena *arena; /* for one call at a time */
    struct answer answer;
    bool more;            /* the chunk has other items */
    int64_t rung;         /* when the keeper was woken last */
    kith_entry *function; /* the one that was looked up last, */
    const char *name;     /* and its name */
};

/* What to do after a step. Negative codes: end at once, there is no way to report. */
enum { GO_ON, LEAVE };

/* ---- being told ---- */

static kith_entry_record record = { WORKER_ENTRY, worker_run, NULL };

__attribute__((constructor)) static void register_worker(void)
{
    kith_entry_register(&record);
}

kith_value *worker_args(kith_arena *arena, const struct worker_settings *settings)
{
    const char *name = settings->initializer_name;
    const kith_value *args = settings->initializer_args;
    return kith_value_pack(arena, "(UUUvv)", (uint64_t)settings->number, (uint64_t)settings->max_tasks,
                           (uint64_t)(uintptr_t)settings->initializer,
                           name ? kith_value_str(arena, name) : kith_value_none(arena),
                           args ? kith_value_copy(arena, args) : kith_value_none(arena));
}

/* ---- reporting ---- */

/** Wakes the keeper when it sleeps; but not for each task of many: to be woken costs it more than some take. */
static void ring(struct workplace *place)
{
    struct board *board = &place->board;
    if (!board->shared)
        return; /* the keeper learns of it when we end */
    if (board_keeper_is_asleep(board) && (place->more || board_has_more(board))) {
        int64_t now = os_clock_now(); /* the report is there already */
        if (now - place->rung < RING_PAUSE)
            return;
        place->rung = now;
    }
    place->mute = !board_ring(board);
}

/** Puts a report into the outbox, which nobody else puts into. @return 0, or why there is no way to report it */
static int report(struct workplace *place, const struct report *head, const void *data, size_t size)
{
    void *room;
    int code;
    do
        code = kith_queue_reserve(place->outbox, sizeof *head + size, &room, KITH_FOREVER);
    while (code == -EINTR);
    if (code < 0)
        return code;
    memcpy(room, head, sizeof *head);
    if (size)
        memcpy((char *)room + sizeof *head, data, size);
    code = kith_queue_commit(place->outbox, sizeof *head + size);
    ring(place);
    return code;
}

/** The same, of a failure: with the detail as it is now. */
static int report_failure(struct workplace *place, struct report *head, int code)
{
    const char *detail = kith_error_detail();
    head->code = code;
    return report(place, head, detail, strlen(detail));
}

/** Puts the report on an item that has run. A result that can't be put is a failure. */
static int report_item(struct workplace *place, struct report *head, int code)
{
    if (code == 0) {
        head->kind = place->answer.kind;
        code = report(place, head, place->answer.out.data, place->answer.out.size);
    }
    if (code == 0)
        return 0;
    if (!*kith_error_detail() && strcmp(kith_error_name(code), "UNKNOWN") == 0)
        error_fail(code, "it returned %d", code);
    head->kind = REPORT_FAILED;
    return report_failure(place, head, code);
}

/* ---- working ---- */

/** The function of a chunk. @return NULL with the detail when this program has none of that name */
static kith_entry *function_of(struct workplace *place, struct chunk *chunk)
{
    if (chunk->name_size == 0)
        return chunk->function;
    const char *name = chunk_name(chunk);
    if (place->name && strcmp(place->name, name) == 0)
        return place->function;
    kith_entry *function = entry_find(name);
    if (!function) {
        error_fail(-ENOENT, "the worker's image has no entry point \"%s\": see KITH_ENTRY", name);
        return NULL;
    }
    place->function = function;
    place->name = entry_name(function);
    return function;
}

static void flush(void)
{
    fflush(stdout);
    fflush(stderr);
}

/** Runs a function of the program's. What it printed is out before its result is told: a worker may be killed at any
 *  time afterwards, as kith_pool_free does. A child that it has forked, and that returns as well, ends here: two can't
 *  sit at one desk. */
static int run(kith_entry *function, kith_call *made)
{
    unsigned generation = forks_generation();
    int code = function(made);
    flush();
    if (forks_generation() != generation)
        _exit(code == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    return code;
}

/** Calls the function. @return what it returned, or why it could not be called */
static int call(struct workplace *place, kith_entry *function, const struct item *item, unsigned attempt)
{
    static const kith_pickle_read_options ours = { .max_depth = SIZE_MAX, .max_bytes = SIZE_MAX, .borrow = 1 };
    struct kith_call made = { .arena = place->arena,
                              .fds = place->own->fds,
                              .fd_count = place->own->fd_count,
                              .attempt = (int)attempt,
                              .take = answer_take,
                              .context = &place->answer };
    kith_arena_reset(place->arena);
    answer_clear(&place->answer);
    error_clear();
    if (item->values) {
        int code = kith_pickle_read(place->arena, &made.args, item + 1, item->size, &ours);
        if (code < 0)
            return code;
    } else {
        made.bytes = item + 1;
        made.size = item->size;
    }
    return run(function, &made);
}

/** Runs an item, and reports. @return GO_ON, LEAVE; a code */
static int work(struct workplace *place, kith_entry *function, const struct item *item, struct report *head,
                unsigned attempt)
{
    if (!board_begin(&place->board, place->number, head->item))
        return LEAVE;
    place->begun++;
    int code = call(place, function, item, attempt);
    int64_t now = os_clock_now();
    head->took = now - board_since(&place->board, place->number);
    bool large = place->answer.out.size > LARGE;
    code = report_item(place, head, code);
    board_end(&place->board, place->number, large ? os_clock_now() : now);
    return code;
}

static bool is_given_up(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->give_up, memory_order_relaxed);
}

static bool is_to_retire(const struct workplace *place)
{
    return place->mute || (place->max_tasks && place->begun >= place->max_tasks);
}

/** Runs the items of a chunk. @return LEAVE: some may be left, and the chunk is on the desk still */
static int run_items(struct workplace *place, struct chunk *chunk)
{
    struct report head = { .ticket = chunk->ticket };
    kith_entry *function = function_of(place, chunk);
    struct item *item = chunk_items(chunk);
    unsigned attempt = chunk->attempt;
    int code = GO_ON;
    /* After the report on its last item the chunk may be gone: nothing of it is read then. */
    for (uint32_t left = chunk->count; left > 0 && code == GO_ON; left--, head.item++) {
        struct item *next = left > 1 ? item_next(item) : NULL;
        place->more = left > 1;
        if (is_to_retire(place))
            return LEAVE;
        if (is_given_up(chunk)) {
            head.kind = REPORT_CANCELLED;
            code = report(place, &head, NULL, 0);
        } else if (!function) {
            head.kind = REPORT_FAILED;
            code = report_failure(place, &head, -ENOENT);
        } else {
            code = work(place, function, item, &head, attempt);
        }
        item = next;
    }
    return code;
}

static int run_chunk(struct workplace *place, struct chunk *chunk)
{
    uint32_t waiting = CHUNK_WAITING;
    int code;
    /* acq_rel: pairs with the parent's, which cancels it. */
    if (atomic_compare_exchange_strong_explicit(&chunk->state, &waiting, CHUNK_BEGUN, memory_order_acq_rel,
                                                memory_order_acquire))
        code = run_items(place, chunk);
    else
        code = report(place, &(struct report){ .kind = REPORT_DROPPED, .ticket = chunk->ticket }, NULL, 0);
    if (code == GO_ON)
        board_put_down(&place->board, place->number);
    return code;
}

/** Claims and runs chunks until it is to leave. @return 0 or a code */
static int serve(struct workplace *place)
{
    int code = report(place, &(struct report){ .kind = REPORT_READY }, NULL, 0);
    board_arrive(&place->board, place->number);
    while (code == GO_ON && !is_to_retire(place)) {
        struct chunk *chunk = board_claim(&place->board, place->number);
        code = chunk ? run_chunk(place, chunk) : LEAVE;
    }
    return code < 0 ? code : report(place, &(struct report){ .kind = REPORT_RETIRED }, NULL, 0);
}

/* ---- beginning and ending ---- */

static int ignore(void *context, const kith_value *value, const void *data, size_t size)
{
    (void)context, (void)value, (void)data, (void)size;
    return 0;
}

/** Calls the initializer. @param args  None: an empty tuple
 *  @return what it returned, or why it could not be called */
static int initialize(struct workplace *place, kith_entry *function, const char *name, kith_value *args)
{
    if (name)
        function = entry_find(name);
    if (!function)
        return name ? error_fail(-ENOENT, "the worker's image has no entry point \"%s\": see KITH_ENTRY", name) : 0;
    if (kith_value_kind(args) == KITH_NONE)
        args = kith_value_tuple(place->arena, NULL, 0);
    if (!args)
        return kith_arena_error(place->arena);
    struct kith_call made = { .args = args,
                              .arena = place->arena,
                              .fds = place->own->fds,
                              .fd_count = place->own->fd_count,
                              .attempt = 1,
                              .take = ignore };
    error_clear();
    return run(function, &made);
}

/** Takes the outbox: from then on the keeper can be told what fails. */
static int take_outbox(struct workplace *place)
{
    int code = kith_call_fd(place->own, WORKER_OUTBOX);
    return code < 0 ? code : kith_queue_from_fd(&place->outbox, code);
}

static int take_board(struct workplace *place)
{
    int file = kith_call_fd(place->own, WORKER_BOARD);
    int bell = kith_call_fd(place->own, WORKER_BELL);
    return file < 0 || bell < 0 ? -ENOENT : board_from_fds(&place->board, file, bell);
}

static void leave(struct workplace *place)
{
    answer_free(&place->answer);
    kith_arena_free(place->arena);
    kith_queue_free(place->outbox);
    board_close(&place->board);
}

/** A task has ended the thread: without it the worker can only end, too, which the keeper learns of. */
static void lose_thread(void *nothing)
{
    (void)nothing;
    flush();
    _exit(EXIT_FAILURE);
}

/** Does all that functions of the program's are called in. @return 0 or a code */
static int work_here(struct workplace *place, kith_entry *initializer, const char *name, kith_value *args)
{
    int code;
    pthread_cleanup_push(lose_thread, NULL);
    code = initialize(place, initializer, name, args);
    if (code != 0)
        report_failure(place, &(struct report){ .kind = REPORT_BROKEN }, code);
    else
        code = serve(place);
    pthread_cleanup_pop(0);
    return code;
}

int worker_run(kith_call *call)
{
    struct workplace place = { .own = call };
    uint64_t number, max_tasks, initializer;
    const char *name = NULL;
    kith_value *args;
    int code = kith_value_unpack(kith_call_args(call), "(UUUs?v)", &number, &max_tasks, &initializer, &name, &args);
    if (code < 0)
        return EXIT_FAILURE;
    place.number = (unsigned)number;
    place.max_tasks = (unsigned)max_tasks;
    code = take_outbox(&place);
    if (code == 0) {
        code = take_board(&place);
        if (code == 0)
            code = kith_arena_new(&place.arena);
        if (code == 0)
            code = work_here(&place, (kith_entry *)(uintptr_t)initializer, name, args);
        else
            report_failure(&place, &(struct report){ .kind = REPORT_BROKEN }, code);
    }
    leave(&place);
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
