/* queue_put.c: objects into queues.
 *
 * An object is made a message first, which may run its code; then the message is put, by which none runs. So what can't
 * be pickled is told to who puts it, and a queue may be used while something is pickled for it.
 */
#include "queue.h"

#include "waiting.h"
#include "write.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct put {
    kith_queue *queue;
    const struct message *message;
};

static int put_call(void *context, kith_timeout timeout)
{
    const struct put *put = context;
    const struct message *message = put->message;
    if (message->cut_count == 0) {
        return kith_queue_put(put->queue, message->data, message->used, timeout);
    }
    void *room;
    int code = kith_queue_reserve(put->queue, message->size, &room, timeout);
    if (code == 0) {
        message_copy(message, room);
        code = kith_queue_commit(put->queue, message->size);
    }
    return code;
}

/* Puts a message, and clears it. Returns None. */
static PyObject *put_message(struct queue *self, struct message *message, kith_timeout timeout)
{
    int code = -EAGAIN;
    if (queue_enter(self) < 0) {
        message_clear(message);
        return NULL;
    }
    struct put put = { self->queue, message };
    if (message->size <= QUEUE_GIL_MAX) {
        code = put_call(&put, KITH_AT_ONCE);
    }
    if (code == -EAGAIN || (code == KITH_EFULL && timeout != KITH_NOWAIT)) {
        code = wait_for(put_call, &put, timeout);
    }
    self->used = 1;
    if (code < 0) {
        queue_raise_late(self, code, KITH_EFULL);
    }
    queue_leave(self);
    message_clear(message);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

/* A class that handles the errors of stock's feeder thread is told of what can't be pickled, instead of the caller. */
static PyObject *tell_hook(struct queue *self, PyObject *object)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *wanted = PyObject_GetAttrString((PyObject *)self, "_has_error_hook");
    PyErr_Clear();
    PyObject *result = NULL;
    if (wanted == Py_True && PyErr_GivenExceptionMatches(exception, PyExc_Exception)) {
        result = PyObject_CallMethod((PyObject *)self, "_on_queue_feeder_error", "OO", exception, object);
        Py_XDECREF(result);
        result = result ? Py_NewRef(Py_None) : NULL;
        Py_DECREF(exception);
    } else {
        PyErr_SetRaisedException(exception);
    }
    Py_XDECREF(wanted);
    return result;
}

static PyObject *put_object(struct queue *self, PyObject *object, kith_timeout timeout)
{
    struct message message;
    if (queue_enter(self) < 0) {
        return NULL;
    }
    queue_leave(self); /* to pickle may close it */
    if (message_write(self->state, object, BUFFERS_BESIDE, &message) < 0) {
        return tell_hook(self, object);
    }
    return put_message(self, &message, timeout);
}

PyObject *queue_put(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "obj", "block", "timeout" };
    PyObject *values[3];
    kith_timeout timeout = KITH_FOREVER;
    if (count == 1 && !keywords) {
        return put_object(self, arguments[0], KITH_FOREVER);
    }
    if (queue_arguments("put", names, 3, 1, arguments, count, keywords, values) < 0 ||
        queue_timeout(values[1], values[2], &timeout) < 0) {
        return NULL;
    }
    return put_object(self, values[0], timeout);
}

static PyObject *put_alone(struct queue *self, const char *function, PyObject *const *arguments, Py_ssize_t count,
                           PyObject *keywords, kith_timeout timeout)
{
    static const char *const names[] = { "obj" };
    PyObject *object;
    int code = queue_arguments(function, names, 1, 1, arguments, count, keywords, &object);
    return code < 0 ? NULL : put_object(self, object, timeout);
}

PyObject *queue_put_nowait(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return put_alone(self, "put_nowait", arguments, count, keywords, KITH_NOWAIT);
}

PyObject *queue_put_simple(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    return put_alone(self, "put", arguments, count, keywords, KITH_FOREVER);
}

PyObject *queue_put_bytes(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "data", "block", "timeout" };
    PyObject *values[3];
    kith_timeout timeout;
    struct message message;
    if (queue_arguments("put_bytes", names, 3, 1, arguments, count, keywords, values) < 0 ||
        queue_timeout(values[1], values[2], &timeout) < 0 || message_of_bytes(values[0], &message) < 0) {
        return NULL;
    }
    return put_message(self, &message, timeout);
}

/* ---- room ---- */

struct room {
    kith_queue *queue;
    size_t size;
};

static int room_call(void *context, kith_timeout timeout)
{
    const struct room *room = context;
    void *data;
    int code = kith_queue_reserve(room->queue, room->size, &data, timeout);
    return code < 0 ? code : kith_queue_cancel(room->queue);
}

