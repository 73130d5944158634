/* lock.c: the types Lock and RLock, on kith_lock. */
#include "lock.h"

#include "error.h"
#include "waiting.h"

#include <errno.h>

/* ---- making ---- */

static PyObject *lock_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct lock *self = state ? (struct lock *)type->tp_alloc(type, 0) : NULL;
    if (!self)
        return NULL;
    self->state = state;
    self->recursive = (char)PyType_IsSubtype(type, state->rlock_type);
    return (PyObject *)self;
}

/* Opens or makes the lock in its piece, which goes if that fails. */
static PyObject *open_lock(struct lock *self, struct piece piece, kith_open how)
{
    const kith_lock_options options = { .recursive = self->recursive, .anyone_releases = !self->recursive };
    kith_lock *lock;
    int code = kith_lock_in(&lock, piece_memory(&piece), how, &options);
    if (code < 0) {
        raise_code(self->state, code);
        piece_free(self->state, &piece);
        return NULL;
    }
    self->piece = piece;
    self->lock = lock;
    self->holder.depth = fork_depth();
    return Py_NewRef(Py_None);
}

static int is_fresh(const struct lock *self)
{
    if (self->lock)
        PyErr_SetString(PyExc_RuntimeError, "the lock has been made already");
    return !self->lock;
}

static PyObject *lock_create(struct lock *self, PyObject *Py_UNUSED(none))
{
    struct piece piece;
    return is_fresh(self) && piece_new(self->state, &piece) == 0 ? open_lock(self, piece, KITH_CREATE) : NULL;
}

static PyObject *lock_attach(struct lock *self, PyObject *arguments)
{
    struct piece piece;
    PyObject *segment;
    unsigned number;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "OI:_attach", &segment, &number) ||
        piece_attach(self->state, &piece, segment, number) < 0)
        return NULL;
    return open_lock(self, piece, KITH_OPEN);
}

static PyObject *lock_share(struct lock *self, PyObject *Py_UNUSED(none))
{
    return self->lock ? piece_share(&self->piece) : raise_closed("lock");
}

/* A recursive lock that another thread of this process has is on that thread's list in the kernel: its memory must
 * stay, so it is left to the end of the process. */
static void lock_dealloc(struct lock *self)
{
    PyTypeObject *type = Py_TYPE(self);
    holder_settle(&self->holder);
    if (!self->recursive || self->holder.count <= 0 || holder_is_me(&self->holder)) {
        kith_lock_free(self->lock);
        piece_free(self->state, &self->piece);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- acquiring ---- */

static int acquire_call(void *lock, kith_timeout timeout)
{
    return kith_lock_acquire(lock, timeout);
}

static PyObject *acquire(struct lock *self, kith_timeout timeout)
{
    if (holder_is_me(&self->holder) && self->recursive) {
        self->holder.count++;
        Py_RETURN_TRUE;
    }
    int code = kith_lock_acquire(self->lock, KITH_NOWAIT);
    if (code == -ETIMEDOUT && timeout != KITH_NOWAIT)
        code = wait_for(acquire_call, self->lock, timeout);
    if (code == -ETIMEDOUT)
        Py_RETURN_FALSE;
    if (code < 0 && code != KITH_EOWNERDEAD)
        return raise_code(self->state, code);
    self->abandoned = code == KITH_EOWNERDEAD;
    holder_acquired(&self->holder);
    Py_RETURN_TRUE;
}

static PyObject *lock_acquire(struct lock *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    kith_timeout timeout = KITH_FOREVER;
    if ((count > 0 || names) && acquire_arguments(arguments, count, names, &timeout) < 0)
        return NULL;
    return acquire(self, timeout);
}

PyObject *lock_enter(struct lock *self, PyObject *Py_UNUSED(none))
{
    return acquire(self, KITH_FOREVER);
}

static PyObject *release_recursive(struct lock *self)
{
    if (!holder_is_me(&self->holder)) {
        PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
        return NULL;
    }
    int code = self->holder.count > 1 ? 0 : kith_lock_release(self->lock);
    if (code < 0)
        return raise_code(self->state, code);
    self->holder.count--;
    Py_RETURN_NONE;
}

PyObject *lock_release(struct lock *self, PyObject *Py_UNUSED(none))
{
    if (self->recursive)
        return release_recursive(self);
    holder_settle(&self->holder);
    int code = kith_lock_release(self->lock);
    if (code == -EPERM) {
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
        return NULL;
    }
    if (code < 0)
        return raise_code(self->state, code);
    self->holder.count--;
    Py_RETURN_NONE;
}

static PyObject *lock_exit(struct lock *self, PyObject *const *Py_UNUSED(arguments), Py_ssize_t Py_UNUSED(count))
{
    return lock_release(self, NULL);
}

/* ---- looking ---- */

static PyObject *lock_is_mine(struct lock *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(holder_is_me(&self->holder));
}

static PyObject *lock_count(struct lock *self, PyObject *Py_UNUSED(none))
{
    holder_settle(&self->holder);
    return PyLong_FromLong(self->holder.count);
}

static PyObject *lock_get_value(struct lock *self, PyObject *Py_UNUSED(none))
{
    int owner = kith_lock_owner(self->lock);
    return owner < 0 ? raise_code(self->state, owner) : PyLong_FromLong(owner == 0);
}

static PyObject *lock_is_zero(struct lock *self, PyObject *Py_UNUSED(none))
{
    int owner = kith_lock_owner(self->lock);
    return owner < 0 ? raise_code(self->state, owner) : PyBool_FromLong(owner != 0);
}

static PyObject *lock_itself(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self);
}

static PyObject *lock_abandoned(struct lock *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->abandoned);
}

