/* queue.h: the types Queue and SimpleQueue, on kith_queue. They differ in what Python sees; both are a struct queue.
 *
 * A call on the handle is between queue_enter and queue_leave, so that the handle is closed only when no thread is in a
 * call, and nobody has a view of a message in place (lease.c).
 */
#ifndef KITH_PYTHON_QUEUE_H
#define KITH_PYTHON_QUEUE_H

#include "module.h"

struct message;

struct queue {
    PyObject_HEAD struct state *state;
    kith_queue *queue; /* NULL: not made yet, or closed */
    size_t users;      /* calls and leases that need the handle */
    int closed;        /* close() was called: when the last user leaves, the handle goes */
    int used;          /* something was put by this process: see queue_empty */
    int simple;        /* a SimpleQueue: it says that it is closed as a connection does */
    int last_size;     /* of a queue that was closed, at that time; */
    int last_full;     /* and whether it was full */
};

/* Begins a call. Returns 0, and queue_leave is due; or -1 with an exception when the queue is closed. */
int queue_enter(struct queue *self);
void queue_leave(struct queue *self);

/* The exception for a code of a call on the queue. `late` is what it means that another process is in the middle of
 * such a call and does not go on, for it was stopped: KITH_EFULL or KITH_EEMPTY; to stock, that is no more than being
 * late. Returns NULL. */
void *queue_raise(struct queue *self, int code);
void *queue_raise_late(struct queue *self, int code, int late);

/* The arguments block and timeout, as one. Returns 0, or -1 with an exception. */
int queue_timeout(PyObject *block, PyObject *seconds, kith_timeout *timeout);

/* For connections, too. Where each of `count` names is among the arguments of a METH_FASTCALL | METH_KEYWORDS call; NULL
 * for what is not given. At least `needed` must be. Returns 0, or -1 with a TypeError. */
int queue_arguments(const char *function, const char *const *names, size_t count, size_t needed,
                    PyObject *const *arguments, Py_ssize_t given, PyObject *keywords, PyObject **values);

/* What is put up to this many bytes, or got, is copied with the GIL held: it costs less than to release it. */
enum { QUEUE_GIL_MAX = 65536 };

/* queue_put.c and queue_get.c: methods. */
PyObject *queue_put(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_put_nowait(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_put_simple(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_put_bytes(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_wait_for_room(struct queue *self, PyObject *arguments);
PyObject *queue_put_many(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_get(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_get_nowait(struct queue *self, PyObject *none);
PyObject *queue_get_simple(struct queue *self, PyObject *none);
PyObject *queue_get_bytes(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);
PyObject *queue_get_many(struct queue *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);

/* lease.c: a message that kith_queue_take gave, as an object with the buffer protocol. When it dies, the message is
 * done. The caller has entered the queue, and leaves it as usual. NULL with an exception: the message is done then,
 * too. */
PyObject *lease_new(struct queue *queue, const void *data, size_t size);

#endif
