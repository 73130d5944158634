/* socket(2), listen(2), accept4(2), connect(2), unix(7), tcp(7). */
#include "os/rendezvous.h"

#include "os/clock.h"
#include "os/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static const struct sockaddr *any(const struct os_address *address)
{
    return (const struct sockaddr *)address->bytes;
}

static bool is_tcp(const struct os_address *address)
{
    return any(address)->sa_family != AF_UNIX;
}

/** What a call of the system returned, or why it failed. */
static int or_error(int result)
{
    if (result >= 0)
        return result;
    return errno == ENOBUFS ? -ENOMEM : -errno;
}

/* Options that the system knows can't fail. */
static void set(int socket, int level, int option, int value)
{
    setsockopt(socket, level, option, &value, sizeof value);
}

/* Has the system ask the other side whether it is still there: a minute after its last word, and then every ten
 * seconds, six times. What a listener accepts has its options. */
static void keep_alive(int socket)
{
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

int os_socket_new(const struct os_address *address)
{
    int made = or_error(socket(any(address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (made >= 0 && is_tcp(address)) {
        set(made, IPPROTO_TCP, TCP_NODELAY, 1);
        keep_alive(made);
    }
    return made;
}

/* @param flag  O_NONBLOCK or 0 */
static int set_waiting(int socket, int flag)
{
    int flags = or_error(fcntl(socket, F_GETFL));
    return flags < 0 ? flags : or_error(fcntl(socket, F_SETFL, (flags & ~O_NONBLOCK) | flag));
}

/* ---- the file of a Unix socket ---- */

int os_socket_file_open(struct os_socket_file *file, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    char folder[OS_ADDRESS_NAME_MAX + 1] = ".";
    if (length > 0)
        snprintf(folder, sizeof folder, "%.*s", (int)length, path);
    /* Who may not read a folder may still make files in it. */
    int opened = or_error(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened == -EACCES)
        opened = or_error(open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (opened < 0)
        return opened == -ENOTDIR ? -ENOENT : opened;
    *file = (struct os_socket_file){ .folder = opened, .name = path + length };
    return 0;
}

void os_socket_file_remove(struct os_socket_file *file)
{
    struct stat status;
    if (file->made && fstatat(file->folder, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        status.st_dev == file->device && status.st_ino == file->inode)
        unlinkat(file->folder, file->name, 0);
    file->made = false;
}

/* Keeps out the others who would replace the file. The system forgets the lock when its holder ends. But anybody who
 * may read the folder can hold it, also for ever, so there is an end to waiting. */
static int hold_folder(int folder)
{
    for (int patience = 1000; flock(folder, LOCK_EX | LOCK_NB) < 0; patience--) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errno == EBADF ? -EACCES : -errno; /* it could not be opened to be read */
        if (patience == 0)
            return -EADDRINUSE;
        os_clock_nap(1000000);
    }
    return 0;
}

/* Whether nobody has the socket of this file any more. A datagram socket asks: a stream socket that is alive refuses it
 * for being of the wrong type, and its owner is not bothered by a client that leaves at once. */
static bool is_abandoned(const struct os_address *address, const struct os_socket_file *file)
{
    struct stat status;
    if (fstatat(file->folder, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int asker = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (asker < 0)
        return false;
    bool refused = connect(asker, any(address), address->size) < 0 && errno == ECONNREFUSED;
    close(asker);
    return refused;
}

static int replace(int socket, const struct os_address *address, const struct os_socket_file *file)
{
    int code = hold_folder(file->folder);
    if (code < 0)
        return code;
    if (is_abandoned(address, file))
        unlinkat(file->folder, file->name, 0);
    code = or_error(bind(socket, any(address), address->size));
    flock(file->folder, LOCK_UN);
    return code;
}

/* Gives the file the permissions that the umask has taken. */
static int widen(const struct os_socket_file *file, unsigned mode)
{
    char self[32];
    int made = or_error(openat(file->folder, file->name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (made < 0)
        return made;
    snprintf(self, sizeof self, "/proc/self/fd/%d", made); /* no other file can slip in here */
    int code = or_error(chmod(self, mode));
    close(made);
    return code;
}

/* Notes which file it is that we made. */
static int settle(struct os_socket_file *file, unsigned mode)
{
    struct stat status;
    int code = or_error(fstatat(file->folder, file->name, &status, AT_SYMLINK_NOFOLLOW));
    if (code < 0)
        return code;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->made = true;
    return (status.st_mode & 0777) == mode ? 0 : widen(file, mode);
}

static int bind_file(int socket, const struct os_address *address, struct os_socket_file *file, unsigned mode)
{
    fchmod(socket, mode); /* the file begins with these permissions, less the umask */
    int code = or_error(bind(socket, any(address), address->size));
    if (code == -EADDRINUSE)
        code = replace(socket, address, file);
    if (code < 0)
        return code;
    return settle(file, mode);
}

/* ---- listening ---- */

static int bind_tcp(int socket, const struct os_address *address)
{
    set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (any(address)->sa_family == AF_INET6)
        set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* whatever the system's default */
    return or_error(bind(socket, any(address), address->size));
}

int os_socket_listen(int socket, const struct os_address *address, int backlog, struct os_socket_file *file,
                     unsigned mode)
{
    int code;
    if (file)
        code = bind_file(socket, address, file, mode);
    else if (is_tcp(address))
        code = bind_tcp(socket, address);
    else
        code = or_error(bind(socket, any(address), address->size));
    if (code == 0)
        code = set_waiting(socket, O_NONBLOCK);
    if (code == 0)
        code = or_error(listen(socket, backlog));
    if (code < 0 && file)
        os_socket_file_remove(file);
    return code;
}

static int option_of(int socket, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    int code = or_error(getsockopt(socket, SOL_SOCKET, option, &value, &size));
    return code < 0 ? code : value;
}

int os_socket_adopt(int socket)
{
    int type = option_of(socket, SO_TYPE);
    if (type == -EBADF)
        return type;
    if (type != SOCK_STREAM || option_of(socket, SO_ACCEPTCONN) != 1)
        return -EINVAL;
    int own = or_error(fcntl(socket, F_DUPFD_CLOEXEC, 0));
    if (own < 0)
        return own;
    if (option_of(own, SO_DOMAIN) != AF_UNIX)
        keep_alive(own);
    int code = set_waiting(own, O_NONBLOCK);
    if (code < 0) {
        close(own);
        return code;
    }
    return own;
}

int os_socket_accept(int socket, struct os_address *from)
{
    socklen_t size = sizeof from->bytes;
    int client = or_error(accept4(socket, (struct sockaddr *)from->bytes, &size, SOCK_CLOEXEC));
    switch (client) {
    case -EINTR:
    case -ECONNABORTED: /* the client is gone; the others are what its network had to say, see accept(2) */
    case -EPROTO:
    case -EPERM:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -ENOPROTOOPT:
    case -EOPNOTSUPP:
        return -EAGAIN;
    default:
        break;
    }
    if (client >= 0) {
        from->size = size < sizeof from->bytes ? size : sizeof from->bytes;
        if (is_tcp(from))
            set(client, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    return client;
}

/* ---- connecting ---- */

/* How long the system may wait, which is at most some minutes at a time, so that any deadline can be told. */
static struct timeval patience(int64_t deadline)
{
    const int64_t most = 600 * INT64_C(1000000000);
    int64_t left = deadline == OS_FOREVER ? most : deadline - os_clock_now();
    left = left < 1000 ? 1000 : left > most ? most : left; /* 0 would be for ever */
    return (struct timeval){ .tv_sec = (time_t)(left / 1000000000),
                             .tv_usec = (suseconds_t)(left % 1000000000 / 1000) };
}

static bool is_over(int64_t deadline)
{
    return deadline == 0 || (deadline != OS_FOREVER && os_clock_now() >= deadline);
}

/* While the backlog is full, poll can't tell when it has room: the system has to wait by itself. */
static int connect_unix(int socket, const struct os_address *address, int64_t deadline)
{
    int code;
    do {
        bool over = is_over(deadline);
        struct timeval time = patience(deadline);
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
        code = set_waiting(socket, over ? O_NONBLOCK : 0);
        if (code == 0)
            code = or_error(connect(socket, any(address), address->size));
    } while (code == -EAGAIN && !is_over(deadline));
    const struct timeval for_ever = { 0 };
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof for_ever);
    switch (code) {
    case -EAGAIN:
        return -ETIMEDOUT;
    case -ENOTDIR:
        return -ENOENT;
    case -EPROTOTYPE: /* a socket for datagrams */
        return -ECONNREFUSED;
    default:
        return code;
    }
}

/* Where nobody listens, and the port is one of those that the system gives to clients, a client can meet itself. */
static bool met_itself(int socket)
{
    struct os_address own, peer;
    return os_address_own(socket, &own) == 0 && os_address_peer(socket, &peer) == 0 && own.size == peer.size &&
           memcmp(own.bytes, peer.bytes, own.size) == 0;
}

static int connect_tcp(int socket, const struct os_address *address, int64_t deadline)
{
    int code = set_waiting(socket, O_NONBLOCK);
    if (code == 0)
        code = or_error(connect(socket, any(address), address->size));
    if (code == -EINPROGRESS) {
        int failure = 0;
        socklen_t size = sizeof failure;
        code = os_poll(socket, OS_POLL_WRITE, deadline);
        if (code == 0)
            code = or_error(getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size));
        if (code == 0)
            code = -failure;
    }
    return code == 0 && met_itself(socket) ? -ECONNREFUSED : code;
}

int os_socket_connect(int socket, const struct os_address *address, int64_t deadline)
{
    int code = is_tcp(address) ? connect_tcp(socket, address, deadline) : connect_unix(socket, address, deadline);
    /* The flag belongs to the socket, which may go to others. */
    return code < 0 ? code : set_waiting(socket, 0);
}

void os_socket_hang_up(int socket)
{
    shutdown(socket, SHUT_RDWR);
}
