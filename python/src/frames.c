/* frames.c: messages on any descriptor. */
#include "frames.h"

#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT_HEADER = 4, LONG_HEADER = 12, SHORT_MAX = 0x7fffffff };

/* A copy of so much is quicker than a second piece. */
enum { COPIED = 2048 };

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

/* Whether a call that was interrupted is to be made again; else there is an exception. */
static int again(void)
{
    if (errno == EINTR) {
        return PyErr_CheckSignals() == 0;
    }
    PyErr_SetFromErrno(PyExc_OSError);
    return 0;
}

static ssize_t write_some(int descriptor, const struct iovec *pieces)
{
    ssize_t written;
    do {
        PyThreadState *thread = PyEval_SaveThread();
        written = pieces[0].iov_len ? writev(descriptor, pieces, 2)
                                    : write(descriptor, pieces[1].iov_base, pieces[1].iov_len);
        PyEval_RestoreThread(thread);
    } while (written < 0 && again());
    return written;
}

static void advance(struct iovec *piece, size_t by)
{
    piece->iov_base = (char *)piece->iov_base + by;
    piece->iov_len -= by;
}

int frames_write(int descriptor, const void *data, Py_ssize_t size)
{
    unsigned char bytes[LONG_HEADER + COPIED];
    size_t head = encode(bytes, (uint64_t)size), body = (size_t)size;
    struct iovec pieces[2] = { { bytes, head }, { (void *)data, body } };
    if (body <= COPIED) {
        if (body) {
            memcpy(bytes + head, data, body);
        }
        pieces[0].iov_len = 0;
        pieces[1] = (struct iovec){ bytes, head + body };
    }
    while (pieces[0].iov_len + pieces[1].iov_len) {
        ssize_t written = write_some(descriptor, pieces);
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

/* ---- reading ---- */

int frames_read_data(int descriptor, void *data, Py_ssize_t size)
{
    for (Py_ssize_t have = 0; have < size;) {
        ssize_t got;
        do {
            PyThreadState *thread = PyEval_SaveThread();
            got = read(descriptor, (char *)data + have, (size_t)(size - have));
            PyEval_RestoreThread(thread);
        } while (got < 0 && again());
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

/* ---- waiting ---- */

static int poll_call(void *context, kith_timeout timeout)
{
    struct pollfd *polled = context;
    struct timespec time = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
    int ready = ppoll(polled, 1, timeout == KITH_FOREVER ? NULL : &time, NULL);
    return ready < 0 ? -errno : ready;
}

int frames_poll(int descriptor, kith_timeout timeout)
{
    struct pollfd polled = { .fd = descriptor, .events = POLLIN };
    int ready = timeout == KITH_NOWAIT ? poll_call(&polled, timeout) : -EINTR;
    if (ready == -EINTR) {
        ready = wait_for(poll_call, &polled, timeout);
    }
    if (ready < 0 && !PyErr_Occurred()) {
        errno = -ready;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return ready < 0 ? -1 : ready;
}
