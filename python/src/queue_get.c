/* queue_get.c: objects out of queues.
 *
 * A short message is copied to the machine's stack and read there. A long one is looked at in place with the GIL held,
 * which takes no time; so what is only bytes is copied once, into the object that it becomes. It is not read in place,
 * for to make objects may run Python code (of garbage), which may use this queue.
 */
#include "queue.h"

#include "error.h"
#include "read.h"
#include "waiting.h"

#include <errno.h>
#include <string.h>

enum { SHORT_MAX = 4096 };

struct get {
    kith_queue *queue;
    size_t size;
    const void *data; /* where it lies, of one that is taken in place */
    kith_bytes bytes; /* of one that is allocated */
    unsigned char room[SHORT_MAX];
};

static int get_call(void *context, kith_timeout timeout)
{
    struct get *get = context;
    return kith_queue_get(get->queue, get->room, sizeof get->room, &get->size, timeout);
}

static int get_bytes_call(void *context, kith_timeout timeout)
{
    struct get *get = context;
    return kith_queue_get_bytes(get->queue, &get->bytes, timeout);
}

static int take_call(void *context, kith_timeout timeout)
{
    struct get *get = context;
    return kith_queue_take(get->queue, &get->data, &get->size, timeout);
}

/* Tries a call with the GIL held, and waits in it only if it must. */
static int try_and_wait(waiting_call *call, struct get *get, kith_timeout timeout)
{
    int code = call(get, KITH_AT_ONCE);
    if (code == -EAGAIN || (code == KITH_EEMPTY && timeout != KITH_NOWAIT)) {
        code = wait_watchfully(call, get, timeout);
    }
    return code;
}

/* What a message becomes: an object, or, if it is raw, bytes. */
typedef PyObject *making(struct state *state, const void *data, size_t size, PyObject *owner);

static PyObject *make_raw(struct state *Py_UNUSED(state), const void *data, size_t size, PyObject *owner)
{
    return owner ? PyMemoryView_FromObject(owner) : PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
}

/* ---- long messages ---- */

/* Copies a part of the message that this thread has peeked, and takes it, without the GIL when it is long. */
static int copy_and_take(kith_queue *queue, void *to, const void *from, size_t size)
{
    if (size <= QUEUE_GIL_MAX) {
        memcpy(to, from, size);
        return kith_queue_release(queue, 1);
    }
    PyThreadState *thread = PyEval_SaveThread();
    memcpy(to, from, size);
    int code = kith_queue_release(queue, 1);
    PyEval_RestoreThread(thread);
    return code;
}

/* Makes a bytes object of a part of the message that this thread has peeked, and takes the message. */
static PyObject *take_as_bytes(struct queue *self, const char *data, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    int code =
        bytes ? copy_and_take(self->queue, PyBytes_AS_STRING(bytes), data, size) : kith_queue_release(self->queue, 0);
    if (code < 0) {
        Py_CLEAR(bytes);
        queue_raise(self, code);
    }
    return bytes;
}

/* Makes a block of the message, of which views may be kept, and takes the message. */
static PyObject *take_as_block(struct queue *self, const void *data, size_t size)
{
    PyObject *block = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)size);
    int code = block ? copy_and_take(self->queue, PyByteArray_AS_STRING(block), data, size)
                     : kith_queue_release(self->queue, 0);
    if (code < 0) {
        Py_CLEAR(block);
        queue_raise(self, code);
    }
    return block;
}

/* What this thread has peeked, as an object. */
static PyObject *get_peeked(struct queue *self, const char *data, size_t size, making *make)
{
    size_t begin = 0;
    size_t length = size;
    if (make == make_raw || message_is_bytes(data, size, &begin, &length)) {
        return take_as_bytes(self, data + begin, length);
    }
    PyObject *block = take_as_block(self, data, size);
    PyObject *object = block ? make(self->state, PyByteArray_AS_STRING(block), size, block) : NULL;
    Py_XDECREF(block);
    return object;
}

/* Gets a message that is long; or any other, should somebody else have been quicker. */
static PyObject *get_long(struct queue *self, struct get *get, kith_timeout timeout, making *make)
{
    const void *data;
    size_t size;
    if (kith_queue_peek(self->queue, &data, &size, KITH_AT_ONCE) == 0) {
        return get_peeked(self, data, size, make);
    }
    int code = wait_for(get_bytes_call, get, timeout);
    if (code < 0) {
        return queue_raise_late(self, code, KITH_EEMPTY);
    }
    PyObject *object = make(self->state, get->bytes.data, get->bytes.size, NULL);
    kith_bytes_free(&get->bytes);
    return object;
}

/* ---- any message ---- */

