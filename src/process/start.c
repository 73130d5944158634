/* kith_process_start and kith_process_start_entry: what is asked for, and by which method it is done. */
#include "base/error.h"
#include "os/stream.h"
#include "process/begin.h"
#include "process/children.h"
#include "process/entry.h"
#include "process/forks.h"
#include "process/forkserver.h"
#include "process/inherit.h"
#include "process/life.h"
#include "process/spawn.h"

#include <errno.h>

/* ---- what is asked for ---- */

static int check_connections(const kith_process_options *options)
{
    if (!options->connections && options->connection_count)
        return error_fail(-EINVAL, "connections is NULL, but connection_count is %zu", options->connection_count);
    if (options->connection_count && options->method != KITH_FORK)
        return error_fail(-EINVAL, "connections are for KITH_FORK: hand kith_connection_fd over in fds, and use "
                                   "kith_connection_from_fd in the child");
    for (size_t i = 0; i < options->connection_count; i++) {
        if (!options->connections[i])
            return error_fail(-EINVAL, "connections[%zu] is NULL", i);
        if (!inherit_knows(options->connections[i]))
            return error_fail(KITH_ECLOSED, "connections[%zu] is closed: a child can't keep it", i);
    }
    return 0;
}

static int check_fds(const kith_process_options *options)
{
    if (!options->fds && options->fd_count)
        return error_fail(-EINVAL, "fds is NULL, but fd_count is %zu", options->fd_count);
    if (options->fd_count > KITH_PROCESS_FDS_MAX)
        return error_fail(-EINVAL, "%zu descriptors: a child is handed at most %d", options->fd_count,
                          KITH_PROCESS_FDS_MAX);
    for (size_t i = 0; i < options->fd_count; i++) {
        if (!options->fds[i].name)
            return error_fail(-EINVAL, "fds[%zu] has no name", i);
        if (!os_stream_is_open(options->fds[i].fd))
            return error_fail(-EBADF, "fds[%zu], %s: descriptor %d is not open", i, options->fds[i].name,
                              options->fds[i].fd);
    }
    return 0;
}

static int check_method(const kith_process_options *options)
{
    switch (options->method) {
    case KITH_FORK:
    case KITH_SPAWN:
    case KITH_FORKSERVER:
        return 0;
    }
    return error_fail(-EINVAL, "%d is no start method", (int)options->method);
}

static int check(const kith_process_options *options)
{
    int code = check_method(options);
    if (code == 0)
        code = check_connections(options);
    if (code == 0)
        code = check_fds(options);
    if (code == 0)
        code = children_allowed();
    return code < 0 ? code : settings_check(options);
}

/* ---- fork ---- */

/* @return 0, in the parent */
static int begin(struct kith_process *child, struct life *life, const kith_process_options *options)
{
    life_flush();
    /* The child's life goes on with what it finds in its copy of the stack. */
    pid_t pid = forks_child(child);
    if (pid == 0)
        life_lead(life);
    if (pid < 0)
        return error_fail(pid, "no child can be forked (see ulimit -u and the cgroup's pids.max): %s",
                          kith_strerror(pid));
    return children_admit(child, pid, options->stdio);
}

static int start_fork(kith_process **process, struct life *life, const kith_process_options *options)
{
    struct kith_process *child = NULL;
    int code = settings_from_options(options, &life->settings);
    if (code < 0)
        return code;
    life->title = options->name;
    life->connections = options->connections;
    life->connection_count = options->connection_count;
    bool reports = options->stdio || life->copies || settings_any(&life->settings);
    code = children_add(&child, options, reports, process ? HOLDER_CALLER : HOLDER_NONE);
    if (code == 0) {
        code = begin(child, life, options);
        if (code < 0)
            children_remove(child);
        else if (process)
            *process = child;
    }
    settings_free(&life->settings);
    return code;
}

int kith_process_start(kith_process **process, kith_process_main main, void *argument,
                       const kith_process_options *options)
{
    kith_process_options wanted = { 0 };
    if (options)
        wanted = *options;
    if (!main)
        return error_fail(-EINVAL, "main is NULL: give the function that the child runs");
    if (wanted.method != KITH_FORK)
        return error_fail(-EINVAL,
                          "a function can only be run by fork: give an entry point to kith_process_start_entry");
    if (wanted.fds || wanted.fd_count)
        return error_fail(-EINVAL, "fds are for kith_process_start_entry: a forked child has all descriptors already");
    int code = check(&wanted);
    if (code < 0)
        return code;
    struct life life = { .main = main, .argument = argument };
    return start_fork(process, &life, &wanted);
}

/* ---- entry points ---- */

static int start_by_parcel(kith_process **process, const struct errand *errand)
{
    struct kith_process *child;
    enum children_holder holder = process ? HOLDER_CALLER : HOLDER_NONE;
    int code = errand->options->method == KITH_SPAWN ? spawn_start(&child, errand, holder)
                                                     : forkserver_start(&child, errand, holder);
    if (code == 0 && process)
        *process = child;
    return code;
}

int kith_process_start_entry(kith_process **process, kith_entry *entry, const kith_value *args,
                             const kith_process_options *options)
{
    kith_process_options wanted = { 0 };
    if (options)
        wanted = *options;
    struct errand errand = { .args = args, .options = &wanted };
    int code = wanted.method == KITH_FORK ? entry_check(entry, args) : entry_for_image(entry, args, &errand.entry);
    if (code == 0)
        code = check(&wanted);
    if (code < 0)
        return code;
    if (wanted.method == KITH_FORK) {
        kith_process_fd copies[KITH_PROCESS_FDS_MAX];
        struct life life = {
            .entry = entry,
            .call = { .args = (kith_value *)args, .fds = wanted.fds, .fd_count = wanted.fd_count, .attempt = 1 },
            .copies = wanted.fd_count ? copies : NULL,
        };
        return start_fork(process, &life, &wanted);
    }
    return start_by_parcel(process, &errand);
}
