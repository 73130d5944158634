/* error.c: codes of libkith as Python's exceptions. */
#include "error.h"

#include <errno.h>
#include <string.h>

/* The codes that leave no detail keep that of an earlier failure, which would be misleading. */
static const char *text_of(int code)
{
    int tells_nothing = code == -ETIMEDOUT || code == -EINTR || kith_error_detail()[0] == '\0';
    return tells_nothing ? kith_strerror(code) : kith_error_detail();
}

static PyObject *exception_of(const struct state *state, int code)
{
    switch (code) {
    case KITH_ECLOSED:
    case KITH_ELIMIT:
    case -EINVAL:
        return PyExc_ValueError;
    case KITH_ETYPE:
        return PyExc_TypeError;
    case KITH_EMALFORMED:
        return state->unpickling_error;
    case KITH_EEOF:
        return PyExc_EOFError;
    case KITH_EAUTH:
    case KITH_ETLS:
        return state->authentication_error;
    case KITH_EBROKEN:
        return state->broken_barrier_error;
    case KITH_ETRUNCATED:
    case KITH_ELAYOUT:
        return PyExc_OSError;
    default:
        return PyExc_RuntimeError;
    }
}

/* An instance, made here: OSError becomes one of its subclasses by the number, but before 3.11 "except" asks what class
 * was set. */
static void raise_errno(int number, const char *text)
{
    PyObject *exception = PyObject_CallFunction(PyExc_OSError, "is", number, text);
    if (exception) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
}

void *raise_code(struct state *state, int code)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (code == KITH_EEMPTY) {
        PyErr_SetNone(state->empty);
    } else if (code == KITH_EFULL) {
        PyErr_SetNone(state->full);
    } else if (code == -ENOMEM) {
        PyErr_SetString(PyExc_MemoryError, text_of(code));
    } else if (code == -EBADF) { /* as Python says it; whose descriptor it is, the traceback tells */
        raise_errno(EBADF, strerror(EBADF));
    } else if (code > KITH_EEMPTY && code != -EINVAL) {
        raise_errno(-code, text_of(code));
    } else {
        PyErr_SetString(exception_of(state, code), text_of(code));
    }
    return NULL;
}

void *raise_closed(const char *noun)
{
    PyErr_Format(PyExc_ValueError, "the %s is closed", noun);
    return NULL;
}
