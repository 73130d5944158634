/* The header of a frame: how long the message behind it is. As in CPython's Lib/multiprocessing/connection.py,
 * _send_bytes: a big-endian signed 32-bit number; -1 when the length does not fit, which then follows as a big-endian
 * unsigned 64-bit number. */
#ifndef KITH_SRC_CONNECTION_FRAME_H
#define KITH_SRC_CONNECTION_FRAME_H

#include <stddef.h>

/** The shortest and the longest header, in bytes. */
#define FRAME_HEADER_MIN 4
#define FRAME_HEADER_MAX 12

/** Writes the header of a message. @return its length in bytes */
size_t frame_encode(unsigned char header[FRAME_HEADER_MAX], size_t size);

/** Reads the first bytes of a header.
 *  @param have  how many there are
 *  @param size  receives the length of the message
 *  @return 0 when these are the header; how many bytes more it takes, at least; -EBADMSG when no header begins like
 *          this or its message would not fit into memory */
int frame_decode(const unsigned char *header, size_t have, size_t *size);

#endif
