/* kith-starts: how long it takes to start a process that does nothing, and to wait for its end. starts.py runs it, each
 * way in a process of its own: what kith has ready in its parent must not slow the bare fork.
 *
 *   kith-starts WAY MIB    the parent has so many MiB of memory resident, in small pages
 */
#include "bare.h"
#include "turns.h"

#include <kith/process.h>

#include <errno.h>
#include <stdio.h>

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
    int code = kith_process_start_entry(&process, idle, KITH_NO_ARGS, &(kith_process_options){ .method = method });
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

static const struct start_way ways[] = {
    { "bare-fork", bare_fork },
    { "bare-exec", bare_exec },
    { "fork", kith_fork_main },
    { "entry", kith_fork_entry },
    { "spawn", kith_spawn },
    { "forkserver", kith_forkserver },
    { NULL, NULL },
};

int main(int argc, char **argv)
{
    int code = kith_begin(argc, argv);
    if (code < 0)
        return turns_fail("begin", code);
    if (argc != 3) {
        fputs("usage: kith-starts WAY MIB    reads counts, and prints seconds; starts.py knows the ways\n", stderr);
        return 2;
    }
    code = starts_take_turns(ways, argv[1], argv[2]);
    return code < 0 ? turns_fail(argv[1], code) : 0;
}
