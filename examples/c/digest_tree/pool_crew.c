/* pool_crew: the same job by a pool. A task is a file, and the walk gives the next one when the pool has room for it.
 * What fills crew.c, batches, deaths, and handing out again, is the pool's. */
#include "pool_crew.h"

#include "digest.h"
#include "walk.h"

#include <kith/pool.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { RETRIES = 2 };                            /* for files whose worker died: maybe it was not their fault */
static const kith_timeout glance = KITH_MS(100); /* how long the progress bar may stand still */

/* ---- in a worker ------------------------------------------------------------------------------------------------- */

KITH_ENTRY(begin_digests)
{
    (void)call;
    return -digest_begin();
}

static void count_bytes(void *bytes, size_t size)
{
    *(uint64_t *)bytes += size;
}

/* The task: takes a path, with the NUL at its end, and gives the digest and how many bytes were read. */
KITH_ENTRY(digest_file)
{
    size_t path_size;
    const void *path;
    uint64_t size, bytes = 0;
    unsigned char digest[DIGEST_SIZE];
    int code = kith_value_unpack(kith_call_args(call), "(y)", &path, &path_size);
    if (code < 0)
        return code;
    int fd = digest_open(path, &size);
    if (fd < 0)
        return fd;
    int error = digest_content(fd, digest, count_bytes, &bytes);
    close(fd);
    if (error != 0)
        return -error;
    return kith_call_return(call, kith_value_pack(kith_call_arena(call), "(yU)", digest, sizeof digest, bytes));
}

/* ---- in the parent ----------------------------------------------------------------------------------------------- */

struct job {
    struct walk walk;
    bool walking;
    struct files *files;
    struct amount found, done;
};

/* Gives the next file of the walk: the task's index is its place in the list. */
static int next_file(void *context, kith_arena *arena, kith_value **args)
{
    struct job *job = context;
    char *path;
    uint64_t size;
    job->walking = walk_next(&job->walk, &path, &size);
    if (!job->walking)
        return 0;
    files_add(job->files, path);
    job->found.files++;
    job->found.bytes += size;
    *args = kith_value_pack(arena, "(y)", path, strlen(path) + 1);
    return *args ? 1 : kith_arena_error(arena);
}

static void accept_digest(struct job *job, struct file *file, const kith_value *result)
{
    const void *digest;
    size_t size;
    uint64_t bytes;
    MUST(kith_value_unpack(result, "(yU)", &digest, &size, &bytes));
    memcpy(file->digest, digest, sizeof file->digest);
    file->error = 0;
    job->done.bytes += bytes;
}

static void accept_failure(struct file *file, const kith_outcome *outcome)
{
    if (outcome->code == KITH_EWORKERLOST)
        complain("%s: %s", file->path, outcome->detail);
    else
        complain_of(file->path, -outcome->code);
}

/* Takes one result, or looks that there is none in time. @return false when there are no more */
static bool take(struct job *job, kith_imap *results, kith_arena *arena)
{
    kith_value *result;
    kith_outcome outcome;
    int code = kith_imap_next(results, arena, &result, glance);
    if (code == KITH_EEMPTY)
        return false;
    if (kith_imap_outcome(results, &outcome) == 0) {
        struct file *file = &job->files->at[outcome.index];
        if (code == 0)
            accept_digest(job, file, result);
        else
            accept_failure(file, &outcome);
        job->done.files++;
    } else if (code != -ETIMEDOUT) {
        must(code, "kith_imap_next");
    }
    kith_arena_reset(arena);
    return true;
}

void pool_digest(char **roots, struct files *files, unsigned workers)
{
    double start = seconds_now();
    struct job job = { .walking = true, .files = files };
    kith_arena *arena;
    kith_pool *pool;
    kith_imap *results;
    kith_pool_stats stats;
    walk_begin(&job.walk, roots, progress_wanted());
    MUST(kith_arena_new(&arena));
    MUST(kith_pool_new(&pool, &(kith_pool_options){ .workers = workers, .initializer = begin_digests }));
    MUST(kith_pool_imap_unordered(pool, &results, digest_file, next_file, &job,
                                  &(kith_task_options){ .retries = RETRIES }));
    while (take(&job, results, arena))
        progress_draw(job.done, job.found, job.walking);
    progress_clear();

    MUST(kith_pool_get_stats(pool, &stats));
    if (stats.replaced > 0)
        remark("workers that died and were replaced: %ju", (uintmax_t)stats.replaced);
    kith_imap_free(results);
    kith_pool_free(pool);
    kith_arena_free(arena);
    table_head();
    table_row("all", job.done, seconds_now() - start);
}
