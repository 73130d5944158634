/* pipe.c: one end of a pipe through shared memory. */
#include "pipe.h"

#include "arena.h"
#include "error.h"
#include "frames.h"
#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Up to this many bytes are sent and received with the GIL held, when nobody is waited for. A message of so many is
 * never cut short, also when it goes by the socket. */
enum { QUICK = 16384 };

struct pipe {
    struct state *state;
    kith_connection *connection;
    PyThread_type_lock sending, receiving;
    size_t callers;
    unsigned depth; /* of the process that made the above */
    int closed;
    int by_socket; /* its descriptor was asked for */
    int set;       /* an epoll that tells of the socket and of `left`; -1: not needed until now */
    int left;      /* an eventfd: readable while messages are left in shared memory */
};

/* ---- threads ---- */

static void free_locks(struct pipe *pipe)
{
    if (pipe->sending) {
        PyThread_free_lock(pipe->sending);
    }
    if (pipe->receiving) {
        PyThread_free_lock(pipe->receiving);
    }
    pipe->sending = pipe->receiving = NULL;
}

static int make_locks(struct pipe *pipe)
{
    pipe->sending = PyThread_allocate_lock();
    pipe->receiving = PyThread_allocate_lock();
    pipe->depth = fork_depth();
    pipe->callers = 0;
    return pipe->sending && pipe->receiving ? 0 : -1;
}

static void free_pipe(struct pipe *pipe)
{
    kith_connection_free(pipe->connection);
    free_locks(pipe);
    if (pipe->set >= 0) {
        close(pipe->set);
        close(pipe->left);
    }
    PyMem_Free(pipe);
}

struct pipe *pipe_new(struct state *state, kith_connection *connection)
{
    struct pipe *pipe = PyMem_Calloc(1, sizeof *pipe);
    if (!pipe) {
        kith_connection_free(connection);
        return (struct pipe *)PyErr_NoMemory();
    }
    *pipe = (struct pipe){ .state = state, .connection = connection, .set = -1, .left = -1 };
    if (make_locks(pipe) < 0) {
        free_pipe(pipe);
        return (struct pipe *)PyErr_NoMemory();
    }
    return pipe;
}

/* In a child, threads that were in a call are no more. Their locks can't be given back, and are left. */
static void heed_fork(struct pipe *pipe)
{
    if (pipe->depth != fork_depth() && make_locks(pipe) < 0) {
        Py_FatalError("no memory for two locks");
    }
}

kith_connection *pipe_enter(struct pipe *pipe)
{
    heed_fork(pipe);
    pipe->callers++;
    return pipe->connection;
}

void pipe_leave(struct pipe *pipe)
{
    if (pipe->callers > 0 && --pipe->callers == 0 && pipe->closed) {
        free_pipe(pipe);
    }
}

void pipe_close(struct pipe *pipe)
{
    pipe_enter(pipe);
    pipe->closed = 1;
    pipe_leave(pipe);
}

/* Acquires a lock. Returns 0; or -1, with an exception, when a signal handler raised one. */
static int acquire(PyThread_type_lock lock)
{
    if (PyThread_acquire_lock(lock, NOWAIT_LOCK)) {
        return 0;
    }
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        PyLockStatus status = PyThread_acquire_lock_timed(lock, 1000000, 1); /* as wait_watchfully */
        PyEval_RestoreThread(thread);
        if (status == PY_LOCK_ACQUIRED) {
            return 0;
        }
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
}

/* Enters for one of two directions. Returns 0, or -1 with an exception. */
static int begin(struct pipe *pipe, PyThread_type_lock *lock)
{
    pipe_enter(pipe);
    if (acquire(*lock) == 0) {
        if (!pipe->closed) {
            return 0;
        }
        PyThread_release_lock(*lock);
        PyErr_SetString(PyExc_OSError, "handle is closed");
    }
    pipe_leave(pipe);
    return -1;
}

static void end(struct pipe *pipe, PyThread_type_lock lock)
{
    PyThread_release_lock(lock);
    pipe_leave(pipe);
}

/* ---- failing ---- */

static int fail(struct pipe *pipe, int code)
{
    if (code == KITH_EEOF && !PyErr_Occurred()) {
        PyErr_SetNone(PyExc_EOFError);
    } else if (code == KITH_ETRUNCATED && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_OSError, "got end of file during message");
    } else {
        raise_code(pipe->state, code);
    }
    return -1;
}

/* Whether a call that was not to wait has done nothing because it would have had to. */
static int would_wait(int code)
{
    return code == -ETIMEDOUT || code == -EAGAIN;
}

/* ---- sending ---- */

struct sent {
    kith_connection *connection;
    const void *data;
    size_t size;
};

static int send_call(void *context, kith_timeout timeout)
{
    const struct sent *sent = context;
    return kith_connection_send(sent->connection, sent->data, sent->size, timeout);
}

/* One that turns to the socket meanwhile must not be cut short by the end of a slice: so handlers run in the middle. */
static int send_large(struct sent *sent)
{
    struct waiting waiting;
    int code;
    do {
        code = wait_in_place(send_call, sent, KITH_FOREVER, &waiting);
    } while (code == -EINTR && !PyErr_Occurred() && PyErr_CheckSignals() == 0);
    return code;
}

