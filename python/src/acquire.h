/* acquire.h: what locks and semaphores have in common: acquire(block=True, timeout=None), and whose they are, as the
 * standard library's have it. */
#ifndef KITH_PYTHON_ACQUIRE_H
#define KITH_PYTHON_ACQUIRE_H

#include "resident.h"
#include "waiting.h"

#include <errno.h>

/* What the threads of this process have acquired, through one Python object. Its struct begins with this. */
struct held {
    struct resident resident;
    unsigned long thread; /* who acquired last */
    long count;           /* acquired less released: negative, when others acquired what was released here */
    unsigned depth;       /* a child has nothing of what its parent acquired */
};

/* Before each use. */
static inline void held_settle(struct held *self)
{
    if (self->depth != fork_depth()) {
        self->count = 0;
        self->depth = fork_depth();
    }
}

static inline int held_is_mine(struct held *self)
{
    held_settle(self);
    return self->count > 0 && self->thread == PyThread_get_thread_ident();
}

static inline PyObject *held_acquired(struct held *self)
{
    self->thread = PyThread_get_thread_ident();
    self->count++;
    return Py_NewRef(Py_True);
}

/* Acquires at once, or else without the GIL. Returns what the call returned. */
static inline int held_acquire(struct held *self, waiting_call *call, kith_timeout timeout)
{
    int code = call(self->resident.object, KITH_AT_ONCE);
    int waits = code == -EAGAIN || (code == -ETIMEDOUT && timeout != KITH_NOWAIT);
    return waits ? wait_watchfully(call, self->resident.object, timeout) : code;
}

/* Reads the arguments of acquire. Returns 0, or -1 with an exception. */
int acquire_arguments(PyObject *const *arguments, Py_ssize_t count, PyObject *names, kith_timeout *timeout);

#define ACQUIRE_DOC                                                                                                    \
    "acquire(block=True, timeout=None): waits, at most timeout seconds, and not at all unless block. Returns whether " \
    "it was acquired."

/* "semaphore or lock released too many times": as ValueError. Returns NULL. */
PyObject *released_too_often(void);

/* Methods and attributes that both have. */
PyObject *held_tell_is_mine(struct held *self, PyObject *none);
PyObject *held_tell_count(struct held *self, PyObject *none);
PyObject *held_itself(PyObject *self, void *closure);
PyObject *held_handle(struct held *self, void *closure);

#define HELD_METHODS                                                                                                  \
    { "_is_mine", (PyCFunction)held_tell_is_mine, METH_NOARGS, "Whether this thread acquired it last, and has it." }, \
    {                                                                                                                 \
        "_count", (PyCFunction)held_tell_count, METH_NOARGS,                                                          \
            "How often this process has acquired it, less its releases."                                              \
    }

#define HELD_ATTRIBUTES                                                                                            \
    { "_semlock", held_itself, NULL, "The object itself: it has what the standard library's has there.", NULL },   \
    {                                                                                                              \
        "handle", (getter)held_handle, NULL, "A number that no other lock or semaphore has in this process.", NULL \
    }

#endif
