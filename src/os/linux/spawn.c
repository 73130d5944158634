/* posix_spawn(3): its child has the memory of its parent until it calls execve, so what it costs does not depend on how
 * much that is. */
#include "os/spawn.h"

#include <errno.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <unistd.h>

pid_t os_spawn(int descriptor, char *const *argv, char *const *environment)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return -code;
    code = posix_spawn_file_actions_adddup2(&actions, descriptor, OS_SPAWN_DESCRIPTOR);
    /* Whatever the program has open that is not closed on exec. */
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(&actions, OS_SPAWN_DESCRIPTOR + 1);
    /* The kernel knows the program by this also when the file was replaced or deleted. */
    if (code == 0)
        code = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environment ? environment : environ);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? pid : -code;
}

bool os_has_foreign_rights(void)
{
    /* Who has another user's rights for now is taken for set-user-id after the exec. */
    return getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid();
}
