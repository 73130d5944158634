/* event.c: the type Event, on kith_event. */
#include "error.h"
#include "waiting.h"

#include <errno.h>

struct event {
    PyObject_HEAD struct state *state;
    kith_event *event;
};

static PyObject *event_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { NULL };
    struct state *state = state_of_type(type);
    if (!state || !PyArg_ParseTupleAndKeywords(arguments, keywords, ":Event", names)) {
        return NULL;
    }
    struct event *self = (struct event *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->state = state;
    int code = kith_event_new(&self->event);
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(state, code);
    }
    return (PyObject *)self;
}

static void event_dealloc(struct event *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kith_event_free(self->event);
    type->tp_free(self);
    Py_DECREF(type);
}

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
        timeout_of(seconds, &timeout) < 0) {
        return NULL;
    }
    int code = kith_event_is_set(self->event) > 0 ? 0 : wait_for(event_wait_call, self->event, timeout);
    if (code < 0 && code != -ETIMEDOUT) {
        return raise_code(self->state, code);
    }
    return PyBool_FromLong(code == 0);
}

static PyMethodDef methods[] = {
    { "set", (PyCFunction)event_set, METH_NOARGS, "Sets the event, and releases all who wait." },
    { "clear", (PyCFunction)event_clear, METH_NOARGS, "Clears the event: who comes from now on waits." },
    { "is_set", (PyCFunction)event_is_set, METH_NOARGS, "True when the event is set at this instant." },
    { "wait", (PyCFunction)(void (*)(void))event_wait, METH_VARARGS | METH_KEYWORDS,
      "wait(timeout=None): waits until the event is set, at most timeout seconds. Returns whether it was." },
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