static int send_data(struct pipe *pipe, const void *data, size_t size)
{
    struct sent sent = { pipe->connection, data, size };
    int code = size <= QUICK ? send_call(&sent, KITH_AT_ONCE) : -EAGAIN;
    if (would_wait(code)) {
        code = size <= QUICK ? wait_watchfully(send_call, &sent, KITH_FOREVER) : send_large(&sent);
    }
    return code < 0 ? fail(pipe, code) : 0;
}

/* Whether a long message goes by the socket, as the other side may have asked for. Then it is for frames.c, which lets
 * signal handlers run in the middle. */
static int goes_by_socket(const struct pipe *pipe)
{
    kith_connection_share share;
    return pipe->by_socket || (kith_connection_get_share(pipe->connection, &share) == 0 && share.out < 0);
}

/* What is in several pieces is put together first. */
static int send_message(struct pipe *pipe, const struct message *message)
{
    if (message->size > QUICK && goes_by_socket(pipe)) {
        return frames_write(kith_connection_fd(pipe->connection), message);
    }
    if (message->cut_count == 0) {
        return send_data(pipe, message->data, message->size);
    }
    void *data = PyMem_RawMalloc(message->size);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    if (message->size > QUICK) {
        PyThreadState *thread = PyEval_SaveThread();
        message_copy(message, data);
        PyEval_RestoreThread(thread);
    } else {
        message_copy(message, data);
    }
    int code = send_data(pipe, data, message->size);
    PyMem_RawFree(data);
    return code;
}

int pipe_send(struct pipe *pipe, const struct message *message)
{
    if (begin(pipe, &pipe->sending) < 0) {
        return -1;
    }
    int code = send_message(pipe, message);
    end(pipe, pipe->sending);
    return code;
}

/* ---- receiving ---- */

int pipe_receive_begin(struct pipe *pipe)
{
    return begin(pipe, &pipe->receiving);
}

void pipe_receive_end(struct pipe *pipe)
{
    end(pipe, pipe->receiving);
}

/* Whether messages are left in shared memory, of which the socket tells nothing. When there are none, what has rung at
 * the socket is taken off it. */
static int is_left(struct pipe *pipe)
{
    struct pollfd polled = { .fd = kith_connection_fd(pipe->connection), .events = POLLIN };
    return kith_connection_poll(pipe->connection, KITH_NOWAIT) == 1 && poll(&polled, 1, 0) == 0;
}

static void heed_left(struct pipe *pipe)
{
    uint64_t count;
    if (!is_left(pipe) && pipe->left >= 0 && read(pipe->left, &count, sizeof count) < 0) {
        return; /* it was told already */
    }
}

struct received {
    kith_connection *connection;
    void *room;
    size_t capacity, size;
};

static int receive_call(void *context, kith_timeout timeout)
{
    struct received *received = context;
    return kith_connection_recv_into(received->connection, received->room, received->capacity, &received->size,
                                     timeout);
}

int pipe_receive(struct pipe *pipe, void *room, uint64_t *size)
{
    struct received received = { pipe->connection, room, *size < QUICK ? (size_t)*size : QUICK, 0 };
    int code = receive_call(&received, KITH_AT_ONCE);
    if (would_wait(code) || (code == -EMSGSIZE && received.size <= *size)) {
        received.capacity = (size_t)*size;
        code = wait_watchfully(receive_call, &received, KITH_FOREVER);
    }
    *size = received.size;
    if (code == -EMSGSIZE) {
        return 1;
    }
    if (code == 0 && pipe->by_socket) {
        heed_left(pipe);
    }
    return code < 0 ? fail(pipe, code) : 0;
}

static int poll_call(void *context, kith_timeout timeout)
{
    int code = kith_connection_poll(context, timeout);
    return code == 0 ? -ETIMEDOUT : code;
}

int pipe_poll(struct pipe *pipe, kith_timeout timeout)
{
    kith_connection *connection = pipe_enter(pipe);
    int code = timeout == KITH_NOWAIT ? poll_call(connection, timeout) : -EINTR;
    if (code == -EINTR) {
        code = wait_watchfully(poll_call, connection, timeout);
    }
    if (code == -ETIMEDOUT) {
        code = 0;
    } else if (code < 0) {
        code = fail(pipe, code);
    }
    pipe_leave(pipe);
    return code;
}

/* ---- descriptors ---- */

/* Makes the descriptor that tells of the socket, and of what is left besides. Returns 0, or -1 with errno. */
static int make_set(struct pipe *pipe, int socket)
{
    struct epoll_event event = { .events = EPOLLIN };
    int set = epoll_create1(EPOLL_CLOEXEC), left = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (set < 0 || left < 0 || epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) < 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, left, &event) < 0) {
        int why = errno;
        close(set);
        close(left);
        errno = why;
        return -1;
    }
    pipe->set = set;
    pipe->left = left;
    return 0;
}

int pipe_fileno(struct pipe *pipe)
{
    heed_fork(pipe);
    int socket = kith_connection_fd(pipe->connection);
    if (socket < 0) {
        return fail(pipe, socket);
    }
    pipe->by_socket = 1;
    if (!is_left(pipe)) {
        return socket;
    }
    if (pipe->set < 0 && make_set(pipe, socket) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return pipe->set;
}

int pipe_share(struct pipe *pipe, kith_connection_share *share)
{
    int code = kith_connection_get_share(pipe->connection, share);
    return code < 0 ? fail(pipe, code) : 0;
}
