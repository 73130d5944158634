/* kith_process_start, and a child's life from its fork to its end. */
#include "base/error.h"
#include "os/process.h"
#include "process/children.h"
#include "process/forks.h"
#include "process/inherit.h"
#include "process/self.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What the child finds in its copy of its parent's stack. */
struct beginning {
    kith_process_main main;
    void *argument;
    const kith_process_options *options;
    bool by_first_thread;
};

static int check(kith_process_main run, const kith_process_options *options)
{
    if (!run)
        return error_fail(-EINVAL, "main is NULL: give the function that the child runs");
    if (!options->connections && options->connection_count)
        return error_fail(-EINVAL, "connections is NULL, but connection_count is %zu", options->connection_count);
    for (size_t i = 0; i < options->connection_count; i++) {
        if (!options->connections[i])
            return error_fail(-EINVAL, "connections[%zu] is NULL", i);
        if (!inherit_knows(options->connections[i]))
            return error_fail(KITH_ECLOSED, "connections[%zu] is closed: a child can't keep it", i);
    }
    if (process_self->daemon)
        return error_fail(-EPERM, "%s is a daemon, which may not have children: nobody would end them",
                          record_name(process_self));
    return 0;
}

/* A stream that can't be flushed keeps that in its ferror, for its owner to see. */
static void flush(void)
{
    fflush(stdout);
    fflush(stderr);
}

static _Noreturn void end(int exit_code)
{
    children_end();
    kith_log(KITH_LOG_INFO, "process exiting with exitcode %d", exit_code);
    flush();
    _Exit(exit_code);
}

static _Noreturn void live(const struct beginning *beginning)
{
    const kith_process_options *options = beginning->options;
    if (options->name)
        os_process_set_title(options->name);
    if (process_self->daemon && os_process_end_with(process_parent->sentinel, beginning->by_first_thread) < 0) {
        kith_log(KITH_LOG_ERROR, "no thread to watch the parent with, which a daemon can't do without");
        _Exit(EXIT_FAILURE);
    }
    /* When the parent died in the middle of kith_process_start, this child was never started. */
    if (!os_gate_pass(process_self->gate, process_parent->sentinel))
        _Exit(EXIT_FAILURE);
    process_self->gate = -1;
    inherit_only(options->connections, options->connection_count);
    kith_log(KITH_LOG_INFO, "child process calling main");
    end(beginning->main(beginning->argument) & 0xff);
}

int kith_process_start(kith_process **process, kith_process_main main, void *argument,
                       const kith_process_options *options)
{
    static const kith_process_options defaults;
    struct beginning beginning = { main, argument, options ? options : &defaults, os_process_in_first_thread() };
    struct kith_process *child = NULL;
    int code = check(main, beginning.options);
    if (code == 0)
        code = children_add(&child, beginning.options, process != NULL);
    if (code < 0)
        return code;
    flush();
    pid_t pid = forks_child(child);
    if (pid == 0)
        live(&beginning);
    if (pid < 0)
        code =
            error_fail(pid, "no child can be forked (see ulimit -u and the cgroup's pids.max): %s", kith_strerror(pid));
    else
        code = children_admit(child, pid);
    if (code < 0)
        children_remove(child);
    else if (process)
        *process = child;
    return code;
}
