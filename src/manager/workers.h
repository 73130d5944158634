/* A small set of threads, for what waits or takes long: they are started when there is something to do and none is
 * idle, up to the server's options.workers, and stay. */
#ifndef KITH_SRC_MANAGER_WORKERS_H
#define KITH_SRC_MANAGER_WORKERS_H

#include "manager/line.h"

/** A piece of work, a part of what it is about. */
struct job {
    /** Does it, on a worker thread: it touches nothing of the loop's. */
    void (*run)(struct job *job);
    /** On the loop, when that has returned; or instead of it, when the server ends before (not_run). Frees the job. Who
     *  has a line answers it, by line_answer. */
    void (*done)(struct server *server, struct job *job);
    struct line *line; /* job_for_line's; NULL: nobody's, or the client is gone */
    bool not_run;
    struct job *next;
};

/** Notes that a line's call waits for a job, which forgets the line when the client goes. */
void job_for_line(struct job *job, struct line *line);

/** Has a worker do a job.
 *  @return 0; -EAGAIN, -ENOMEM when there is no thread and none can be had; with the detail */
int workers_do(struct server *server, struct job *job);

/** Calls done for those that are. */
void workers_collect(struct server *server);

/** Waits for what runs, ends the threads, and calls done for all. */
void workers_end(struct server *server);

#endif
