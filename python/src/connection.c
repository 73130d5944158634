/* connection.c: the type Connection: one end of a pipe through shared memory (pipe.c), or of whatever has a descriptor
 * (frames.c).
 *
 * Python's class kith.connection.Connection derives from this and from the standard library's: so an instance is one of
 * that, too, and has its private methods; those that programs use are here. */
#include "connection.h"

#include "error.h"
#include "frames.h"
#include "queue.h"
#include "read.h"
#include "waiting.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- making and ending ---- */

static PyObject *connection_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords))
{
    struct state *state = state_of_type(type);
    struct connection *self = state ? (struct connection *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
        self->handle = -1;
    }
    return (PyObject *)self;
}

/* One end that is made already, of a pipe or of a descriptor. NULL with an exception: then that is closed. */
static PyObject *make(PyTypeObject *type, kith_connection *connection, int readable, int writable)
{
    kith_connection_share share;
    struct connection *self = (struct connection *)connection_new(type, NULL, NULL);
    int code = self ? kith_connection_get_share(connection, &share) : 0;
    if (!self || code < 0) {
        kith_connection_free(connection);
        Py_XDECREF(self);
        return self ? raise_code(self->state, code) : NULL;
    }
    self->readable = (char)readable;
    self->writable = (char)writable;
    if (share.in >= 0 || share.out >= 0) {
        self->pipe = pipe_new(self->state, connection);
    } else { /* there was no shared memory for it */
        self->handle = fcntl(share.socket, F_DUPFD_CLOEXEC, 0);
        if (self->handle < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
        }
        kith_connection_free(connection);
    }
    if (!self->pipe && self->handle < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *connection_pair(PyTypeObject *type, PyObject *duplex)
{
    kith_connection *first, *second;
    int both = PyObject_IsTrue(duplex);
    struct state *state = state_of_type(type);
    if (both < 0 || !state) {
        return NULL;
    }
    int code = kith_pipe(&first, &second, &(kith_pipe_options){ .one_way = !both, .shared_memory = 1 });
    if (code < 0) {
        return raise_code(state, code);
    }
    PyObject *one = make(type, first, 1, both), *other = make(type, second, both, 1);
    if (one && other) {
        return Py_BuildValue("(NN)", one, other);
    }
    Py_XDECREF(one);
    Py_XDECREF(other);
    return NULL;
}

static PyObject *connection_share(struct connection *self, PyObject *Py_UNUSED(none))
{
    kith_connection_share share = { self->handle, -1, -1 };
    if (connection_check_open(self) < 0 || (self->pipe && pipe_share(self->pipe, &share) < 0)) {
        return NULL;
    }
    return Py_BuildValue("(iii)", share.socket, share.in, share.out);
}

static PyObject *connection_from_share(PyTypeObject *type, PyObject *arguments)
{
    kith_connection *connection;
    kith_connection_share share;
    int readable, writable;
    struct state *state = state_of_type(type);
    if (!state || !PyArg_ParseTuple(arguments, "(iii)pp", &share.socket, &share.in, &share.out, &readable, &writable)) {
        return NULL;
    }
    int code = kith_connection_from_share(&connection, &share);
    return code < 0 ? raise_code(state, code) : make(type, connection, readable, writable);
}

static int connection_init(struct connection *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "handle", "readable", "writable", NULL };
    int handle, readable = 1, writable = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|pp:Connection", names, &handle, &readable, &writable)) {
        return -1;
    }
    if (handle < 0) {
        PyErr_SetString(PyExc_ValueError, "invalid handle");
        return -1;
    }
    if (!readable && !writable) {
        PyErr_SetString(PyExc_ValueError, "at least one of `readable` and `writable` must be True");
        return -1;
    }
    self->handle = handle;
    self->readable = (char)readable;
    self->writable = (char)writable;
    return 0;
}

/* Closes the end, if it is not closed. Returns 0, or -1 with errno. */
static int end(struct connection *self)
{
    int handle = self->handle;
    struct pipe *pipe = self->pipe;
    self->handle = -1;
    self->pipe = NULL;
    if (pipe) {
        pipe_close(pipe);
    }
    if (handle < 0) {
        return 0;
    }
    PyThreadState *thread = PyEval_SaveThread(); /* of a socket that lingers, close may take its time */
    int code = close(handle);
    PyEval_RestoreThread(thread);
    return code;
}

