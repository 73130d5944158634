/* kith/pool.h: a pool of worker processes, and tasks for them.
 *
 *     KITH_ENTRY(square)
 *     {
 *         int64_t n;
 *         int code = kith_value_unpack(kith_call_args(call), "(I)", &n);
 *         return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), n * n));
 *     }
 *     ...
 *     kith_pool_new(&pool, NULL);
 *     kith_pool_map(pool, square, kith_value_pack(arena, "[iii]", 1, 2, 3), arena, &squares, NULL); // [1, 4, 9]
 *
 * What it promises:
 *  - Every task ends: with its result, with its own failure, or, when its worker died (SIGKILL, a segmentation fault,
 *    no memory, an exit in the task), with KITH_EWORKERLOST, which says how and which task. All other tasks complete;
 *    the worker is replaced. Nothing hangs.
 *  - A task is begun once. Only when it asked for retries is one that was lost begun again, by another worker.
 *  - A task with a time limit whose worker does not finish it in time, or does not answer at all (SIGSTOP), fails with
 *    KITH_EOVERTIME, or is retried; the worker is killed and replaced.
 *  - Memory is bounded: who hands out tasks waits while too many are on their way.
 *  - When the process that owns the pool dies, its workers end.
 *
 * A task is an entry point (kith/entry.h) with values or bytes. With KITH_FORK any function of that type will do; with
 * the other methods, one that KITH_ENTRY made. Its result is what it said by kith_call_return, or None. It fails by
 * what it returns, and may say why by kith_fail. What it wrote to stdout and stderr is flushed before any of that is
 * told. A child that it forks, and that returns from it as well, ends there.
 *
 * Threads and processes. A pool belongs to the process that made it; any of its threads may use it. In a child made by
 * fork, all calls on it are refused with -ECHILD, but kith_pool_free and kith_result_free: it has the pool's memory and
 * descriptors until it frees the pool, or ends. Workers are daemons: they have no children of their own. A task leaves
 * alone what descriptors it has not opened itself: by some of them its worker reports. A thread of the library's own,
 * the keeper, takes in results, looks after the workers, and calls callbacks.
 *
 * Ctrl-C: a terminal sends SIGINT to the workers, too. With KITH_FORK they have the handler that their parent had when
 * they were forked. Without one, and with the other methods, they die of it, unless they were started with SIGINT
 * ignored, and what they were at is KITH_EWORKERLOST. A program that handles SIGINT itself, to end in order, has its
 * workers ignore it: by an initializer that says signal(SIGINT, SIG_IGN).
 *
 * Codes that are the same everywhere, and are not told again below: -EINVAL: an argument is NULL that must not be, or
 * out of range, or an option is. -ENOMEM. -ECHILD: see above. -EINTR: a signal handler ran while waiting, one that was
 * installed without SA_RESTART; with SA_RESTART it is told only at times. Of a call that waits for its tasks, those
 * that no worker has begun are given up then; those that run go on.
 */
#ifndef KITH_POOL_H
#define KITH_POOL_H

#include <kith/entry.h>
#include <kith/process.h>
#include <kith/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A pool of workers. */
typedef struct kith_pool kith_pool;

#define KITH_POOL_WORKERS_MAX 1024

/** Options of a pool; all zero is the default. */
typedef struct kith_pool_options {
    unsigned workers; /**< how many; 0: kith_cpu_count(). At most KITH_POOL_WORKERS_MAX */
    /** Runs in each worker before its first task, with initializer_args (a tuple, or NULL). When it returns anything
     *  but 0, the pool is broken: all tasks fail with that (KITH_ETASK for a number above 0), and so does what is asked
     *  of it later. It is broken, too, with KITH_EWORKERLOST, when ten workers in a row end in it or before it; and
     *  when none is left and for ten seconds none can be started, with the reason. What it returns by kith_call_return
     *  is ignored. */
    kith_entry *initializer;
    /** NULL: none; so a kith_value_pack that failed can't be told from it: ask kith_arena_error before. */
    const kith_value *initializer_args;
    unsigned max_tasks; /**< a worker that has run so many is replaced by a fresh one; 0: never */
    /** How workers are made, what they are handed, and what else is said of them: method, fds, environment, directory,
     *  stdio (without pipes), limits, max_memory, nice, cpus, connections. Tasks find the descriptors by kith_call_fd;
     *  the pool hands over three of its own, so there are up to KITH_PROCESS_FDS_MAX - 3. The name is that
     *  of each worker with its number behind it; NULL: "PoolWorker-1". They are daemons in any case. Copied, as is all
     *  that it points to but connections and descriptors, which must stay open as long as the pool. With KITH_FORK
     *  workers that are replaced are forked from the keeper's thread. NULL: the defaults */
    const kith_process_options *process;
    /** How many tasks may be on their way (handed in and not ended) before who hands in more waits; 0: 4,096, or 16 for
     *  each worker if that is more. At most 1,000,000 */
    unsigned max_pending;
} kith_pool_options;

