/* resident.c: objects of the library's in pieces of arenas. */
#include "resident.h"

#include "error.h"

PyObject *resident_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct resident *self = state ? (struct resident *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
    }
    return (PyObject *)self;
}

static int is_fresh(const struct resident *self)
{
    if (self->object) {
        PyErr_SetString(PyExc_RuntimeError, "it has been made already");
    }
    return !self->object;
}

/* Opens the object in a piece, which goes if that fails. */
static PyObject *move_in(struct resident *self, resident_opener *open, struct piece piece, kith_open how)
{
    int code = open(self, piece_memory(&piece), how);
    if (code < 0) {
        raise_code(self->state, code);
        piece_free(self->state, &piece);
        return NULL;
    }
    self->piece = piece;
    return Py_NewRef(Py_None);
}

PyObject *resident_create(struct resident *self, resident_opener *open)
{
    struct piece piece;
    if (!is_fresh(self) || piece_new(self->state, &piece) < 0) {
        return NULL;
    }
    return move_in(self, open, piece, KITH_CREATE);
}

PyObject *resident_attach(struct resident *self, resident_opener *open, PyObject *segment, unsigned number)
{
    struct piece piece;
    if (!is_fresh(self) || piece_attach(self->state, &piece, segment, number) < 0) {
        return NULL;
    }
    return move_in(self, open, piece, KITH_OPEN);
}

PyObject *resident_share(struct resident *self, PyObject *Py_UNUSED(none))
{
    if (!self->object) {
        PyErr_SetString(PyExc_ValueError, "it has not been made yet");
        return NULL;
    }
    return piece_share(&self->piece);
}

void resident_dealloc(struct resident *self)
{
    PyTypeObject *type = Py_TYPE(self);
    piece_free(self->state, &self->piece);
    type->tp_free(self);
    Py_DECREF(type);
}
