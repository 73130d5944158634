/* What a process does about its children before it ends itself: at exit, or when a child's main has returned. */
#include "os/process.h"
#include "process/children.h"
#include "process/forks.h"
#include "process/hooks.h"

#include <signal.h>
#include <stdlib.h>

/* How long daemons may take to heed SIGTERM. */
#define GRACE KITH_SECONDS(2)

static void send_daemons(int number)
{
    for (struct kith_process *child = children_next(NULL, true); child; child = children_next(child, true)) {
        int code = os_process_signal(child->sentinel, child->hidden ? SIGKILL : number);
        if (code < 0)
            kith_log(KITH_LOG_ERROR, "can't end daemon %s: %s", record_name(child), kith_strerror(code));
    }
}

static void wait_for(bool daemon, deadline until)
{
    for (struct kith_process *child = children_next(NULL, daemon); child; child = children_next(child, daemon)) {
        int code;
        if (!daemon)
            kith_log(KITH_LOG_INFO, "waiting for process %s", record_name(child));
        do {
            code = child_wait(child, until);
        } while (code == -EINTR);
        if (code < 0 && code != -ETIMEDOUT)
            kith_log(KITH_LOG_ERROR, "can't wait for process %s: %s", record_name(child), kith_strerror(code));
    }
}

static void end_daemons(void)
{
    if (!children_next(NULL, true))
        return;
    deadline until = os_clock_now() + GRACE;
    for (struct kith_process *child = children_next(NULL, true); child; child = children_next(child, true))
        kith_log(KITH_LOG_INFO, "ending daemon %s", record_name(child));
    send_daemons(SIGTERM);
    wait_for(true, until);
    for (struct kith_process *child = children_next(NULL, true); child; child = children_next(child, true))
        kith_log(KITH_LOG_WARNING, "daemon %s did not heed SIGTERM: killing it", record_name(child));
    send_daemons(SIGKILL);
    wait_for(true, OS_FOREVER);
}

static bool registered; /* under forks_block */

/* Children that call exit themselves inherit the handler together with this knowledge of it. */
int children_register_end(void)
{
    if (!registered && atexit(children_end) != 0)
        return -ENOMEM;
    registered = true;
    return 0;
}

/* What the process still starts and adds afterwards, in functions of atexit that run later, has it called again. */
static void expect_more(void)
{
    forks_block();
    registered = false;
    forks_allow();
}

void children_end(void)
{
    kith_log(KITH_LOG_INFO, "process shutting down");
    hooks_run();
    children_keep();
    end_daemons();
    wait_for(false, OS_FOREVER);
    expect_more();
}
