/* frames.h: messages on any descriptor, as CPython's multiprocessing.connection has them: a length as a big-endian
 * signed 32-bit number, then so many bytes; beyond 0x7fffffff the number is -1, and the length follows as a big-endian
 * unsigned 64-bit one.
 *
 * Why not kith_connection, for sockets at least: a Connection of Python's is any descriptor, and keeps its number; ends
 * that were handed to processes one by one are used by turns, where what one has looked at ahead another may have
 * taken; and a signal's handler may end a call in the middle of a message. So nothing is read but the next message, and
 * nothing is remembered: what these functions know is in the descriptor.
 *
 * All wait without the GIL, and let signal handlers run; an exception of theirs ends the call, and in the middle of a
 * message that ends the stream, too.
 */
#ifndef KITH_PYTHON_FRAMES_H
#define KITH_PYTHON_FRAMES_H

#include "write.h"

/* Writes a message. Returns 0, or -1 with an exception. */
int frames_write(int descriptor, const struct message *message);

/* Reads the length of the next message, which is to be read by frames_read_data then.
 * Returns 0; or -1 with an exception: EOFError when the other side has closed, OSError when it did so in between. */
int frames_read_size(int descriptor, uint64_t *size);

/* Reads so many bytes. Returns as frames_read_size. */
int frames_read_data(int descriptor, void *data, Py_ssize_t size);

/* Waits until there is something to read, or the end. Returns 1; 0 when there was nothing in time; -1 with an
 * exception. */
int frames_poll(int descriptor, kith_timeout timeout);

#endif