/** Makes a pool, and starts its workers.
 *  @param pool     receives it; free it with kith_pool_free
 *  @param options  NULL for the defaults
 *  @return 0, also when fewer workers than were asked for could be started: kith_pool_get_stats tells how many; the
 *          others are tried again. As kith_process_start_entry when none could; -EMFILE: each worker takes two
 *          descriptors, and the pool four; -EAGAIN also when no thread can be started; -ENOTSUP as for
 *          kith_queue_new */
KITH_API KITH_MUST_USE int kith_pool_new(kith_pool **pool, const kith_pool_options *options);

/* ---- options of tasks, and how they end ---- */

/** How a task ended that did not succeed. */
typedef struct kith_outcome {
    int code;           /**< KITH_EWORKERLOST; KITH_EOVERTIME; -ECANCELED; else what it returned: a negative
                             code as it is, KITH_ETASK for a number above 0 */
    size_t index;       /**< which task of a map, from 0; of the others 0 */
    int exit_code;      /**< KITH_EWORKERLOST: the worker's, 0 to 255, or the negative number of the signal that killed
                             it. KITH_ETASK: what the task returned. Else 0 */
    pid_t worker;       /**< the worker that had it last; 0 when none had begun it */
    unsigned attempts;  /**< how often it was begun */
    const char *detail; /**< a sentence, never NULL: what kith_error_detail said in the worker, or what became of it */
} kith_outcome;

/** Told of the result of a task, or of a map when all its tasks are done. In the keeper's thread: be quick, and don't
 *  wait there: calls on the pool that would have to wait are refused with -EDEADLK, so is kith_pool_free.
 *  @param value  the result, of a map the list of results; it lives until the function returns. Of a task that
 *                returned bytes, and of kith_pool_map_bytes, they are values of bytes */
typedef void kith_pool_callback(void *context, kith_value *value);

/** Told instead when the task, or a task of the map, failed. @param outcome  of the first that failed; it lives until
 *  the function returns */
typedef void kith_pool_error_callback(void *context, const kith_outcome *outcome);

/** Told how far a map or imap is: at the beginning, then when more tasks have ended, but no more than 20 times a
 *  second, and once when all have. In the keeper's thread: as kith_pool_callback; but the end may be told in the thread
 *  that waited for it: by kith_pool_map and its kin, kith_result_wait, kith_result_get, kith_imap_next. These return
 *  after it, and nothing is told later; nor after kith_imap_free. There, too, calls that would have to wait are
 *  refused.
 *  @param done, total  in tasks. total is 0 while it is not known (imap) */
typedef void kith_pool_progress(void *context, size_t done, size_t total);

/** A ready-made kith_pool_progress: a line on a terminal that is written anew each time, "label  61 %  61000/100000
 *  12034/s  0:03 left", and ends with a line break; where there is no terminal, only the last. Make one for each map.
 *  @param context  a kith_progress_line, which must live until the map is done */
KITH_API void kith_progress_show(void *context, size_t done, size_t total);

typedef struct kith_progress_line {
    const char *label; /**< NULL: none */
    int fd;            /**< where to; 0: stderr */
    int64_t began;     /**< all from here on is the library's; begin with zeros */
    int64_t reserved[3];
} kith_progress_line;

/** Options of tasks; all zero is the default. */
typedef struct kith_task_options {
    /** How long each task may run, in nanoseconds, from when a worker begins it; 0 or KITH_FOREVER: for ever. So
     *  KITH_NOWAIT, which is 0, means FOR EVER here, and so does what is left of some time when nothing is: of a limit
     *  that is computed, give 1 where it would be less */
    kith_timeout timeout;
    unsigned retries; /**< how often a task that was lost or exceeded its time is begun again; 0: never */
    /** map, imap: how many tasks are handed to a worker at a time. 0: as many as take about a millisecond, by the times
     *  of those that are done, beginning with 1, but never so many that a worker would be left without; the log tells
     *  what was chosen and why (KITH_LOG_DEBUG). Of an imap, no more than that each worker can have two chunks of what
     *  `ahead` allows. A task costs some microsecond beside its own work, so this matters for quick ones only. A task's
     *  worth is the same alone or with others: it succeeds, fails, is lost or retried by itself. */
    unsigned chunk;
    kith_pool_callback *callback;             /**< NULL: none. Of the async calls */
    kith_pool_error_callback *error_callback; /**< NULL: none. Of the async calls */
    kith_pool_progress *progress;             /**< NULL: none. Of the maps and imaps */
    void *context;                            /**< handed to these three */
    /** imap: how many tasks may be handed out and their results not yet taken; 0: 1,000 */
    unsigned ahead;
} kith_task_options;

