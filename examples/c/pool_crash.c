/* pool_crash: tasks that kill their worker, leave it, fail or never end, among others that do their work.
 *
 * Each task may be begun twice (retries). Whatever one does, the others complete, dead workers are replaced, and it is
 * told how each task ended. */
#include "must.h"

#include <kith/pool.h>

#include <signal.h>
#include <unistd.h>

enum { TASKS = 7 };

KITH_ENTRY(work)
{
    int number;
    int code = kith_value_unpack(kith_call_args(call), "(i)", &number);
    if (code < 0)
        return code;
    if (number == 2)
        raise(SIGKILL); /* as the kernel does when memory ends */
    if (number == 3)
        _exit(42);
    if (number == 4)
        return 7;
    if (number == 5 && kith_call_attempt(call) == 1)
        raise(SIGKILL);
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

KITH_ENTRY(never_end)
{
    (void)call;
    for (;;)
        pause();
}

static void tell(int number, const kith_outcome *outcome)
{
    printf("task %d: ", number);
    if (outcome->code == 0)
        printf("done");
    else if (outcome->code == KITH_EWORKERLOST && outcome->exit_code < 0)
        printf("its worker was killed by signal %d", -outcome->exit_code);
    else if (outcome->code == KITH_EWORKERLOST)
        printf("its worker ended with status %d", outcome->exit_code);
    else if (outcome->code == KITH_ETASK)
        printf("it failed with %d", outcome->exit_code);
    else
        printf("%s", kith_strerror(outcome->code));
    printf(", begun %u %s\n", outcome->attempts, outcome->attempts == 1 ? "time" : "times");
}

int main(void)
{
    kith_arena *arena;
    kith_pool *pool;
    kith_result *result;
    kith_outcome outcome;
    MUST(kith_arena_new(&arena));
    MUST(kith_pool_new(&pool, &(kith_pool_options){ .workers = 2 }));

    kith_value *numbers = kith_value_list(arena);
    for (int number = 1; number <= TASKS; number++)
        MUST(kith_value_append(numbers, kith_value_int(arena, number)));
    MUST(kith_pool_map_async(pool, &result, work, numbers, &(kith_task_options){ .retries = 1 }));
    MUST(kith_result_wait(result, KITH_FOREVER));
    for (int number = 1; number <= TASKS; number++) {
        MUST(kith_result_outcome(result, (size_t)number - 1, &outcome));
        tell(number, &outcome);
    }

    /* A task that takes too long is ended with its worker. */
    int code =
        kith_pool_apply(pool, never_end, KITH_NO_ARGS, NULL, NULL, &(kith_task_options){ .timeout = KITH_MS(100) });
    printf("never_end: %s\n", kith_error_name(code));

    kith_result_free(result);
    kith_pool_free(pool);
    kith_arena_free(arena);
    return 0;
}
