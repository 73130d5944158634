/* write.h: objects to messages.
 *
 * A message is a pickle, of protocol 5; or, where that is allowed, a pickle with buffers beside it (kith/codec.h,
 * "queues"). Small exact types, None, bool, int, float, str, bytes, bytearray, and list, tuple and dict of these, are
 * written here without a Pickler. All else, and what is shared or nested deep, goes to pickle.Pickler as a whole, with
 * the dispatch table of multiprocessing's ForkingPickler.
 *
 * Long data are not copied: a message is some bytes with cuts in them, where other objects' bytes belong.
 */
#ifndef KITH_PYTHON_WRITE_H
#define KITH_PYTHON_WRITE_H

#include "module.h"

/* Bytes of another object, which belong into the message before its own byte number `at`. */
struct cut {
    size_t at;
    const void *data;
    size_t size;
    PyObject *owner; /* keeps the data where they are */
    Py_buffer *hold; /* of an owner that could be resized; or NULL */
};

struct message {
    size_t size;         /* the message's length in bytes, with all cuts */
    unsigned char *data; /* its own bytes: */
    size_t used, capacity;
    struct cut *cuts; /* in the order of `at` */
    size_t cut_count, cut_capacity;
    struct cut few[2];
    unsigned char room[512];
};

/* Whether a message may have buffers beside its pickle: not where a stock Python may be the reader. */
enum buffers { BUFFERS_INSIDE, BUFFERS_BESIDE };

/* arrays.c: adds numpy's arrays to a table of types and what reduces them, unless it has them, or there are none.
 * Returns 0, or -1 with an exception. */
int arrays_reduce(struct state *state, PyObject *table);

/* Makes an object's message. This may run Python code of the object's, so hold nothing that others wait for.
 * Returns 0, and message_clear is due; or -1 with an exception. */
int message_write(struct state *state, PyObject *object, enum buffers buffers, struct message *message);

/* Makes a message of bytes as they are, of whatever has the buffer protocol: to be used by C programs, for one.
 * Returns as message_write; TypeError or BufferError when these are no contiguous bytes. */
int message_of_bytes(PyObject *bytes, struct message *message);

/* Lays the message into memory of message->size bytes. Needs no GIL. */
void message_copy(const struct message *message, void *memory);

/* Frees what it has, which may run Python code. */
void message_clear(struct message *message);

#endif
