/* Files of memory that have names, for processes that are no relatives. Each belongs to a user; nobody else may open
 * it. */
#ifndef KITH_SRC_OS_NAMED_H
#define KITH_SRC_OS_NAMED_H

#include <stdbool.h>
#include <stdint.h>

/** The longest name, in bytes. */
#define OS_NAME_MAX 240

/** Makes a file, of length 0, that has no name yet and goes when it is closed. Closed on exec, and only its user may
 *  open it. @return its descriptor, or -EMFILE, -ENFILE, -ENOMEM, -ENOSPC; -ENOTSUP where the system offers no such
 *  files */
int os_named_make(void);

/** Gives the file its name, at one instant. @return 0, -EEXIST; -ENOMEM, -ENOSPC; -ENOTSUP where the system can't */
int os_named_publish(int file, const char *name);

/** Opens the file of that name, closed on exec.
 *  @return its descriptor, or -ENOENT, -EACCES, -EMFILE, -ENFILE, -ENOMEM; -EINVAL when it is no file: a link, a
 *          folder */
int os_named_open(const char *name);

/** Takes the name away; those who have the file open keep it. @return 0, -ENOENT, -EACCES */
int os_named_remove(const char *name);

/** What a file is. */
struct os_file {
    uint64_t size;  /* in bytes */
    bool is_named;  /* it still has its name */
    bool is_ours;   /* it belongs to this user */
    bool is_secret; /* others may neither read nor write it */
};

/** @return 0 or a negated errno, as for what is no file */
int os_file_look(int file, struct os_file *facts);

/** Reads bytes at the file's start. @return 0; -ENODATA when it is shorter; another negated errno */
int os_file_read(int file, void *buffer, uint32_t size);

/** Makes the file empty, giving its memory back. @return 0 or a negated errno */
int os_file_clear(int file);

/** A second descriptor of the same file, closed on exec. @return it, or -EBADF, -EMFILE */
int os_file_duplicate(int file);

/** Whether the lower half of the descriptors that this process may have is not all in use: a new one, of which this is
 *  the latest, has the lowest number that is free. */
bool os_file_leaves_room(int file);

/** How many may hold a file at the same time. Who holds it does so through all copies of this descriptor, in children,
 *  too; the system lets go for them when the last one is closed, however that comes. */
enum os_hold { OS_HOLD_SHARED, OS_HOLD_ALONE };

/** Holds the file, or changes how it is held, without waiting. @return 0; -EAGAIN when others hold it so that it can't
 *  be; another negated errno */
int os_file_hold(int file, enum os_hold how);

#endif
