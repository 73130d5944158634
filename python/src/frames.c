/* frames.c: messages on any descriptor. */
#include "frames.h"

#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT_HEADER = 4, LONG_HEADER = 12, SHORT_MAX = 0x7fffffff };

/* A copy of so much is quicker than a second piece. */
enum { COPIED = 2048 };

/* ---- waiting ---- */

static int fail(int code)
{
    if (!PyErr_Occurred()) {
        errno = -code;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return -1;
}

static int await_descriptor(int descriptor, short events, kith_timeout timeout)
{
    struct pollfd polled = { .fd = descriptor, .events = events };
    struct timespec time = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
    int ready = ppoll(&polled, 1, timeout == KITH_FOREVER ? NULL : &time, NULL);
    return ready < 0 ? -errno : ready == 0 ? -ETIMEDOUT : 0;
}

/* Some bytes to write or to read. Waiting is done by ppoll alone, which can end and begin anew: a look at signals once
 * a second is due (wait_watchfully), and the descriptor, which is another program's as well, stays one that blocks. */
struct transfer {
    int descriptor;
    struct iovec *pieces;
    size_t count;
    ssize_t done;
};

enum { DONE = 1 };

/* After a call that was not to wait has failed: a socket is waited for, and called anew then (-EINTR), for another
 * process may be quicker; what is none is waited for before its call (0). Else returns a negated errno. */
static int await_turn(const struct transfer *transfer, short events, kith_timeout timeout)
{
    int is_socket = errno == EAGAIN;
    if (!is_socket && errno != ENOTSOCK) {
        return -errno;
    }
    if (is_socket && (fcntl(transfer->descriptor, F_GETFL) & O_NONBLOCK)) {
        return -EAGAIN; /* as its owner wants it */
    }
    int code = await_descriptor(transfer->descriptor, events, timeout);
    return code == 0 && is_socket ? -EINTR : code;
}

/* Returns how many bytes went; -1 with an exception. */
static ssize_t transfer_some(waiting_call *call, struct transfer *transfer)
{
    int code = wait_watchfully(call, transfer, KITH_FOREVER);
    return code < 0 ? fail(code) : transfer->done;
}

/* ---- writing ---- */

static void put_big_endian(unsigned char *bytes, uint64_t number, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        bytes[i] = (unsigned char)number;
        number >>= 8;
    }
}

/* Returns the header's length in bytes. */
static size_t encode(unsigned char header[LONG_HEADER], uint64_t size)
{
    if (size <= SHORT_MAX) {
        put_big_endian(header, size, SHORT_HEADER);
        return SHORT_HEADER;
    }
    put_big_endian(header, UINT32_MAX, SHORT_HEADER);
    put_big_endian(header + SHORT_HEADER, size, LONG_HEADER - SHORT_HEADER);
    return LONG_HEADER;
}

static int write_call(void *context, kith_timeout timeout)
{
    struct transfer *transfer = context;
    struct msghdr message = { .msg_iov = transfer->pieces,
                              .msg_iovlen = transfer->count < IOV_MAX ? transfer->count : IOV_MAX };
    transfer->done = sendmsg(transfer->descriptor, &message, MSG_DONTWAIT);
    int code = transfer->done < 0 ? await_turn(transfer, POLLOUT, timeout) : DONE;
    if (code == 0) { /* so much is taken at once, without a wait */
        size_t size = transfer->pieces->iov_len;
        transfer->done = write(transfer->descriptor, transfer->pieces->iov_base, size < PIPE_BUF ? size : PIPE_BUF);
        code = transfer->done < 0 ? -errno : DONE;
    }
    return code;
}

