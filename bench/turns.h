/* bench/turns.h: how a program is measured by turns with others. turns.py starts them all, and asks one after the
 * other, again and again, for a little of their work: so that what they have made ready (workers, memory) is there each
 * time, and a noise of the machine hits all alike. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

#include <kith/base.h>

#include <errno.h>
#include <stdio.h>

/** What is measured. @param count  how often it is to be done @return 0 or a negative code */
typedef int turns_work(void *context, long count);

/** Reads counts from stdin until it ends; for each does the work so often, and prints the seconds that it took.
 *  @return 0, or the code of the work */
int turns_take(turns_work *work, void *context);

/** Seconds on the monotonic clock. */
double turns_now(void);

/** Tells on stderr what failed, and why. In the header, so that turns.c links without kith.
 *  @return 1, an exit status */
static inline int turns_fail(const char *what, int code)
{
    fprintf(stderr, "%s: %s: %s %s\n", program_invocation_short_name, what, kith_strerror(code), kith_error_detail());
    return 1;
}

#endif
