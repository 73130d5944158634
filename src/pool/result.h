/* What becomes of tasks that were handed in together: by one call of apply or map, or by an imap.
 *
 * Each task has a cell, where the keeper writes how it ended. All here changes under the pool's mutex, but a cell, once
 * its task has ended, is its holder's: who saw that under the mutex may read it without.
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
    CELL_VALUE,   /* the pickle of its result is there; none: None */
    CELL_BYTES,   /* the bytes of its result are there */
    CELL_FAILED
};

#define CELL_NEAR 24 /* so many bytes lie in the cell itself: the pickle of a number does */

struct cell {
    uint8_t state;
    bool far;          /* the bytes lie elsewhere */
    uint8_t near_size; /* in bytes, when they don't */
    uint32_t attempts; /* how often it was begun */
    pid_t worker;      /* the last one that began it; 0: none */
    int32_t code;      /* CELL_FAILED: as in kith_outcome */
    union {
        unsigned char near[CELL_NEAR];
        struct {
            struct report *report; /* the whole report, from malloc; the bytes are behind it */
            size_t size;           /* of the bytes */
        } far_data;
        struct {
            char *detail; /* from malloc; NULL: there was no memory for one */
            int32_t exit_code;
        } failure;
    };
};

/** What the task gave. @return where; size receives how much */
const void *cell_data(const struct cell *cell, size_t *size);

/** What it gave, as a value: also bytes, which then are copied.
 *  @param value  NULL: not wanted
 *  @return 0; the code and the detail of its outcome when it failed; -ENOMEM, KITH_EMALFORMED */
int cell_value(const struct cell *cell, kith_arena *arena, kith_value **value);

/** How it ended. @param index  as the outcome is to tell it */
void cell_outcome(const struct cell *cell, size_t index, kith_outcome *outcome);

/** Frees what it holds, and makes it wait for another task. */
void cell_clear(struct cell *cell);

/* ---- results ---- */

#define RESULT_NO_INDEX SIZE_MAX

/** The handle that a caller has of tasks, and the pool's own record of them. */
struct kith_result {
    struct kith_pool *pool; /* lives as long as its last result */
    unsigned references;    /* the caller's handle; the pool's, until all have ended and everybody was told; those who
                               wait in it */

    /* What is called, and on what terms. These stay as they are. */
    kith_entry *work;
    const char *name;   /* under which a fresh image finds it; NULL: work says it */
    int64_t limit;      /* how long a task may run, in nanoseconds; OS_FOREVER */
    unsigned retries;   /* of each task */
    unsigned chunk;     /* that was asked for; 0: as chunk_size says */
    bool is_list;       /* of kith_pool_map and its kin: told as a list */
    kith_pool_callback *callback;
    kith_pool_error_callback *error_callback;
    kith_pool_progress *progress;
    void *context;

    /* Its tasks. Those of an imap take turns in the cells. */
    size_t total;         /* how many there will be; 0: not known (imap) */
    size_t count;         /* how many were handed in */
    size_t next_index;    /* of the next one: count, but in an imap_unordered, which passes over those whose cells are
                             still in use */
    _Atomic size_t done;  /* how many have ended. Changed under the mutex; read also without: acquire */
    size_t running_done;  /* of these, those whose time is known, and */
    int64_t running_time; /* how long they ran, all together, in nanoseconds */
    size_t first_failed;  /* the least index of those that failed; RESULT_NO_INDEX */
    struct cell *cells;
    size_t cell_count; /* the task of index i has cell i % cell_count */
    size_t *order;     /* which ended as the n-th: order[n % cell_count]. NULL: nobody asks */
    struct feed *feed; /* the items of a map that have not been handed in yet; NULL: there are none. See map.h */

    /* Who waits for it: see result_wait. */
    _Atomic uint32_t word; /* changes whenever they are woken */
    unsigned waiting;      /* how many do */
    size_t awaited;        /* the task that is waited for; RESULT_NO_INDEX: that many are: */
    size_t awaited_done;

    /* The keeper's. */
    bool listed; /* among the pool's results, which have not all been told */
    struct kith_result *next, **link;
    size_t told;     /* progress.c: how many were done when progress was told last, */
    int64_t told_at; /* and when; 0: never */
    bool silent;     /* it is not to be told any more. Under the pool's `telling` */
};

/** Begins a result for tasks that are to be handed in: both handles are the caller's and the pool's.
 *  @param work     checked: with a method that makes fresh images, it must be found by name
 *  @param total    0: not known
 *  @param cells    how many cells: total, or how many tasks of an imap there are at a time
 *  @param ordered  whether `order` is wanted
 *  @return 0; -EINVAL, -ENOMEM, KITH_ECLOSED, or the failure of a broken pool, with the detail */
int result_new(struct kith_result **result, struct kith_pool *pool, kith_entry *work, const kith_task_options *options,
               size_t total, size_t cells, bool ordered);

/** Says that no more tasks are handed in: an imap's total is what its count is. Not under the mutex. */
void result_complete(struct kith_result *result);

static inline struct cell *result_cell(const struct kith_result *result, size_t index)
{
    return &result->cells[index % result->cell_count];
}

/** Waits until the task of that index has ended; RESULT_NO_INDEX: until as many as `done` have. Not under the mutex.
 *  @return 0; -ETIMEDOUT; -EINTR; -EDEADLK in the keeper's thread */
int result_wait(struct kith_result *result, size_t index, size_t done, deadline until);

/** Gives up the tasks that no worker has begun. Not under the mutex.
 *  @return how many it may have been; 0: all had ended or been begun */
size_t result_cancel(struct kith_result *result);

/** Gives a handle back. Not under the mutex. */
void result_release(struct kith_result *result);

/* ---- how a task ends; under the mutex, by the keeper or who cancels ---- */

/** How a task ended. */
struct ending {
    const struct report *report; /* it was reported: this, with size bytes behind it. NULL: it was not */
    size_t size;
    struct report *owned; /* the same report from malloc, which the cell may keep: set to NULL then. NULL: copy it */
    int code;             /* of what was not reported */
    int exit_code;
    const char *detail;
    pid_t worker;
    unsigned attempts;
};

/** Writes it into the task's cell. Those who wait are woken by result_tell. */
void result_end(struct kith_result *result, size_t index, struct ending *ending);

/** Whether what somebody waits for has come: wakes them. */
void result_tell(struct kith_result *result);

#endif
