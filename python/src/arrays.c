/* arrays.c: arrays of numpy, as the Pickler is to write them: by protocol 5, whose data may go beside the pickle.
 *
 * Also one that is read-only here is to be written to where it arrives, as by the standard library's protocol. Protocol
 * 5 writes down that a buffer is read-only; so its data are lent to the Pickler as what is not: it only reads.
 */
#include "write.h"

/* Memory of an array, for as long as somebody needs it. */
struct loan {
    PyObject_HEAD Py_buffer source;
};

static PyObject *loan_new(PyTypeObject *type, PyObject *source)
{
    struct loan *self = (struct loan *)type->tp_alloc(type, 0);
    if (self && PyObject_GetBuffer(source, &self->source, PyBUF_ANY_CONTIGUOUS) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void loan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyBuffer_Release(&((struct loan *)self)->source);
    type->tp_free(self);
    Py_DECREF(type);
}

static int loan_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    const Py_buffer *source = &((struct loan *)self)->source;
    return PyBuffer_FillInfo(buffer, self, source->buf, source->len, 0, flags);
}

static PyType_Slot slots[] = {
    { Py_tp_doc, "Data of a read-only array, while it is pickled." },
    { Py_tp_dealloc, (void *)loan_dealloc },
    { Py_bf_getbuffer, (void *)loan_buffer },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Loan",
    .basicsize = sizeof(struct loan),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int arrays_add(PyObject *module, struct state *state)
{
    PyTypeObject *type = module_add_type(module, &spec);
    if (type) {
        type->tp_new = NULL; /* made here alone */
    }
    state->loan_type = (PyObject *)type;
    return type ? 0 : -1;
}

/* ---- reducing ---- */

static int is_writeable(PyObject *array)
{
    PyObject *flags = PyObject_GetAttrString(array, "flags");
    PyObject *flag = flags ? PyObject_GetAttrString(flags, "writeable") : NULL;
    int writeable = flag ? PyObject_IsTrue(flag) : -1;
    Py_XDECREF(flags);
    Py_XDECREF(flag);
    return writeable;
}

/* The arguments of a reduction, whose first is a buffer, with a loan of that. */
static PyObject *lend(PyTypeObject *type, PyObject *arguments)
{
    PyObject *loan = loan_new(type, PyTuple_GET_ITEM(arguments, 0));
    PyObject *buffer = loan ? PyPickleBuffer_FromObject(loan) : NULL;
    PyObject *lent = buffer ? PyTuple_New(PyTuple_GET_SIZE(arguments)) : NULL;
    for (Py_ssize_t i = 0; lent && i < PyTuple_GET_SIZE(arguments); i++) {
        PyTuple_SET_ITEM(lent, i, Py_NewRef(i == 0 ? buffer : PyTuple_GET_ITEM(arguments, i)));
    }
    Py_XDECREF(loan);
    Py_XDECREF(buffer);
    return lent;
}

/* What numpy has made of a read-only array: a function, and the arguments to call it with. An array that lies in pieces
 * is copied, and has no buffer. */
static PyObject *lend_in(PyTypeObject *type, PyObject *reduced)
{
    PyObject *arguments =
        PyTuple_Check(reduced) && PyTuple_GET_SIZE(reduced) == 2 ? PyTuple_GET_ITEM(reduced, 1) : NULL;
    if (!arguments || !PyTuple_Check(arguments) || PyTuple_GET_SIZE(arguments) == 0 ||
        !PyPickleBuffer_Check(PyTuple_GET_ITEM(arguments, 0))) {
        return Py_NewRef(reduced);
    }
    PyObject *lent = lend(type, arguments);
    PyObject *result = lent ? PyTuple_Pack(2, PyTuple_GET_ITEM(reduced, 0), lent) : NULL;
    Py_XDECREF(lent);
    return result;
}

static PyObject *reduce_array(PyObject *type, PyObject *array)
{
    int writeable = is_writeable(array);
    PyObject *reduced = writeable < 0 ? NULL : PyObject_CallMethod(array, "__reduce_ex__", "i", 5);
    if (!reduced || writeable) {
        return reduced;
    }
    PyObject *result = lend_in((PyTypeObject *)type, reduced);
    Py_DECREF(reduced);
    return result;
}

static PyMethodDef reduce_array_method = { "reduce_array", reduce_array, METH_O, NULL };

int arrays_reduce(struct state *state, PyObject *table)
{
    PyObject *numpy = PyDict_GetItemString(PyImport_GetModuleDict(), "numpy");
    PyObject *type = numpy ? PyObject_GetAttrString(numpy, "ndarray") : NULL;
    if (!type) { /* maybe it is being imported */
        PyErr_Clear();
        return 0;
    }
    PyObject *reduce = PyCFunction_New(&reduce_array_method, state->loan_type);
    int code = reduce && PyDict_SetDefault(table, type, reduce) ? 0 : -1;
    Py_XDECREF(reduce);
    Py_DECREF(type);
    return code;
}
