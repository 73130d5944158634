/* bench/bare.c: see bare.h. */
#include "bare.h"

#include "turns.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int await(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

int bare_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child < 0 ? -errno : await(child);
}

int bare_exec(void)
{
    static char name[] = "true", *arguments[] = { name, NULL }, *environment[] = { NULL };
    pid_t child;
    int code = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment);
    return code != 0 ? -code : await(child);
}

static int fill_memory(size_t bytes)
{
    if (bytes == 0)
        return 0;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    memset(memory, 1, bytes);
    return 0;
}

static int start_often(void *context, long count)
{
    const struct start_way *way = context;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++)
        code = way->start();
    return code;
}

int starts_take_turns(const struct start_way *ways, const char *name, const char *mib)
{
    while (ways->name && strcmp(ways->name, name) != 0)
        ways++;
    if (!ways->name)
        return -ENOENT;
    int code = fill_memory((size_t)strtoul(mib, NULL, 10) << 20);
    return code < 0 ? code : turns_take(start_often, (void *)ways);
}
