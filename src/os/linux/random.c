/* getrandom(2), which gives up to 256 bytes without fail. */
#include "os/random.h"

#include <sys/random.h>

void os_random(void *buffer, size_t size)
{
    while (getrandom(buffer, size, 0) != (ssize_t)size)
        continue; /* a signal handler ran before the system had gathered enough for its first numbers */
}
