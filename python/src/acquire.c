/* acquire.c: the arguments of acquire. */
#include "acquire.h"

#include "waiting.h"

/* The argument of this name, or NULL with an exception: there is no such. */
static PyObject **place_of(PyObject *name, PyObject **block, PyObject **seconds)
{
    if (PyUnicode_CompareWithASCIIString(name, "block") == 0)
        return block;
    if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0)
        return seconds;
    PyErr_Format(PyExc_TypeError, "'%U' is an invalid keyword argument for acquire()", name);
    return NULL;
}

static int read_keywords(PyObject *const *values, PyObject *names, PyObject **block, PyObject **seconds)
{
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject **place = place_of(name, block, seconds);
        if (place && *place)
            PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name);
        if (!place || *place)
            return -1;
        *place = values[i];
    }
    return 0;
}

int acquire_arguments(PyObject *const *arguments, Py_ssize_t count, PyObject *names, kith_timeout *timeout)
{
    PyObject *block = count > 0 ? arguments[0] : NULL, *seconds = count > 1 ? arguments[1] : NULL;
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", count);
        return -1;
    }
    if (read_keywords(arguments + count, names, &block, &seconds) < 0 || timeout_of(seconds, timeout) < 0)
        return -1;
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks == 0)
        *timeout = KITH_NOWAIT;
    return blocks < 0 ? -1 : 0;
}
