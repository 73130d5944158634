/* progress.c: the type ProgressLine, on kith_progress_show. */
#include "module.h"

struct progress_line {
    PyObject_HEAD kith_progress_line line;
    PyObject *label;
};

static PyObject *progress_line_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords))
{
    PyObject *label;
    int fd;
    if (!PyArg_ParseTuple(arguments, "Ui:ProgressLine", &label, &fd)) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8(label);
    struct progress_line *self = text ? (struct progress_line *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->label = Py_NewRef(label);
        self->line.label = *text ? text : NULL;
        self->line.fd = fd;
    }
    return (PyObject *)self;
}

static void progress_line_dealloc(struct progress_line *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->label);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *progress_line_show(struct progress_line *self, PyObject *arguments)
{
    Py_ssize_t done, total;
    if (!PyArg_ParseTuple(arguments, "nn:show", &done, &total)) {
        return NULL;
    }
    kith_progress_show(&self->line, (size_t)done, (size_t)total);
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    { "show", (PyCFunction)progress_line_show, METH_VARARGS,
      "show(done, total): writes the line anew; total 0: it is not known." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "ProgressLine(label, fd): a line that shows how far something is." },
    { Py_tp_new, (void *)progress_line_new },
    { Py_tp_dealloc, (void *)progress_line_dealloc },
    { Py_tp_methods, methods },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.ProgressLine",
    .basicsize = sizeof(struct progress_line),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int progress_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
