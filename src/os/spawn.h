/* Fresh images of this program. */
#ifndef KITH_SRC_OS_SPAWN_H
#define KITH_SRC_OS_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/** Where an image finds the descriptor that it is given. */
#define OS_SPAWN_DESCRIPTOR 3

/** Starts one. It has stdin, stdout and stderr, the given descriptor, and no others.
 *  @param descriptor   which it finds as OS_SPAWN_DESCRIPTOR
 *  @param argv         its arguments; ends with NULL
 *  @param environment  NULL: as this process's
 *  @return its id; -EAGAIN, -ENOMEM; -ENOENT where the system does not show programs themselves (no /proc); another
 *          negated errno of execve(2) */
pid_t os_spawn(int descriptor, char *const *argv, char *const *environment);

/** Whether this program has rights that the user who called it does not have. */
bool os_has_foreign_rights(void);

#endif
