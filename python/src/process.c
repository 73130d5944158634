/* process.c: what kith's processes need beside the standard library's. */
#include "error.h"

static PyObject *end_with(PyObject *module, PyObject *arguments)
{
    int pid, by_kernel, number;
    if (!PyArg_ParseTuple(arguments, "ipi:end_with", &pid, &by_kernel, &number)) {
        return NULL;
    }
    int code = kith_process_end_with(pid, by_kernel, number);
    return code < 0 ? raise_code(PyModule_GetState(module), code) : Py_NewRef(Py_None);
}

static PyMethodDef functions[] = {
    { "end_with", end_with, METH_VARARGS,
      "end_with(pid, by_kernel, signal): has this process get a signal when another one ends; ProcessLookupError when "
      "it "
      "has ended already. by_kernel: that one's first thread forked this process, so the kernel sees to it." },
    { NULL, NULL, 0, NULL },
};

int process_add(PyObject *module, struct state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, functions);
}
