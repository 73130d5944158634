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

int wait_for(waiting_call *call, void *context, kith_timeout timeout)
{
    kith_timeout begin = timeout > 0 ? now() : 0;
    kith_timeout left = timeout;
    for (;;) {
        int code;
        Py_BEGIN_ALLOW_THREADS code = call(context, left);
        Py_END_ALLOW_THREADS if (code != -EINTR || PyErr_CheckSignals() < 0)
        {
            return code;
        }
        if (timeout > 0) {
            kith_timeout passed = now() - begin;
            left = passed < timeout ? timeout - passed : 0;
        }
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