PyObject *queue_wait_for_room(struct queue *self, PyObject *arguments)
{
    Py_ssize_t size;
    PyObject *seconds;
    kith_timeout timeout;
    if (!PyArg_ParseTuple(arguments, "nO:_wait_for_room", &size, &seconds) || timeout_of(seconds, &timeout) < 0 ||
        queue_enter(self) < 0) {
        return NULL;
    }
    struct room room = { self->queue, (size_t)size };
    int code = wait_for(room_call, &room, timeout);
    PyObject *result =
        code < 0 && code != KITH_EFULL && code != -EBUSY ? queue_raise(self, code) : PyBool_FromLong(code == 0);
    queue_leave(self);
    return result;
}

/* ---- many at once ---- */

/* Messages one behind the other. */
struct batch {
    kith_message *messages;
    unsigned char *data;
    size_t size, capacity;
};

static void batch_free(struct batch *batch)
{
    PyMem_Free(batch->messages);
    PyMem_Free(batch->data);
}

/* Adds a message behind the others: until the batch is put, `data` of it is where it begins, for all may move. */
static int batch_add(struct batch *batch, size_t number, const struct message *message)
{
    size_t wanted = batch->size + message->size;
    if (wanted > batch->capacity || !batch->data) {
        size_t capacity = wanted * 2;
        unsigned char *data = PyMem_Realloc(batch->data, capacity);
        if (!data) {
            PyErr_NoMemory();
            return -1;
        }
        batch->data = data;
        batch->capacity = capacity;
    }
    message_copy(message, batch->data + batch->size);
    batch->messages[number].size = message->size;
    batch->size = wanted;
    return 0;
}

static int batch_write(struct batch *batch, struct state *state, PyObject *const *objects, size_t count)
{
    batch->messages = PyMem_Calloc(count, sizeof *batch->messages);
    if (!batch->messages) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct message message;
        if (message_write(state, objects[i], BUFFERS_BESIDE, &message) < 0) {
            return -1;
        }
        int code = batch_add(batch, i, &message);
        message_clear(&message);
        if (code < 0) {
            return -1;
        }
    }
    const unsigned char *data = batch->data;
    for (size_t i = 0; i < count; i++) {
        batch->messages[i].data = data;
        data += batch->messages[i].size;
    }
    return 0;
}

struct put_many {
    kith_queue *queue;
    const kith_message *messages;
    size_t count;
};

static int put_many_call(void *context, kith_timeout timeout)
{
    const struct put_many *put = context;
    unsigned count = put->count < INT_MAX ? (unsigned)put->count : INT_MAX;
    return kith_queue_put_many(put->queue, put->messages, count, timeout);
}

/* Puts them all, or as many as can be put. Returns how many; or a negative code when none was put, or -EINTR, with an
 * exception, when a signal handler raised one. */
static Py_ssize_t put_batch(struct put_many *put, kith_timeout timeout)
{
    kith_timeout deadline = deadline_of(timeout);
    size_t count = put->count;
    int code = 0;
    while (put->count > 0 && code >= 0) {
        code = wait_for(put_many_call, put, time_left(deadline));
        if (code > 0) {
            put->messages += code;
            put->count -= (size_t)code;
        }
    }
    size_t done = count - put->count;
    return code < 0 && (done == 0 || code == -EINTR) ? code : (Py_ssize_t)done;
}

PyObject *queue_put_many(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "objects", "block", "timeout" };
    PyObject *values[3];
    kith_timeout timeout;
    struct batch batch = { NULL, NULL, 0, 0 };
    if (queue_arguments("put_many", names, 3, 1, arguments, count, keywords, values) < 0 ||
        queue_timeout(values[1], values[2], &timeout) < 0) {
        return NULL;
    }
    /* A tuple, for pickling may change a list. */
    PyObject *objects = PySequence_Tuple(values[0]);
    PyObject *result = NULL;
    if (objects && PyTuple_GET_SIZE(objects) == 0) {
        result = PyLong_FromLong(0);
    } else if (objects &&
               batch_write(&batch, self->state, PySequence_Fast_ITEMS(objects), (size_t)PyTuple_GET_SIZE(objects)) ==
                   0 &&
               queue_enter(self) == 0) {
        struct put_many put = { self->queue, batch.messages, (size_t)PyTuple_GET_SIZE(objects) };
        Py_ssize_t done = put_batch(&put, timeout);
        self->used = 1;
        result = done < 0 ? queue_raise_late(self, (int)done, KITH_EFULL) : PyLong_FromSsize_t(done);
        queue_leave(self);
    }
    batch_free(&batch);
    Py_XDECREF(objects);
    return result;
}