/* As __del__: so the one of the standard library's class is not called. */
static void connection_finalize(struct connection *self)
{
    PyObject *exception = PyErr_GetRaisedException();
    end(self);
    PyErr_SetRaisedException(exception);
}

static void connection_dealloc(struct connection *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->pipe) {
        pipe_close(self->pipe);
    }
    if (self->handle >= 0) {
        close(self->handle);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *connection_close(struct connection *self, PyObject *Py_UNUSED(none))
{
    return end(self) < 0 ? PyErr_SetFromErrno(PyExc_OSError) : Py_NewRef(Py_None);
}

static PyObject *connection_enter(struct connection *self, PyObject *Py_UNUSED(none))
{
    return Py_NewRef((PyObject *)self);
}

static PyObject *connection_exit(struct connection *self, PyObject *Py_UNUSED(arguments))
{
    return PyObject_CallMethod((PyObject *)self, "close", NULL);
}

/* ---- what may be done ---- */

int connection_check_open(const struct connection *self)
{
    if (self->handle < 0 && !self->pipe) {
        PyErr_SetString(PyExc_OSError, "handle is closed");
        return -1;
    }
    return 0;
}

static int check_readable(const struct connection *self)
{
    if (connection_check_open(self) < 0) {
        return -1;
    }
    if (!self->readable) {
        PyErr_SetString(PyExc_OSError, "connection is write-only");
        return -1;
    }
    return 0;
}

static int check_writable(const struct connection *self)
{
    if (connection_check_open(self) < 0) {
        return -1;
    }
    if (!self->writable) {
        PyErr_SetString(PyExc_OSError, "connection is read-only");
        return -1;
    }
    return 0;
}

/* A message came that is too long for who asked: it is not read, so nothing behind it can be. Returns NULL. */
static void *bad_length(struct connection *self)
{
    if (self->writable) {
        self->readable = 0;
    } else {
        end(self);
    }
    PyErr_SetString(PyExc_OSError, "bad message length");
    return NULL;
}

/* ---- sending ---- */

static int send_message(struct connection *self, const struct message *message)
{
    return self->pipe ? pipe_send(self->pipe, message) : frames_write(self->handle, message);
}

static PyObject *connection_send(struct connection *self, PyObject *const *arguments, Py_ssize_t count,
                                 PyObject *keywords)
{
    static const char *const names[] = { "obj" };
    struct message message;
    PyObject *object;
    if (queue_arguments("send", names, 1, 1, arguments, count, keywords, &object) < 0 || check_writable(self) < 0 ||
        message_write(self->state, object, BUFFERS_INSIDE, &message) < 0) {
        return NULL;
    }
    int code = connection_check_open(self); /* pickling may have closed it */
    if (code == 0) {
        code = send_message(self, &message);
    }
    message_clear(&message);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

/* Which part of a buffer is meant. Returns 0, or -1 with an exception. */
static int check_part(Py_ssize_t length, Py_ssize_t offset, PyObject *size_or_none, Py_ssize_t *size)
{
    const char *why = NULL;
    *size = length - offset;
    if (offset < 0) {
        why = "offset is negative";
    } else if (length < offset) {
        why = "buffer length < offset";
    } else if (size_or_none != Py_None) {
        *size = PyNumber_AsSsize_t(size_or_none, PyExc_OverflowError);
        if (*size == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (*size < 0) {
            why = "size is negative";
        } else if (*size > length - offset) {
            why = "buffer length < offset + size";
        }
    }
    if (why) {
        PyErr_SetString(PyExc_ValueError, why);
    }
    return why ? -1 : 0;
}

static PyObject *connection_send_bytes(struct connection *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "buf", "offset", "size", NULL };
    Py_buffer view;
    Py_ssize_t offset = 0, size;
    PyObject *size_or_none = Py_None;
    if (check_writable(self) < 0 ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|nO:send_bytes", names, &view, &offset, &size_or_none)) {
        return NULL;
    }
    int code = check_part(view.len, offset, size_or_none, &size);
    if (code == 0) {
        struct message part = { .data = (unsigned char *)view.buf + offset,
                                .used = (size_t)size,
                                .size = (size_t)size };
        code = send_message(self, &part);
    }
    PyBuffer_Release(&view);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- receiving ---- */

/* Begins to receive. Returns 0, and end_receiving is due, with the same pipe; or -1 with an exception. */
static int begin_receiving(struct connection *self, struct pipe **pipe)
{
    *pipe = self->pipe;
    return self->pipe ? pipe_receive_begin(self->pipe) : 0;
}

static void end_receiving(struct pipe *pipe)
{
    if (pipe) {
        pipe_receive_end(pipe);
    }
}

/* Receives a message if it has at most *size bytes. Returns 0, with its length in *size; 1 when it has more: so many
 * bytes, for receive_rest; -1 with an exception. */
static int receive(struct connection *self, struct pipe *pipe, void *room, uint64_t *size)
{
    uint64_t capacity = *size;
    if (pipe) {
        return pipe_receive(pipe, room, size);
    }
    if (frames_read_size(self->handle, size) < 0) {
        return -1;
    }
    return *size > capacity ? 1 : frames_read_data(self->handle, room, (Py_ssize_t)*size);
}

/* Receives a message that needs *size bytes, into as many. Returns as receive: of a pipe, another process may have been
 * quicker, and now a longer or shorter one has come. */
static int receive_rest(struct connection *self, struct pipe *pipe, void *data, uint64_t *size)
{
    return pipe ? pipe_receive(pipe, data, size) : frames_read_data(self->handle, data, (Py_ssize_t)*size);
}

/* Returns a message of so many bytes, as bytes. */
static PyObject *read_rest(struct connection *self, struct pipe *pipe, uint64_t size)
{
    int code = 1;
    PyObject *bytes = NULL;
    while (code == 1) {
        if (size > PY_SSIZE_T_MAX) {
            return bad_length(self);
        }
        uint64_t capacity = size;
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        code = bytes ? receive_rest(self, pipe, PyBytes_AS_STRING(bytes), &size) : -1;
        if (code != 0) {
            Py_CLEAR(bytes);
        } else if (size < capacity) {
            _PyBytes_Resize(&bytes, (Py_ssize_t)size);
        }
    }
    return bytes;
}

/* The stack's memory is enough for most messages. Memory for a longer one is kept for the next, up to some size: else
 * the allocator takes it from the system, and gives it back, each time, which takes longer than the message. */
enum { SHORT = 2048, SPARE_MAX = 4 << 20 };

/* Returns memory for so many bytes, as bytes, of which nobody else knows. */
static PyObject *spare_take(struct state *state, uint64_t size)
{
    PyObject *spare = state->spare;
    state->spare = NULL;
    if (spare && (uint64_t)PyBytes_GET_SIZE(spare) >= size) {
        return spare;
    }
    Py_XDECREF(spare);
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
}

static void spare_give(struct state *state, PyObject *spare)
{
    if (spare && !state->spare && PyBytes_GET_SIZE(spare) <= SPARE_MAX) {
        state->spare = spare;
    } else {
        Py_XDECREF(spare);
    }
}

/* Receives a message of so many bytes into memory that spare_give takes back, or NULL, with an exception. */
static PyObject *spare_read_rest(struct connection *self, struct pipe *pipe, uint64_t *size)
{
    int code = 1;
    PyObject *spare = NULL;
    while (code == 1) {
        Py_XDECREF(spare);
        if (*size > PY_SSIZE_T_MAX) {
            return bad_length(self);
        }
        spare = spare_take(self->state, *size);
        code = spare ? receive_rest(self, pipe, PyBytes_AS_STRING(spare), size) : -1;
    }
    if (code < 0) {
        Py_CLEAR(spare);
    }
    return spare;
}

/* What unpickling runs may receive from this connection, too: so it is done when receiving has ended. */
static PyObject *connection_recv(struct connection *self, PyObject *Py_UNUSED(none))
{
    struct pipe *pipe;
    char room[SHORT];
    uint64_t size = sizeof room;
    if (check_readable(self) < 0 || begin_receiving(self, &pipe) < 0) {
        return NULL;
    }
    int code = receive(self, pipe, room, &size);
    PyObject *spare = code == 1 ? spare_read_rest(self, pipe, &size) : NULL;
    end_receiving(pipe);
    if (code == 0) {
        return message_read(self->state, room, (size_t)size, NULL);
    }
    PyObject *object = NULL;
    if (spare) {
        object = message_read(self->state, PyBytes_AS_STRING(spare), (size_t)size, NULL);
        spare_give(self->state, spare);
    }
    return object;
}

/* Returns a message of at most limit bytes, as bytes. */
static PyObject *read_bytes(struct connection *self, struct pipe *pipe, uint64_t limit)
{
    char room[SHORT];
    uint64_t size = limit < sizeof room ? limit : sizeof room;
    int code = receive(self, pipe, room, &size);
    if (code <= 0) {
        return code < 0 ? NULL : PyBytes_FromStringAndSize(room, (Py_ssize_t)size);
    }
    return size > limit ? bad_length(self) : read_rest(self, pipe, size);
}

static PyObject *connection_recv_bytes(struct connection *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "maxlength", NULL };
    struct pipe *pipe;
    PyObject *limit_or_none = Py_None;
    Py_ssize_t limit = PY_SSIZE_T_MAX;
    if (check_readable(self) < 0 ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:recv_bytes", names, &limit_or_none)) {
        return NULL;
    }
    if (limit_or_none != Py_None) {
        limit = PyNumber_AsSsize_t(limit_or_none, NULL);
        if (limit == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (limit < 0) {
            PyErr_SetString(PyExc_ValueError, "negative maxlength");
            return NULL;
        }
    }
    if (begin_receiving(self, &pipe) < 0) {
        return NULL;
    }
    PyObject *bytes = read_bytes(self, pipe, (uint64_t)limit);
    end_receiving(pipe);
    return bytes;
}

/* Receives a message of at most `length` bytes. Returns its length. */
static PyObject *read_into(struct connection *self, struct pipe *pipe, char *room, Py_ssize_t length)
{
    uint64_t size = (uint64_t)length;
    int code = receive(self, pipe, room, &size);
    if (code <= 0) {
        return code < 0 ? NULL : PyLong_FromUnsignedLongLong(size);
    }
    PyObject *bytes = read_rest(self, pipe, size);
    if (bytes) {
        PyErr_SetObject(self->state->buffer_too_short, bytes);
        Py_DECREF(bytes);
    }
    return NULL;
}

static PyObject *connection_recv_bytes_into(struct connection *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "buf", "offset", NULL };
    struct pipe *pipe;
    Py_buffer view;
    Py_ssize_t offset = 0;
    PyObject *size = NULL;
    if (check_readable(self) < 0 ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "w*|n:recv_bytes_into", names, &view, &offset)) {
        return NULL;
    }
    if (offset < 0) {
        PyErr_SetString(PyExc_ValueError, "negative offset");
    } else if (offset > view.len) {
        PyErr_SetString(PyExc_ValueError, "offset too large");
    } else if (begin_receiving(self, &pipe) == 0) {
        size = read_into(self, pipe, (char *)view.buf + offset, view.len - offset);
        end_receiving(pipe);
    }
    PyBuffer_Release(&view);
    return size;
}

static PyObject *connection_poll(struct connection *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "timeout", NULL };
    PyObject *seconds = NULL;
    kith_timeout timeout = KITH_NOWAIT;
    if (check_readable(self) < 0 || !PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:poll", names, &seconds) ||
        (seconds && timeout_of(seconds, &timeout) < 0)) {
        return NULL;
    }
    int ready = self->pipe ? pipe_poll(self->pipe, timeout) : frames_poll(self->handle, timeout);
    return ready < 0 ? NULL : PyBool_FromLong(ready);
}

