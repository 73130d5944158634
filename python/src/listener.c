/* listener.c: the type Doorkeeper: takes clients of a socket that listens, and has them prove that they know the key.
 *
 * It is made of the descriptor of a socket, which stays the caller's, and of which every process that has it can make a
 * Doorkeeper of its own. Clients prove themselves side by side, so none holds up another (kith_listener), and what one
 * process has begun, others go on with: for that, all have a lobby, two sockets that are the caller's, too. */
#include "error.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct doorkeeper {
    PyObject_HEAD struct state *state;
    kith_listener *listener; /* NULL once closed */
    unsigned callers;        /* threads in accept; whoever leaves last frees a listener that was closed */
    int closed;
};

static PyObject *doorkeeper_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "descriptor", "authkey", "lobby", NULL };
    int descriptor, lobby[2];
    char address[sizeof "fd:" + 3 * sizeof descriptor];
    kith_listener_options options = { 0 };
    Py_ssize_t key_size;
    struct state *state = state_of_type(type);
    if (!state || !PyArg_ParseTupleAndKeywords(arguments, keywords, "iy#(ii):Doorkeeper", names, &descriptor,
                                               (const char **)&options.authkey, &key_size, &lobby[0], &lobby[1])) {
        return NULL;
    }
    struct doorkeeper *self = (struct doorkeeper *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->state = state;
    options.authkey_size = (size_t)key_size;
    options.lobby = lobby;
    snprintf(address, sizeof address, "fd:%d", descriptor);
    int code = kith_listener_new(&self->listener, address, &options);
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(state, code);
    }
    return (PyObject *)self;
}

static void doorkeeper_dealloc(struct doorkeeper *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kith_listener_free(self->listener);
    type->tp_free(self);
    Py_DECREF(type);
}

/* A descriptor for the connection's socket, of which no byte was read that the client meant for the program. */
static int detach(kith_connection *connection)
{
    int own = fcntl(kith_connection_fd(connection), F_DUPFD_CLOEXEC, 0);
    int code = own < 0 ? -errno : own;
    kith_connection_free(connection);
    return code;
}

struct accepting {
    kith_listener *listener;
    kith_connection *connection;
};

static int accept_call(void *context, kith_timeout timeout)
{
    struct accepting *accepting = context;
    return kith_listener_accept(accepting->listener, &accepting->connection, timeout);
}

static void leave(struct doorkeeper *self)
{
    if (--self->callers == 0 && self->closed) {
        kith_listener_free(self->listener);
        self->listener = NULL;
    }
}

static PyObject *doorkeeper_accept(struct doorkeeper *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "timeout", NULL };
    PyObject *seconds = NULL;
    kith_timeout timeout;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:accept", names, &seconds) ||
        timeout_of(seconds, &timeout) < 0) {
        return NULL;
    }
    if (self->closed) {
        PyErr_SetString(PyExc_OSError, "listener is closed");
        return NULL;
    }
    if (self->callers) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is in accept: give each a Doorkeeper of its own");
        return NULL;
    }
    struct accepting accepting = { .listener = self->listener };
    self->callers++;
    int code = wait_watchfully(accept_call, &accepting, timeout);
    leave(self);
    if (code == 0) {
        code = detach(accepting.connection);
    }
    return code < 0 ? raise_code(self->state, code) : PyLong_FromLong(code);
}

static PyObject *doorkeeper_close(struct doorkeeper *self, PyObject *Py_UNUSED(none))
{
    self->closed = 1;
    self->callers++;
    leave(self);
    return Py_NewRef(Py_None);
}

static PyObject *get_dismissed(struct doorkeeper *self, void *Py_UNUSED(which))
{
    kith_listener_stats stats;
    int code = kith_listener_get_stats(self->listener, &stats);
    if (code < 0) {
        return raise_code(self->state, code);
    }
    return PyLong_FromUnsignedLongLong(stats.refused + stats.timed_out + stats.evicted);
}

static PyMethodDef methods[] = {
    { "accept", (PyCFunction)(void (*)(void))doorkeeper_accept, METH_VARARGS | METH_KEYWORDS,
      "accept(timeout=None): waits for a client that has proved itself, and returns its socket's descriptor, which is "
      "the "
      "caller's. Raises TimeoutError." },
    { "close", (PyCFunction)doorkeeper_close, METH_NOARGS,
      "close(): leaves who is proving himself in the lobby. The sockets are the caller's to close." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "dismissed", (getter)get_dismissed, NULL, "how many clients had a wrong key, or took too long", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "Doorkeeper(descriptor, authkey, lobby): takes clients of a socket that listens." },
    { Py_tp_new, (void *)doorkeeper_new },
    { Py_tp_dealloc, (void *)doorkeeper_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Doorkeeper",
    .basicsize = sizeof(struct doorkeeper),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int listener_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
