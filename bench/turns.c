/* bench/turns.c: see turns.h. */
#include "turns.h"

#include <stdio.h>
#include <time.h>

double turns_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int turns_take(turns_work *work, void *context)
{
    long count;
    while (scanf("%ld", &count) == 1) {
        double start = turns_now();
        int code = work(context, count);
        if (code < 0)
            return code;
        printf("%.9f\n", turns_now() - start);
        fflush(stdout);
    }
    return 0;
}
