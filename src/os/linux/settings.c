/* chdir(2), nice(2), sched_setaffinity(2), prlimit(2). */
#include "os/settings.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

int os_set_directory(const char *path)
{
    return chdir(path) < 0 ? -errno : 0;
}

int os_set_niceness(int by)
{
    errno = 0; /* -1 may be the new niceness */
    return nice(by) == -1 ? -errno : 0;
}

int os_set_cpus(const unsigned *cpus, size_t count)
{
    cpu_set_t *set = CPU_ALLOC(OS_CPUS_MAX);
    if (!set)
        return -ENOMEM;
    size_t size = CPU_ALLOC_SIZE(OS_CPUS_MAX);
    CPU_ZERO_S(size, set);
    for (size_t i = 0; i < count; i++)
        CPU_SET_S(cpus[i], size, set);
    int code = sched_setaffinity(0, size, set) < 0 ? -errno : 0;
    CPU_FREE(set);
    return code;
}

bool os_limit_is_known(int resource)
{
    return resource >= 0 && resource < (int)RLIM_NLIMITS;
}

bool os_limit_is_of_memory(int resource)
{
    return resource == (int)RLIMIT_DATA;
}

int os_set_limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };
    return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static rlim_t lower(rlim_t one, uint64_t other)
{
    return one < other ? one : other; /* RLIM_INFINITY is the largest number */
}

int os_cap_memory(uint64_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) < 0)
        return -errno;
    /* Not RLIMIT_AS: address space is cheap, and reserved by the gigabyte. */
    return os_set_limit(RLIMIT_DATA, lower(limit.rlim_cur, size), lower(limit.rlim_max, size));
}

int os_signal_max(void)
{
    return SIGRTMAX;
}
