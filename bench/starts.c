/* kith-starts: how long it takes to start a process that does nothing, and to wait for its end. starts.py runs it, each
 * way in a process of its own: what kith has ready in its parent must not slow the bare fork.
 *
 *   kith-starts WAY MIB    the parent has so many MiB of memory resident, in small pages
 */
#include "turns.h"

#include <kith/process.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
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

static int bare_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child < 0 ? -errno : await(child);
}

/* What a fresh image costs at the least: glibc's vfork and exec, of a small program. */
static int bare_exec(void)
{
    static char name[] = "true", *arguments[] = { name, NULL }, *environment[] = { NULL };
    pid_t child;
    int code = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment);
    return code != 0 ? -code : await(child);
}

static int join(kith_process *process)
{
    int status = 0, code = kith_process_join(process, KITH_FOREVER);
    if (code == 0)
        code = kith_process_exit_code(process, &status);
    if (code == 0)
        code = kith_process_close(process);
    return code < 0 ? code : status == 0 ? 0 : -ECHILD;
}

static int nothing(__attribute__((unused)) void *argument)
{
    return 0;
}

static int kith_fork_main(void)
{
    kith_process *process;
    int code = kith_process_start(&process, nothing, NULL, NULL);
    return code < 0 ? code : join(process);
}

KITH_ENTRY(idle)
{
    return 0;
}

static int start_entry(kith_start_method method)
{
    kith_process *process;
    int code = kith_process_start_entry(&process, idle, NULL, &(kith_process_options){ .method = method });
    return code < 0 ? code : join(process);
}

static int kith_fork_entry(void)
{
    return start_entry(KITH_FORK);
}

static int kith_spawn(void)
{
    return start_entry(KITH_SPAWN);
}

static int kith_forkserver(void)
{
    return start_entry(KITH_FORKSERVER);
}

struct way {
    const char *name;
    int (*start)(void);
};

static const struct way ways[] = {
    { "bare-fork", bare_fork },   { "bare-exec", bare_exec }, { "fork", kith_fork_main },
    { "entry", kith_fork_entry }, { "spawn", kith_spawn },    { "forkserver", kith_forkserver },
};

static int start_often(void *context, long count)
{
    const struct way *way = context;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++)
        code = way->start();
    return code;
}

/* Small pages, whatever this system prefers: so a large heap looks that has grown by and by. */
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

int main(int argc, char **argv)
{
    int code = kith_begin(argc, argv);
    if (code < 0)
        return turns_fail("begin", code);
    const struct way *way = ways, *end = ways + sizeof ways / sizeof *ways;
    while (argc == 3 && way < end && strcmp(way->name, argv[1]) != 0)
        way++;
    if (argc != 3 || way == end) {
        fputs("usage: kith-starts WAY MIB    reads counts, and prints seconds; starts.py knows the ways\n", stderr);
        return 2;
    }
    code = fill_memory((size_t)strtoul(argv[2], NULL, 10) << 20);
    return code < 0 ? turns_fail("memory", code) : turns_take(start_often, (void *)way);
}
