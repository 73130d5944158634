/* jobs: work that survives its workers. Ten jobs, three workers, and one job that kills whoever takes it.
 *
 * The queue redelivers: a job that a dead worker had goes to another one. A job that was delivered twice and never done
 * is poison, and is parked in a queue of its own. The parent joins the queue: it waits until every job is done or
 * parked. */
#include "must.h"

#include <kith/process.h>
#include <kith/queue.h>

#include <signal.h>

enum { JOBS = 10, WORKERS = 3, DEADLY = 7 };

static kith_queue *jobs, *parked;

static int worker(void *argument)
{
    (void)argument;
    MUST(kith_queue_set_poison(jobs, kith_queue_park, parked));
    for (;;) {
        int job;
        size_t size;
        int result = kith_queue_get(jobs, &job, sizeof job, &size, KITH_FOREVER);
        if (result == KITH_ECLOSED) /* shut, and every job is done */
            return 0;
        must(result, "kith_queue_get");
        if (job == DEADLY)
            raise(SIGKILL);
        printf("job %d is done\n", job);
        MUST(kith_queue_task_done(jobs));
    }
}

int main(void)
{
    print_whole_lines();
    MUST(kith_queue_new(&jobs, &(kith_queue_options){ .redeliver = 1, .max_deliveries = 2 }));
    MUST(kith_queue_new(&parked, NULL));
    for (int job = 1; job <= JOBS; job++)
        MUST(kith_queue_put(jobs, &job, sizeof job, KITH_FOREVER));
    MUST(kith_queue_shut(jobs));
    for (int i = 0; i < WORKERS; i++)
        MUST(kith_process_start(NULL, worker, NULL, NULL));
    MUST(kith_queue_join(jobs, KITH_SECONDS(60)));

    int job;
    size_t size;
    while (kith_queue_get(parked, &job, sizeof job, &size, KITH_NOWAIT) == 0)
        printf("job %d is parked\n", job);
    kith_queue_free(jobs);
    kith_queue_free(parked);
    return 0;
}