static PyObject *lock_handle(struct lock *self, void *Py_UNUSED(closure))
{
    return self->lock ? PyLong_FromVoidPtr(piece_memory(&self->piece)) : raise_closed("lock");
}

static PyObject *lock_kind(struct lock *self, void *Py_UNUSED(closure))
{
    enum { RECURSIVE_MUTEX, SEMAPHORE }; /* as the standard library calls them */
    return PyLong_FromLong(self->recursive ? RECURSIVE_MUTEX : SEMAPHORE);
}

static PyObject *lock_maxvalue(struct lock *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return PyLong_FromLong(1);
}

static PyMethodDef methods[] = {
    { "acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_FASTCALL | METH_KEYWORDS, ACQUIRE_DOC },
    { "release", (PyCFunction)lock_release, METH_NOARGS, "release(): lets one who waits have it." },
    { "__enter__", (PyCFunction)lock_enter, METH_NOARGS, "Acquires it." },
    { "__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, "Releases it." },
    { "_create", (PyCFunction)lock_create, METH_NOARGS, "_create(): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)lock_attach, METH_VARARGS, "_attach(segment, piece): finds it where _share says." },
    { "_share", (PyCFunction)lock_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    { "_is_mine", (PyCFunction)lock_is_mine, METH_NOARGS, "Whether this thread acquired it last, and has it." },
    { "_count", (PyCFunction)lock_count, METH_NOARGS, "How often this process has acquired it, less its releases." },
    { "_get_value", (PyCFunction)lock_get_value, METH_NOARGS, "1 when nobody has it, else 0." },
    { "_is_zero", (PyCFunction)lock_is_zero, METH_NOARGS, "Whether somebody has it." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "_semlock", lock_itself, NULL, "The lock itself: it has what the standard library's has there.", NULL },
    { "abandoned", (getter)lock_abandoned, NULL,
      "True when the last acquire here found that the owner before had died: what it protects may be half done.",
      NULL },
    { "handle", (getter)lock_handle, NULL, "A number that no other has in this process.", NULL },
    { "kind", (getter)lock_kind, NULL, "RECURSIVE_MUTEX or SEMAPHORE of multiprocessing.synchronize.", NULL },
    { "maxvalue", (getter)lock_maxvalue, NULL, "1, as that of a semaphore which is a lock.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot lock_slots[] = {
    { Py_tp_doc, "A lock that any process may release." },
    { Py_tp_new, (void *)lock_new },
    { Py_tp_dealloc, (void *)lock_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec lock_spec = {
    .name = "kith._kith.Lock",
    .basicsize = sizeof(struct lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = lock_slots,
};

static PyType_Slot rlock_slots[] = {
    { Py_tp_doc, "A lock that its owner, a thread, may acquire again." },
    { Py_tp_new, (void *)lock_new },
    { Py_tp_dealloc, (void *)lock_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec rlock_spec = {
    .name = "kith._kith.RLock",
    .basicsize = sizeof(struct lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = rlock_slots,
};

int lock_add(PyObject *module, struct state *state)
{
    state->lock_type = module_add_type(module, &lock_spec);
    state->rlock_type = state->lock_type ? module_add_type(module, &rlock_spec) : NULL;
    return state->rlock_type ? 0 : -1;
}
