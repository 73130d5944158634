/* crew: hands batches of files to the workers through a queue, and takes their results from another.
 *
 * The queue of tasks is short, and the parent never waits for room in it; the queue of results has no bound, and no
 * worker waits for room in that one. So they can't wait for each other in a circle.
 *
 * When a worker dies, nobody knows which batch it had in hand. So all that are handed out and not done are handed out
 * again, few as they are, and of two results for a batch the second is ignored. */
#include "crew.h"

#include "work.h"

#include <kith/process.h>
#include <kith/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_PER_WORKER = 64 };
static const kith_timeout glance = KITH_MS(100); /* how often the parent looks after its workers */

struct batch {
    size_t first; /* file */
    uint32_t count;
    bool done;
};

struct worker {
    kith_process *process; /* NULL when it has ended */
    struct worker_argument argument;
    struct amount done;
    uint64_t reading; /* bytes of the batch in hand, as far as is known */
    double seconds;   /* that it worked */
};

struct crew {
    struct files *files;
    kith_queue *tasks, *results;
    struct worker *workers;
    unsigned worker_count, alive;
    double last_look; /* when the parent last looked after its workers */

    struct batch *batches;
    size_t batch_count, batch_capacity;
    size_t next;   /* the next batch to hand out; some behind it may be done, after a death */
    size_t handed; /* how many were handed out, ever: from here on, nobody knows a batch by its number */
    size_t batches_done;
    struct amount done;
};

static void start_worker(struct crew *crew, unsigned number)
{
    struct worker *worker = &crew->workers[number];
    worker->argument = (struct worker_argument){ number, crew->tasks, crew->results };
    char name[32];
    snprintf(name, sizeof name, "digest-%u", number + 1);
    /* As a daemon, a worker ends with its parent, even if that is killed. */
    MUST(kith_process_start(&worker->process, work, &worker->argument,
                            &(kith_process_options){ .name = name, .daemon = 1 }));
    crew->alive++;
}

struct crew *crew_start(unsigned workers, struct files *files)
{
    struct crew *crew = need(calloc(1, sizeof *crew));
    crew->files = files;
    crew->workers = need(calloc(workers, sizeof *crew->workers));
    crew->worker_count = workers;
    crew->last_look = seconds_now();
    MUST(kith_queue_new(&crew->tasks, &(kith_queue_options){ .max_items = TASKS_PER_WORKER * workers }));
    MUST(kith_queue_new(&crew->results, NULL));
    for (unsigned i = 0; i < workers; i++)
        start_worker(crew, i);
    return crew;
}

/* @return the new batch, the last one */
static struct batch *add_batch(struct crew *crew, size_t first, size_t count)
{
    if (crew->batch_count == crew->batch_capacity) {
        crew->batch_capacity = crew->batch_capacity ? 2 * crew->batch_capacity : 64;
        crew->batches = need(realloc(crew->batches, crew->batch_capacity * sizeof *crew->batches));
    }
    struct batch *batch = &crew->batches[crew->batch_count++];
    *batch = (struct batch){ .first = first, .count = (uint32_t)count };
    return batch;
}

void crew_add(struct crew *crew, size_t first, size_t count)
{
    add_batch(crew, first, count);
}

/* A large file goes before all that wait to be handed out: were it the last, all would wait for it in the end. */
static void add_large(struct crew *crew, size_t file)
{
    struct batch *last = add_batch(crew, file, 1), *waiting = &crew->batches[crew->handed];
    struct batch large = *last;
    *last = *waiting;
    *waiting = large;
}

/* ---- tasks out --------------------------------------------------------------------------------------------------- */

/* @return false when the queue is full */
static bool put_task(struct crew *crew, size_t number)
{
    static struct task task;
    const struct batch *batch = &crew->batches[number];
    task.batch = (uint32_t)number;
    task.count = batch->count;
    char *end = task.paths;
    for (size_t i = 0; i < batch->count; i++) {
        const char *path = crew->files->at[batch->first + i].path;
        size_t size = strlen(path) + 1;
        memcpy(end, path, size);
        end += size;
    }
    int result = kith_queue_put(crew->tasks, &task, (size_t)(end - (char *)&task), KITH_NOWAIT);
    if (result == KITH_EFULL)
        return false;
    must(result, "kith_queue_put");
    return true;
}

static void hand_out(struct crew *crew)
{
    for (; crew->next < crew->batch_count; crew->next++) {
        if (!crew->batches[crew->next].done && !put_task(crew, crew->next))
            return;
        if (crew->handed == crew->next)
            crew->handed++;
    }
}

