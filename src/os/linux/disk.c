/* open(2), fsync(2), rename(2), flock(2). */
#include "os/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

/* @param data, size  what was read so far, and its memory; both are replaced */
static int read_rest(int file, unsigned char **data, size_t *size, size_t capacity)
{
    for (;;) {
        if (*size == capacity) {
            capacity *= 2;
            unsigned char *grown = realloc(*data, capacity);
            if (!grown)
                return -ENOMEM;
            *data = grown;
        }
        ssize_t got = read(file, *data + *size, capacity - *size);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        *size += got > 0 ? (size_t)got : 0;
    }
}

int os_disk_read(const char *path, void **data, size_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int code = fstat(file, &status) < 0 ? -errno : 0;
    size_t capacity = code == 0 && status.st_size > 0 ? (size_t)status.st_size + 1 : 4096;
    size_t read = 0;
    unsigned char *bytes = malloc(capacity);
    if (code == 0)
        code = bytes ? read_rest(file, &bytes, &read, capacity) : -ENOMEM;
    close(file);
    if (code < 0) {
        free(bytes);
        return code;
    }
    *data = bytes;
    *size = read;
    return 0;
}

/* ---- replacing ---- */

/* @return path with an ending, to be freed; NULL when there is no memory */
static char *name_beside(const char *path, const char *ending)
{
    const size_t size = strlen(path) + strlen(ending) + 1;
    char *beside = malloc(size);
    if (beside)
        snprintf(beside, size, "%s%s", path, ending);
    return beside;
}

static int write_all(int file, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    while (size > 0) {
        ssize_t done = write(file, bytes, size);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return fsync(file) < 0 ? -errno : 0;
}

/* Writes a file that was not there before, so that nobody else has it open. */
static int write_new(const char *path, const void *data, size_t size)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    int code = write_all(file, data, size);
    if (close(file) < 0 && code == 0)
        code = -errno;
    if (code < 0)
        unlink(path);
    return code;
}

/* A name is on the disk when its folder is. */
static int sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    int folder = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int code = fsync(folder) < 0 ? -errno : 0;
    close(folder);
    return code;
}

int os_disk_replace(const char *path, const void *data, size_t size)
{
    char *beside = name_beside(path, ".new");
    if (!beside)
        return -ENOMEM;
    int code = write_new(beside, data, size);
    if (code == 0 && rename(beside, path) < 0) {
        code = -errno;
        unlink(beside);
    }
    if (code == 0)
        code = sync_folder_of(beside);
    free(beside);
    return code;
}

/* ---- locking ---- */

/* Whether the file has its name still: who had the lock before may have removed it just now. */
static bool has_name(int file, const char *name)
{
    struct stat own, named;
    return fstat(file, &own) == 0 && stat(name, &named) == 0 && own.st_dev == named.st_dev &&
           own.st_ino == named.st_ino;
}

static int lock_file(const char *name)
{
    for (;;) {
        int file = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file < 0)
            return -errno;
        int code = flock(file, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
        if (code == 0 && has_name(file, name))
            return file;
        close(file);
        if (code < 0 && code != -EINTR)
            return code == -EWOULDBLOCK ? -EBUSY : code;
    }
}

int os_disk_lock(const char *path)
{
    char *name = name_beside(path, ".lock");
    int lock = name ? lock_file(name) : -ENOMEM;
    free(name);
    return lock;
}

void os_disk_unlock(const char *path, int lock)
{
    char *name = name_beside(path, ".lock");
    if (name)
        unlink(name); /* before it is unlocked: then it is nobody else's */
    free(name);
    close(lock);
}
