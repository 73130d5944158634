/* getrandom(2), which gives up to 256 bytes at once. */
#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

int os_random(void *buffer, size_t size)
{
    /* A signal handler may run before the system has gathered enough for its first numbers. */
    while (getrandom(buffer, size, 0) != (ssize_t)size) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}
