/* pipe_until_eof: a parent sends ten numbers through a pipe and closes it; its child receives until the end. */
#include "must.h"

#include <kith/connection.h>
#include <kith/process.h>

#include <string.h>

struct work {
    int parent;
    kith_connection *out_pipe;
};

static int sub_process(void *argument)
{
    const struct work *work = argument;
    printf("子程序執行 %d 父程序 %d\n", (int)kith_process_pid(kith_process_current()), work->parent);

    /* Python's version must close the other end here first, or the end would never come. A child of kith has no end but
     * the one that main names for it. */
    kith_bytes bytes;
    int result;
    while ((result = kith_connection_recv(work->out_pipe, &bytes, KITH_FOREVER)) != KITH_EEOF) {
        must(result, "kith_connection_recv");
        int number;
        memcpy(&number, bytes.data, sizeof number);
        kith_bytes_free(&bytes);
        printf("out pipe : %d\n", number);
    }
    return 0;
}

int main(void)
{
    print_whole_lines();
    struct work work = { .parent = (int)kith_process_pid(kith_process_current()) };
    printf("主程序執行 %d\n", work.parent);

    kith_connection *in_pipe;
    kith_process *child;
    MUST(kith_pipe(&work.out_pipe, &in_pipe, NULL));
    MUST(kith_process_start(&child, sub_process, &work,
                            &(kith_process_options){ .connections = &work.out_pipe, .connection_count = 1 }));
    kith_connection_free(work.out_pipe); /* the child has it now */

    for (int i = 0; i < 10; i++)
        MUST(kith_connection_send(in_pipe, &i, sizeof i, KITH_FOREVER));
    kith_connection_free(in_pipe); /* nobody else has this end: when all is received, the child gets KITH_EEOF */

    MUST(kith_process_join(child, KITH_FOREVER));
    kith_process_close(child);
    printf("主程序結束 %d\n", work.parent);
    return 0;
}
