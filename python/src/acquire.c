/* acquire.c: what locks and semaphores have in common, and methods that are called at once. */
#include "acquire.h"

/* The argument of this name, or NULL with an exception: there is no such. */
static PyObject **place_of(PyObject *name, PyObject **block, PyObject **seconds)
{
    if (PyUnicode_CompareWithASCIIString(name, "block") == 0) {
        return block;
    }
    if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0) {
        return seconds;
    }
    PyErr_Format(PyExc_TypeError, "'%U' is an invalid keyword argument for acquire()", name);
    return NULL;
}

static int read_keywords(PyObject *const *values, PyObject *names, PyObject **block, PyObject **seconds)
{
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject **place = place_of(name, block, seconds);
        if (place && *place) {
            PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name);
        }
        if (!place || *place) {
            return -1;
        }
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
    if (read_keywords(arguments + count, names, &block, &seconds) < 0 || timeout_of(seconds, timeout) < 0) {
        return -1;
    }
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks == 0) {
        *timeout = KITH_NOWAIT;
    }
    return blocks < 0 ? -1 : 0;
}

PyObject *released_too_often(void)
{
    PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
    return NULL;
}

PyObject *held_tell_is_mine(struct held *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(held_is_mine(self));
}

PyObject *held_tell_count(struct held *self, PyObject *Py_UNUSED(none))
{
    held_settle(self);
    return PyLong_FromLong(self->count);
}

PyObject *held_itself(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self);
}

PyObject *held_handle(struct held *self, void *Py_UNUSED(closure))
{
    if (!self->resident.object) {
        PyErr_SetString(PyExc_ValueError, "it has not been made yet");
        return NULL;
    }
    return PyLong_FromVoidPtr(piece_memory(&self->resident.piece));
}

/* The type in C that a class derives from. */
static const PyTypeObject *type_in_c(const PyTypeObject *type)
{
    while (type && !type->tp_methods) {
        type = type->tp_base;
    }
    return type;
}

/* A class calls what it inherits from a type in C more slowly than what is its own: each call asks whether the class
 * derives from the type. */
static PyObject *own_methods(PyObject *Py_UNUSED(module), PyObject *class)
{
    const PyTypeObject *type = PyType_Check(class) ? type_in_c((PyTypeObject *)class) : NULL;
    for (PyMethodDef *method = type ? type->tp_methods : NULL; method && method->ml_name; method++) {
        if (PyDict_GetItemString(((PyTypeObject *)class)->tp_dict, method->ml_name)) {
            continue; /* it has another one */
        }
        PyObject *own = PyDescr_NewMethod((PyTypeObject *)class, method);
        int code = own ? PyObject_SetAttrString(class, method->ml_name, own) : -1;
        Py_XDECREF(own);
        if (code < 0) {
            return NULL;
        }
    }
    return Py_NewRef(class);
}

static PyMethodDef functions[] = {
    { "own_methods", own_methods, METH_O,
      "own_methods(class): for classes that derive from one of this module's, a decorator by which calls are faster." },
    { NULL, NULL, 0, NULL },
};

int acquire_add(PyObject *module, struct state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, functions);
}