static PyObject *get_copy(struct queue *self, kith_timeout timeout, making *make)
{
    struct get get;
    get.queue = self->queue;
    kith_timeout deadline = deadline_of(timeout);
    int code = try_and_wait(get_call, &get, timeout);
    if (code == 0) {
        return make(self->state, get.room, get.size, NULL);
    }
    return code == -EMSGSIZE ? get_long(self, &get, time_left(deadline), make)
                             : queue_raise_late(self, code, KITH_EEMPTY);
}

/* A message in place: what has buffers, or is bytes, becomes views of it. */
static PyObject *get_in_place(struct queue *self, kith_timeout timeout, making *make)
{
    struct get get;
    get.queue = self->queue;
    int code = try_and_wait(take_call, &get, timeout);
    if (code == -EPERM) { /* this one does not redeliver */
        return get_copy(self, timeout, make);
    }
    if (code < 0) {
        return queue_raise_late(self, code, KITH_EEMPTY);
    }
    PyObject *lease = lease_new(self, get.data, get.size);
    if (!lease) {
        return NULL;
    }
    size_t begin, length;
    PyObject *object;
    if (make == message_read && message_is_bytes(get.data, get.size, &begin, &length)) {
        PyObject *view = PyMemoryView_FromObject(lease);
        object = view ? PySequence_GetSlice(view, (Py_ssize_t)begin, (Py_ssize_t)(begin + length)) : NULL;
        Py_XDECREF(view);
    } else {
        object = make(self->state, get.data, get.size, lease);
    }
    Py_DECREF(lease);
    return object;
}

static PyObject *get_object(struct queue *self, kith_timeout timeout, int copy, making *make)
{
    if (queue_enter(self) < 0) {
        return NULL;
    }
    PyObject *object = copy ? get_copy(self, timeout, make) : get_in_place(self, timeout, make);
    queue_leave(self);
    return object;
}

static PyObject *get_with(const char *function, struct queue *self, PyObject *const *arguments, Py_ssize_t count,
                          PyObject *keywords, making *make)
{
    static const char *const names[] = { "block", "timeout", "copy" };
    PyObject *values[3];
    kith_timeout timeout;
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 2 positional arguments (%zd given)", function, count);
        return NULL;
    }
    if (queue_arguments(function, names, 3, 0, arguments, count, keywords, values) < 0 ||
        queue_timeout(values[0], values[1], &timeout) < 0) {
        return NULL;
    }
    int copy = values[2] ? PyObject_IsTrue(values[2]) : 1;
    return copy < 0 ? NULL : get_object(self, timeout, copy, make);
}

PyObject *queue_get(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    if (count == 0 && !keywords) {
        return get_object(self, KITH_FOREVER, 1, message_read);
    }
    return get_with("get", self, arguments, count, keywords, message_read);
}

PyObject *queue_get_bytes(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return get_with("get_bytes", self, arguments, count, keywords, make_raw);
}

PyObject *queue_get_nowait(struct queue *self, PyObject *Py_UNUSED(none))
{
    return get_object(self, KITH_NOWAIT, 1, message_read);
}

PyObject *queue_get_simple(struct queue *self, PyObject *Py_UNUSED(none))
{
    return get_object(self, KITH_FOREVER, 1, message_read);
}

/* ---- many at once ---- */

/* An exception after some objects were got says which: else they were lost. */
static void keep_objects(PyObject *objects)
{
    PyObject *exception = PyErr_GetRaisedException();
    if (PyObject_SetAttrString(exception, "objects", objects) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exception);
}

/* Gets one more into the list. Returns 1; 0 when there is none; -1 with an exception. */
static int get_next(struct queue *self, PyObject *objects, kith_timeout timeout)
{
    PyObject *object = get_object(self, timeout, 1, message_read);
    if (object) {
        int code = PyList_Append(objects, object);
        Py_DECREF(object);
        return code < 0 ? -1 : 1;
    }
    if (PyList_GET_SIZE(objects) == 0) {
        return -1;
    }
    if (PyErr_ExceptionMatches(self->state->empty) || PyErr_ExceptionMatches(self->state->shut_down)) {
        PyErr_Clear();
        return 0;
    }
    keep_objects(objects);
    return -1;
}

PyObject *queue_get_many(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "most", "block", "timeout" };
    PyObject *values[3];
    kith_timeout timeout;
    if (queue_arguments("get_many", names, 3, 1, arguments, count, keywords, values) < 0 ||
        queue_timeout(values[1], values[2], &timeout) < 0) {
        return NULL;
    }
    Py_ssize_t most = PyNumber_AsSsize_t(values[0], PyExc_OverflowError);
    if (most < 1) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "get_many() gets at least 1");
        }
        return NULL;
    }
    PyObject *objects = PyList_New(0);
    int code = objects ? get_next(self, objects, timeout) : -1;
    while (code > 0 && PyList_GET_SIZE(objects) < most) {
        code = get_next(self, objects, KITH_NOWAIT);
    }
    if (code < 0) {
        Py_CLEAR(objects);
    }
    return objects;
}
