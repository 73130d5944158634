/* bench/turns.h: how a program is measured by turns with others. turns.py starts them all, and asks one after the
 * other, again and again, for a little of their work: so that what they have made ready (workers, memory) is there each
 * time, and a noise of the machine hits all alike. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

#include <kith/base.h>

/** What is measured. @param count  how often it is to be done @return 0 or a negative code */
typedef int turns_work(void *context, long count);

/** Reads counts from stdin until it ends; for each does the work so often, and prints the seconds that it took.
 *  @return the program's exit status: not 0 when the work failed, which is told on stderr */
int turns_take(turns_work *work, void *context);

/** Tells on stderr what failed, and why. @return 1, an exit status */
int turns_fail(const char *what, int code);

/** Seconds on the monotonic clock. */
double turns_now(void);

#endif
