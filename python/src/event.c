/* event.c: the type Event, on kith_event. */
#include "error.h"
#include "resident.h"
#include "waiting.h"

#include <errno.h>

/* ---- making ---- */

static int open_event(struct resident *self, void *memory, kith_open how)
{
    kith_event *event;
    int code = kith_event_in(&event, memory, how);
    if (code == 0) {
        self->object = event;
    }
    return code;
}

static PyObject *event_create(struct resident *self, PyObject *Py_UNUSED(none))
{
    return resident_create(self, open_event);
}

static PyObject *event_attach(struct resident *self, PyObject *arguments)
{
    PyObject *segment;
    unsigned number;
    if (!PyArg_ParseTuple(arguments, "OI:_attach", &segment, &number)) {
        return NULL;
    }
    return resident_attach(self, open_event, segment, number);
}

static void event_dealloc(struct resident *self)
{
    kith_event_free(self->object);
    resident_dealloc(self);
}

/* ---- setting and waiting ---- */

static PyObject *event_set(struct resident *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_set(self->object);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *event_clear(struct resident *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_clear(self->object);
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

static PyObject *event_is_set(struct resident *self, PyObject *Py_UNUSED(none))
{
    int code = kith_event_is_set(self->object);
    return code < 0 ? raise_code(self->state, code) : PyBool_FromLong(code);
}

static int wait_call(void *event, kith_timeout timeout)
{
    return kith_event_wait(event, timeout);
}

static PyObject *event_wait(struct resident *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "timeout", NULL };
    PyObject *seconds = NULL;
    kith_timeout timeout;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:wait", names, &seconds) ||
        timeout_of(seconds, &timeout) < 0) {
        return NULL;
    }
    int code = kith_event_is_set(self->object) > 0 ? 0 : wait_watchfully(wait_call, self->object, timeout);
    if (code < 0 && code != -ETIMEDOUT) {
        return raise_code(self->state, code);
    }
    return PyBool_FromLong(code == 0);
}

static PyMethodDef methods[] = {
    { "set", (PyCFunction)event_set, METH_NOARGS, "set($self, /)\n--\n\nSets the event, and releases all who wait." },
    { "clear", (PyCFunction)event_clear, METH_NOARGS, "clear($self, /)\n--\n\nWho comes from now on waits." },
    { "is_set", (PyCFunction)event_is_set, METH_NOARGS,
      "is_set($self, /)\n--\n\nWhether the event is set at this instant." },
    { "wait", (PyCFunction)(void (*)(void))event_wait, METH_VARARGS | METH_KEYWORDS,
      "wait($self, /, timeout=None)\n--\n\nWaits until the event is set, at most timeout seconds. Returns whether it "
      "was." },
    { "_create", (PyCFunction)event_create, METH_NOARGS, "_create(): makes it, in memory of this process's arenas." },
    { "_attach", (PyCFunction)event_attach, METH_VARARGS, "_attach(segment, piece): finds it where _share says." },
    { "_share", (PyCFunction)resident_share, METH_NOARGS, "_share(): where it is, for _attach in another process." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "An event: it is set or it is not, and threads of all processes wait until it is." },
    { Py_tp_new, (void *)resident_new },
    { Py_tp_dealloc, (void *)event_dealloc },
    { Py_tp_methods, methods },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Event",
    .basicsize = sizeof(struct resident),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int event_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
