/* eventfd(2). */
#include "os/flag.h"

#include <errno.h>
#include <sys/eventfd.h>

int os_flag_new(void)
{
    int flag = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return flag < 0 ? -errno : flag;
}

bool os_flag_raise(int flag)
{
    return eventfd_write(flag, 1) == 0 || errno == EAGAIN; /* it is raised as high as can be */
}

void os_flag_lower(int flag)
{
    eventfd_t count;
    eventfd_read(flag, &count);
}
