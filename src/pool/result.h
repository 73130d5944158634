/* What becomes of tasks that were handed in together: by one call of apply or map, or by an imap.
 *
 * Each task has a cell, where is written how it ended: by the keeper, or by who gives it up, under the pool's mutex. A
 * cell whose task has ended is its holder's.
 */
#ifndef KITH_SRC_POOL_RESULT_H
#define KITH_SRC_POOL_RESULT_H

#include <kith/pool.h>

#include "base/deadline.h"
#include "pool/report.h"

#include <stdatomic.h>
#include <stdbool.h>

/* ---- cells ---- */

enum cell_state {
    CELL_WAITING, /* not ended */
    CELL_VALUE,   /* the pickle of its result is there; nothing is there: None */
    CELL_BYTES,   /* the bytes of its result are there */
    CELL_FAILED
};

#define CELL_NEAR 24 /* so many bytes lie in the cell itself: the pickle of a number does */

struct cell {
    _Atomic uint8_t state; /* set last, release; who reads it with acquire may read the rest */
    bool far;              /* the bytes lie elsewhere; of a failure: the detail is from malloc */
    uint8_t near_size;     /* in bytes, when they don't */
    uint32_t attempts;     /* how often it was begun */
    pid_t worker;          /* the last one that began it; 0: none */
    int32_t code;          /* CELL_FAILED: as in kith_outcome */
    union {
        unsigned char near_data[CELL_NEAR];
        struct {
            struct report *report; /* the whole report, from malloc; the bytes are behind it */
            size_t size;           /* of the bytes */
        } far_data;
        struct {
            const char *detail; /* NULL: what the code says */
            int32_t exit_code;
        } failure;
    };
};

/** Whether its task has ended. */
static inline bool cell_ended(const struct cell *cell)
{
    return atomic_load_explicit(&cell->state, memory_order_acquire) != CELL_WAITING;
}

/** What the task gave, when it succeeded. @return where; size receives how much */
const void *cell_data(const struct cell *cell, size_t *size);

/** What it gave, as a value; bytes are copied.
 *  @param value  NULL: not wanted
 *  @return 0; the code and the detail of its outcome when it failed; as kith_pickle_read */
int cell_value(const struct cell *cell, kith_arena *arena, kith_value **value);

/** How it ended. @param index  as the outcome is to tell it */
void cell_outcome(const struct cell *cell, size_t index, kith_outcome *outcome);

/** What it gave, as bytes that are the caller's. @param bytes  NULL: not wanted. @return as cell_value */
int cell_bytes(const struct cell *cell, kith_bytes *bytes);

/** Frees what it holds, and makes it wait for another task. */
void cell_clear(struct cell *cell);

/* ---- results ---- */

#define RESULT_NO_INDEX SIZE_MAX

/** Some tasks, as their caller has them by a handle, and the pool until all have ended. */
struct kith_result {
    struct kith_pool *pool; /* its memory lives as long as its last result */
    unsigned references;    /* the caller's handle; the pool's, until all have ended and everybody was told */

    /* What is called, and on what terms. These stay as they are. */
    kith_entry *work;
    const char *name; /* under which a fresh image finds it; NULL: work says it */
    int64_t limit;    /* how long a task may run, in nanoseconds; OS_FOREVER */
    unsigned retries; /* of each task */
    unsigned chunk;   /* that was asked for; 0: as chunk_size says */
    bool is_list;     /* the callback is given a list */
    kith_pool_callback *callback;
    kith_pool_error_callback *error_callback;
    kith_pool_progress *progress;
    void *context;

    /* Its tasks. Those of an imap take turns in the cells. */
    size_t total;         /* how many there will be; 0: not known yet (imap) */
    size_t count;         /* how many were handed in */
    size_t next_index;    /* of the next one: count, but in an imap_unordered, which passes over those whose cells are
                             still in use */
    _Atomic size_t done;  /* how many have ended. Changed under the mutex; read also without it */
    bool ended;           /* all have, and no more come */
    bool cancelled;       /* what has not begun is not to */
    size_t running_done;  /* chunk_size_measure: tasks that have run, and */
    int64_t running_time; /* how long they did, in nanoseconds */
    size_t first_failed;  /* the least index of those that failed; RESULT_NO_INDEX */
    struct cell *cells;
    size_t cell_count; /* the task of index i has cell i % cell_count */
    size_t *order;     /* which one ended as the nth: order[n % cell_count]. NULL: nobody asks */
    struct feed *feed; /* what hands in the tasks of a map by and by; NULL: all were. See map.h */

