/* pipe.h: one end of a pipe through shared memory (kith_pipe_options.shared_memory), for the type Connection.
 *
 * Threads may call as they like: one sends at a time, and one receives; others wait. The end is closed when the last
 * thread has left it.
 */
#ifndef KITH_PYTHON_PIPE_H
#define KITH_PYTHON_PIPE_H

#include "write.h"

struct pipe;

/* Makes an end of a connection, which is its own from now on. NULL with an exception. */
struct pipe *pipe_new(struct state *state, kith_connection *connection);

/* Closes it, and frees it when nobody is in a call on it. */
void pipe_close(struct pipe *pipe);

/* Sends a message. Returns 0, or -1 with an exception. */
int pipe_send(struct pipe *pipe, const struct message *message);

/* Receiving is done between these two. pipe_receive_begin returns 0, or -1 with an exception. */
int pipe_receive_begin(struct pipe *pipe);
void pipe_receive_end(struct pipe *pipe);

/* Waits for a message, and receives it if it has at most *size bytes. Returns 0, with its length in *size; 1 when it
 * needs more room: so many bytes; -1 with an exception. */
int pipe_receive(struct pipe *pipe, void *room, uint64_t *size);

/* Waits until there is something to receive, or the end. Returns 1; 0 when there was nothing in time; -1 with an
 * exception. */
int pipe_poll(struct pipe *pipe, kith_timeout timeout);

/* A descriptor to be polled; from now on, messages go by the socket. As a rule it is the socket. While messages are in
 * shared memory that were sent before, of which the socket tells nothing, it is one that tells of both. -1 with an
 * exception. */
int pipe_fileno(struct pipe *pipe);

/* The descriptors that it consists of. Returns 0, or -1 with an exception. */
int pipe_share(struct pipe *pipe, kith_connection_share *share);

/* The connection, for kith_wait; to be given back by pipe_leave. */
kith_connection *pipe_enter(struct pipe *pipe);
void pipe_leave(struct pipe *pipe);

#endif
