/* event.c: the type Event, on kith_event. */
#include "arena.h"
#include "error.h"
#include "waiting.h"

#include <errno.h>

struct event {
    PyObject_HEAD struct state *state;
    kith_event *event; /* NULL until it has been made or attached */
    struct piece piece;
};

/* ---- making ---- */

static PyObject *event_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct event *self = state ? (struct event *)type->tp_alloc(type, 0) : NULL;
    if (self)
        self->state = state;
    return (PyObject *)self;
}

/* Opens or makes the event in its piece, which goes if that fails. */
static PyObject *open_event(struct event *self, struct piece piece, kith_open how)
{
    kith_event *event;
    int code = kith_event_in(&event, piece_memory(&piece), how);
    if (code < 0) {
        raise_code(self->state, code);
        piece_free(self->state, &piece);
        return NULL;
    }
    self->piece = piece;
    self->event = event;
    return Py_NewRef(Py_None);
}

static int is_fresh(const struct event *self)
{
    if (self->event)
        PyErr_SetString(PyExc_RuntimeError, "the event has been made already");
    return !self->event;
}

static PyObject *event_create(struct event *self, PyObject *Py_UNUSED(none))
{
    struct piece piece;
    return is_fresh(self) && piece_new(self->state, &piece) == 0 ? open_event(self, piece, KITH_CREATE) : NULL;
}

static PyObject *event_attach(struct event *self, PyObject *arguments)
{
    struct piece piece;
    PyObject *segment;
    unsigned number;
    if (!is_fresh(self) || !PyArg_ParseTuple(arguments, "OI:_attach", &segment, &number) ||
        piece_attach(self->state, &piece, segment, number) < 0)
        return NULL;
    return open_event(self, piece, KITH_OPEN);
}

static PyObject *event_share(struct event *self, PyObject *Py_UNUSED(none))
{
    return self->event ? piece_share(&self->piece) : raise_closed("event");
}

static void event_dealloc(struct event *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kith_event_free(self->event);
    piece_free(self->state, &self->piece);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- setting and waiting ---- */

static PyObject *event_set(struct event *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_set(self->event);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *event_clear(struct event *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_clear(self->event);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *event_is_set(struct event *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_is_set(self->event);
    return code < 0 ? raise_code(self->state, code) : PyBool_FromLong(code);
}

static int event_wait_call(void *context, kith_timeout timeout)
{
    return kith_event_wait(context, timeout);
}

static PyObject *event_wait(struct event *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "timeout", NULL };
    PyObject *seconds = NULL;
    kith_timeout timeout;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:wait", names, &seconds) ||
        timeout_of(seconds, &timeout) < 0)
        return NULL;
    int code = kith_event_is_set(self->event) > 0 ? 0 : wait_for(event_wait_call, self->event, timeout);
    if (code < 0 && code != -ETIMEDOUT)
        return raise_code(self->state, code);
    return PyBool_FromLong(code == 0);
}

static PyMethodDef methods[] = {
    { "set", (PyCFunction)event_set, METH_NOARGS, "set(): sets the event, and releases all who wait." },
    { "clear", (PyCFunction)event_clear, METH_NOARGS, "clear(): who comes from now on waits." },
    { "is_set", (PyCFunction)event_is_set, METH_NOARGS, "is_set(): whether the event is set at this instant." },
    { "wait", (PyCFunction)(void (*)(void))event_wait, METH_VARARGS | METH_KEYWORDS,
      "wait(timeout=None): waits until the event is set, at most timeout seconds. Returns whether it was." },
    { "_create", (PyCFunction)event_create, METH_NOARGS, "_create(): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)event_attach, METH_VARARGS, "_attach(segment, piece): finds it where _share says." },
    { "_share", (PyCFunction)event_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "An event: it is set or it is not, and threads of all processes wait until it is." },
    { Py_tp_new, (void *)event_new },
    { Py_tp_dealloc, (void *)event_dealloc },
    { Py_tp_methods, methods },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Event",
    .basicsize = sizeof(struct event),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int event_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
