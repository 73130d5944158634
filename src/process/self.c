#include "process/self.h"

#include "base/log.h"
#include "os/process.h"
#include "process/forks.h"

#include <unistd.h>

static struct kith_process first = { .sentinel = -1 };
struct kith_process *process_self = &first;
struct kith_process *process_parent;

int self_open_sentinel(void)
{
    if (process_self->sentinel >= 0)
        return 0;
    int code = os_process_open(getpid());
    if (code < 0)
        return code;
    process_self->sentinel = code;
    return 0;
}

static void close_sentinel(struct kith_process *process)
{
    if (process && process->sentinel >= 0) {
        close(process->sentinel);
        process->sentinel = -1;
    }
}

void self_adopt(struct kith_process *parent)
{
    parent->next = process_self;
    process_self = parent;
}

void self_become(struct kith_process *child)
{
    close_sentinel(process_parent);
    process_parent = NULL;
    if (child) {
        child->next = process_parent = process_self;
        process_self = child;
        log_name_process(record_name(child));
    } else {
        /* A copy that the program made itself: the sentinel is that of the original. */
        close_sentinel(process_self);
        process_self->daemon = false;
    }
    process_self->pid = getpid();
    process_self->parent_pid = process_parent ? process_parent->pid : getppid();
    process_self->generation = forks_generation();
}
