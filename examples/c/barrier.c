/* barrier: three processes work in rounds; none begins a round before all have done their part of the one before. */
#include "must.h"

#include <kith/process.h>
#include <kith/sync.h>

enum { PROCESSES = 3, ROUNDS = 2 };

struct work {
    kith_barrier *barrier;
    int number, round;
};

/** Runs in the last process to come, before the others go on. */
static int end_round(void *context)
{
    const struct work *work = context;
    printf("round %d is over\n", work->round);
    return 0; /* else the barrier breaks */
}

static int f(void *argument)
{
    struct work *work = argument;
    for (work->round = 1; work->round <= ROUNDS; work->round++) {
        printf("process %d has done its part of round %d\n", work->number, work->round);
        int result = kith_barrier_wait(work->barrier, KITH_FOREVER);
        if (result == KITH_EBROKEN) { /* and not waiting for ever */
            fputs("a process died, and its part is missing\n", stderr);
            return 1;
        }
        must(result, "kith_barrier_wait");
    }
    return 0;
}

int main(void)
{
    struct work work = { 0 };
    print_whole_lines();
    MUST(kith_barrier_new(&work.barrier, PROCESSES, &(kith_barrier_options){ .action = end_round, .context = &work }));
    for (work.number = 0; work.number < PROCESSES; work.number++)
        MUST(kith_process_start(NULL, f, &work, NULL)); /* each child has the work as it is now */
    kith_barrier_free(work.barrier);
    return 0;
}
