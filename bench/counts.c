/* kith-counts: what is left of many children and many pools in the process that had them: descriptors, threads,
 * processes and memory, before and after. Prints a table.
 *
 *   kith-counts STARTS POOLS
 *
 * The first start and the first pool leave what the library keeps; after that nothing may gather. The exit status is 1
 * when descriptors, threads or processes did.
 */
#include "turns.h"

#include <kith/pool.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 2, TASKS = 100, MOMENTS = 4 };

enum measure { DESCRIPTORS, THREADS, PROCESSES, MAPPINGS, RESIDENT, SHARED, MEASURES };

static const char *const titles[MEASURES] = {
    [DESCRIPTORS] = "descriptors",
    [THREADS] = "threads",
    [PROCESSES] = "processes (children, zombies too)",
    [MAPPINGS] = "mappings",
    [RESIDENT] = "resident memory, KiB",
    [SHARED] = "shared memory of the machine, KiB",
};

/* ---- what the kernel tells ---- */

/* The number behind a word at the head of a line of a file; 0 when there is none. */
static uint64_t number_in(const char *path, const char *word)
{
    char line[256];
    uint64_t number = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, word, strlen(word)) == 0)
            number = strtoull(line + strlen(word), NULL, 10);
    if (file)
        fclose(file);
    return number;
}

static uint64_t lines_in(const char *path)
{
    uint64_t lines = 0;
    FILE *file = fopen(path, "re");
    for (int c; file && (c = getc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

static uint64_t descriptors(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count - 3; /* ".", "..", and the folder's own */
}

static uint64_t children(void)
{
    char path[300];
    uint64_t count = 0, own = (uint64_t)getpid();
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
        count += number_in(path, "PPid:") == own;
    }
    if (folder)
        closedir(folder);
    return count;
}

static void look(uint64_t seen[MEASURES])
{
    seen[DESCRIPTORS] = descriptors();
    seen[THREADS] = number_in("/proc/self/status", "Threads:");
    seen[PROCESSES] = children();
    seen[MAPPINGS] = lines_in("/proc/self/maps");
    seen[RESIDENT] = number_in("/proc/self/status", "VmRSS:");
    seen[SHARED] = number_in("/proc/meminfo", "Shmem:");
}

/* ---- what is done ---- */

static int nothing(__attribute__((unused)) void *argument)
{
    return 0;
}

static int start_and_join(void)
{
    kith_process *process;
    int code = kith_process_start(&process, nothing, NULL, NULL);
    if (code == 0)
        code = kith_process_join(process, KITH_FOREVER);
    return code < 0 ? code : kith_process_close(process);
}

KITH_ENTRY(same)
{
    size_t size;
    const void *data = kith_call_bytes(call, &size);
    return kith_call_return_bytes(call, data, size);
}

static int use_pool(void)
{
    kith_pool *pool;
    kith_message messages[TASKS];
    int code = kith_pool_new(&pool, &(kith_pool_options){ .workers = WORKERS });
    if (code < 0)
        return code;
    for (int i = 0; i < TASKS; i++)
        messages[i] = (kith_message){ "task", 4 };
    code = kith_pool_map_bytes(pool, same, messages, TASKS, NULL, NULL);
    kith_pool_close(pool);
    if (code == 0)
        code = kith_pool_join(pool, KITH_FOREVER);
    kith_pool_free(pool);
    return code;
}

static int often(int (*what)(void), long count)
{
    int code = 0;
    for (long i = 0; i < count && code == 0; i++)
        code = what();
    return code;
}

static int do_all(long starts, long pools, uint64_t seen[MOMENTS][MEASURES])
{
    look(seen[0]);
    int code = start_and_join();
    if (code == 0)
        code = use_pool();
    look(seen[1]);
    if (code == 0)
        code = often(start_and_join, starts);
    look(seen[2]);
    if (code == 0)
        code = often(use_pool, pools);
    look(seen[3]);
    return code;
}

/* ---- what came of it ---- */

static void print(long starts, long pools, uint64_t seen[MOMENTS][MEASURES])
{
    printf("left of starts and joins, and of pools of %d workers, in the process that had them\n", WORKERS);
    printf("  %-36s %-10s %-10s after %ld %-8s after %ld\n", "", "before", "one each", starts, "starts", pools);
    for (int i = 0; i < MEASURES; i++)
        printf("  %-36s %-10" PRIu64 " %-10" PRIu64 " %-20" PRIu64 " %" PRIu64 "\n", titles[i], seen[0][i], seen[1][i],
               seen[2][i], seen[3][i]);
}

static int gathered(uint64_t seen[MOMENTS][MEASURES])
{
    for (int moment = 2; moment < MOMENTS; moment++)
        for (int i = DESCRIPTORS; i <= PROCESSES; i++)
            if (seen[moment][i] != seen[1][i])
                return 1;
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seen[MOMENTS][MEASURES];
    long starts = argc == 3 ? atol(argv[1]) : 0, pools = argc == 3 ? atol(argv[2]) : 0;
    if (starts < 1 || pools < 1) {
        fputs("usage: kith-counts STARTS POOLS\n", stderr);
        return 2;
    }
    int code = do_all(starts, pools, seen);
    if (code < 0)
        return turns_fail("counts", code);
    print(starts, pools, seen);
    return gathered(seen);
}
