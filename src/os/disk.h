/* Files on disks, read and replaced as a whole. */
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

#endif
