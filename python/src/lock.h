/* lock.h: the types Lock and RLock, for conditions. */
#ifndef KITH_PYTHON_LOCK_H
#define KITH_PYTHON_LOCK_H

#include "acquire.h"

struct lock {
    struct held held;
    char recursive;
    char abandoned; /* who acquired it last found its owner dead */
};

/* The methods __enter__ and release. */
PyObject *lock_enter(struct lock *self, PyObject *none);
PyObject *lock_release(struct lock *self, PyObject *none);

#endif
