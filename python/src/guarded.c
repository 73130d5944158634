/* guarded.c: the type Guarded, an attribute of synchronized ctypes objects: that of the object inside (self._obj), read
 * and written between self.acquire() and self.release(). */
#include "module.h"

struct guarded {
    PyObject_HEAD PyObject *name, *object, *acquire, *release;
};

static PyObject *guarded_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "name", NULL };
    PyObject *name;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "U:Guarded", names, &name)) {
        return NULL;
    }
    struct guarded *self = (struct guarded *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->name = Py_NewRef(name);
    PyUnicode_InternInPlace(&self->name);
    self->object = PyUnicode_InternFromString("_obj");
    self->acquire = PyUnicode_InternFromString("acquire");
    self->release = PyUnicode_InternFromString("release");
    if (!self->object || !self->acquire || !self->release) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void guarded_dealloc(struct guarded *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->name);
    Py_XDECREF(self->object);
    Py_XDECREF(self->acquire);
    Py_XDECREF(self->release);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Calls a method without arguments. Returns 0, or -1 with an exception. */
static int call(PyObject *owner, PyObject *name)
{
    PyObject *result = PyObject_CallMethodNoArgs(owner, name);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Releases the lock after an access that succeeded or not. Returns 0 if both did; else -1, with the first exception. */
static int release(const struct guarded *self, PyObject *owner, int succeeded)
{
    if (succeeded) {
        return call(owner, self->release);
    }
    PyObject *exception = PyErr_GetRaisedException();
    if (call(owner, self->release) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

static PyObject *guarded_get(struct guarded *self, PyObject *owner, PyObject *Py_UNUSED(type))
{
    if (!owner) {
        return Py_NewRef((PyObject *)self);
    }
    if (call(owner, self->acquire) < 0) {
        return NULL;
    }
    PyObject *object = PyObject_GetAttr(owner, self->object);
    PyObject *value = object ? PyObject_GetAttr(object, self->name) : NULL;
    Py_XDECREF(object);
    if (release(self, owner, value != NULL) < 0) {
        Py_CLEAR(value);
    }
    return value;
}

/* value is NULL: deletes the attribute, which ctypes objects refuse. */
static int guarded_set(struct guarded *self, PyObject *owner, PyObject *value)
{
    if (call(owner, self->acquire) < 0) {
        return -1;
    }
    PyObject *object = PyObject_GetAttr(owner, self->object);
    int code = object ? PyObject_SetAttr(object, self->name, value) : -1;
    Py_XDECREF(object);
    return release(self, owner, code == 0);
}

static PyType_Slot slots[] = {
    { Py_tp_doc, "Guarded(name): that attribute of the object inside, read and written with the lock acquired." },
    { Py_tp_new, (void *)guarded_new },
    { Py_tp_dealloc, (void *)guarded_dealloc },
    { Py_tp_descr_get, (void *)guarded_get },
    { Py_tp_descr_set, (void *)guarded_set },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Guarded",
    .basicsize = sizeof(struct guarded),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int guarded_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
