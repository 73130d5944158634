/* Ending with another process, for those whom kith has not started; for those it has, see apply_death_signal. */
#include "base/error.h"
#include "os/poll.h"
#include "os/process.h"
#include "os/settings.h"
#include "process/forks.h"

#include <kith/process.h>

#include <errno.h>
#include <unistd.h>

static int gone(pid_t pid)
{
    return error_fail(-ESRCH, "process %d has ended already, so no signal comes", (int)pid);
}

/** @return a sentinel, or a code with its detail */
static int open_other(pid_t pid)
{
    int sentinel = os_process_open(pid);
    if (sentinel == -ESRCH)
        return gone(pid);
    if (sentinel < 0)
        return error_fail(sentinel, "process %d can't be watched: %s", (int)pid, kith_strerror(sentinel));
    if (os_poll(sentinel, OS_POLL_READ, 0) != 0)
        return sentinel;
    close(sentinel); /* a zombie */
    return gone(pid);
}

static int follow(pid_t pid, bool by_kernel, int signal)
{
    int code = open_other(pid);
    if (code < 0)
        return code;
    const struct os_process_other other = {
        .sentinel = code, .id = pid, .is_parent = getppid() == pid, .passes_over = true
    };
    forks_block();
    code = os_process_signal_with(&other, by_kernel && other.is_parent && os_process_in_first_thread(), signal);
    forks_allow();
    if (code < 0) {
        close(other.sentinel);
        return error_fail(code, "no thread to watch process %d with: %s", (int)pid, kith_strerror(code));
    }
    return 0;
}

int kith_process_end_with(pid_t pid, int by_kernel, int signal)
{
    if (signal < 0 || signal > os_signal_max())
        return error_fail(-EINVAL, "signal is %d: give 1 to %d, or 0 for none any more", signal, os_signal_max());
    if (signal > 0 && (pid <= 0 || pid == getpid()))
        return error_fail(-EINVAL, "pid is %d: give another process's", (int)pid);
    if (signal > 0)
        return follow(pid, by_kernel, signal);
    forks_block();
    os_process_signal_no_more();
    forks_allow();
    return 0;
}
