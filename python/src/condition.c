/* condition.c: the type Condition, on kith_condition, with a Lock or an RLock of Python's. */
#include "error.h"
#include "lock.h"
#include "waiting.h"

#include <errno.h>
#include <limits.h>

struct condition {
    PyObject_HEAD struct state *state;
    kith_condition *condition; /* NULL until it has been made or attached */
    struct lock *lock;         /* NULL with it */
};

/* ---- making ---- */

static PyObject *condition_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct condition *self = state ? (struct condition *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
    }
    return (PyObject *)self;
}

/* The lock that the condition is to have. NULL with an exception. */
static struct lock *lock_for(const struct condition *self, PyObject *lock)
{
    if (self->condition) {
        PyErr_SetString(PyExc_RuntimeError, "the condition has been made already");
    } else if (!PyObject_TypeCheck(lock, self->state->lock_type) &&
               !PyObject_TypeCheck(lock, self->state->rlock_type)) {
        PyErr_Format(PyExc_TypeError, "a condition needs a Lock or an RLock of kith's, not %R", lock);
    } else if (!((struct lock *)lock)->held.resident.object) {
        raise_closed("lock");
    } else {
        return (struct lock *)lock;
    }
    return NULL;
}

static PyObject *condition_create(struct condition *self, PyObject *argument)
{
    struct lock *lock = lock_for(self, argument);
    if (!lock) {
        return NULL;
    }
    int code = kith_condition_new(&self->condition, lock->held.resident.object);
    if (code < 0) {
        return raise_code(self->state, code);
    }
    self->lock = (struct lock *)Py_NewRef(argument);
    return Py_NewRef(Py_None);
}

static PyObject *condition_attach(struct condition *self, PyObject *arguments)
{
    PyObject *argument;
    int fd;
    if (!PyArg_ParseTuple(arguments, "Oi:_attach", &argument, &fd)) {
        return NULL;
    }
    struct lock *lock = lock_for(self, argument);
    if (!lock) {
        return NULL;
    }
    int code = kith_condition_from_fd(&self->condition, fd, lock->held.resident.object);
    if (code < 0) {
        return raise_code(self->state, code);
    }
    self->lock = (struct lock *)Py_NewRef(argument);
    return Py_NewRef(Py_None);
}

static int condition_traverse(struct condition *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->lock);
    return 0;
}

static int condition_clear(struct condition *self)
{
    kith_condition_free(self->condition);
    self->condition = NULL;
    Py_CLEAR(self->lock);
    return 0;
}

static void condition_dealloc(struct condition *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    condition_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- the lock ---- */

static PyObject *condition_enter(struct condition *self, PyObject *none)
{
    return self->lock ? lock_enter(self->lock, none) : raise_closed("condition");
}

static PyObject *condition_exit(struct condition *self, PyObject *const *Py_UNUSED(arguments),
                                Py_ssize_t Py_UNUSED(count))
{
    return self->lock ? lock_release(self->lock, NULL) : raise_closed("condition");
}

/* Whether this thread has the lock; else there is an AssertionError. */
static int is_owner(struct condition *self, const char *complaint)
{
    if (!self->lock) {
        raise_closed("condition");
    } else if (!held_is_mine(&self->lock->held)) {
        PyErr_SetString(PyExc_AssertionError, complaint);
    } else {
        return 1;
    }
    return 0;
}

/* ---- waiting ---- */

static int wait_call(void *condition, kith_timeout timeout)
{
    return kith_condition_wait(condition, timeout);
}

static PyObject *condition_wait(struct condition *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "timeout", NULL };
    PyObject *seconds = NULL;
    kith_timeout timeout;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:wait", names, &seconds) ||
        timeout_of(seconds, &timeout) < 0 || !is_owner(self, "must acquire() condition before using wait()")) {
        return NULL;
    }
    /* Meanwhile others of this process may have the lock, through the same object. */
    struct lock *lock = self->lock;
    const struct held before = lock->held;
    lock->held.count = 0;
    struct waiting waiting;
    int code = wait_in_place(wait_call, self->condition, timeout, &waiting);
    lock->held.thread = before.thread;
    lock->held.count = before.count;
    if (code == KITH_EOWNERDEAD) {
        lock->abandoned = 1;
        code = 0;
    }
    /* It may have been notified while a handler raised an exception. */
    if (PyErr_Occurred() || (code < 0 && code != -ETIMEDOUT)) {
        return raise_code(self->state, code);
    }
    return PyBool_FromLong(code == 0);
}

static PyObject *notify(struct condition *self, unsigned count)
{
    if (!is_owner(self, "lock is not owned")) {
        return NULL;
    }
    int code = kith_condition_notify(self->condition, count);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *condition_notify(struct condition *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "n", NULL };
    Py_ssize_t count = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|n:notify", names, &count)) {
        return NULL;
    }
    return notify(self, count < 0 ? 0 : count > INT_MAX ? INT_MAX : (unsigned)count);
}

static PyObject *condition_notify_all(struct condition *self, PyObject *Py_UNUSED(none))
{
    return notify(self, INT_MAX);
}

static PyObject *condition_waiting(struct condition *self, PyObject *Py_UNUSED(none))
{
    int count = kith_condition_waiting(self->condition);
    return count < 0 ? raise_code(self->state, count) : PyLong_FromLong(count);
}

static PyObject *condition_fd(struct condition *self, PyObject *Py_UNUSED(none))
{
    int fd = kith_condition_share_fd(self->condition);
    return fd < 0 ? raise_code(self->state, fd) : PyLong_FromLong(fd);
}

static PyObject *condition_lock(struct condition *self, void *Py_UNUSED(closure))
{
    return self->lock ? Py_NewRef((PyObject *)self->lock) : raise_closed("condition");
}

static PyMethodDef methods[] = {
    { "wait", (PyCFunction)(void (*)(void))condition_wait, METH_VARARGS | METH_KEYWORDS,
      "wait($self, /, timeout=None)\n--\n\nGives the lock up, waits to be notified, at most timeout seconds, and takes "
      "the lock back.\n"
      "Returns whether it was notified." },
    { "notify", (PyCFunction)(void (*)(void))condition_notify, METH_VARARGS | METH_KEYWORDS,
      "notify($self, /, n=1)\n--\n\nNotifies those who have waited longest, n at most." },
    { "notify_all", (PyCFunction)condition_notify_all, METH_NOARGS,
      "notify_all($self, /)\n--\n\nNotifies all who wait." },
    { "__enter__", (PyCFunction)condition_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nAcquires the lock." },
    { "__exit__", (PyCFunction)(void (*)(void))condition_exit, METH_FASTCALL,
      "__exit__($self, /, *args)\n--\n\nReleases the lock." },
    { "_create", (PyCFunction)condition_create, METH_O, "_create(lock): makes it." },
    { "_attach", (PyCFunction)condition_attach, METH_VARARGS,
      "_attach(lock, fd): opens the one that a descriptor stands for, which stays the caller's." },
    { "_share_fd", (PyCFunction)condition_fd, METH_NOARGS, "_share_fd(): its descriptor, which is its own." },
    { "_waiting", (PyCFunction)condition_waiting, METH_NOARGS, "_waiting(): how many wait at this instant." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "_lock", (getter)condition_lock, NULL, "Its lock.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A condition: threads of all processes wait until another one notifies them." },
    { Py_tp_new, (void *)condition_new },
    { Py_tp_dealloc, (void *)condition_dealloc },
    { Py_tp_traverse, (void *)condition_traverse },
    { Py_tp_clear, (void *)condition_clear },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Condition",
    .basicsize = sizeof(struct condition),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int condition_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