    struct kith_result *beside; /* another one that a forked child can't free: see result_release */

    /* Who waits for it; see result_wait. Dekker's way: a waiter says so and then looks whether it has come; who ends a
     * task writes that down and then looks for waiters; all four sequentially consistent. */
    _Atomic uint32_t word;    /* changes whenever they are woken */
    _Atomic uint32_t waiting; /* how many do */
    _Atomic uint32_t asked;   /* 1: somebody went to sleep, or is about to, and was not woken since */
    _Atomic size_t awaited_index;
    _Atomic size_t awaited_done;

    /* The keeper's. */
    struct kith_result *next, **link; /* among those that it attends to, or has to tell of; link NULL: among none */
    size_t told;                      /* progress.c: how many were done when progress was told last, */
    int64_t told_at;                  /* and when; 0: never */
    bool silent;                      /* it is not to be told any more. Under the pool's `telling` */
};

/** Begins a result for tasks that are to be handed in. The handle is the caller's; the pool has its own, until all
 *  tasks have ended and everybody was told.
 *  @param work     checked: where workers are fresh images, it must be found by name
 *  @param options  checked; NULL: the defaults
 *  @param total    0: not known; then result_complete is to be called
 *  @param cells    how many cells: total, or how many tasks of an imap there are at a time
 *  @param ordered  whether `order` is wanted
 *  @return 0; -EINVAL, -ENOMEM, KITH_ECLOSED, or the failure of a broken pool, with the detail */
int result_new(struct kith_result **result, struct kith_pool *pool, kith_entry *work, const kith_task_options *options,
               size_t total, size_t cells, bool ordered);

/** Says that no more tasks are handed in: the total is what the count is. Not under the mutex. */
void result_complete(struct kith_result *result);

static inline struct cell *result_cell(const struct kith_result *result, size_t index)
{
    return &result->cells[index % result->cell_count];
}

static inline size_t result_done(const struct kith_result *result)
{
    return atomic_load_explicit(&result->done, memory_order_acquire);
}

/** Waits until the task of that index has ended; RESULT_NO_INDEX: until as many as `done` have. Not under the mutex.
 *  @return 0; -ETIMEDOUT; -EINTR; -EDEADLK in the keeper's thread with the detail */
int result_wait(struct kith_result *result, size_t index, size_t done, deadline until);

/** What all its tasks gave, when they have ended: a list, or the value of the only one.
 *  @param value  NULL: not wanted
 *  @return 0; the code and the detail of the first that failed; as cell_value */
int result_value(const struct kith_result *result, kith_arena *arena, kith_value **value);

/** Gives up the tasks that no worker has begun. Not under the mutex.
 *  @return whether there were some, or may have been */
bool result_cancel(struct kith_result *result);

/** Gives a handle back; in whatever process. Not under the mutex. */
void result_release(struct kith_result *result);

/** Gives both handles back, of a result whose one task could not be handed in. Not under the mutex. */
void result_undo(struct kith_result *result);

/* ---- under the mutex ---- */

/** How a task ended. */
struct ending {
    const struct report *report; /* it was reported: this, with size bytes behind it. NULL: it was not */
    size_t size;
    bool owned; /* the report is from malloc. It is the cell's then, or freed */
    int code;   /* of what was not reported: and */
    int exit_code;
    const char *detail; /* NULL: what the code says */
    bool lasting;       /* the detail lives as long as the pool's memory: no copy is needed */
    pid_t worker;
    unsigned attempts;
};

/** Writes it into the task's cell, and wakes those who wait for that. */
void result_end(struct kith_result *result, size_t index, const struct ending *ending);

/** Has the keeper attend to it. */
void result_attend(struct kith_result *result);

/** One that has ended, and that somebody is to be told of; it is taken off the list. @return NULL when there is none */
struct kith_result *result_take_ended(struct kith_pool *pool);

/** The map whose turn it is to be fed. @return NULL when there is none that another thread does not feed */
struct kith_result *result_next_to_feed(struct kith_pool *pool);

/** Gives back the pool's own handle: the keeper has told everybody. */
void result_drop(struct kith_result *result);

#endif
