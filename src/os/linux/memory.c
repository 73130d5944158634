/* mmap(2), memfd_create(2), fallocate(2). */
#include "os/memory.h"

#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

size_t os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int map(void **address, int access, int flags, int file, uint64_t offset, size_t size)
{
    void *got = mmap(NULL, size, access, flags, file, (off_t)offset);
    if (got == MAP_FAILED)
        return -errno;
    *address = got;
    return 0;
}

int os_memory_file(const char *label)
{
    int file = os_stream_clear(memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (file < 0)
        return file;
    fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK); /* nobody to whom it is handed can pull the memory from under the others */
    return file;
}

/** Whether it is more than the machine has, RAM and swap together. */
static bool beyond_machine(uint64_t size)
{
    struct sysinfo facts;
    return sysinfo(&facts) == 0 && size / facts.mem_unit >= (uint64_t)facts.totalram + facts.totalswap;
}

int os_memory_back(int file, uint64_t offset, uint64_t size)
{
    /* The kernel would not refuse it: it would collect pages, and kill other processes for more, to the last. */
    if (beyond_machine(size))
        return -ENOMEM;
    /* Past the limit the kernel would not only refuse but also send SIGXFSZ, which ends the process. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && offset + size > limit.rlim_cur)
        return -EFBIG;
    while (fallocate(file, 0, (off_t)offset, (off_t)size) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

void os_memory_punch(int file, uint64_t offset, uint64_t size)
{
    while (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) < 0 &&
           errno == EINTR)
        continue;
}

int os_memory_map(void **address, int file, uint64_t offset, size_t size)
{
    return map(address, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset, size);
}

int os_memory_map_to_read(const void **address, int file, uint64_t offset, size_t size)
{
    void *got = NULL;
    int code = map(&got, PROT_READ, MAP_SHARED, file, offset, size);
    if (code == 0)
        *address = got;
    return code;
}

int os_memory_share(void **address, size_t size)
{
    return map(address, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0, size);
}

void os_memory_unmap(const void *address, size_t size)
{
    munmap((void *)address, size);
}
