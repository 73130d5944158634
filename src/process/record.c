#include "process/record.h"

#include <stdlib.h>
#include <unistd.h>

const char *record_name(const struct kith_process *process)
{
    return process->name ? process->name : "MainProcess";
}

struct kith_process *record_new(void)
{
    struct kith_process *made = malloc(sizeof *made);
    if (made)
        *made = (struct kith_process){
            .sentinel = -1,
            .report = { -1, -1 },
            .streams = STREAMS_NONE,
            .luggage = { -1, -1, -1 },
        };
    return made;
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
    for (int i = 0; i < LUGGAGE; i++)
        close_one(&process->luggage[i]);
}

void record_free(struct kith_process *process)
{
    record_close_passing(process);
    close_one(&process->sentinel);
    free(process->name);
    free(process->path);
    free(process);
}
