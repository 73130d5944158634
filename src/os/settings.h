/* What a process sets for itself. */
#ifndef KITH_SRC_OS_SETTINGS_H
#define KITH_SRC_OS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Goes to a directory. @return 0, -ENOENT, -ENOTDIR, -EACCES, or another negated errno */
int os_set_directory(const char *path);

/** Becomes nicer, or less nice. @return 0, -EPERM */
int os_set_niceness(int by);

/** More CPUs than any system has. */
#define OS_CPUS_MAX 65536

/** Keeps the calling thread, and those that it starts, to some CPUs.
 *  @param cpus  count of them, each below OS_CPUS_MAX; what the system does not have is left out
 *  @return 0; -EINVAL when the system has none of them, or does not give them; -ENOMEM */
int os_set_cpus(const unsigned *cpus, size_t count);

/** Whether the system has a limit of this number. */
bool os_limit_is_known(int resource);

/** Whether it is that of os_cap_memory. */
bool os_limit_is_of_memory(int resource);

/** @return 0; -EPERM for more than the hard limit that is there; -EINVAL */
int os_set_limit(int resource, uint64_t soft, uint64_t hard);

/** Gives this process no more memory of its own than so many bytes, or than before, when that was less. @return 0 */
int os_cap_memory(uint64_t size);

/** The largest number of a signal. */
int os_signal_max(void);

#endif
