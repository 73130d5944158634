/* kith_process_start, and a child's life from its fork to its end. */
#include "base/error.h"
#include "os/process.h"
#include "os/stream.h"
#include "process/children.h"
#include "process/forks.h"
#include "process/inherit.h"
#include "process/report.h"
#include "process/self.h"
#include "process/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the child finds in its copy of its parent's stack. */
struct beginning {
    kith_process_main main;
    void *argument;
    kith_process_options options;
    struct settings settings;
};

static int check(kith_process_main run, const kith_process_options *options)
{
    if (!run)
        return error_fail(-EINVAL, "main is NULL: give the function that the child runs");
    if (!options->connections && options->connection_count)
        return error_fail(-EINVAL, "connections is NULL, but connection_count is %zu", options->connection_count);
    if (options->method != KITH_FORK)
        return error_fail(-EINVAL,
                          "a function can only be run by fork: give an entry point to kith_process_start_entry");
    if (options->fds || options->fd_count)
        return error_fail(-EINVAL, "fds are for kith_process_start_entry: a forked child has all descriptors already");
    for (size_t i = 0; i < options->connection_count; i++) {
        if (!options->connections[i])
            return error_fail(-EINVAL, "connections[%zu] is NULL", i);
        if (!inherit_knows(options->connections[i]))
            return error_fail(KITH_ECLOSED, "connections[%zu] is closed: a child can't keep it", i);
    }
    if (process_self->daemon)
        return error_fail(-EPERM, "%s is a daemon, which may not have children: nobody would end them",
                          record_name(process_self));
    return settings_check(options);
}

/* A stream that can't be flushed keeps that in its ferror, for its owner to see. */
static void flush(void)
{
    os_stream_flush(stdout);
    os_stream_flush(stderr);
}

static _Noreturn void end(int exit_code)
{
    children_end();
    kith_log(KITH_LOG_INFO, "process exiting with exitcode %d", exit_code);
    flush();
    _Exit(exit_code);
}

/* Without settings nobody waits for a word. */
static void settle(struct settings *settings)
{
    memcpy(settings->streams, process_self->streams.child, sizeof settings->streams);
    int code = settings_apply(settings);
    if (process_self->report[1] >= 0)
        report_send(process_self->report[1], code);
    if (code < 0)
        _Exit(EXIT_FAILURE);
    record_close_passing(process_self);
}

static _Noreturn void live(struct beginning *beginning)
{
    const kith_process_options *options = &beginning->options;
    if (options->name)
        os_process_set_title(options->name);
    /* When the parent died in the middle of kith_process_start, this child was never started. */
    if (!gate_pass(&process_self->gate, process_parent->sentinel))
        _Exit(EXIT_FAILURE);
    settle(&beginning->settings);
    inherit_only(options->connections, options->connection_count);
    kith_log(KITH_LOG_INFO, "child process calling main");
    end(beginning->main(beginning->argument) & 0xff);
}

/* @return 0, in the parent */
static int begin(struct kith_process *child, struct beginning *beginning)
{
    flush();
    pid_t pid = forks_child(child);
    if (pid == 0)
        live(beginning);
    if (pid < 0)
        return error_fail(pid, "no child can be forked (see ulimit -u and the cgroup's pids.max): %s",
                          kith_strerror(pid));
    return children_admit(child, pid, beginning->options.stdio);
}

int kith_process_start(kith_process **process, kith_process_main main, void *argument,
                       const kith_process_options *options)
{
    struct beginning beginning = { .main = main, .argument = argument };
    if (options)
        beginning.options = *options;
    struct kith_process *child = NULL;
    int code = check(main, &beginning.options);
    if (code == 0)
        code = settings_from_options(&beginning.options, &beginning.settings);
    if (code < 0)
        return code;
    bool reports = beginning.options.stdio || settings_any(&beginning.settings);
    code = children_add(&child, &beginning.options, reports, process != NULL);
    if (code == 0) {
        code = begin(child, &beginning);
        if (code < 0)
            children_remove(child);
        else if (process)
            *process = child;
    }
    settings_free(&beginning.settings);
    return code;
}
