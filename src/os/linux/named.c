/* tmpfs, O_TMPFILE of open(2), linkat(2), flock(2). In the folder where shm_open(3) has its objects, too. */
#include "os/named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/dev/shm"

/** What a call of the system returned, or why it failed. */
static int or_error(int result)
{
    return result < 0 ? -errno : result;
}

int os_named_make(void)
{
    int file = open(FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? -ENOTSUP : -errno;
    fchmod(file, 0600); /* whatever the umask */
    return file;
}

static void path_of(char path[sizeof FOLDER + 1 + OS_NAME_MAX], const char *name)
{
    snprintf(path, sizeof FOLDER + 1 + OS_NAME_MAX, FOLDER "/%s", name);
}

int os_named_publish(int file, const char *name)
{
    char path[sizeof FOLDER + 1 + OS_NAME_MAX], self[32];
    path_of(path, name);
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    int code = or_error(linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
    return code == -ENOENT ? -ENOTSUP : code; /* there is no /proc */
}

int os_named_open(const char *name)
{
    char path[sizeof FOLDER + 1 + OS_NAME_MAX];
    path_of(path, name);
    int code = or_error(open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)); /* a FIFO would wait otherwise */
    return code == -ELOOP || code == -EISDIR || code == -ENXIO ? -EINVAL : code;
}

int os_named_remove(const char *name)
{
    char path[sizeof FOLDER + 1 + OS_NAME_MAX];
    path_of(path, name);
    return or_error(unlink(path));
}

int os_file_look(int file, struct os_file *facts)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    *facts = (struct os_file){
        .size = (uint64_t)status.st_size,
        .is_named = status.st_nlink > 0,
        .is_ours = status.st_uid == geteuid(),
        .is_secret = !(status.st_mode & 077),
    };
    return 0;
}

int os_file_read(int file, void *buffer, uint32_t size)
{
    ssize_t got = pread(file, buffer, size, 0);
    if (got < 0)
        return -errno;
    return (size_t)got < size ? -ENODATA : 0;
}

int os_file_clear(int file)
{
    return or_error(ftruncate(file, 0));
}

int os_file_duplicate(int file)
{
    return or_error(fcntl(file, F_DUPFD_CLOEXEC, 0));
}

bool os_file_leaves_room(int file)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)file < limit.rlim_cur / 2;
}

int os_file_hold(int file, enum os_hold how)
{
    while (flock(file, (how == OS_HOLD_ALONE ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return 0;
}
