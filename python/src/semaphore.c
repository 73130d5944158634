/* semaphore.c: the type Semaphore, on kith_semaphore. */
#include "acquire.h"
#include "error.h"
#include "waiting.h"

#include <errno.h>

struct semaphore {
    PyObject_HEAD struct state *state;
    kith_semaphore *semaphore; /* NULL until it has been made or attached */
    struct piece piece;
    struct holder holder;
    int bound; /* the most units; 0, too */
};

/* ---- making ---- */

static PyObject *semaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct semaphore *self = state ? (struct semaphore *)type->tp_alloc(type, 0) : NULL;
    if (self)
        self->state = state;
    return (PyObject *)self;
}

/* Opens or makes the semaphore in its piece, which goes if that fails. */
static PyObject *open_semaphore(struct semaphore *self, struct piece piece, kith_open how, int value, int bound)
{
    const kith_semaphore_options options = { .bound = (unsigned)bound };
    kith_semaphore *semaphore;
    int code = kith_semaphore_in(&semaphore, piece_memory(&piece), how, (unsigned)value, &options);
    if (code < 0) {
        raise_code(self->state, code);
        piece_free(self->state, &piece);
        return NULL;
    }
    self->piece = piece;
    self->semaphore = semaphore;
    self->bound = bound;
    self->holder.depth = fork_depth();
    return Py_NewRef(Py_None);
}

static int is_fresh(const struct semaphore *self)
{
    if (self->semaphore)
        PyErr_SetString(PyExc_RuntimeError, "the semaphore has been made already");
    return !self->semaphore;
}

static PyObject *semaphore_create(struct semaphore *self, PyObject *arguments)
{
    struct piece piece;
    int value, bound;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "ii:_create", &value, &bound))
        return NULL;
    if (value < 0 || value > bound) {
        PyErr_SetString(PyExc_ValueError, "invalid value");
        return NULL;
    }
    return piece_new(self->state, &piece) == 0 ? open_semaphore(self, piece, KITH_CREATE, value, bound) : NULL;
}

static PyObject *semaphore_attach(struct semaphore *self, PyObject *arguments)
{
    struct piece piece;
    PyObject *segment;
    unsigned number;
    int bound;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "OIi:_attach", &segment, &number, &bound) ||
        piece_attach(self->state, &piece, segment, number) < 0)
        return NULL;
    return open_semaphore(self, piece, KITH_OPEN, 0, bound);
}

static PyObject *semaphore_share(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    PyObject *place = self->semaphore ? piece_share(&self->piece) : raise_closed("semaphore");
    PyObject *told =
        place ? Py_BuildValue("(OOi)", PyTuple_GET_ITEM(place, 0), PyTuple_GET_ITEM(place, 1), self->bound) : NULL;
    Py_XDECREF(place);
    return told;
}

static void semaphore_dealloc(struct semaphore *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kith_semaphore_free(self->semaphore);
    piece_free(self->state, &self->piece);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- units ---- */

static int acquire_call(void *semaphore, kith_timeout timeout)
{
    return kith_semaphore_acquire(semaphore, timeout);
}

static PyObject *acquire(struct semaphore *self, kith_timeout timeout)
{
    holder_settle(&self->holder);
    int code = kith_semaphore_acquire(self->semaphore, KITH_NOWAIT);
    if (code == -ETIMEDOUT && timeout != KITH_NOWAIT)
        code = wait_for(acquire_call, self->semaphore, timeout);
    if (code == -ETIMEDOUT)
        Py_RETURN_FALSE;
    if (code < 0)
        return raise_code(self->state, code);
    holder_acquired(&self->holder);
    Py_RETURN_TRUE;
}

static PyObject *semaphore_acquire(struct semaphore *self, PyObject *const *arguments, Py_ssize_t count,
                                   PyObject *names)
{
    kith_timeout timeout = KITH_FOREVER;
    if ((count > 0 || names) && acquire_arguments(arguments, count, names, &timeout) < 0)
        return NULL;
    return acquire(self, timeout);
}

static PyObject *semaphore_enter(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    return acquire(self, KITH_FOREVER);
}

static PyObject *semaphore_release(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    holder_settle(&self->holder);
    /* For the library a bound of 0 is none. */
    int code = self->semaphore && self->bound == 0 ? -EOVERFLOW : kith_semaphore_release(self->semaphore);
    if (code == -EOVERFLOW) {
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
        return NULL;
    }
    if (code < 0)
        return raise_code(self->state, code);
    self->holder.count--;
    Py_RETURN_NONE;
}

static PyObject *semaphore_exit(struct semaphore *self, PyObject *const *Py_UNUSED(arguments),
                                Py_ssize_t Py_UNUSED(count))
{
    return semaphore_release(self, NULL);
}

/* ---- looking ---- */

static PyObject *semaphore_is_mine(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(holder_is_me(&self->holder));
}

static PyObject *semaphore_count(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    holder_settle(&self->holder);
    return PyLong_FromLong(self->holder.count);
}

static PyObject *semaphore_get_value(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    int value = kith_semaphore_value(self->semaphore);
    return value < 0 ? raise_code(self->state, value) : PyLong_FromLong(value);
}

static PyObject *semaphore_is_zero(struct semaphore *self, PyObject *Py_UNUSED(none))
{
    int value = kith_semaphore_value(self->semaphore);
    return value < 0 ? raise_code(self->state, value) : PyBool_FromLong(value == 0);
}

static PyObject *semaphore_itself(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self);
}

static PyObject *semaphore_handle(struct semaphore *self, void *Py_UNUSED(closure))
{
    return self->semaphore ? PyLong_FromVoidPtr(piece_memory(&self->piece)) : raise_closed("semaphore");
}

static PyObject *semaphore_bound(struct semaphore *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(self->bound);
}

static PyMethodDef methods[] = {
    { "acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS, ACQUIRE_DOC },
    { "release", (PyCFunction)semaphore_release, METH_NOARGS,
      "release(): gives a unit back; one who waits may have it." },
    { "__enter__", (PyCFunction)semaphore_enter, METH_NOARGS, "Acquires a unit." },
    { "__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL, "Releases it." },
    { "_create", (PyCFunction)semaphore_create, METH_VARARGS,
      "_create(value, bound): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)semaphore_attach, METH_VARARGS,
      "_attach(segment, piece, bound): finds it where _share says." },
    { "_share", (PyCFunction)semaphore_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    { "_is_mine", (PyCFunction)semaphore_is_mine, METH_NOARGS, "Whether this thread acquired a unit last." },
    { "_count", (PyCFunction)semaphore_count, METH_NOARGS,
      "How many units this process has acquired, less those released." },
    { "_get_value", (PyCFunction)semaphore_get_value, METH_NOARGS, "How many units are free." },
    { "_is_zero", (PyCFunction)semaphore_is_zero, METH_NOARGS, "Whether none is free." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "_semlock", semaphore_itself, NULL, "The semaphore itself: it has what the standard library's has there.", NULL },
    { "handle", (getter)semaphore_handle, NULL, "A number that no other has in this process.", NULL },
    { "maxvalue", (getter)semaphore_bound, NULL, "The most units that can be free.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A number of units, taken and given back by any thread of any process." },
    { Py_tp_new, (void *)semaphore_new },
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