/* ---- one task ---- */

/** What becomes of a task, or of a map. */
typedef struct kith_result kith_result;

/** Has a worker call work(args), and waits for the result.
 *  @param work     what to call
 *  @param args     a tuple; KITH_NO_ARGS for none. NULL, which is what kith_value_pack gives when it fails, is refused,
 *                  and the detail keeps why. Not used after the call
 *  @param arena    owns the value
 *  @param value    receives the result. NULL: it is not wanted
 *  @param options  NULL for the defaults
 *  @return 0; the code of kith_outcome when it failed, and its detail as kith_error_detail; KITH_ECLOSED after
 *          kith_pool_close or kith_pool_terminate; -EDEADLK in a callback; -EINVAL also when work is no entry point
 *          that a fresh image would find, or args is no tuple; KITH_ELIMIT and -ENOTSUP when args can't be pickled;
 *          -ENOSPC when the tasks on their way take all memory that a pool may have (64 GiB), -EMSGSIZE when this one
 *          alone would; why the pool is broken */
KITH_API KITH_MUST_USE int kith_pool_apply(kith_pool *pool, kith_entry *work, const kith_value *args, kith_arena *arena,
                                           kith_value **value, const kith_task_options *options);

/** The same, and does not wait for the result: only, while too many tasks are on their way, for one of them to end.
 *  @param result  receives the handle; free it with kith_result_free. NULL: nobody will ask for it (but the callbacks
 *                 are called)
 *  @return 0; as kith_pool_apply but for how the task ends */
KITH_API KITH_MUST_USE int kith_pool_apply_async(kith_pool *pool, kith_result **result, kith_entry *work,
                                                 const kith_value *args, const kith_task_options *options);

/** As kith_pool_apply, with bytes (kith_call_bytes there). A result that is no bytes gives its pickle.
 *  @param data   size bytes; not used after the call
 *  @param bytes  receives the result; free it with kith_bytes_free. NULL: it is not wanted */
KITH_API KITH_MUST_USE int kith_pool_apply_bytes(kith_pool *pool, kith_entry *work, const void *data, size_t size,
                                                 kith_bytes *bytes, const kith_task_options *options);
KITH_API KITH_MUST_USE int kith_pool_apply_bytes_async(kith_pool *pool, kith_result **result, kith_entry *work,
                                                       const void *data, size_t size, const kith_task_options *options);

/* ---- many tasks ---- */

/** Has workers call work((item,)) for each item, and waits for all results.
 *  @param items   a list, tuple, set or frozenset. Not used after the call. NULL is refused; when it is what
 *                 kith_value_pack gave, the detail keeps why
 *  @param arena   owns the list
 *  @param list    receives the list of results, in the order of the items. NULL: they are not wanted
 *  @return 0; when a task failed, what kith_pool_apply says, for the first of those that failed; the others have been
 *          run all the same: kith_pool_map_async gives their results; as kith_pool_apply. An item that can't be pickled
 *          is a task that failed */
KITH_API KITH_MUST_USE int kith_pool_map(kith_pool *pool, kith_entry *work, const kith_value *items, kith_arena *arena,
                                         kith_value **list, const kith_task_options *options);

/** The same, for items that are tuples: work(item), so that each may have several arguments.
 *  @return as kith_pool_map; KITH_ETYPE when one is no tuple: then nothing is begun */
KITH_API KITH_MUST_USE int kith_pool_starmap(kith_pool *pool, kith_entry *work, const kith_value *items,
                                             kith_arena *arena, kith_value **list, const kith_task_options *options);

/** The same, and do not wait for the results. The items are handed out by and by, from the caller's thread as far as
 *  there is room, the rest from the keeper's; so they are copied.
 *  @param result  as for kith_pool_apply_async */
KITH_API KITH_MUST_USE int kith_pool_map_async(kith_pool *pool, kith_result **result, kith_entry *work,
                                               const kith_value *items, const kith_task_options *options);
