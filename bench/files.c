/* kith-files: how long it takes two processes to read many small files: as a pool that maps over them, and partitioned
 * by hand. pool.py runs both, by turns.
 *
 *   kith-files pool|hand LIST    LIST is a file with a path a line
 *
 * A turn begins and ends without workers: to start them, and to wait for their ends, is part of it. What comes out must
 * be what came out of reading all alone, before the first turn.
 */
#include "turns.h"

#include <kith/pool.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, BUFFER = 1 << 16 };

struct list {
    char *text;          /* the whole list, each line ended by a NUL */
    kith_message *paths; /* count of them, each with its NUL */
    size_t count;        /* in elements */
    uint64_t *digests;   /* of each file; shared with children */
};

/* FNV-1a, 64 bits, of the bytes of a file. A file that can't be read has the digest 0: it may have gone. */
static uint64_t digest(const char *path)
{
    unsigned char buffer[BUFFER];
    uint64_t hash = 0xcbf29ce484222325u;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size;
    while ((size = read(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < size; i++)
            hash = (hash ^ buffer[i]) * 0x100000001b3u;
    close(fd);
    return size < 0 ? 0 : hash;
}

/* ---- by a pool ---- */

KITH_ENTRY(digest_file)
{
    size_t size;
    uint64_t result = digest(kith_call_bytes(call, &size));
    return kith_call_return_bytes(call, &result, sizeof result);
}

static int map(kith_pool *pool, struct list *list)
{
    kith_bytes *results = calloc(list->count, sizeof *results);
    if (!results)
        return -ENOMEM;
    int code = kith_pool_map_bytes(pool, digest_file, list->paths, list->count, results, NULL);
    for (size_t i = 0; i < list->count && code == 0; i++) {
        memcpy(&list->digests[i], results[i].data, sizeof list->digests[i]);
        kith_bytes_free(&results[i]);
    }
    free(results);
    return code;
}

static int by_pool(struct list *list)
{
    kith_pool *pool;
    int code = kith_pool_new(&pool, &(kith_pool_options){ .workers = WORKERS });
    if (code < 0)
        return code;
    code = map(pool, list);
    kith_pool_close(pool);
    if (code == 0)
        code = kith_pool_join(pool, KITH_FOREVER);
    kith_pool_free(pool);
    return code;
}

/* ---- by hand ---- */

static _Noreturn void digest_share(struct list *list, size_t first)
{
    for (size_t i = first; i < list->count; i += WORKERS)
        list->digests[i] = digest(list->paths[i].data);
    _exit(0);
}

static int by_hand(struct list *list)
{
    pid_t children[WORKERS];
    int status, code = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            digest_share(list, i);
        if (children[i] < 0)
            code = -errno;
    }
    for (size_t i = 0; i < WORKERS; i++)
        if (children[i] > 0 && (waitpid(children[i], &status, 0) < 0 || status != 0))
            code = -ECHILD;
    return code;
}

/* ---- both ---- */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0;
    if (!file)
        return NULL;
    if (getdelim(&text, &capacity, '\0', file) < 0) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static int read_list(struct list *list, const char *path)
{
    list->text = read_text(path);
    if (!list->text)
        return -ENOENT;
    for (char *c = list->text; *c; c++)
        list->count += *c == '\n';
    list->paths = calloc(list->count, sizeof *list->paths);
    list->digests =
        mmap(NULL, list->count * sizeof *list->digests + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!list->paths || list->digests == MAP_FAILED)
        return -ENOMEM;
    char *line = list->text;
    for (size_t i = 0; i < list->count; i++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        list->paths[i] = (kith_message){ line, (size_t)(end - line) + 1 };
        line = end + 1;
    }
    return 0;
}

static void free_list(struct list *list)
{
    free(list->text);
    free(list->paths);
    if (list->digests)
        munmap(list->digests, list->count * sizeof *list->digests);
}

static uint64_t sum(const struct list *list)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < list->count; i++)
        sum = sum * 31 + list->digests[i];
    return sum;
}

struct job {
    struct list list;
    int (*way)(struct list *list);
    uint64_t expected;
};

/* Reads all of it alone: to know what must come out, and to have the files in memory. */
static void expect(struct job *job)
{
    for (size_t i = 0; i < job->list.count; i++)
        job->list.digests[i] = digest(job->list.paths[i].data);
    job->expected = sum(&job->list);
}

static int work(void *context, long count)
{
    struct job *job = context;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++) {
        memset(job->list.digests, 0, job->list.count * sizeof *job->list.digests);
        code = job->way(&job->list);
        if (code == 0 && sum(&job->list) != job->expected)
            code = -EILSEQ;
    }
    return code;
}

int main(int argc, char **argv)
{
    struct job job = { .expected = 0 };
    if (argc == 3)
        job.way = strcmp(argv[1], "pool") == 0 ? by_pool : strcmp(argv[1], "hand") == 0 ? by_hand : NULL;
    if (!job.way) {
        fputs("usage: kith-files pool|hand LIST    reads counts, and prints seconds\n", stderr);
        return 2;
    }
    int code = read_list(&job.list, argv[2]);
    if (code == 0) {
        expect(&job);
        code = turns_take(work, &job);
    }
    free_list(&job.list);
    return code < 0 ? turns_fail(argv[1], code) : 0;
}
