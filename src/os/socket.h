/* Stream sockets. Nothing here waits: that is os_poll's. */
#ifndef KITH_SRC_OS_SOCKET_H
#define KITH_SRC_OS_SOCKET_H

#include <stddef.h>

/** Makes two sockets that are connected to each other, closed on exec.
 *  @return 0, or -EMFILE, -ENFILE, -ENOMEM */
int os_socket_pair(int ends[2]);

/** Ends sending: the other side gets the end of the stream after what was sent before. */
void os_socket_end_sending(int socket);

/** Sends as much as there is room for: the head, and behind it the body. Raises no SIGPIPE.
 *  @return how many bytes of both were sent, 1 or more; -EAGAIN when there is no room; -EPIPE when the other side is
 *          gone; -ENOMEM; another negated errno */
ptrdiff_t os_socket_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size);

/** Receives what is there.
 *  @param size  at least 1
 *  @return how many bytes came, 1 to size; 0 when the other side is gone and all was received; -EAGAIN when nothing is
 *          there; another negated errno */
ptrdiff_t os_socket_receive(int socket, void *buffer, size_t size);

#endif
