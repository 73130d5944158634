/* unix(7): sockets of type SOCK_SEQPACKET, and descriptors as SCM_RIGHTS. */
#include "os/packet.h"

#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int os_packet_pair(int ends[2])
{
    int made[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made) == 0)
        return os_stream_clear_both(made, ends);
    return errno == ENOBUFS ? -ENOMEM : -errno;
}

static bool is_for_packets(int socket)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

bool os_packet_is_from_us(int socket)
{
    struct ucred maker;
    socklen_t maker_size = sizeof maker;
    return is_for_packets(socket) && getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &maker, &maker_size) == 0 &&
           maker.uid == geteuid();
}

int os_packet_adopt(int socket)
{
    if (fcntl(socket, F_GETFD) < 0)
        return -errno;
    if (!is_for_packets(socket))
        return -EINVAL;
    int own = fcntl(socket, F_DUPFD_CLOEXEC, 3);
    int flags = own < 0 ? -1 : fcntl(own, F_GETFL);
    if (flags >= 0 && fcntl(own, F_SETFL, flags | O_NONBLOCK) == 0)
        return own;
    int code = -errno;
    if (own >= 0)
        close(own);
    return code;
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * OS_PACKET_DESCRIPTORS)];
};

int os_packet_send(int socket, const void *data, size_t size, const int *descriptors, size_t count)
{
    struct iovec piece = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    union control control;
    if (count) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof *descriptors * count);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof *descriptors * count),
            .cmsg_level = SOL_SOCKET,
            .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), descriptors, sizeof *descriptors * count);
    }
    while (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == ECONNRESET || errno == ENOTCONN)
            return -EPIPE;
        if (errno != EINTR)
            return errno == ENOBUFS ? -ENOMEM : -errno;
    }
    return 0;
}

/* A process may have begun without standard streams; none of what it is sent is to become one by chance. */
static bool keep_clear_of_streams(int *descriptors, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        descriptors[i] = os_stream_clear(descriptors[i]);
        all = all && descriptors[i] >= 0;
    }
    return all;
}

ptrdiff_t os_packet_receive(int socket, void *data, size_t size, int *descriptors, size_t *count)
{
    struct iovec piece = { .iov_base = data, .iov_len = size };
    union control control;
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    *count = 0;
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == ECONNRESET ? 0 : -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof *descriptors;
        memcpy(descriptors, CMSG_DATA(header), *count * sizeof *descriptors);
    }
    bool complete = !(message.msg_flags & MSG_CTRUNC);
    return keep_clear_of_streams(descriptors, *count) && complete ? got : -EMFILE;
}
