/* What can be asked of a process, and done to it, by its handle. */
#include "os/process.h"
#include "os/poll.h"
#include "os/thread.h"
#include "process/children.h"
#include "process/forks.h"
#include "process/self.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int no_process(void)
{
    return error_fail(-EINVAL, "process is NULL: start one with kith_process_start");
}

/* @return 0 for a child of this process; else -EINVAL or -ECHILD with a detail */
static int check_child(const kith_process *process)
{
    if (!process)
        return no_process();
    if (process == process_self)
        return error_fail(-ECHILD, "this process is no child of itself");
    if (process == process_parent)
        return error_fail(-ECHILD, "the parent is no child of this process");
    if (process->generation != forks_generation())
        return error_fail(-ECHILD, "%s was started by another process (%d): only that one can do this",
                          record_name(process), process->parent_pid);
    return 0;
}

static bool is_parent(const kith_process *process)
{
    return process && process == process_parent;
}

kith_process *kith_process_current(void)
{
    return process_self;
}

kith_process *kith_process_parent(void)
{
    return process_parent;
}

int kith_process_is_orphan(void)
{
    return process_parent && os_poll(process_parent->sentinel, OS_POLL_READ, DEADLINE_PASSED) == 0;
}

/* ---- what is written down ---- */

const char *kith_process_name(const kith_process *process)
{
    return process ? record_name(process) : "";
}

int kith_process_set_name(kith_process *process, const char *name)
{
    if (!process)
        return no_process();
    if (!name)
        return error_fail(-EINVAL, "name is NULL");
    char *copy = strdup(name);
    if (!copy)
        return error_fail(-ENOMEM, "no memory for a name of %zu bytes", strlen(name));
    forks_block();
    char *before = process->name;
    process->name = copy;
    forks_allow();
    free(before);
    return 0;
}

pid_t kith_process_pid(const kith_process *process)
{
    return process ? process->pid : no_process();
}

pid_t kith_process_parent_pid(const kith_process *process)
{
    return process ? process->parent_pid : no_process();
}

int kith_process_is_daemon(const kith_process *process)
{
    return process ? process->daemon : no_process();
}

int kith_process_sentinel(const kith_process *process)
{
    if (is_parent(process))
        return process->sentinel;
    int code = check_child(process);
    return code < 0 ? code : process->sentinel;
}

/* ---- how it does ---- */

/* For its end. @return 0; a negative code with a detail */
static int wait_for(kith_process *process, deadline until)
{
    int code = is_parent(process) ? os_poll(process->sentinel, OS_POLL_READ, until) : child_wait(process, until);
    if (code < 0)
        error_fail(code, "waiting for %s (%d): %s", record_name(process), process->pid, kith_strerror(code));
    return code;
}

int kith_process_join(kith_process *process, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    if (process == process_self)
        return error_fail(-EDEADLK, "this process can't wait for its own end");
    code = is_parent(process) ? 0 : check_child(process);
    return code < 0 ? code : wait_for(process, until);
}

int kith_process_is_alive(kith_process *process)
{
    if (process == process_self)
        return 1;
    if (is_parent(process))
        return os_poll(process->sentinel, OS_POLL_READ, DEADLINE_PASSED) != 0;
    int code = check_child(process);
    return code < 0 ? code : !child_ended(process);
}

int kith_process_exit_code(kith_process *process, int *code)
{
    int result = check_child(process);
    if (result < 0)
        return result;
    if (!code)
        return error_fail(-EINVAL, "code is NULL: give the address of an int");
    result = child_exit_code(process, code);
    if (result == -EAGAIN)
        return error_fail(result, "%s (%d) still runs: join it first", record_name(process), process->pid);
    if (result < 0)
        return error_fail(result,
                          "%s (%d) was reaped by somebody else: SIGCHLD is ignored, or a handler of it waits "
                          "for any child",
                          record_name(process), process->pid);
    return 0;
}

static int send_signal(kith_process *process, int number)
{
    int code = check_child(process);
    if (code < 0)
        return code;
    code = os_process_signal(process->sentinel, number);
    if (code < 0)
        return error_fail(code, "can't send signal %d to %s (%d): %s", number, record_name(process), process->pid,
                          kith_strerror(code));
    return 0;
}

int kith_process_interrupt(kith_process *process)
{
    return send_signal(process, SIGINT);
}

int kith_process_terminate(kith_process *process)
{
    return send_signal(process, SIGTERM);
}

int kith_process_kill(kith_process *process)
{
    return send_signal(process, SIGKILL);
}

/* @return 0 when it has ended; -ETIMEDOUT when it did not heed the signal in time */
static int end_by(kith_process *process, int number, deadline until)
{
    int code = send_signal(process, number);
    return code < 0 ? code : wait_for(process, until);
}

int kith_process_stop(kith_process *process, kith_timeout grace)
{
    deadline until;
    int code = deadline_from(grace, &until);
    if (code < 0)
        return code;
    if (grace != KITH_NOWAIT) {
        code = end_by(process, SIGTERM, until);
        if (code != -ETIMEDOUT)
            return code;
    }
    return end_by(process, SIGKILL, OS_FOREVER);
}

/* ---- all of them ---- */

int kith_process_close(kith_process *process)
{
    if (!process)
        return 0;
    for (const kith_process *ancestor = process_self; ancestor; ancestor = ancestor->next) {
        if (process == ancestor)
            return error_fail(-EPERM, "the handles of this process and its ancestors are not to be closed");
    }
    if (process->generation != forks_generation()) {
        record_free(process);
        return 0;
    }
    int code = child_close(process);
    if (code < 0)
        return error_fail(code, "%s (%d) still runs: join it first", record_name(process), process->pid);
    return 0;
}

int kith_process_active_children(kith_process **children, size_t capacity)
{
    if (!children && capacity)
        return error_fail(-EINVAL, "children is NULL, but capacity is %zu", capacity);
    return children_active(children, capacity);
}

int kith_cpu_count(void)
{
    return os_cpu_count();
}