/* ---- results in -------------------------------------------------------------------------------------------------- */

static void accept_outcome(struct file *file, const struct outcome *outcome)
{
    file->error = outcome->error;
    memcpy(file->digest, outcome->digest, sizeof file->digest);
    if (file->error != 0)
        complain_of(file->path, file->error);
}

static void accept_result(struct crew *crew, const struct result *result)
{
    struct batch *batch = &crew->batches[result->batch];
    struct worker *worker = &crew->workers[result->worker];
    worker->reading = result->count == 0 ? result->bytes : 0;
    if (result->count == 0 || batch->done)
        return;
    batch->done = true;
    crew->batches_done++;
    worker->seconds += result->seconds;
    worker->done.bytes += result->bytes;
    crew->done.bytes += result->bytes;

    size_t first = batch->first; /* batch moves when one is added */
    for (uint32_t i = 0; i < result->count; i++) {
        if (result->outcomes[i].error == LARGE) {
            add_large(crew, first + i);
            continue;
        }
        accept_outcome(&crew->files->at[first + i], &result->outcomes[i]);
        worker->done.files++;
        crew->done.files++;
    }
}

/* Takes what is there, or waits a glance for the first one. */
static void collect(struct crew *crew, kith_timeout timeout)
{
    static struct result result;
    size_t size;
    int got;
    while ((got = kith_queue_get(crew->results, &result, sizeof result, &size, timeout)) == 0) {
        accept_result(crew, &result);
        timeout = KITH_NOWAIT;
    }
    if (got != KITH_EEMPTY)
        must(got, "kith_queue_get");
}

/* ---- deaths ------------------------------------------------------------------------------------------------------ */

/* A worker has ended: tells how, unless it did as it was told, and forgets the process. */
static void bury(struct crew *crew, struct worker *worker)
{
    int code;
    if (kith_process_exit_code(worker->process, &code) < 0)
        remark("worker %u has ended, nobody knows how", worker->argument.number + 1);
    else if (code < 0)
        remark("worker %u was killed by signal %d", worker->argument.number + 1, -code);
    else if (code > 0)
        remark("worker %u ended with status %d", worker->argument.number + 1, code);
    kith_process_close(worker->process);
    worker->process = NULL;
    worker->reading = 0;
    crew->alive--;
}

static void look_after_workers(struct crew *crew)
{
    double now = seconds_now();
    if ((now - crew->last_look) * 1e9 < (double)glance)
        return;
    crew->last_look = now;
    unsigned before = crew->alive;
    for (unsigned i = 0; i < crew->worker_count; i++)
        if (crew->workers[i].process && !kith_process_is_alive(crew->workers[i].process))
            bury(crew, &crew->workers[i]);
    if (crew->alive < before)
        crew->next = 0; /* hand out again all that is not done */
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool crew_drive(struct crew *crew, bool may_wait)
{
    hand_out(crew);
    collect(crew, may_wait ? glance : KITH_NOWAIT);
    look_after_workers(crew);
    return crew->alive > 0;
}

bool crew_idle(const struct crew *crew)
{
    return crew->batches_done == crew->batch_count;
}

struct amount crew_done(const struct crew *crew)
{
    struct amount done = crew->done;
    for (unsigned i = 0; i < crew->worker_count; i++)
        done.bytes += crew->workers[i].reading;
    return done;
}

/* Batches that were handed out twice may still be queued: nobody needs them. */
static void empty_tasks(struct crew *crew)
{
    static struct task task;
    size_t size;
    while (kith_queue_get(crew->tasks, &task, sizeof task, &size, KITH_NOWAIT) == 0)
        ;
}

static void print_table(const struct crew *crew, double seconds)
{
    table_head();
    for (unsigned i = 0; i < crew->worker_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i + 1);
        table_row(name, crew->workers[i].done, crew->workers[i].seconds);
    }
    table_row("all", crew->done, seconds);
}

void crew_finish(struct crew *crew, double seconds)
{
    empty_tasks(crew);
    for (unsigned i = 0; i < crew->alive; i++)
        MUST(kith_queue_put(crew->tasks, NULL, 0, KITH_FOREVER));
    for (unsigned i = 0; i < crew->worker_count; i++) {
        struct worker *worker = &crew->workers[i];
        if (!worker->process)
            continue;
        MUST(kith_process_join(worker->process, KITH_FOREVER));
        bury(crew, worker);
    }
    print_table(crew, seconds);
    kith_queue_free(crew->tasks);
    kith_queue_free(crew->results);
    free(crew->workers);
    free(crew->batches);
    free(crew);
}
