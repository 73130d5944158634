/* bench/shm_files.c: see shm_files.h. */
#include "shm_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void shm_remove(const char *part)
{
    DIR *directory = opendir("/dev/shm");
    if (!directory)
        return;
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (strstr(entry->d_name, part))
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}