KITH_API KITH_MUST_USE int kith_pool_starmap_async(kith_pool *pool, kith_result **result, kith_entry *work,
                                                   const kith_value *items, const kith_task_options *options);

/** As kith_pool_map, with bytes: work sees one message by kith_call_bytes.
 *  @param messages  count of them
 *  @param results   receives count results; free each with kith_bytes_free. NULL: they are not wanted. When a task
 *                   failed, none is received */
KITH_API KITH_MUST_USE int kith_pool_map_bytes(kith_pool *pool, kith_entry *work, const kith_message *messages,
                                               size_t count, kith_bytes *results, const kith_task_options *options);
KITH_API KITH_MUST_USE int kith_pool_map_bytes_async(kith_pool *pool, kith_result **result, kith_entry *work,
                                                     const kith_message *messages, size_t count,
                                                     const kith_task_options *options);

/* ---- results ---- */

/** Waits until the result is there: the task, or all tasks of the map, have ended in whatever way.
 *  @return 0; -ETIMEDOUT; -EDEADLK in a callback */
KITH_API KITH_MUST_USE int kith_result_wait(kith_result *result, kith_timeout timeout);

/** @return 1 when it is there, 0 when it is not yet */
KITH_API int kith_result_ready(const kith_result *result);

/** Waits for the result and gives it: of a task the value, of a map the list of values. May be asked again.
 *  @param arena  owns the value
 *  @param value  receives it. NULL: it is not wanted
 *  @return 0; -ETIMEDOUT when it was not there in time; -EDEADLK in a callback; the code of the first that failed, as
 *          kith_pool_map */
KITH_API KITH_MUST_USE int kith_result_get(kith_result *result, kith_arena *arena, kith_value **value,
                                           kith_timeout timeout);

/** How many tasks it stands for. @return the number: 1, or that of the map's items */
KITH_API size_t kith_result_count(const kith_result *result);

/** How many of them have ended. @return the number */
KITH_API size_t kith_result_done(const kith_result *result);

/** One task of a map, or the only one: what it gave, also when others failed. Does not wait.
 *  @param index  from 0
 *  @param value  receives it. NULL: it is not wanted
 *  @return 0; -EAGAIN while that task has not ended; the code of its outcome when it failed; -ENOENT when there is no
 *          such task */
KITH_API KITH_MUST_USE int kith_result_at(kith_result *result, size_t index, kith_arena *arena, kith_value **value);

/** As kith_result_at, for bytes. @param bytes  receives a copy; free it with kith_bytes_free */
KITH_API KITH_MUST_USE int kith_result_bytes_at(kith_result *result, size_t index, kith_bytes *bytes);

/** How a task ended. @param outcome  receives it; code 0 when it succeeded. Its detail lives as long as the result
 *  @return 0; -EAGAIN while it has not ended; -ENOENT when there is no such task */
KITH_API KITH_MUST_USE int kith_result_outcome(kith_result *result, size_t index, kith_outcome *outcome);

/** Gives up the tasks that no worker has begun: they end with -ECANCELED. Those that run go on to their end.
 *  @return 0; -EALREADY when all have ended, or are running */
KITH_API int kith_result_cancel(kith_result *result);

/** Gives the handle back. The tasks go on, and their callbacks are called. NULL is fine. */
KITH_API void kith_result_free(kith_result *result);

/* ---- imap: results one by one, while items are made one by one ---- */

/** A walk over results. One thread uses it at a time. */
typedef struct kith_imap kith_imap;

/** Makes the next task of an imap; called in the thread that calls kith_imap_next.
 *  @param arena  reset before each call: for making args
 *  @param args   receives the arguments: a tuple; NULL, as it is before: an empty one
 *  @return 1; 0 when there are no more; a negative code when that failed, whose detail (kith_fail, or that of a call of
 *          the library) kith_imap_next keeps. It is a failure, too, when something could not be made in the arena */
typedef int kith_pool_next(void *context, kith_arena *arena, kith_value **args);

/** Begins an imap. Items are asked for when there is room for them: no more than options->ahead tasks are handed out
 *  whose results have not been taken. So it may be endless, and who takes results slowly slows down who makes items.
 *  imap gives results in the order of the items, imap_unordered as they come.
 *
 *  How many items are asked for before a result is given: as many as there is room for, until it is there; and when it
 *  is, as long as that takes no longer than about a millisecond: for none, when there is little room and tasks are
 *  quick. A chunk whose size was not asked for is handed out as it is when making its items takes that long.
 *
 *  @param imap     receives it; free it with kith_imap_free
 *  @param next     makes the tasks
 *  @param context  handed to it
 *  @return 0; as kith_pool_apply_async */
