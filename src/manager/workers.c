#include "manager/workers.h"

#include "base/error.h"
#include "manager/server.h"
#include "os/flag.h"
#include "process/forks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct list {
    struct job *first, **end;
};

struct workers {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t more;   /* there is a job, or the end */
    struct list waiting, done;
    unsigned waiting_count;
    unsigned idle; /* threads that wait for a job, also those that were just woken for one */
    unsigned count;
    bool ending;
    int bell; /* rung when something is done */
    pthread_t threads[];
};

static void append(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *take_all(struct list *list)
{
    struct job *first = list->first;
    list->first = NULL;
    list->end = &list->first;
    return first;
}

static struct job *take_first(struct list *list)
{
    struct job *job = list->first;
    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

/* ---- the threads ---- */

static void *work(void *context)
{
    struct workers *workers = context;
    pthread_mutex_lock(&workers->mutex);
    for (;;) {
        workers->idle++;
        while (!workers->waiting.first && !workers->ending)
            pthread_cond_wait(&workers->more, &workers->mutex);
        workers->idle--;
        if (workers->ending)
            break;
        struct job *job = take_first(&workers->waiting);
        workers->waiting_count--;
        pthread_mutex_unlock(&workers->mutex);
        job->run(job);
        pthread_mutex_lock(&workers->mutex);
        append(&workers->done, job);
        os_flag_raise(workers->bell);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

/* Signals are the program's other threads' matter. */
static int start_thread(struct workers *workers)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&workers->threads[workers->count], NULL, work, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0)
        workers->count++;
    return -code;
}

static struct workers *workers_new(const struct server *server)
{
    struct workers *workers = calloc(1, sizeof *workers + server->options.workers * sizeof(pthread_t));
    if (!workers)
        return NULL;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->more, NULL);
    take_all(&workers->waiting);
    take_all(&workers->done);
    workers->bell = server->bell.descriptor;
    return workers;
}

/* Under the mutex. A job for which nobody is idle waits for one who is at work, if no further thread can be had. */
static int find_thread(struct server *server)
{
    struct workers *workers = server->workers;
    if (workers->ending || workers->waiting_count < workers->idle || workers->count == server->options.workers)
        return 0;
    int code = start_thread(workers);
    if (code == 0 || workers->count > 0)
        return 0;
    return error_fail(code, "the server can't start a thread for what takes long: %s", kith_strerror(code));
}

void job_for_line(struct job *job, struct line *line)
{
    job->line = line;
    line->job = job;
}

int workers_do(struct server *server, struct job *job)
{
    if (!server->workers && !(server->workers = workers_new(server)))
        return error_fail(-ENOMEM, "no memory for threads");
    struct workers *workers = server->workers;
    pthread_mutex_lock(&workers->mutex);
    int code = find_thread(server);
    if (code == 0) {
        append(&workers->waiting, job);
        workers->waiting_count++;
        pthread_cond_signal(&workers->more);
    }
    pthread_mutex_unlock(&workers->mutex);
    return code;
}

/* ---- the loop's side ---- */

static void finish(struct server *server, struct job *job)
{
    while (job) {
        struct job *next = job->next;
        job->done(server, job);
        job = next;
    }
}

void workers_collect(struct server *server)
{
    struct workers *workers = server->workers;
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    struct job *done = take_all(&workers->done);
    pthread_mutex_unlock(&workers->mutex);
    finish(server, done);
}

static void give_up(struct server *server, struct workers *workers)
{
    struct job *job = take_all(&workers->waiting);
    workers->waiting_count = 0;
    for (struct job *one = job; one; one = one->next)
        one->not_run = true;
    finish(server, job);
}

static void finish_all(struct server *server, struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->ending = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    /* What is done may lead to the next job for an object. */
    while (workers->waiting.first || workers->done.first) {
        give_up(server, workers);
        workers_collect(server);
    }
    pthread_mutex_destroy(&workers->mutex);
    pthread_cond_destroy(&workers->more);
}

void workers_end(struct server *server)
{
    struct workers *workers = server->workers;
    if (!workers)
        return;
    if (server->generation == forks_generation()) /* a forked child has no such threads, and can't tell what they did */
        finish_all(server, workers);
    free(workers);
    server->workers = NULL;
}
