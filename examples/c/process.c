/* process: starts a child process that runs a function, and waits for it. Both tell who they are. */
#include "must.h"

#include <kith/process.h>

/* What the child runs: it sees its own copy of the argument, and returns its exit code. */
static int f(void *hello)
{
    (void)hello;
    const kith_process *self = kith_process_current();
    printf("我是子进程(%d),俺老爹是(%d)\n", (int)kith_process_pid(self), (int)kith_process_parent_pid(self));
    return 0;
}

int main(void)
{
    char hello[] = "hello";
    kith_process *child;
    MUST(kith_process_start(&child, f, hello, NULL));
    printf("我是老爹(%d),俺孩子是(%d)\n", (int)kith_process_pid(kith_process_current()), (int)kith_process_pid(child));

    MUST(kith_process_join(child, KITH_FOREVER));
    kith_process_close(child);
    return 0;
}
