/* waiting.c: calls of libkith that wait. */
#include "waiting.h"

#include <errno.h>
#include <math.h>
#include <time.h>

static const double nanoseconds = 1e9;

int timeout_of(PyObject *seconds, kith_timeout *timeout)
{
    if (!seconds || seconds == Py_None) {
        *timeout = KITH_FOREVER;
        return 0;
    }
    double value = PyFloat_AsDouble(seconds);
    if (value == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(value)) {
        PyErr_SetString(PyExc_ValueError, "a timeout can't be NaN");
        return -1;
    }
    value = ceil(value * nanoseconds);
    *timeout = value <= 0 ? 0 : value >= (double)INT64_MAX ? KITH_FOREVER : (kith_timeout)value;
    return 0;
}

static kith_timeout now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (kith_timeout)time.tv_sec * 1000000000 + time.tv_nsec;
}

kith_timeout deadline_of(kith_timeout timeout)
{
    return timeout > 0 ? now() + (timeout < INT64_MAX / 2 ? timeout : INT64_MAX / 2) : timeout;
}

kith_timeout time_left(kith_timeout deadline)
{
    if (deadline <= 0) {
        return deadline;
    }
    kith_timeout left = deadline - now();
    return left > 0 ? left : 0;
}

int wait_for(waiting_call *call, void *context, kith_timeout timeout)
{
    kith_timeout deadline = deadline_of(timeout);
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        int code = call(context, timeout);
        PyEval_RestoreThread(thread);
        if (code != -EINTR || PyErr_CheckSignals() < 0) {
            return code;
        }
        timeout = time_left(deadline);
    }
}

int wait_watchfully(waiting_call *call, void *context, kith_timeout timeout)
{
    static const kith_timeout slice = 1000000000;
    kith_timeout deadline = deadline_of(timeout);
    for (;;) {
        int is_last = timeout >= 0 && timeout <= slice;
        int code = wait_for(call, context, is_last ? timeout : slice);
        int is_late = code == -ETIMEDOUT || code == KITH_EEMPTY || code == -EBUSY;
        if (!is_late || is_last) {
            return code;
        }
        if (PyErr_CheckSignals() < 0) {
            return -EINTR;
        }
        timeout = time_left(deadline);
    }
}

static int run_handlers(void *context)
{
    waiting_resume(context);
    int code = PyErr_CheckSignals();
    waiting_pause(context);
    return code;
}

void waiting_resume(struct waiting *waiting)
{
    PyEval_RestoreThread(waiting->thread);
}

void waiting_pause(struct waiting *waiting)
{
    kith_on_interruption(run_handlers, waiting); /* once more: what ran meanwhile may have waited, too */
    waiting->thread = PyEval_SaveThread();
}

int wait_in_place(waiting_call *call, void *context, kith_timeout timeout, struct waiting *waiting)
{
    waiting_pause(waiting);
    int code = call(context, timeout);
    waiting_resume(waiting);
    kith_on_interruption(NULL, NULL);
    return code;
}
