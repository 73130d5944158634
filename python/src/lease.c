/* lease.c: the type Lease: a message where it lies in the queue's memory, for as long as somebody looks at it.
 *
 * memoryviews and arrays hold it, so it dies with the last of them, and the message is done. It is read-only, for all
 * processes see this memory.
 */
#include "queue.h"

struct lease {
    PyObject_HEAD struct queue *queue; /* counts this as a user */
    const void *data;
    size_t size;
};

PyObject *lease_new(struct queue *queue, const void *data, size_t size)
{
    PyTypeObject *type = (PyTypeObject *)queue->state->lease_type;
    struct lease *self = (struct lease *)type->tp_alloc(type, 0);
    if (!self) {
        kith_queue_finish(queue->queue, data);
        return NULL;
    }
    self->queue = (struct queue *)Py_NewRef((PyObject *)queue);
    self->data = data;
    self->size = size;
    queue->users++;
    return (PyObject *)self;
}

static int lease_traverse(struct lease *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->queue);
    return 0;
}

static void lease_dealloc(struct lease *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    /* A child by fork has this object, too, but the message is its parent's: to finish it fails there, as it should. */
    kith_queue_finish(self->queue->queue, self->data);
    queue_leave(self->queue);
    Py_DECREF(self->queue);
    type->tp_free(self);
    Py_DECREF(type);
}

static int lease_buffer(struct lease *self, Py_buffer *buffer, int flags)
{
    return PyBuffer_FillInfo(buffer, (PyObject *)self, (void *)(uintptr_t)self->data, (Py_ssize_t)self->size, 1, flags);
}

static PyType_Slot slots[] = {
    { Py_tp_doc, "A message in place: read-only bytes. The message is done when this dies." },
    { Py_tp_dealloc, (void *)lease_dealloc },
    { Py_tp_traverse, (void *)lease_traverse }, /* and no clear: who has a queue and a view of it in a cycle has one */
    { Py_bf_getbuffer, (void *)lease_buffer },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Lease",
    .basicsize = sizeof(struct lease),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int lease_add(PyObject *module, struct state *state)
{
    PyTypeObject *type = module_add_type(module, &spec);
    if (type) {
        type->tp_new = NULL; /* made here alone */
    }
    state->lease_type = (PyObject *)type;
    return type ? 0 : -1;
}
