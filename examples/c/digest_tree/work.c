/* work: a worker process. It gets batches of paths, digests the files, and puts one result a batch, and
 * word of how far it is now and then. */
#include "work.h"

#include "digest.h"
#include "report.h"

#include <string.h>
#include <unistd.h>

enum { NEWS_BYTES = 64 << 20 }; /* how much is read between two words of how far it is */

struct worker {
    const struct worker_argument *self;
    struct task task;
    struct result result; /* of the batch in hand */
    uint64_t told;        /* of its bytes, those that the parent knows of */
};

static void send_result(struct worker *worker)
{
    size_t used = offsetof(struct result, outcomes) + worker->result.count * sizeof *worker->result.outcomes;
    MUST(kith_queue_put(worker->self->results, &worker->result, used, KITH_FOREVER));
    worker->told = worker->result.bytes;
}

static void count_bytes(void *context, size_t size)
{
    struct worker *worker = context;
    worker->result.bytes += size;
    if (worker->result.bytes - worker->told >= NEWS_BYTES)
        send_result(worker);
}

/* @return 0, an errno, or LARGE */
static int digest_file(struct worker *worker, const char *path, unsigned char *digest)
{
    uint64_t size;
    int fd = digest_open(path, &size);
    if (fd < 0)
        return -fd;
    int error = LARGE;
    if (size < LARGE_FILE || worker->task.count == 1)
        error = digest_content(fd, digest, count_bytes, worker);
    close(fd);
    return error;
}

static void do_batch(struct worker *worker)
{
    struct result *result = &worker->result;
    double start = seconds_now();
    *result = (struct result){ .batch = worker->task.batch, .worker = worker->self->number };
    worker->told = 0;
    const char *path = worker->task.paths;
    for (uint32_t i = 0; i < worker->task.count; i++, path += strlen(path) + 1)
        result->outcomes[i].error = digest_file(worker, path, result->outcomes[i].digest);
    result->count = worker->task.count;
    result->seconds = seconds_now() - start;
    send_result(worker);
}

/* @return false when there is no more to do */
static bool get_task(struct worker *worker)
{
    size_t size;
    MUST(kith_queue_get(worker->self->tasks, &worker->task, sizeof worker->task, &size, KITH_FOREVER));
    return size > 0;
}

int work(void *worker_argument)
{
    static struct worker worker;
    worker.self = worker_argument;
    int error = digest_begin();
    if (error != 0) {
        complain("can't digest: %s", strerror(error));
        return 1;
    }
    while (get_task(&worker))
        do_batch(&worker);
    return 0;
}
