/* ioctl_tty(2). */
#include "os/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

int os_terminal_width(int descriptor)
{
    struct winsize size;
    if (!isatty(descriptor))
        return 0;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
