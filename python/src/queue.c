/* queue.c: the types Queue and SimpleQueue: how they are made, looked at and closed. Putting and getting is in
 * queue_put.c and queue_get.c. The classes of kith/queues.py derive from these and give them their place among the
 * standard library's: contexts, pickling to children, asyncio.
 */
#include "queue.h"

#include "error.h"
#include "waiting.h"

#include <errno.h>
#include <string.h>

/* ---- what all methods use ---- */

static void *raise_queue_closed(struct queue *self)
{
    if (self->simple) {
        PyErr_SetString(PyExc_OSError, "handle is closed");
    } else {
        PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    }
    return NULL;
}

int queue_enter(struct queue *self)
{
    if (!self->queue || self->closed) {
        raise_queue_closed(self);
        return -1;
    }
    self->users++;
    return 0;
}

static void close_handle(struct queue *self)
{
    kith_queue *queue = self->queue;
    self->queue = NULL;
    kith_queue_free(queue);
}

void queue_leave(struct queue *self)
{
    if (--self->users == 0 && self->closed) {
        close_handle(self);
    }
}

void *queue_raise(struct queue *self, int code)
{
    if (code == KITH_ECLOSED && !PyErr_Occurred()) {
        PyErr_SetString(self->state->shut_down, "the queue is shut down");
        return NULL;
    }
    return raise_code(self->state, code);
}

void *queue_raise_late(struct queue *self, int code, int late)
{
    return queue_raise(self, code == -EBUSY ? late : code);
}

int queue_timeout(PyObject *block, PyObject *seconds, kith_timeout *timeout)
{
    int waits = block ? PyObject_IsTrue(block) : 1;
    if (waits < 0) {
        return -1;
    }
    *timeout = KITH_NOWAIT;
    return waits ? timeout_of(seconds, timeout) : 0;
}

/* Gives a keyword's value its place. */
static int take_keyword(const char *function, const char *const *names, size_t count, PyObject *name, PyObject *value,
                        PyObject **values)
{
    for (size_t i = 0; i < count; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            if (!values[i]) {
                values[i] = value;
                return 0;
            }
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, name);
            return -1;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
    return -1;
}

int queue_arguments(const char *function, const char *const *names, size_t count, size_t needed,
                    PyObject *const *arguments, Py_ssize_t given, PyObject *keywords, PyObject **values)
{
    if ((size_t)given > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zu arguments (%zd given)", function, count, given);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = i < (size_t)given ? arguments[i] : NULL;
    }
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        if (take_keyword(function, names, count, PyTuple_GET_ITEM(keywords, i), arguments[given + i], values) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < needed; i++) {
        if (!values[i]) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function, names[i]);
            return -1;
        }
    }
    return 0;
}

/* ---- made and closed ---- */

static PyObject *queue_make(PyTypeObject *type, int simple)
{
    struct state *state = state_of_type(type);
    struct queue *self = state ? (struct queue *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
        self->simple = simple;
    }
    return (PyObject *)self;
}

static PyObject *queue_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    return queue_make(type, 0);
}

static PyObject *simple_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    return queue_make(type, 1);
}

