/* wait.c: the function wait: for many things at once. */
#include "connection.h"
#include "error.h"
#include "waiting.h"

#include <errno.h>

struct crowd {
    kith_waitable *items;
    struct pipe **pipes; /* those that were entered; NULL: another kind of thing */
    size_t count;
};

static int wait_call(void *context, kith_timeout timeout)
{
    struct crowd *waiting = context;
    int ready = kith_wait(waiting->items, waiting->count, timeout);
    return ready == 0 ? -ETIMEDOUT : ready;
}

/* What an object is to be waited for by. Returns 0, or -1 with an exception. */
static int describe(struct state *state, PyObject *object, kith_waitable *item, struct pipe **pipe)
{
    if (PyObject_TypeCheck(object, (PyTypeObject *)state->connection_type)) {
        struct connection *connection = (struct connection *)object;
        if (connection_check_open(connection) < 0) {
            return -1;
        }
        if (connection->pipe) {
            *pipe = connection->pipe;
            *item = (kith_waitable){ .connection = pipe_enter(*pipe) };
            return 0;
        }
    }
    int descriptor = PyObject_AsFileDescriptor(object);
    if (descriptor < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_ValueError, "Invalid file object: %R", object);
        }
        return -1;
    }
    *item = (kith_waitable){ .fd = descriptor };
    return 0;
}

/* The objects that are ready, in their order. */
static PyObject *pick(PyObject *objects, const struct crowd *waiting)
{
    PyObject *ready = PyList_New(0);
    for (size_t i = 0; ready && i < waiting->count; i++) {
        if (waiting->items[i].ready && PyList_Append(ready, PySequence_Fast_GET_ITEM(objects, (Py_ssize_t)i)) < 0) {
            Py_CLEAR(ready);
        }
    }
    return ready;
}

static PyObject *wait_for_objects(struct state *state, PyObject *objects, kith_timeout timeout)
{
    struct crowd waiting = { .count = (size_t)PySequence_Fast_GET_SIZE(objects) };
    size_t room = waiting.count ? waiting.count : 1;
    PyObject *ready = NULL;
    int code = 0;
    waiting.items = PyMem_Calloc(room, sizeof *waiting.items);
    waiting.pipes = PyMem_Calloc(room, sizeof(struct pipe *));
    if (!waiting.items || !waiting.pipes) {
        waiting.count = 0;
        code = -1;
        PyErr_NoMemory();
    }
    for (size_t i = 0; code == 0 && i < waiting.count; i++) {
        code = describe(state, PySequence_Fast_GET_ITEM(objects, (Py_ssize_t)i), &waiting.items[i], &waiting.pipes[i]);
    }
    if (code == 0) {
        code = wait_watchfully(wait_call, &waiting, timeout);
        ready = code < 0 && code != -ETIMEDOUT ? raise_code(state, code) : pick(objects, &waiting);
    }
    for (size_t i = 0; i < waiting.count; i++) {
        if (waiting.pipes[i]) {
            pipe_leave(waiting.pipes[i]);
        }
    }
    PyMem_Free(waiting.pipes);
    PyMem_Free(waiting.items);
    return ready;
}

static PyObject *wait_function(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "object_list", "timeout", NULL };
    PyObject *iterable, *seconds = NULL;
    kith_timeout timeout;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:wait", names, &iterable, &seconds) ||
        timeout_of(seconds, &timeout) < 0) {
        return NULL;
    }
    PyObject *objects = PySequence_List(iterable); /* a copy: others may change theirs meanwhile */
    PyObject *ready = objects ? wait_for_objects(PyModule_GetState(module), objects, timeout) : NULL;
    Py_XDECREF(objects);
    return ready;
}

static PyMethodDef functions[] = {
    { "wait", (PyCFunction)(void (*)(void))wait_function, METH_VARARGS | METH_KEYWORDS,
      "wait(object_list, timeout=None)\n--\n\nWaits until something can be received from at least one of many objects, "
      "or "
      "its other side has ended, and returns a list of those that are ready.\n\nobject_list  connections, sockets, "
      "sentinels of processes, descriptors, and whatever else has fileno()\ntimeout      in seconds; None is for ever. "
      "When it ends, the list is empty" },
    { NULL, NULL, 0, NULL },
};

int wait_add(PyObject *module, struct state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, functions);
}
