/* message.c: messages as bytes, for those who bring them to others by themselves, and for tests. */
#include "read.h"
#include "write.h"

static PyObject *dumps(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    struct message message;
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "dumps() takes an object, and whether buffers go beside the pickle");
        return NULL;
    }
    int beside = count == 2 ? PyObject_IsTrue(arguments[1]) : 0;
    if (beside < 0 || message_write(PyModule_GetState(module), arguments[0], beside ? BUFFERS_BESIDE : BUFFERS_INSIDE,
                                    &message) < 0) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)message.size);
    if (bytes) {
        message_copy(&message, PyBytes_AS_STRING(bytes));
    }
    message_clear(&message);
    return bytes;
}

static PyObject *loads(PyObject *module, PyObject *bytes)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(bytes, &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *object = message_read(PyModule_GetState(module), buffer.buf, (size_t)buffer.len, NULL);
    PyBuffer_Release(&buffer);
    return object;
}

static PyMethodDef functions[] = {
    { "dumps", (PyCFunction)(void (*)(void))dumps, METH_FASTCALL,
      "dumps(object, beside=False): the message of an object: a pickle, beside which large buffers may be." },
    { "loads", loads, METH_O, "loads(bytes): the object of a message." },
    { NULL, NULL, 0, NULL },
};

int message_add(PyObject *module, struct state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, functions);
}
