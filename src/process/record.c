#include "process/record.h"

#include <stdlib.h>
#include <unistd.h>

const char *record_name(const struct kith_process *process)
{
    return process->name ? process->name : "MainProcess";
}

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void record_close_passing(struct kith_process *process)
{
    gate_drop(&process->gate);
    close_one(&process->report[0]);
    close_one(&process->report[1]);
    streams_close(&process->streams);
}

void record_free(struct kith_process *process)
{
    record_close_passing(process);
    close_one(&process->sentinel);
    free(process->name);
    free(process->path);
    free(process);
}
