/* work: a worker process. It gets batches of paths, digests the files, and puts one result a batch, and
 * word of how far it is now and then. */
#include "work.h"

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEWS_BYTES = 64 << 20 }; /* how much is read between two words of how far it is */

struct worker {
    const struct worker_argument *self;
    EVP_MD_CTX *context;
    struct task task;
    struct result result; /* of the batch in hand */
    uint64_t told;        /* of its bytes, those that the parent knows of */
    unsigned char buffer[256 * 1024];
};

static void send_result(struct worker *worker)
{
    size_t used = offsetof(struct result, outcomes) + worker->result.count * sizeof *worker->result.outcomes;
    MUST(kith_queue_put(worker->self->results, &worker->result, used, KITH_FOREVER));
    worker->told = worker->result.bytes;
}

/* Digests what fd gives. @return 0 or an errno */
static int digest_content(struct worker *worker, int fd, unsigned char *digest)
{
    if (!EVP_DigestInit_ex(worker->context, NULL, NULL)) /* the same as before: SHA-256, from work() */
        return ENOMEM;
    for (;;) {
        ssize_t got = read(fd, worker->buffer, sizeof worker->buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return EVP_DigestFinal_ex(worker->context, digest, NULL) ? 0 : ENOMEM;
        if (!EVP_DigestUpdate(worker->context, worker->buffer, (size_t)got))
            return ENOMEM;
        worker->result.bytes += (uint64_t)got;
        if (worker->result.bytes - worker->told >= NEWS_BYTES)
            send_result(worker);
    }
}

/* Since the walk saw it, the file may have become anything. Opening a FIFO must not wait (O_NONBLOCK), and what is no
 * regular file any more is not read. @return 0, an errno, or LARGE */
static int digest_file(struct worker *worker, const char *path, unsigned char *digest)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    struct stat status;
    int error;
    if (fstat(fd, &status) < 0)
        error = errno;
    else if (!S_ISREG(status.st_mode))
        error = EINVAL;
    else if (status.st_size >= LARGE_FILE && worker->task.count > 1)
        error = LARGE;
    else
        error = digest_content(worker, fd, digest);
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
    worker.context = need(EVP_MD_CTX_new());
    if (!EVP_DigestInit_ex(worker.context, EVP_sha256(), NULL)) {
        complain("libcrypto has no SHA-256");
        return 1;
    }
    while (get_task(&worker))
        do_batch(&worker);
    EVP_MD_CTX_free(worker.context);
    return 0;
}
