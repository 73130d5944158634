/* Stream sockets. Nothing here waits: that is os_poll's. */
#ifndef KITH_SRC_OS_SOCKET_H
#define KITH_SRC_OS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/** The longest head of what is sent, in bytes. */
#define OS_SOCKET_HEAD_MAX 16

/** Makes two sockets that are connected to each other, closed on exec.
 *  @return 0, or -EMFILE, -ENFILE, -ENOMEM */
int os_socket_pair(int ends[2]);

/** Whether a connection can be made of it. @return 0; -EINVAL when it is no stream socket, or not connected; -EBADF */
int os_socket_check(int socket);

/** Whether it is of the Unix family. */
bool os_socket_is_unix(int socket);

/** Ends sending: the other side gets the end of the stream after what was sent before. */
void os_socket_end_sending(int socket);

/** Sends as much as there is room for: the head, and behind it the body. Raises no SIGPIPE.
 *  @param head_size  at most OS_SOCKET_HEAD_MAX
 *  @return how many bytes of both were sent, 1 or more; -EAGAIN when there is no room; -EPIPE when the other side is
 *          gone, or the way to it; -ENOMEM; another negated errno */
ptrdiff_t os_socket_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size);

/** Whether what is sent from now on would go nowhere: the other side is gone, or does not receive any more. */
bool os_socket_is_cut(int socket);

/** Receives what is there. Descriptors that come with it are closed: nobody asked for them.
 *  @param size  at least 1
 *  @return how many bytes came, 1 to size; 0 when the other side is gone and all was received; -EAGAIN when nothing is
 *          there; -ECONNRESET when a network's connection broke, and nobody knows what it took along; another negative
 *          errno */
ptrdiff_t os_socket_receive(int socket, void *buffer, size_t size);

/** The same of a socket whose other side's end matters: -ECONNRESET also when that of a Unix socket went and left
 *  something unread. */
ptrdiff_t os_socket_receive_or_reset(int socket, void *buffer, size_t size);

/** Whether the other side of a Unix socket has received all that was sent; of TCP: its system has. */
bool os_socket_is_read(int socket);

/** Has TCP acknowledge now what has come, rather than wait up to 40 ms for something to send along. Who sends a message
 *  in two pieces without TCP_NODELAY, as CPython does, gets the second one away only then. Other sockets don't care. */
void os_socket_acknowledge(int socket);

/** Looks at what is there, and leaves it there: at most up to the end of what descriptors come with.
 *  @return as os_socket_receive */
ptrdiff_t os_socket_look(int socket, void *buffer, size_t size);

/** Whether descriptors come with the next byte, which is there. */
bool os_socket_carries(int socket);

/** Sends a byte, 1, and with it a descriptor, which stays the caller's.
 *  @return 0, or as os_socket_send; -EBADF when the descriptor is not open; -ETOOMANYREFS when too many are on their
 *          way */
int os_socket_send_descriptor(int socket, int descriptor);

/** Receives a byte and the descriptor that comes with it, as os_socket_carries has told.
 *  @param descriptor  receives it, closed on exec
 *  @return 0; -EMFILE when this process can't have one more, and then it is still there; -EBADMSG when there came more
 *          than one: all are closed, and the byte is gone */
int os_socket_receive_descriptor(int socket, int *descriptor);

#endif
