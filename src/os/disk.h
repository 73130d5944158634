/* Files on disks, read and replaced as a whole, and locked. */
#ifndef KITH_SRC_OS_DISK_H
#define KITH_SRC_OS_DISK_H

#include <stddef.h>

/** Reads a file.
 *  @param data  receives its bytes, to be freed; never NULL after success
 *  @return 0; -ENOENT, -EACCES, -EISDIR; -ENOMEM; another negated errno */
int os_disk_read(const char *path, void **data, size_t *size);

/** Puts a file in the place of another one, or of none, with permissions 0600. Whoever opens the path, also after a
 *  crash of this process or of the system at any instant, finds the file before or the whole new one; after a crash
 *  there may also be one of that name with ".new" behind it, which the next call removes. For one process at a time.
 *  @return 0, and then it is on the disk; -ENOSPC, -EDQUOT, -EFBIG, -EACCES, -ENOENT, -EROFS, -EIO; another negated
 *          errno; and then the file before is there still, unless its folder could not be synced */
int os_disk_replace(const char *path, const void *data, size_t size);

/** Takes a file for one user alone, who may replace it then: locks one of that name with ".lock" behind it, which is
 *  made. The lock ends with os_disk_unlock, or when all processes that have the descriptor have ended or closed it; a
 *  file that is left then is no lock any more.
 *  @return the lock, a descriptor that an exec closes; -EBUSY when somebody else has it, also in this process; -ENOENT
 *          when there is no such folder; -EACCES, -EROFS, -ENOSPC; -ELOOP when it is a symbolic link; -ENOMEM; another
 *          negated errno */
int os_disk_lock(const char *path);

/** Gives it back, and removes its file. @param path  as it was locked */
void os_disk_unlock(const char *path, int lock);

#endif