static void queue_dealloc(struct queue *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kith_queue_free(self->queue);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *queue_adopt(struct queue *self, kith_queue *queue, int code)
{
    if (code < 0) {
        return raise_code(self->state, code);
    }
    kith_queue_free(self->queue);
    self->queue = queue;
    return Py_NewRef(Py_None);
}

static int is_made(struct queue *self)
{
    if (self->queue) {
        PyErr_SetString(PyExc_RuntimeError, "the queue is made already");
    }
    return self->queue != NULL;
}

static PyObject *queue_create(struct queue *self, PyObject *arguments)
{
    Py_ssize_t items, bytes, deliveries;
    int redeliver;
    const char *name;
    kith_queue *queue = NULL;
    if (is_made(self) || !PyArg_ParseTuple(arguments, "nnpnz", &items, &bytes, &redeliver, &deliveries, &name)) {
        return NULL;
    }
    if (deliveries < 0 || deliveries > KITH_QUEUE_DELIVERIES_MAX) {
        return PyErr_Format(PyExc_ValueError, "max_deliveries must be 0 to %d", KITH_QUEUE_DELIVERIES_MAX);
    }
    kith_queue_options options = {
        .max_items = items <= 0 || items > (Py_ssize_t)KITH_QUEUE_ITEMS_MAX ? 0 : (uint64_t)items,
        .max_bytes = bytes <= 0 ? 0 : (uint64_t)bytes,
        .redeliver = redeliver,
        .max_deliveries = (unsigned)deliveries,
    };
    int code = name ? kith_queue_open(&queue, name, KITH_OPEN_OR_CREATE, &options) : kith_queue_new(&queue, &options);
    return queue_adopt(self, queue, code);
}

static PyObject *queue_attach(struct queue *self, PyObject *arguments)
{
    int fd;
    kith_queue *queue = NULL;
    if (is_made(self) || !PyArg_ParseTuple(arguments, "i", &fd)) {
        return NULL;
    }
    int code = kith_queue_from_fd(&queue, fd);
    return queue_adopt(self, queue, code);
}

static PyObject *queue_close(struct queue *self, PyObject *Py_UNUSED(none))
{
    if (!self->closed && self->queue) {
        self->closed = 1;
        self->last_size = kith_queue_qsize(self->queue);
        self->last_full = kith_queue_full(self->queue);
        self->users++;
        queue_leave(self);
    }
    return Py_NewRef(Py_None);
}

static PyObject *queue_unlink(PyObject *module, PyObject *arguments)
{
    struct state *state = PyModule_GetState(module);
    const char *name;
    if (!PyArg_ParseTuple(arguments, "s:unlink_queue", &name)) {
        return NULL;
    }
    int code = kith_queue_unlink(name);
    return code < 0 ? raise_code(state, code) : Py_NewRef(Py_None);
}

/* ---- looking ---- */

static int has_handle(const struct queue *self)
{
    int has = self->queue && !self->closed;
    if (!has) {
        PyErr_SetString(PyExc_OSError, "handle is closed");
    }
    return has;
}

/* What a call that does not wait returns; -1 with an exception. */
static int look(struct queue *self, int (*call)(const kith_queue *))
{
    if (!has_handle(self)) {
        return -1;
    }
    int code = call(self->queue);
    if (code < 0) {
        queue_raise(self, code);
    }
    return code;
}

/* Stock's queue is closed by its feeder thread: one that nothing was put into has none, and can still be looked at. */
static PyObject *queue_empty(struct queue *self, PyObject *Py_UNUSED(none))
{
    if (self->closed && !self->used && !self->simple) {
        return PyBool_FromLong(self->last_size == 0);
    }
    int empty = look(self, kith_queue_empty);
    return empty < 0 ? NULL : PyBool_FromLong(empty);
}

static PyObject *queue_full(struct queue *self, PyObject *Py_UNUSED(none))
{
    if (self->closed) {
        return PyBool_FromLong(self->last_full);
    }
    int full = look(self, kith_queue_full);
    return full < 0 ? NULL : PyBool_FromLong(full);
}

static PyObject *queue_qsize(struct queue *self, PyObject *Py_UNUSED(none))
{
    if (self->closed) {
        return PyLong_FromLong(self->last_size);
    }
    int size = look(self, kith_queue_qsize);
    return size < 0 ? NULL : PyLong_FromLong(size);
}

static PyObject *queue_stats(struct queue *self, PyObject *Py_UNUSED(none))
{
    kith_queue_stats stats;
    if (queue_enter(self) < 0) {
        return NULL;
    }
    int code = kith_queue_get_stats(self->queue, &stats);
    queue_leave(self);
    if (code < 0) {
        return queue_raise(self, code);
    }
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsKsKsKsKsN}", "puts", stats.puts, "gets", stats.gets, "put_waits",
                         stats.put_waits, "get_waits", stats.get_waits, "items", stats.items, "bytes", stats.bytes,
                         "unfinished", stats.unfinished, "items_high", stats.items_high, "bytes_high", stats.bytes_high,
                         "memory", stats.memory, "redelivered", stats.redelivered, "poisoned", stats.poisoned, "shut",
                         PyBool_FromLong(stats.shut));
}

