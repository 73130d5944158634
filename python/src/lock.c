/* lock.c: the types Lock and RLock, on kith_lock. */
#include "lock.h"

#include "error.h"

/* ---- making ---- */

static PyObject *lock_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    struct lock *self = (struct lock *)resident_new(type, arguments, keywords);
    if (self) {
        self->recursive = (char)PyType_IsSubtype(type, self->held.resident.state->rlock_type);
    }
    return (PyObject *)self;
}

static int open_lock(struct resident *self, void *memory, kith_open how)
{
    int recursive = ((struct lock *)self)->recursive;
    const kith_lock_options options = { .recursive = recursive, .anyone_releases = !recursive };
    kith_lock *lock;
    int code = kith_lock_in(&lock, memory, how, &options);
    if (code == 0) {
        self->object = lock;
    }
    return code;
}

static PyObject *lock_create(struct resident *self, PyObject *Py_UNUSED(none))
{
    return resident_create(self, open_lock);
}

static PyObject *lock_attach(struct resident *self, PyObject *arguments)
{
    PyObject *segment;
    unsigned number;
    if (!PyArg_ParseTuple(arguments, "OI:_attach", &segment, &number)) {
        return NULL;
    }
    return resident_attach(self, open_lock, segment, number);
}

/* A recursive lock that another thread of this process has is on that thread's list in the kernel: its memory must
 * stay, so it is left to the end of the process. */
static void lock_dealloc(struct lock *self)
{
    held_settle(&self->held);
    if (!self->recursive || self->held.count <= 0 || held_is_mine(&self->held)) {
        kith_lock_free(self->held.resident.object);
    } else {
        self->held.resident.piece = (struct piece){ 0 };
    }
    resident_dealloc(&self->held.resident);
}

/* ---- acquiring ---- */

/* A try waits for nobody: it needs no first one. */
static int try(struct held *held)
{
    return kith_lock_acquire(held->resident.object, KITH_NOWAIT);
}

static int acquire_call(void *lock, kith_timeout timeout)
{
    return kith_lock_acquire(lock, timeout);
}

static PyObject *acquire(struct lock *self, kith_timeout timeout)
{
    struct held *held = &self->held;
    if (held_is_mine(held) && self->recursive) {
        return held_acquired(held);
    }
    int code = timeout == KITH_NOWAIT ? try(held) : held_acquire(held, acquire_call, timeout);
    if (code == -ETIMEDOUT) {
        return Py_NewRef(Py_False);
    }
    if (code < 0 && code != KITH_EOWNERDEAD) {
        return raise_code(held->resident.state, code);
    }
    self->abandoned = code == KITH_EOWNERDEAD;
    return held_acquired(held);
}

static PyObject *lock_acquire(struct lock *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    kith_timeout timeout = KITH_FOREVER;
    if ((count > 0 || names) && acquire_arguments(arguments, count, names, &timeout) < 0) {
        return NULL;
    }
    return acquire(self, timeout);
}

PyObject *lock_enter(struct lock *self, PyObject *Py_UNUSED(none))
{
    return acquire(self, KITH_FOREVER);
}

static int release_recursive(struct held *held)
{
    if (!held_is_mine(held)) {
        PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
        return -EPERM;
    }
    return held->count > 1 ? 0 : kith_lock_release(held->resident.object);
}

static int release(struct held *held)
{
    held_settle(held);
    int code = kith_lock_release(held->resident.object);
    if (code == -EPERM) {
        released_too_often();
    }
    return code;
}

PyObject *lock_release(struct lock *self, PyObject *Py_UNUSED(none))
{
    struct held *held = &self->held;
    int code = self->recursive ? release_recursive(held) : release(held);
    if (code < 0) {
        return raise_code(held->resident.state, code);
    }
    held->count--;
    return Py_NewRef(Py_None);
}

static PyObject *lock_exit(struct lock *self, PyObject *const *Py_UNUSED(arguments), Py_ssize_t Py_UNUSED(count))
{
    return lock_release(self, NULL);
}

/* ---- looking ---- */

/* A semaphore's value, were it one: 1 or 0; or a code. */
static int value_of(const struct lock *self)
{
    int owner = kith_lock_owner(self->held.resident.object);
    return owner < 0 ? owner : owner == 0;
}

static PyObject *lock_get_value(struct lock *self, PyObject *Py_UNUSED(none))
{
    int value = value_of(self);
    return value < 0 ? raise_code(self->held.resident.state, value) : PyLong_FromLong(value);
}

static PyObject *lock_is_zero(struct lock *self, PyObject *Py_UNUSED(none))
{
    int value = value_of(self);
    return value < 0 ? raise_code(self->held.resident.state, value) : PyBool_FromLong(value == 0);
}

static PyObject *lock_abandoned(struct lock *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->abandoned);
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
    { "release", (PyCFunction)lock_release, METH_NOARGS, "release($self, /)\n--\n\nLets one who waits have it." },
    { "__enter__", (PyCFunction)lock_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nAcquires it." },
    { "__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL,
      "__exit__($self, /, *args)\n--\n\nReleases it." },
    { "_create", (PyCFunction)lock_create, METH_NOARGS, "_create(): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)lock_attach, METH_VARARGS, "_attach(segment, piece): finds it where _share says." },
    { "_share", (PyCFunction)resident_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    HELD_METHODS,
    { "_get_value", (PyCFunction)lock_get_value, METH_NOARGS, "1 when nobody has it, else 0." },
    { "_is_zero", (PyCFunction)lock_is_zero, METH_NOARGS, "Whether somebody has it." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    HELD_ATTRIBUTES,
    { "abandoned", (getter)lock_abandoned, NULL,
      "True when the last acquire here found that the owner before had died: what it protects may be half done.",
      NULL },
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
