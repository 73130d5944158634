/* semaphore.c: the type Semaphore, on kith_semaphore. */
#include "acquire.h"
#include "error.h"

struct semaphore {
    struct held held;
    int value; /* at the start; not known where it was attached */
    int bound; /* the most units that can be free; 0, too */
};

/* ---- making ---- */

static int open_semaphore(struct resident *self, void *memory, kith_open how)
{
    const struct semaphore *wanted = (struct semaphore *)self;
    const kith_semaphore_options options = { .bound = (unsigned)wanted->bound };
    kith_semaphore *semaphore;
    int code = kith_semaphore_in(&semaphore, memory, how, (unsigned)wanted->value, &options);
    if (code == 0) {
        self->object = semaphore;
    }
    return code;
}

static PyObject *semaphore_create(struct semaphore *self, PyObject *arguments)
{
    if (!PyArg_ParseTuple(arguments, "ii:_create", &self->value, &self->bound)) {
        return NULL;
    }
    if (self->value < 0 || self->value > self->bound) {
        return PyErr_Format(PyExc_ValueError, "a value of %d: give 0 to %d", self->value,
                            self->bound < 0 ? INT_MAX : self->bound);
    }
    return resident_create(&self->held.resident, open_semaphore);
}

static PyObject *semaphore_attach(struct semaphore *self, PyObject *arguments)
{
    PyObject *segment;
    unsigned number;
    if (!PyArg_ParseTuple(arguments, "OIi:_attach", &segment, &number, &self->bound)) {
        return NULL;
    }
    return resident_attach(&self->held.resident, open_semaphore, segment, number);
}

static PyObject *semaphore_share(struct semaphore *self, PyObject *none)
{
    PyObject *place = resident_share(&self->held.resident, none);
    if (!place) {
        return NULL;
    }
    PyObject *told = Py_BuildValue("(OOi)", PyTuple_GET_ITEM(place, 0), PyTuple_GET_ITEM(place, 1), self->bound);
    Py_DECREF(place);
    return told;
}

static void semaphore_dealloc(struct semaphore *self)
{
    kith_semaphore_free(self->held.resident.object);
    resident_dealloc(&self->held.resident);
}

/* ---- units ---- */

/* That another process was stopped in the middle of a call is no more than being late, as with queues. */
static int acquire_call(void *semaphore, kith_timeout timeout)
{
    int code = kith_semaphore_acquire(semaphore, timeout);
    return code == -EBUSY ? -ETIMEDOUT : code;
}

static PyObject *acquire(struct semaphore *self, kith_timeout timeout)
{
    held_settle(&self->held);
    int code = held_acquire(&self->held, acquire_call, timeout);
    if (code == -ETIMEDOUT) {
        return Py_NewRef(Py_False);
    }
    return code < 0 ? raise_code(self->held.resident.state, code) : held_acquired(&self->held);
}

static PyObject *semaphore_acquire(struct semaphore *self, PyObject *const *arguments, Py_ssize_t count,
                                   PyObject *names)
{
    kith_timeout timeout = KITH_FOREVER;
    if ((count > 0 || names) && acquire_arguments(arguments, count, names, &timeout) < 0) {
        return NULL;
    }
    return acquire(self, timeout);
}

static PyObject *semaphore_enter(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    return acquire(self, KITH_FOREVER);
}

static PyObject *semaphore_release(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    struct resident *resident = &self->held.resident;
    held_settle(&self->held);
    /* For the library a bound of 0 is none. */
    int code = resident->object && self->bound == 0 ? -EOVERFLOW : kith_semaphore_release(resident->object);
    if (code == -EOVERFLOW) {
        return released_too_often();
    }
    if (code < 0) {
        return raise_code(resident->state, code);
    }
    self->held.count--;
    return Py_NewRef(Py_None);
}

static PyObject *semaphore_exit(struct semaphore *self, PyObject *const *Py_UNUSED(arguments),
                                Py_ssize_t Py_UNUSED(count))
{
    return semaphore_release(self, NULL);
}

/* ---- looking ---- */

static PyObject *semaphore_get_value(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    int value = kith_semaphore_value(self->held.resident.object);
    return value < 0 ? raise_code(self->held.resident.state, value) : PyLong_FromLong(value);
}

static PyObject *semaphore_is_zero(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    int value = kith_semaphore_value(self->held.resident.object);
    return value < 0 ? raise_code(self->held.resident.state, value) : PyBool_FromLong(value == 0);
}

static PyObject *semaphore_bound(struct semaphore *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(self->bound);
}

static PyMethodDef methods[] = {
    { "acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS, ACQUIRE_DOC },
    { "release", (PyCFunction)semaphore_release, METH_NOARGS,
      "release($self, /)\n--\n\nGives a unit back; one who waits may have it." },
    { "__enter__", (PyCFunction)semaphore_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nAcquires a unit." },
    { "__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL,
      "__exit__($self, /, *args)\n--\n\nReleases it." },
    { "_create", (PyCFunction)semaphore_create, METH_VARARGS,
      "_create(value, bound): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)semaphore_attach, METH_VARARGS,
      "_attach(segment, piece, bound): finds it where _share says." },
    { "_share", (PyCFunction)semaphore_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    HELD_METHODS,
    { "_get_value", (PyCFunction)semaphore_get_value, METH_NOARGS, "How many units are free." },
    { "_is_zero", (PyCFunction)semaphore_is_zero, METH_NOARGS, "Whether none is free." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    HELD_ATTRIBUTES,
    { "maxvalue", (getter)semaphore_bound, NULL, "The most units that can be free.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A number of units, taken and given back by any thread of any process." },
    { Py_tp_new, (void *)resident_new },
    { Py_tp_dealloc, (void *)semaphore_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Semaphore",
    .basicsize = sizeof(struct semaphore),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int semaphore_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
