/* pipe2(2), dup3(2), fcntl(2). */
#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

enum { BEYOND_STANDARD = STDERR_FILENO + 1 };

int os_stream_clear(int descriptor)
{
    if (descriptor < 0)
        return -errno;
    if (descriptor >= BEYOND_STANDARD)
        return descriptor;
    int moved = os_stream_copy(descriptor);
    close(descriptor);
    return moved;
}

int os_stream_clear_both(const int made[2], int ends[2])
{
    int one = os_stream_clear(made[0]), other = os_stream_clear(made[1]);
    if (one >= 0 && other >= 0) {
        ends[0] = one;
        ends[1] = other;
        return 0;
    }
    if (one >= 0)
        close(one);
    if (other >= 0)
        close(other);
    return one < 0 ? one : other;
}

int os_stream_pipe(int ends[2])
{
    int made[2];
    return pipe2(made, O_CLOEXEC) < 0 ? -errno : os_stream_clear_both(made, ends);
}

int os_stream_null(void)
{
    return os_stream_clear(open("/dev/null", O_RDWR | O_CLOEXEC));
}

int os_stream_copy(int descriptor)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, BEYOND_STANDARD);
    return copy < 0 ? -errno : copy;
}

bool os_stream_is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

int os_stream_place(int descriptor, int place)
{
    int code = descriptor == place ? fcntl(place, F_SETFD, 0) : dup2(descriptor, place);
    return code < 0 ? -errno : 0;
}

void os_stream_flush(FILE *stream)
{
    if (__fpending(stream) > 0)
        fflush(stream);
}

void os_stream_forget_stdin(void)
{
    __fpurge(stdin);
    clearerr(stdin);
}