/* ---- looking ---- */

static PyObject *connection_fileno(struct connection *self, PyObject *Py_UNUSED(none))
{
    if (connection_check_open(self) < 0) {
        return NULL;
    }
    int descriptor = self->pipe ? pipe_fileno(self->pipe) : self->handle;
    return descriptor < 0 ? NULL : PyLong_FromLong(descriptor);
}

static PyObject *get_handle(struct connection *self, void *Py_UNUSED(which))
{
    return self->handle < 0 && !self->pipe ? Py_NewRef(Py_None) : connection_fileno(self, NULL);
}

/* For programs that know the standard library's class from inside: None has the descriptor forgotten, not closed. */
static int set_handle(struct connection *self, PyObject *value, void *Py_UNUSED(which))
{
    long handle = !value || value == Py_None ? -1 : PyLong_AsLong(value);
    if (handle == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (self->pipe) { /* whose descriptor was its own */
        end(self);
    }
    self->handle = (int)handle;
    return 0;
}

static PyObject *get_closed(struct connection *self, void *Py_UNUSED(which))
{
    return PyBool_FromLong(self->handle < 0 && !self->pipe);
}

static PyObject *get_readable(struct connection *self, void *Py_UNUSED(which))
{
    return PyBool_FromLong(self->readable);
}

static PyObject *get_writable(struct connection *self, void *Py_UNUSED(which))
{
    return PyBool_FromLong(self->writable);
}

static int set_flag(char *flag, PyObject *value)
{
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth >= 0) {
        *flag = (char)truth;
    }
    return truth < 0 ? -1 : 0;
}

