/* lock.h: the types Lock and RLock, for conditions. */
#ifndef KITH_PYTHON_LOCK_H
#define KITH_PYTHON_LOCK_H

#include "acquire.h"

struct lock {
    PyObject_HEAD struct state *state;
    kith_lock *lock; /* NULL until it has been made or attached */
    struct piece piece;
    struct holder holder;
    char recursive;
    char abandoned; /* who acquired it last found its owner dead */
};

/* The methods __enter__ and release. */
PyObject *lock_enter(struct lock *self, PyObject *none);
PyObject *lock_release(struct lock *self, PyObject *none);

#endif
