/* resident.h: what the types Lock, Semaphore and Event have in common: an object of the library's in a piece of an
 * arena. It is made in this process (_create), or found where another one shares it (_share there, _attach here). */
#ifndef KITH_PYTHON_RESIDENT_H
#define KITH_PYTHON_RESIDENT_H

#include "arena.h"

/* Their structs begin with this. */
struct resident {
    PyObject_HEAD struct state *state;
    void *object; /* the library's handle; NULL until it has been made or found */
    struct piece piece;
};

/* As kith_lock_in and its like: opens or makes the object in memory, and sets self->object. Returns 0 or a code. */
typedef int resident_opener(struct resident *self, void *memory, kith_open how);

/* For the slot tp_new: the object comes later. */
PyObject *resident_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords);

/* Makes the object in a new piece. Returns None, or NULL with an exception. */
PyObject *resident_create(struct resident *self, resident_opener *open);

/* Finds the object in a piece as resident_share told it. Returns None, or NULL with an exception. */
PyObject *resident_attach(struct resident *self, resident_opener *open, PyObject *segment, unsigned number);

/* (segment, number), to be sent to another process. NULL with an exception. */
PyObject *resident_share(struct resident *self, PyObject *none);

/* The end of their tp_dealloc: after the library's handle, gives back all else. */
void resident_dealloc(struct resident *self);

#endif
