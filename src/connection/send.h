/* Sending, for the calls that send. */
#ifndef KITH_SRC_CONNECTION_SEND_H
#define KITH_SRC_CONNECTION_SEND_H

#include "connection/connection.h"

/** Whether this end may send; opens it again when it was lost. @return 0, or a code with its detail */
int send_begin(kith_connection *connection, deadline until);

/** Sends a message after send_begin. @return as kith_connection_send */
int send_bytes(kith_connection *connection, const void *data, size_t size, deadline until);

/** Sends messages that lie one behind the other, each with its header; none, or all. @return as kith_connection_send */
int send_frames(kith_connection *connection, const void *frames, size_t size, deadline until);

#endif
