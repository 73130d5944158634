/* The clock, as the floors above see it. */
#ifndef KITH_SRC_OS_CLOCK_H
#define KITH_SRC_OS_CLOCK_H

#include <stdint.h>

/** The deadline that never comes. All deadlines are instants of os_clock_now, in nanoseconds. */
#define OS_FOREVER INT64_MAX

/** The monotonic clock, in nanoseconds, the same for all processes of the machine. */
int64_t os_clock_now(void);

/** Sleeps, and may wake up early. @param nanoseconds less than a second */
void os_clock_nap(int64_t nanoseconds);

#endif
