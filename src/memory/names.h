/* Names of shared memory, and whom to trust. */
#ifndef KITH_SRC_MEMORY_NAMES_H
#define KITH_SRC_MEMORY_NAMES_H

#include <kith/memory.h>

/** Before each object's name in the system's folder, so that objects are told from bare segments. */
#define NAMES_OF_OBJECTS "kith."

/** @return 0; -EINVAL with the detail when these are not 1 to KITH_NAME_MAX bytes without '/' */
int names_check(const char *name);

/** @return 0; -EINVAL with the detail when this is none of kith_open */
int names_check_how(kith_open how);

/** Opens a file, if nobody else can have had a hand in it.
 *  @param file  what the system calls it
 *  @param name  what the caller calls it, for the detail
 *  @return its descriptor; -ENOENT without a detail; -EACCES, -EMFILE, -ENFILE, -ENOMEM with it */
int names_open(const char *file, const char *name);

/** Takes a name away. @return 0; -ENOENT, -EACCES, -EPERM with the detail */
int names_remove(const char *file, const char *name);

#endif