/* Writes all pieces, which it changes. Returns 0, or -1 with an exception. */
static int write_all(int descriptor, struct iovec *pieces, size_t count)
{
    while (count) {
        struct transfer transfer = { .descriptor = descriptor, .pieces = pieces, .count = count };
        ssize_t written = transfer_some(write_call, &transfer);
        if (written < 0) {
            return -1;
        }
        size_t left = (size_t)written;
        for (; count && left >= pieces->iov_len; pieces++, count--) {
            left -= pieces->iov_len;
        }
        if (count) { /* a signal may have cut it short */
            pieces->iov_base = (char *)pieces->iov_base + left;
            pieces->iov_len -= left;
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static struct iovec piece(const void *data, size_t size)
{
    return (struct iovec){ .iov_base = (void *)data, .iov_len = size };
}

/* The pieces of a message in their order: its own bytes, and between them the cuts. Returns how many. */
static size_t divide(const struct message *message, struct iovec *pieces)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < message->cut_count; i++) {
        const struct cut *cut = &message->cuts[i];
        pieces[count++] = piece(message->data + at, cut->at - at);
        pieces[count++] = piece(cut->data, cut->size);
        at = cut->at;
    }
    pieces[count++] = piece(message->data + at, message->used - at);
    return count;
}

int frames_write(int descriptor, const struct message *message)
{
    unsigned char bytes[LONG_HEADER + COPIED];
    struct iovec few[2 + 2 * 4], *pieces = few;
    size_t head = encode(bytes, message->size);
    if (message->size <= COPIED) {
        message_copy(message, bytes + head);
        few[0] = piece(bytes, head + message->size);
        return write_all(descriptor, few, 1);
    }
    if (message->cut_count > 4 && !(pieces = PyMem_New(struct iovec, 2 + 2 * message->cut_count))) {
        PyErr_NoMemory();
        return -1;
    }
    pieces[0] = piece(bytes, head);
    int code = write_all(descriptor, pieces, 1 + divide(message, pieces + 1));
    if (pieces != few) {
        PyMem_Free(pieces);
    }
    return code;
}

/* ---- reading ---- */

/* Whether a wait must not miss a signal: its handlers run in the main thread. (That of a program which embeds Python
 * may be another one than the process's: then a signal that does not interrupt the wait itself is heeded after it.) */
static int heeds_signals(void)
{
    return PyThread_get_thread_native_id() == (unsigned long)getpid();
}

/* Other threads, as are those of a manager's server, sleep in the call: who is asked next is awake 10 us sooner than
 * after a poll. */
static int read_call(void *context, kith_timeout timeout)
{
    struct transfer *transfer = context;
    void *data = transfer->pieces->iov_base;
    size_t size = transfer->pieces->iov_len;
    transfer->done = recv(transfer->descriptor, data, size, heeds_signals() ? MSG_DONTWAIT : 0);
    int code = transfer->done < 0 ? await_turn(transfer, POLLIN, timeout) : DONE;
    if (code == 0) {
        transfer->done = read(transfer->descriptor, data, size);
        code = transfer->done < 0 ? -errno : DONE;
    }
    return code;
}

int frames_read_data(int descriptor, void *data, Py_ssize_t size)
{
    for (Py_ssize_t have = 0; have < size;) {
        struct iovec rest = piece((char *)data + have, (size_t)(size - have));
        ssize_t got = transfer_some(read_call, &(struct transfer){ descriptor, &rest, 1, 0 });
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            if (have == 0) {
                PyErr_SetNone(PyExc_EOFError);
            } else {
                PyErr_SetString(PyExc_OSError, "got end of file during message");
            }
            return -1;
        }
        have += got;
        if (have < size && PyErr_CheckSignals() < 0) { /* a signal may have cut it short */
            return -1;
        }
    }
    return 0;
}

static uint64_t get_big_endian(const unsigned char *bytes, int count)
{
    uint64_t number = 0;
    for (int i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

int frames_read_size(int descriptor, uint64_t *size)
{
    unsigned char header[LONG_HEADER];
    if (frames_read_data(descriptor, header, SHORT_HEADER) < 0) {
        return -1;
    }
    uint64_t number = get_big_endian(header, SHORT_HEADER);
    if (number == UINT32_MAX) {
        if (frames_read_data(descriptor, header, LONG_HEADER - SHORT_HEADER) < 0) {
            return -1;
        }
        number = get_big_endian(header, LONG_HEADER - SHORT_HEADER);
    } else if (number > SHORT_MAX) {
        number = UINT64_MAX; /* no message is so long: it is none */
    }
    *size = number;
    return 0;
}

/* ---- polling ---- */

static int poll_call(void *context, kith_timeout timeout)
{
    const int *descriptor = context;
    return await_descriptor(*descriptor, POLLIN, timeout);
}

int frames_poll(int descriptor, kith_timeout timeout)
{
    int code = timeout == KITH_NOWAIT ? poll_call(&descriptor, timeout) : -EINTR;
    if (code == -EINTR) {
        code = wait_watchfully(poll_call, &descriptor, timeout);
    }
    return code == 0 ? 1 : code == -ETIMEDOUT ? 0 : fail(code);
}