KITH_API KITH_MUST_USE int kith_pool_imap(kith_pool *pool, kith_imap **imap, kith_entry *work, kith_pool_next *next,
                                          void *context, const kith_task_options *options);
KITH_API KITH_MUST_USE int kith_pool_imap_unordered(kith_pool *pool, kith_imap **imap, kith_entry *work,
                                                    kith_pool_next *next, void *context,
                                                    const kith_task_options *options);

/** The next result. Hands out items first, as far as there is room.
 *
 *  When no more tasks can be handed out, that is told once, after the results of those before; then comes KITH_EEMPTY:
 *  because next failed, or made what is no tuple or can't be pickled (the codes of kith_pool_apply), or the pool was
 *  closed or terminated (KITH_ECLOSED), or is broken.
 *
 *  @param arena  owns the value
 *  @param value  receives it. NULL: it is not wanted
 *  @return 0; KITH_EEMPTY when all have been given; -ETIMEDOUT when it has not come in time; -EDEADLK in a callback,
 *          when it is not there; the code of its outcome when the task failed: go on with the next. kith_imap_outcome
 *          tells of a task that failed, and gives -ENOENT after the codes that are of no task, such as -ETIMEDOUT.
 *          -ENOMEM when there is no memory for the value: it stays, and may be asked for again */
KITH_API KITH_MUST_USE int kith_imap_next(kith_imap *imap, kith_arena *arena, kith_value **value, kith_timeout timeout);

/** How the task ended whose result kith_imap_next gave last; its index counts the items from 0. It lives until the next
 *  call. @return 0; -ENOENT before the first result, and after a call that gave none */
KITH_API KITH_MUST_USE int kith_imap_outcome(const kith_imap *imap, kith_outcome *outcome);

/** Ends the walk: tasks that have not begun are given up, and options->progress is not called any more. May be called
 *  in a callback, and in a child made by fork, where it frees that one's memory. NULL is fine. */
KITH_API void kith_imap_free(kith_imap *imap);

/* ---- the pool itself ---- */

/** What goes on in a pool. */
typedef struct kith_pool_stats {
    unsigned workers;   /**< running now */
    unsigned busy;      /**< of these, at a task */
    uint64_t pending;   /**< tasks handed in and not ended */
    uint64_t done;      /**< tasks that have ended, ever, in whatever way; the next three are among them */
    uint64_t failed;    /**< by what they returned */
    uint64_t lost;      /**< with their worker */
    uint64_t timed_out; /**< at their time limit */
    uint64_t retried;   /**< times that a task was begun again */
    uint64_t replaced;  /**< workers that died, or were killed at a time limit, and were replaced */
    uint64_t memory;    /**< bytes of shared memory that tasks on their way take, or took and is kept for the next */
} kith_pool_stats;

/** @param stats  receives them @return 0 */
KITH_API int kith_pool_get_stats(const kith_pool *pool, kith_pool_stats *stats);

/** The processes of the pool, now. @param pids  receives up to capacity of them; may be NULL when capacity is 0
 *  @return how many there are, which may be more than capacity */
KITH_API int kith_pool_workers(const kith_pool *pool, pid_t *pids, size_t capacity);

/** No more tasks: what is handed in later is refused with KITH_ECLOSED; what is on its way completes, and then the
 *  workers end. Does not wait. @return 0, also when it is closed already */
KITH_API int kith_pool_close(kith_pool *pool);

/** Ends the pool now: tasks that have not ended do so with -ECANCELED; workers get SIGTERM, and SIGKILL when they do
 *  not heed it within a second. Does not wait. What exits with a pool that was not freed does the same, and waits.
 *  @return 0, also when it is terminated already */
KITH_API int kith_pool_terminate(kith_pool *pool);

/** Waits until a pool that was closed or terminated has done all its tasks and its workers have ended.
 *  @return 0; -ETIMEDOUT; -EPERM when it was neither closed nor terminated; -EDEADLK in a callback */
KITH_API KITH_MUST_USE int kith_pool_join(kith_pool *pool, kith_timeout timeout);

/** Terminates the pool if need be, waits for its end, and frees the handle; results keep what they have, imaps end.
 *  No other thread may be in a call on the pool. NULL is fine. @return 0; -EDEADLK in a callback: nothing was done */
KITH_API int kith_pool_free(kith_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
