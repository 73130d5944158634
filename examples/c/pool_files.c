/* pool_files: the lines, words and bytes of files, counted by a pool.
 *
 *     pool_files FILE...
 *
 * A file that can't be read is a task that failed: its reason is told, the others are counted all the same, and the
 * exit status is 1. Meanwhile a line on stderr shows how far the pool is. */
#include "must.h"

#include <kith/pool.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int count(FILE *file, int64_t *lines, int64_t *words, int64_t *bytes)
{
    int byte, before = ' ';
    while ((byte = getc_unlocked(file)) != EOF) {
        *bytes += 1;
        *lines += byte == '\n';
        *words += isspace(before) && !isspace(byte);
        before = byte;
    }
    return ferror(file) ? -errno : 0;
}

/* The task. What it is given are bytes, since a path may be anything but a text; what it gives is a tuple. */
KITH_ENTRY(count_file)
{
    size_t size;
    int64_t lines = 0, words = 0, bytes = 0;
    FILE *file = fopen(kith_call_bytes(call, &size), "r");
    if (!file)
        return -errno;
    int code = count(file, &lines, &words, &bytes);
    fclose(file);
    if (code < 0)
        return code;
    return kith_call_return(call, kith_value_pack(kith_call_arena(call), "(III)", lines, words, bytes));
}

/* @return 1 when the file could not be counted */
static int print_counts(kith_result *result, size_t index, const char *path, kith_arena *arena)
{
    kith_value *counts;
    int64_t lines, words, bytes;
    int code = kith_result_at(result, index, arena, &counts);
    if (code < 0) {
        fprintf(stderr, "%s: %s\n", path, kith_strerror(code));
        return 1;
    }
    MUST(kith_value_unpack(counts, "(III)", &lines, &words, &bytes));
    printf("%7jd %7jd %7jd %s\n", (intmax_t)lines, (intmax_t)words, (intmax_t)bytes, path);
    kith_arena_reset(arena);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 2;
    }
    size_t files = (size_t)argc - 1;
    kith_message *paths = calloc(files, sizeof *paths);
    if (!paths)
        return 1;
    for (size_t i = 0; i < files; i++)
        paths[i] = (kith_message){ argv[i + 1], strlen(argv[i + 1]) + 1 }; /* with the NUL at its end */

    kith_arena *arena;
    kith_pool *pool;
    kith_result *result;
    kith_progress_line line = { .label = "files" };
    MUST(kith_arena_new(&arena));
    MUST(kith_pool_new(&pool, NULL));
    MUST(kith_pool_map_bytes_async(pool, &result, count_file, paths, files,
                                   &(kith_task_options){ .progress = kith_progress_show, .context = &line }));
    MUST(kith_result_wait(result, KITH_FOREVER));

    int failures = 0;
    for (size_t i = 0; i < files; i++)
        failures += print_counts(result, i, argv[i + 1], arena);
    kith_result_free(result);
    kith_pool_free(pool);
    kith_arena_free(arena);
    free(paths);
    return failures > 0;
}
