/* barrier.c: the type Barrier, on kith_barrier. */
#include "error.h"
#include "waiting.h"

#include <errno.h>

struct barrier {
    PyObject_HEAD struct state *state;
    kith_barrier *barrier; /* NULL until it has been made or attached */
    PyObject *action;      /* called without arguments by the last to come; or NULL */
};

/* A wait that is going on in this thread: what the action needs that the library calls in the middle of it. */
struct visit {
    kith_barrier *barrier;
    PyObject *action;
    struct waiting *waiting;
};

static _Thread_local struct visit *visiting;

/* ---- making ---- */

static PyObject *barrier_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct barrier *self = state ? (struct barrier *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
    }
    return (PyObject *)self;
}

/* As kith_barrier_options has it: in the thread that came last, without the GIL. */
static int act(void *Py_UNUSED(context))
{
    struct visit *visit = visiting;
    waiting_resume(visit->waiting);
    PyObject *result = PyObject_CallNoArgs(visit->action);
    Py_XDECREF(result);
    visiting = visit; /* it may have been at another barrier */
    waiting_pause(visit->waiting);
    return !result;
}

/* Keeps what kith_barrier_new or kith_barrier_from_fd made. */
static PyObject *made(struct barrier *self, int code, PyObject *action)
{
    if (code < 0) {
        return raise_code(self->state, code);
    }
    if (action != Py_None) {
        self->action = Py_NewRef(action);
    }
    return Py_NewRef(Py_None);
}

static kith_barrier_options options_for(PyObject *action)
{
    return (kith_barrier_options){ .action = action == Py_None ? NULL : act };
}

static int is_fresh(const struct barrier *self)
{
    if (self->barrier) {
        PyErr_SetString(PyExc_RuntimeError, "the barrier has been made already");
    }
    return !self->barrier;
}

static PyObject *barrier_create(struct barrier *self, PyObject *arguments)
{
    int parties;
    PyObject *action;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "iO:_create", &parties, &action)) {
        return NULL;
    }
    if (parties < 0) { /* kith_barrier_new would tell of a large one */
        return PyErr_Format(PyExc_ValueError, "%d parties: give 1 to 4096", parties);
    }
    const kith_barrier_options options = options_for(action);
    return made(self, kith_barrier_new(&self->barrier, (unsigned)parties, &options), action);
}

static PyObject *barrier_attach(struct barrier *self, PyObject *arguments)
{
    int fd;
    PyObject *action;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "iO:_attach", &fd, &action)) {
        return NULL;
    }
    const kith_barrier_options options = options_for(action);
    return made(self, kith_barrier_from_fd(&self->barrier, fd, &options), action);
}

static int barrier_traverse(struct barrier *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->action);
    return 0;
}

static int barrier_clear(struct barrier *self)
{
    Py_CLEAR(self->action);
    return 0;
}

static void barrier_dealloc(struct barrier *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    barrier_clear(self);
    kith_barrier_free(self->barrier);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- waiting ---- */

static int wait_call(void *context, kith_timeout timeout)
{
    struct visit *visit = context;
    return kith_barrier_wait(visit->barrier, timeout);
}

static PyObject *barrier_wait(struct barrier *self, PyObject *argument)
{
    kith_timeout timeout;
    if (timeout_of(argument, &timeout) < 0) {
        return NULL;
    }
    struct waiting waiting;
    struct visit visit = { self->barrier, self->action, &waiting }, *outer = visiting;
    Py_XINCREF(visit.action);
    visiting = &visit;
    int code = wait_in_place(wait_call, &visit, timeout, &waiting);
    visiting = outer;
    Py_XDECREF(visit.action);
    if (PyErr_Occurred()) { /* by the action; or by a signal handler, also when all have come meanwhile */
        return NULL;
    }
    if (code == -ETIMEDOUT) {
        code = KITH_EBROKEN;
    }
    if (code < 0) {
        return raise_code(self->state, code);
    }
    /* The library counts down: the last to come has 0. */
    return PyLong_FromLong(kith_barrier_parties(self->barrier) - 1 - code);
}

/* A call that may find another process stopped in the middle of its own, and then waits a second for it. */
static int without_gil(int (*call)(kith_barrier *), kith_barrier *barrier)
{
    PyThreadState *thread = PyEval_SaveThread();
    int code = call(barrier);
    PyEval_RestoreThread(thread);
    return code;
}

static PyObject *barrier_reset(struct barrier *self, PyObject *Py_UNUSED(none))
{
    int code = without_gil(kith_barrier_reset, self->barrier);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *barrier_abort(struct barrier *self, PyObject *Py_UNUSED(none))
{
    int code = without_gil(kith_barrier_abort, self->barrier);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *barrier_share_fd(struct barrier *self, PyObject *Py_UNUSED(none))
{
    int fd = kith_barrier_share_fd(self->barrier);
    return fd < 0 ? raise_code(self->state, fd) : PyLong_FromLong(fd);
}

static PyObject *barrier_parties(struct barrier *self, void *Py_UNUSED(closure))
{
    int count = kith_barrier_parties(self->barrier);
    return count < 0 ? raise_code(self->state, count) : PyLong_FromLong(count);
}

static PyObject *barrier_waiting(struct barrier *self, void *Py_UNUSED(closure))
{
    int count = without_gil(kith_barrier_waiting, self->barrier);
    return count < 0 ? raise_code(self->state, count) : PyLong_FromLong(count);
}

static PyObject *barrier_broken(struct barrier *self, void *Py_UNUSED(closure))
{
    int broken = without_gil(kith_barrier_broken, self->barrier);
    return broken < 0 ? raise_code(self->state, broken) : PyBool_FromLong(broken);
}

static PyMethodDef methods[] = {
    { "_wait", (PyCFunction)barrier_wait, METH_O,
      "_wait(timeout): waits until all parties have come; returns how many came before. When one is out of time or\n"
      "dies, the others are told at once: BrokenBarrierError." },
    { "reset", (PyCFunction)barrier_reset, METH_NOARGS,
      "reset($self, /)\n--\n\nMakes a broken barrier whole. Those who wait get BrokenBarrierError." },
    { "abort", (PyCFunction)barrier_abort, METH_NOARGS,
      "abort($self, /)\n--\n\nBreaks the barrier, for all who wait or come." },
    { "_create", (PyCFunction)barrier_create, METH_VARARGS, "_create(parties, action): makes it; action may be None." },
    { "_attach", (PyCFunction)barrier_attach, METH_VARARGS,
      "_attach(fd, action): opens the one that a descriptor stands for, which stays the caller's." },
    { "_share_fd", (PyCFunction)barrier_share_fd, METH_NOARGS, "_share_fd(): its descriptor, which is its own." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "parties", (getter)barrier_parties, NULL, "How many wait for each other.", NULL },
    { "n_waiting", (getter)barrier_waiting, NULL, "How many of them wait at this instant.", NULL },
    { "broken", (getter)barrier_broken, NULL, "Whether the barrier is broken at this instant.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A barrier: a number of threads of all processes wait for each other, again and again." },
    { Py_tp_new, (void *)barrier_new },
    { Py_tp_dealloc, (void *)barrier_dealloc },
    { Py_tp_traverse, (void *)barrier_traverse },
    { Py_tp_clear, (void *)barrier_clear },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Barrier",
    .basicsize = sizeof(struct barrier),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int barrier_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
