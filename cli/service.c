#include "service.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* @return the number that a variable has; 0 when it has none */
static long number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    long number = text ? strtol(text, &end, 10) : 0;
    return number > 0 && *end == '\0' && number < 1000000000 ? number : 0;
}

int service_sockets(void)
{
    int count = number_of("LISTEN_PID") == getpid() ? (int)number_of("LISTEN_FDS") : 0;
    unsetenv("LISTEN_PID"); /* children are not meant */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int fd = SERVICE_FIRST_SOCKET; fd < SERVICE_FIRST_SOCKET + count; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return 0;
    }
    return count;
}

void service_tell(const char *news)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path || !strchr("/@", *path))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0';
    int socket_of_manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_of_manager < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    sendto(socket_of_manager, news, strlen(news), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    close(socket_of_manager);
}
