/* read.h: messages to objects. */
#ifndef KITH_PYTHON_READ_H
#define KITH_PYTHON_READ_H

#include "module.h"

/* Makes the object of a message. Whatever the extension does not read itself, pickle.loads reads as a whole: as safe,
 * or not, as that is, and with the same exceptions for what is no pickle.
 * @param data   size bytes; they are not looked at when this has returned
 * @param owner  an object with the buffer protocol, all of whose bytes these are: then buffers beside the pickle become
 *               views of it. NULL: views of a copy
 * Returns a new reference, or NULL with an exception. */
PyObject *message_read(struct state *state, const void *data, size_t size, PyObject *owner);

/* Whether a message is nothing but bytes: then tells where they are in it. `data` are its size bytes. */
int message_is_bytes(const void *data, size_t size, size_t *begin, size_t *length);

#endif
