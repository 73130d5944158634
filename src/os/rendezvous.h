/* How the stream sockets of strangers meet: listening, accepting, connecting. All are closed on exec. */
#ifndef KITH_SRC_OS_RENDEZVOUS_H
#define KITH_SRC_OS_RENDEZVOUS_H

#include "os/address.h"

#include <stdint.h>

/** Makes a socket for addresses of this kind; one of TCP sends small messages at once, and finds out within two minutes
 *  that the other side's machine is gone.
 *  @return it; -EMFILE, -ENFILE, -ENOMEM; -EAFNOSUPPORT where the system has no such addresses; another negated
 *          errno */
int os_socket_new(const struct os_address *address);

/* ---- listening ---- */

/** The file of a Unix socket, in a folder that stays open: so it is found again, wherever this process goes. */
struct os_socket_file {
    int folder; /* -1: none */
    const char *name;
    uint64_t device; /* these two tell our file from one that took its place */
    uint64_t inode;
    bool made;
};

/** Opens the folder that a path leads to.
 *  @param path  lives as long as the file does
 *  @return 0; -ENOENT, -EACCES; -EMFILE, -ENFILE, -ENOMEM; another negated errno */
int os_socket_file_open(struct os_socket_file *file, const char *path);

/** Removes the file, if it still is the one that we made. Before the socket is closed: until then nobody takes it for
 *  one that a dead listener has left. */
void os_socket_file_remove(struct os_socket_file *file);

/** Makes a socket listen. From then on nothing waits in os_socket_accept. A file that a dead listener has left is
 *  replaced; that of a living one, or of somebody who is about to listen, is not; nor is a file that is no socket.
 *  @param file  NULL for an address that has none
 *  @param mode  permissions of the file, whatever the umask; nobody ever has more
 *  @return 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOENT; -ENOMEM; another negated errno */
int os_socket_listen(int socket, const struct os_address *address, int backlog, struct os_socket_file *file,
                     unsigned mode);

/** Takes a socket that listens already, made by another program: a descriptor of our own for it. From then on nothing
 *  waits in os_socket_accept, for nobody who has it.
 *  @return it; -EINVAL when it is no stream socket that listens; -EBADF; -EMFILE */
int os_socket_adopt(int socket);

/** Takes a client in.
 *  @param from  receives its address, which may be none
 *  @return a socket; -EAGAIN when nobody waits; -EMFILE, -ENFILE or -ENOMEM, and then the client still waits; another
 *          negated errno */
int os_socket_accept(int socket, struct os_address *from);

/* ---- connecting ---- */

/** Connects, and waits for that. After a failure the socket is good for nothing but closing.
 *  @return 0; -ENOENT, -ECONNREFUSED, -EACCES, -EHOSTUNREACH, -ENETUNREACH; -ETIMEDOUT; -EINTR when a signal handler
 *          ran; another negated errno */
int os_socket_connect(int socket, const struct os_address *address, int64_t deadline);

/** Ends a connection for all who have the socket. */
void os_socket_hang_up(int socket);

#endif
