/* What a process has: to be compared before and after, when nothing may be left over. */
#ifndef KITH_TESTS_CRASH_BELONGINGS_H
#define KITH_TESTS_CRASH_BELONGINGS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitizers keep what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_MEMORY 1
#else
#define KEEPS_MEMORY 0
#endif

struct belongings {
    long descriptors, mappings, memory, shared_memory; /* memory in KiB */
    long named;                                        /* in /dev/shm: anybody's */
};

static inline long count_entries(const char *folder, const char *part)
{
    DIR *directory = opendir(folder);
    long count = 0;
    if (!directory)
        return 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}

/** Counts the lines of a file, or adds up the numbers, in KiB, of those that begin so. */
static inline long read_lines(const char *path, const char *beginning)
{
    FILE *file = fopen(path, "re");
    char line[4096];
    long sum = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (!beginning)
            sum += strstr(line, "kith-") || strstr(line, "/dev/zero");
        else if (strncmp(line, beginning, strlen(beginning)) == 0)
            sum += atol(line + strlen(beginning));
    }
    if (file)
        fclose(file);
    return sum;
}

static inline struct belongings take_stock(void)
{
    return (struct belongings){ count_entries("/proc/self/fd", ""), read_lines("/proc/self/maps", NULL),
                                read_lines("/proc/self/status", "VmRSS:"), read_lines("/proc/self/status", "RssShmem:"),
                                count_entries("/dev/shm", "kith") };
}

static inline void print_stock(const char *when, const struct belongings *stock)
{
    printf("# %s %ld descriptors, %ld mappings, %ld KiB, %ld KiB shared, %ld named\n", when, stock->descriptors,
           stock->mappings, stock->memory, stock->shared_memory, stock->named);
}

/** Whether no descriptor and no mapping is left over. */
static inline bool nothing_left(const struct belongings *before, const struct belongings *after)
{
    return after->descriptors == before->descriptors && after->mappings == before->mappings;
}

/** @param slack  so much more memory, in KiB, is no sign */
static inline bool memory_as_before(const struct belongings *before, const struct belongings *after, long slack)
{
    return KEEPS_MEMORY ||
           (after->memory <= before->memory + slack && after->shared_memory <= before->shared_memory + slack);
}

#endif
