/* The children of a process, as the kernel has them: also those that no call tells of, such as an image that is about
 * to begin, or the forkserver. */
#ifndef KITH_TESTS_CRASH_KIN_H
#define KITH_TESTS_CRASH_KIN_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/** @param pids  receives up to capacity of them, zombies among them @return how many it has received */
static inline int children_of(pid_t parent, pid_t *pids, int capacity)
{
    char path[320];
    int count = 0, pid;
    snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    DIR *threads = opendir(path);
    if (!threads)
        return 0;
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, thread->d_name);
        FILE *list = thread->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (list && count < capacity && fscanf(list, "%d", &pid) == 1)
            pids[count++] = pid;
        if (list)
            fclose(list);
    }
    closedir(threads);
    return count;
}

/** What the process is at: 'R', 'S', 'T', 'Z' and so on, as ps has it; 0 when there is none. */
static inline char state_of(pid_t pid)
{
    char path[40], text[400] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    const char *behind_name = length > 0 ? strrchr(text, ')') : NULL;
    return behind_name ? behind_name[2] : 0;
}

#endif
