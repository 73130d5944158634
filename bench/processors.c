/* bench/processors.c: see processors.h. */
#include "processors.h"

#include <sched.h>

unsigned processors(void)
{
    cpu_set_t usable;
    return sched_getaffinity(0, sizeof usable, &usable) < 0 ? 1 : (unsigned)CPU_COUNT(&usable);
}

void keep_to_processor(unsigned turn)
{
    cpu_set_t usable, one;
    if (sched_getaffinity(0, sizeof usable, &usable) < 0)
        return;
    turn %= (unsigned)CPU_COUNT(&usable);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &usable) && turn-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}