static int set_readable(struct connection *self, PyObject *value, void *Py_UNUSED(which))
{
    return set_flag(&self->readable, value);
}

static int set_writable(struct connection *self, PyObject *value, void *Py_UNUSED(which))
{
    return set_flag(&self->writable, value);
}

/* ---- the type ---- */

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    { "send", (PyCFunction)(void (*)(void))connection_send, METH_FASTCALL | METH_KEYWORDS,
      "send($self, /, obj)\n--\n\nSends an object, as a pickle.\n\nWaits while the other side has no room. Raises "
      "BrokenPipeError when "
      "it "
      "is closed, and what pickling raises." },
    { "recv", (PyCFunction)connection_recv, METH_NOARGS,
      "recv($self, /)\n--\n\nWaits for an object and returns it.\n\nRaises EOFError when the other side has closed or "
      "died and all "
      "is "
      "received, OSError when it did so in the middle of a message." },
    { "send_bytes", WITH_KEYWORDS(connection_send_bytes),
      "send_bytes($self, /, buf, offset=0, size=None)\n--\n\nSends bytes of a buffer as one message; by default all "
      "from offset on." },
    { "recv_bytes", WITH_KEYWORDS(connection_recv_bytes),
      "recv_bytes($self, /, maxlength=None)\n--\n\nWaits for a message and returns its bytes.\n\nWhen it is longer "
      "than maxlength, "
      "raises "
      "OSError, and nothing more can be received. Else raises as recv." },
    { "recv_bytes_into", WITH_KEYWORDS(connection_recv_bytes_into),
      "recv_bytes_into($self, /, buf, offset=0)\n--\n\nWaits for a message, writes it into a buffer from offset on, "
      "and returns its "
      "length in bytes.\n\nWhen it does not fit, raises BufferTooShort, whose argument is the message. Else raises as "
      "recv." },
    { "poll", WITH_KEYWORDS(connection_poll),
      "poll($self, /, timeout=0.0)\n--\n\nWhether there is something to receive, or the end. Waits for it at most "
      "timeout seconds; "
      "None "
      "is for ever." },
    { "fileno", (PyCFunction)connection_fileno, METH_NOARGS,
      "fileno($self, /)\n--\n\nThe descriptor; it stays the connection's." },
    { "close", (PyCFunction)connection_close, METH_NOARGS,
      "close($self, /)\n--\n\nCloses this end in this process.\n\nThe other side gets the end when all processes that "
      "have this one "
      "closed it or ended." },
    { "_pair", (PyCFunction)connection_pair, METH_O | METH_CLASS, NULL },
    { "_share", (PyCFunction)connection_share, METH_NOARGS, NULL },
    { "_from_share", (PyCFunction)connection_from_share, METH_VARARGS | METH_CLASS, NULL },
    { "__enter__", (PyCFunction)connection_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nGives itself." },
    { "__exit__", (PyCFunction)connection_exit, METH_VARARGS,
      "__exit__($self, /, exc_type, exc_value, exc_tb)\n--\n\nCloses it." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "closed", (getter)get_closed, NULL, "True when this end was closed in this process", NULL },
    { "readable", (getter)get_readable, NULL, "True when this end may receive", NULL },
    { "writable", (getter)get_writable, NULL, "True when this end may send", NULL },
    { "_handle", (getter)get_handle, (setter)set_handle, NULL, NULL },
    { "_readable", (getter)get_readable, (setter)set_readable, NULL, NULL },
    { "_writable", (getter)get_writable, (setter)set_writable, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "Connection(handle, readable=True, writable=True): one end, of a descriptor that becomes its own." },
    { Py_tp_new, (void *)connection_new },
    { Py_tp_init, (void *)connection_init },
    { Py_tp_finalize, (void *)connection_finalize },
    { Py_tp_dealloc, (void *)connection_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Connection",
    .basicsize = sizeof(struct connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int connection_add(PyObject *module, struct state *state)
{
    state->connection_type = (PyObject *)module_add_type(module, &spec);
    return state->connection_type ? 0 : -1;
}
