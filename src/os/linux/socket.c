/* socketpair(2), sendmsg(2), recv(2), recvmsg(2), and descriptors as unix(7) has them (SCM_RIGHTS), all with
 * MSG_DONTWAIT: the non-blocking flag itself belongs to the socket, and so would change it for the other processes that
 * have it, too. */
#include "os/socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int os_socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

static int get(int socket, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

int os_socket_check(int socket)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int type = get(socket, SO_TYPE);
    if (type == -EBADF)
        return type;
    return type == SOCK_STREAM && getpeername(socket, (struct sockaddr *)&peer, &size) == 0 ? 0 : -EINVAL;
}

bool os_socket_is_unix(int socket)
{
    return get(socket, SO_DOMAIN) == AF_UNIX;
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

/* Whether the other side went and left unread what we had sent before, or the network has given it up. */
static bool is_loss(int error)
{
    return error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == ENETDOWN || error == EHOSTDOWN || error == ECONNABORTED;
}

static ptrdiff_t sent_or_why(ssize_t sent)
{
    if (sent >= 0)
        return sent;
    if (is_loss(errno))
        return -EPIPE;
    return errno == ENOBUFS ? -ENOMEM : -errno;
}

static ptrdiff_t send_message(int socket, const struct msghdr *message)
{
    ssize_t sent;
    do {
        sent = sendmsg(socket, message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent_or_why(sent);
}

static ptrdiff_t send_piece(int socket, const void *bytes, size_t size)
{
    ssize_t sent;
    do {
        sent = send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent_or_why(sent);
}

ptrdiff_t os_socket_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size)
{
    enum { SHORT = 2048 };
    if (body_size <= SHORT) { /* a copy is quicker than a second piece */
        char bytes[OS_SOCKET_HEAD_MAX + SHORT];
        memcpy(bytes, head, head_size);
        if (body_size)
            memcpy(bytes + head_size, body, body_size);
        return send_piece(socket, bytes, head_size + body_size);
    }
    struct iovec pieces[] = { piece(head, head_size), piece(body, body_size) };
    return send_message(socket, &(struct msghdr){ .msg_iov = pieces, .msg_iovlen = 2 });
}

bool os_socket_is_cut(int socket)
{
    return send(socket, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && (errno == EPIPE || is_loss(errno));
}

static ptrdiff_t receive(int socket, void *buffer, size_t size, int flags)
{
    ssize_t got;
    do {
        got = recv(socket, buffer, size, MSG_DONTWAIT | flags); /* no room for descriptors: the system closes them */
    } while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    if (!is_loss(errno))
        return -errno;
    /* A Unix socket's other side went; of what it sent itself, nothing is left. */
    return os_socket_is_unix(socket) ? 0 : -ECONNRESET;
}

ptrdiff_t os_socket_receive_or_reset(int socket, void *buffer, size_t size)
{
    ssize_t got;
    do {
        got = recv(socket, buffer, size, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got >= 0 ? got : is_loss(errno) ? -ECONNRESET : -errno;
}

bool os_socket_is_read(int socket)
{
    int left = 0;
    return ioctl(socket, SIOCOUTQ, &left) == 0 && left == 0;
}

ptrdiff_t os_socket_receive(int socket, void *buffer, size_t size)
{
    return receive(socket, buffer, size, 0);
}

void os_socket_acknowledge(int socket)
{
    setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
}

ptrdiff_t os_socket_look(int socket, void *buffer, size_t size)
{
    return receive(socket, buffer, size, MSG_PEEK);
}

static ssize_t look_at_message(int socket, struct msghdr *message)
{
    ssize_t got;
    do {
        got = recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_PEEK);
    } while (got < 0 && errno == EINTR);
    return got;
}

bool os_socket_carries(int socket)
{
    unsigned char one;
    struct iovec byte = piece(&one, 1);
    struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1 };
    return look_at_message(socket, &message) == 1 && message.msg_flags & MSG_CTRUNC; /* there was no room for them */
}

/* Room for one descriptor. CMSG_SPACE would be room for two, where it is padded. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_LEN(sizeof(int))];
};

int os_socket_send_descriptor(int socket, int descriptor)
{
    const unsigned char one = 1;
    struct iovec byte = piece(&one, 1);
    union control control = {
        .header = { .cmsg_len = sizeof control.bytes, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
    };
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    struct msghdr message = {
        .msg_iov = &byte,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.bytes,
    };
    ptrdiff_t sent = send_message(socket, &message);
    return sent < 0 ? (int)sent : 0;
}

int os_socket_receive_descriptor(int socket, int *descriptor)
{
    unsigned char one;
    int got = -1;
    struct iovec byte = piece(&one, 1);
    union control control;
    struct msghdr message = {
        .msg_iov = &byte,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.bytes,
    };
    /* First a copy: where there is no room for that, the descriptor itself must not be lost. */
    if (look_at_message(socket, &message) < 0)
        return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(&got, CMSG_DATA(header), sizeof got);
    if (got < 0)
        return -EMFILE;
    os_socket_receive(socket, &one, 1);
    if (message.msg_flags & MSG_CTRUNC) {
        close(got);
        return -EBADMSG;
    }
    *descriptor = got;
    return 0;
}
