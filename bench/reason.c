/* bench/reason.c: the reason lives in memory that all processes of a run share, so that the parent can print what a
 * worker stumbled over. The first one is kept: what follows is mostly the consequence. */
#include "reason.h"

#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct shared_reason {
    atomic_int taken; /* set by the first process that has a reason; only that one writes text */
    char text[252];
};

static struct shared_reason *shared;

int reason_init(void)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    shared = memory;
    return 0;
}

int because(int code, const char *format, ...)
{
    if (!atomic_exchange(&shared->taken, 1)) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(shared->text, sizeof shared->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

int because_errno(const char *what)
{
    return because(FAILED, "%s: %s", what, strerror(errno));
}

const char *reason(void)
{
    return shared->text;
}
