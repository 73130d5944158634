/* Taking a message from the channel, as far as it has come. No byte is taken that belongs to the next message, for that
 * may be for another process, and poll must see it; but where this process is alone: see outlook.h, and greedy ends. */
#ifndef KITH_SRC_CONNECTION_TAKE_H
#define KITH_SRC_CONNECTION_TAKE_H

#include "connection/connection.h"

/** What comes next, between two messages. Nothing is taken yet, and of a message the header is read. For bare channels.
 *  @return for a message, how many bytes of its header there are, 1 to FRAME_HEADER_MIN; -ENOMSG for a descriptor;
 *          -EAGAIN when nothing is there; KITH_EEOF; KITH_ETRUNCATED; another negative errno */
int take_look(kith_connection *connection);

/** Learns how long the message is that comes next or is coming: connection->size.
 *  @return 0; -EAGAIN; -ENOMSG; KITH_EEOF; KITH_ETRUNCATED; -EBADMSG or KITH_ELIMIT, now and ever after; another
 *          negative errno */
int take_size(kith_connection *connection);

/** Takes that message into connection->data, which may be NULL or have room for a part: then it gets more memory.
 *  @return 0 when it is whole; else as take_size; -ENOMEM */
int take_data(kith_connection *connection);

#endif
