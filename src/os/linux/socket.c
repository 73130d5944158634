/* socketpair(2), sendmsg(2), recv(2), all with MSG_DONTWAIT: the non-blocking flag itself belongs to the socket, and so
 * would change it for the other processes that have it, too. */
#include "os/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

int os_socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

void os_socket_end_sending(int socket)
{
    shutdown(socket, SHUT_WR);
}

/* An iovec serves for receiving, too, so it knows no const. */
static struct iovec piece(const void *data, size_t size)
{
    return (struct iovec){ .iov_base = (void *)data, .iov_len = size };
}

ptrdiff_t os_socket_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size)
{
    struct iovec pieces[] = { piece(head, head_size), piece(body, body_size) };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    switch (errno) {
    case ECONNRESET: /* the other side went, and left unread what we had sent before */
        return -EPIPE;
    case ENOBUFS:
        return -ENOMEM;
    default:
        return -errno;
    }
}

ptrdiff_t os_socket_receive(int socket, void *buffer, size_t size)
{
    ssize_t got;
    do {
        got = recv(socket, buffer, size, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    /* As above. Of what it sent itself, nothing is left. */
    return errno == ECONNRESET ? 0 : -errno;
}