/* ---- waiting ---- */

/* Looks whether a get would find something, and takes nothing. */
static int poll_call(void *context, kith_timeout timeout)
{
    const void *data;
    size_t size;
    int code = kith_queue_peek(context, &data, &size, timeout);
    return code == 0 ? kith_queue_release(context, 0) : code;
}

static PyObject *queue_poll(struct queue *self, PyObject *arguments)
{
    PyObject *seconds = NULL;
    kith_timeout timeout = KITH_NOWAIT;
    if (!PyArg_ParseTuple(arguments, "|O:_poll", &seconds) || (seconds && timeout_of(seconds, &timeout) < 0)) {
        return NULL;
    }
    if (!has_handle(self)) {
        return NULL;
    }
    self->users++;
    int code = kith_queue_empty(self->queue);
    code = code == 0 ? 0 : timeout == KITH_NOWAIT ? KITH_EEMPTY : wait_for(poll_call, self->queue, timeout);
    queue_leave(self);
    if (code < 0 && code != KITH_EEMPTY && code != KITH_ECLOSED) {
        return queue_raise(self, code);
    }
    return PyBool_FromLong(code != KITH_EEMPTY); /* who gets from one that is shut need not wait */
}

/* Does a call that needs nothing but the handle, without the GIL. Returns what it returned; or -1 with an exception,
 * for -EPERM a ValueError of this text, if there is one. */
static int call_handle(struct queue *self, waiting_call *call, kith_timeout timeout, const char *not_permitted)
{
    if (queue_enter(self) < 0) {
        return -1;
    }
    int code = wait_for(call, self->queue, timeout);
    queue_leave(self);
    if (code == -EPERM && not_permitted) {
        PyErr_SetString(PyExc_ValueError, not_permitted);
    } else if (code < 0) {
        queue_raise(self, code);
    }
    return code < 0 ? -1 : code;
}

static int join_call(void *context, kith_timeout timeout)
{
    return kith_queue_join(context, timeout);
}

