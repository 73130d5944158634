/* bench/leftovers.c: see leftovers.h. */
#include "leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void remove_shared_memory(const char *part)
{
    DIR *directory = opendir("/dev/shm");
    if (!directory)
        return;
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (strstr(entry->d_name, part))
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

static int remove_entry(const char *path, const struct stat *state, int type, struct FTW *walk)
{
    (void)state, (void)type, (void)walk;
    return remove(path);
}

void remove_folder(const char *path)
{
    enum { DESCRIPTORS = 8 };
    nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}
