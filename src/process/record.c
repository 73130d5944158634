#include "process/record.h"

#include <stdlib.h>
#include <unistd.h>

const char *record_name(const struct kith_process *process)
{
    return process->name ? process->name : "MainProcess";
}

void record_free(struct kith_process *process)
{
    if (process->gate >= 0)
        close(process->gate);
    if (process->sentinel >= 0)
        close(process->sentinel);
    free(process->name);
    free(process->path);
    free(process);
}