static PyObject *queue_join(struct queue *self, PyObject *Py_UNUSED(none))
{
    return call_handle(self, join_call, KITH_FOREVER, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static int task_done_call(void *context, kith_timeout Py_UNUSED(timeout))
{
    return kith_queue_task_done(context);
}

static PyObject *queue_task_done(struct queue *self, PyObject *Py_UNUSED(none))
{
    int code = call_handle(self, task_done_call, KITH_NOWAIT, "task_done() called too many times");
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

static int deliveries_call(void *context, kith_timeout Py_UNUSED(timeout))
{
    return kith_queue_deliveries(context);
}

static PyObject *queue_deliveries(struct queue *self, PyObject *Py_UNUSED(none))
{
    int count = call_handle(self, deliveries_call, KITH_NOWAIT,
                            "this thread has no unfinished message of a queue that redelivers");
    return count < 0 ? NULL : PyLong_FromLong(count);
}

static int shut_call(void *context, kith_timeout Py_UNUSED(timeout))
{
    return kith_queue_shut(context);
}

static PyObject *queue_shut(struct queue *self, PyObject *Py_UNUSED(none))
{
    return call_handle(self, shut_call, KITH_NOWAIT, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- descriptors ---- */

static PyObject *queue_fileno(struct queue *self, PyObject *Py_UNUSED(none))
{
    if (!has_handle(self)) {
        return NULL;
    }
    int fd = kith_queue_fd(self->queue);
    return fd < 0 ? queue_raise(self, fd) : PyLong_FromLong(fd);
}

static PyObject *queue_share_fd(struct queue *self, PyObject *Py_UNUSED(none))
{
    int fd = look(self, kith_queue_share_fd);
    return fd < 0 ? NULL : PyLong_FromLong(fd);
}

static PyObject *queue_is_closed(struct queue *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->closed);
}

/* ---- the types ---- */

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef queue_methods[] = {
    { "put", FAST(queue_put),
      "put($self, obj, block=True, timeout=None)\n--\n\n"
      "Puts an object. Waits while the queue is full, at most timeout seconds, or not at all, and raises queue.Full\n"
      "then. When it returns the object is in shared memory, and outlives this process. What can't be pickled is told\n"
      "here, and nothing was put." },
    { "put_nowait", FAST(queue_put_nowait),
      "put_nowait($self, /, obj)\n--\n\nPuts an object, or raises queue.Full at once." },
    { "put_bytes", FAST(queue_put_bytes),
      "put_bytes($self, data, block=True, timeout=None)\n--\n\n"
      "Puts a message of these bytes as they are, for who gets bytes, too: get_bytes(), or a C program." },
    { "put_many", FAST(queue_put_many),
      "put_many($self, objects, block=True, timeout=None)\n--\n\n"
      "Puts many objects, which costs less than one by one. All are pickled before the first is put. Returns how many\n"
      "were put: the first ones of them, when time was over or the queue was shut meanwhile; queue.Full or ShutDown "
      "is\n"
      "raised when none was." },
    { "get", FAST(queue_get),
      "get($self, block=True, timeout=None, *, copy=True)\n--\n\n"
      "Gets an object. Waits while the queue is empty, at most timeout seconds, or not at all, and raises queue.Empty\n"
      "then. copy=False, of a queue that redelivers: what is bytes, or has buffers, as arrays of numpy, comes as\n"
      "read-only views of shared memory. The message is done when the last of them dies; at once when it has none." },
    { "get_nowait", (PyCFunction)queue_get_nowait, METH_NOARGS,
      "get_nowait($self, /)\n--\n\nGets an object, or raises queue.Empty at once." },
    { "get_bytes", FAST(queue_get_bytes),
      "get_bytes($self, block=True, timeout=None, *, copy=True)\n--\n\n"
      "Gets a message as bytes, as it is; with copy=False, of a queue that redelivers, as a read-only memoryview." },
    { "get_many", FAST(queue_get_many),
      "get_many($self, most, block=True, timeout=None)\n--\n\n"
      "Gets as many objects as are there, at most so many, as a list. Waits for the first as get() does, and for no\n"
      "other. When one can't be unpickled, the exception has those before it in its attribute `objects`." },
    { "qsize", (PyCFunction)queue_qsize, METH_NOARGS,
      "qsize($self, /)\n--\n\nHow many objects are queued at this instant; with redeliver, without those that were "
      "got." },
    { "empty", (PyCFunction)queue_empty, METH_NOARGS,
      "empty($self, /)\n--\n\nTrue when nothing is queued at this instant." },
    { "full", (PyCFunction)queue_full, METH_NOARGS,
      "full($self, /)\n--\n\nTrue when the queue has reached a bound at this instant." },
    { "task_done", (PyCFunction)queue_task_done, METH_NOARGS,
      "task_done($self, /)\n--\n\n"
      "Says that an object that was got is done with; with redeliver, the one that this thread has had longest.\n"
      "ValueError when it is said more often than something was put." },
    { "join", (PyCFunction)queue_join, METH_NOARGS, "join($self, /)\n--\n\nWaits until all that was put is done." },
    { "deliveries", (PyCFunction)queue_deliveries, METH_NOARGS,
      "deliveries($self, /)\n--\n\n"
      "How often the object that this thread got last has been delivered: more than once when it comes from a getter\n"
      "that died. ValueError when the queue does not redeliver, or this thread has finished all that it got." },
    { "shut", (PyCFunction)queue_shut, METH_NOARGS,
      "shut($self, /)\n--\n\n"
      "Ends putting, for all processes and for ever. Who puts has queue.ShutDown raised (kith.queues.ShutDown before\n"
      "Python 3.13), and so has who gets when all is drained." },
    { "stats", (PyCFunction)queue_stats, METH_NOARGS,
      "stats($self, /)\n--\n\n"
      "What has happened on the queue since it was made, by all processes, as a dict: see kith_queue_stats." },
    { "close", (PyCFunction)queue_close, METH_NOARGS,
      "close($self, /)\n--\n\nEnds this process's use of the queue. What is queued stays for the others." },
    { "_create", (PyCFunction)queue_create, METH_VARARGS, NULL },
    { "_attach", (PyCFunction)queue_attach, METH_VARARGS, NULL },
    { "_poll", (PyCFunction)queue_poll, METH_VARARGS, NULL },
    { "_wait_for_room", (PyCFunction)queue_wait_for_room, METH_VARARGS,
      "_wait_for_room($self, size, timeout)\n--\n\nWhether there was room for a message of so many bytes, in time." },
    { "_fileno", (PyCFunction)queue_fileno, METH_NOARGS, NULL },
    { "_share_fd", (PyCFunction)queue_share_fd, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyMethodDef simple_methods[] = {
    { "put", FAST(queue_put_simple),
      "put($self, /, obj)\n--\n\nPuts an object: it is in shared memory then. What can't be pickled is told here." },
    { "get", (PyCFunction)queue_get_simple, METH_NOARGS, "get($self, /)\n--\n\nWaits for an object, and gets it." },
    { "empty", (PyCFunction)queue_empty, METH_NOARGS,
      "empty($self, /)\n--\n\nTrue when nothing is queued at this instant." },
    { "close", (PyCFunction)queue_close, METH_NOARGS,
      "close($self, /)\n--\n\nEnds this process's use of the queue. What is queued stays for the others." },
    { "put_bytes", FAST(queue_put_bytes), "put_bytes($self, data)\n--\n\nPuts a message that is a pickle." },
    { "get_bytes", FAST(queue_get_bytes), "get_bytes($self)\n--\n\nGets a message as it is." },
    { "_create", (PyCFunction)queue_create, METH_VARARGS, NULL },
    { "_attach", (PyCFunction)queue_attach, METH_VARARGS, NULL },
    { "_poll", (PyCFunction)queue_poll, METH_VARARGS, NULL },
    { "_fileno", (PyCFunction)queue_fileno, METH_NOARGS, NULL },
    { "_share_fd", (PyCFunction)queue_share_fd, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef getters[] = {
    { "_closed", (getter)queue_is_closed, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot queue_slots[] = {
    { Py_tp_doc, "A queue of objects between processes." },
    { Py_tp_new, (void *)queue_new },
    { Py_tp_dealloc, (void *)queue_dealloc },
    { Py_tp_methods, queue_methods },
    { Py_tp_getset, getters },
    { 0, NULL },
};

static PyType_Slot simple_slots[] = {
    { Py_tp_doc, "A queue of objects between processes, with the least that a queue must have." },
    { Py_tp_new, (void *)simple_new },
    { Py_tp_dealloc, (void *)queue_dealloc },
    { Py_tp_methods, simple_methods },
    { Py_tp_getset, getters },
    { 0, NULL },
};

static PyType_Spec queue_spec = {
    .name = "kith._kith.Queue",
    .basicsize = sizeof(struct queue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = queue_slots,
};

static PyType_Spec simple_spec = {
    .name = "kith._kith.SimpleQueue",
    .basicsize = sizeof(struct queue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = simple_slots,
};

static PyMethodDef functions[] = {
    { "unlink_queue", queue_unlink, METH_VARARGS, "unlink_queue(name): takes a queue's name away." },
    { NULL, NULL, 0, NULL },
};

/* queue.ShutDown, which Python has from 3.13 on, or one like it. */
static PyObject *find_shut_down(void)
{
    PyObject *exception = module_import("queue", "ShutDown");
    if (!exception && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        exception = PyErr_NewExceptionWithDoc("kith.queues.ShutDown", "The queue was shut.", NULL, NULL);
    }
    return exception;
}

int queue_add(PyObject *module, struct state *state)
{
    state->shut_down = find_shut_down();
    if (!state->shut_down || PyModule_AddObjectRef(module, "ShutDown", state->shut_down) < 0) {
        return -1;
    }
    PyType_Spec *const specs[] = { &queue_spec, &simple_spec };
    for (size_t i = 0; i < 2; i++) {
        PyTypeObject *type = module_add_type(module, specs[i]);
        if (!type) {
            return -1;
        }
        Py_DECREF(type);
    }
    return PyModule_AddFunctions(module, functions);
}
