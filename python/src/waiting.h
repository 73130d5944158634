/* waiting.h: calls of libkith that wait, as Python's threads wait: without the GIL, and letting signal handlers run. */
#ifndef KITH_PYTHON_WAITING_H
#define KITH_PYTHON_WAITING_H

#include "module.h"

/* A timeout as Python has it: NULL or None is for ever, a number is seconds, and a negative one is 0. What exceeds 292
 * years is for ever, too. Returns 0, or -1 with an exception (TypeError; ValueError for NaN). */
int timeout_of(PyObject *seconds, kith_timeout *timeout);

/* The instant, on the monotonic clock, when a timeout from now is over; KITH_FOREVER stays. And what is left until
 * then, as a timeout. */
kith_timeout deadline_of(kith_timeout timeout);
kith_timeout time_left(kith_timeout deadline);

/* A call that waits, which is done without the GIL: it must touch nothing of Python's.
 * Returns what the call of the library returned: -EINTR means that it is to be called again. */
typedef int waiting_call(void *context, kith_timeout timeout);

/* Does a call without the GIL. When a signal interrupts it, runs Python's handlers, and calls once more with what is
 * left of the time. Returns what the call returned; or -EINTR, with an exception, when a handler raised one. */
int wait_for(waiting_call *call, void *context, kith_timeout timeout);

/* The same for calls that lose nothing when they begin anew after -ETIMEDOUT, KITH_EEMPTY or -EBUSY: looks for signals
 * once a second, too. One that comes just before the call sleeps does not interrupt it. */
int wait_watchfully(waiting_call *call, void *context, kith_timeout timeout);

/* A wait that keeps its place while Python's handlers run (kith_on_interruption): of a condition or a barrier. */
struct waiting {
    PyThreadState *thread; /* while it is without the GIL */
};

/* Does such a call. Returns what it returned. When a handler raised an exception, that is set: as a rule it is -EINTR
 * then, but what was waited for may have come meanwhile. */
int wait_in_place(waiting_call *call, void *context, kith_timeout timeout, struct waiting *waiting);

/* In the middle of such a call, for what the library calls: takes the GIL, and releases it again. */
void waiting_resume(struct waiting *waiting);
void waiting_pause(struct waiting *waiting);

#endif
