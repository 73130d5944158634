/* walk: directories are read one after the other, from a stack; so however deep the tree is, one is open at a time.
 * Symbolic links below the roots are never followed: a link that leads back up does no harm. */
#include "walk.h"

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void walk_begin(struct walk *walk, char **roots, bool sizes)
{
    *walk = (struct walk){ .roots = roots, .sizes = sizes };
}

static void push(struct walk *walk, char *path)
{
    if (walk->todo_count == walk->todo_capacity) {
        walk->todo_capacity = walk->todo_capacity ? 2 * walk->todo_capacity : 64;
        walk->todo = need(realloc(walk->todo, walk->todo_capacity * sizeof *walk->todo));
    }
    walk->todo[walk->todo_count++] = path;
}

static char *join(const char *directory, const char *name)
{
    char *path = need(malloc(strlen(directory) + 1 + strlen(name) + 1));
    char *end = stpcpy(path, directory);
    if (end > path && end[-1] != '/')
        *end++ = '/';
    stpcpy(end, name);
    return path;
}

/* Opens a directory for reading, which takes over its path. */
static void enter(struct walk *walk, char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    walk->open = fd < 0 ? NULL : fdopendir(fd);
    if (walk->open) {
        walk->path = path;
        return;
    }
    complain_of(path, errno);
    if (fd >= 0)
        close(fd);
    free(path);
}

static void leave(struct walk *walk)
{
    closedir(walk->open);
    free(walk->path);
    walk->open = NULL;
}

/* Begins with the next root. @return true when it is a file itself */
static bool begin_root(struct walk *walk, char **path, uint64_t *size)
{
    const char *root = *walk->roots++;
    struct stat status;
    if (stat(root, &status) < 0) {
        complain_of(root, errno);
    } else if (S_ISREG(status.st_mode)) {
        *path = need(strdup(root));
        *size = (uint64_t)status.st_size;
        return true;
    } else {
        enter(walk, need(strdup(root)), 0); /* says so when it is no directory */
    }
    return false;
}

/* Tells what an entry of the open directory is. Most file systems say so in the entry itself: asking for the status of
 * every file would be more than half of what the walk costs. @return 0 or an errno */
static int examine(struct walk *walk, const struct dirent *entry, mode_t *type, uint64_t *size)
{
    *type = (mode_t)DTTOIF(entry->d_type);
    *size = 0;
    if (entry->d_type != DT_UNKNOWN && !(walk->sizes && entry->d_type == DT_REG))
        return 0;
    struct stat status;
    if (fstatat(dirfd(walk->open), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    *type = status.st_mode;
    *size = (uint64_t)status.st_size;
    return 0;
}

/* Looks at the next entry of the open directory. @return true when it is a regular file */
static bool look(struct walk *walk, char **path, uint64_t *size)
{
    errno = 0;
    const struct dirent *entry = readdir(walk->open);
    if (!entry) {
        if (errno != 0)
            complain_of(walk->path, errno);
        leave(walk);
        return false;
    }
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;

    mode_t type;
    char *found = join(walk->path, name);
    int error = examine(walk, entry, &type, size);
    if (error == 0 && S_ISREG(type)) {
        *path = found;
        return true;
    }
    if (error == 0 && S_ISDIR(type)) {
        push(walk, found);
        return false;
    }
    if (error != 0)
        complain_of(found, error);
    free(found);
    return false;
}

static bool find(struct walk *walk, char **path, uint64_t *size)
{
    for (;;) {
        if (walk->open) {
            if (look(walk, path, size))
                return true;
        } else if (walk->todo_count > 0) {
            enter(walk, walk->todo[--walk->todo_count], O_NOFOLLOW);
        } else if (*walk->roots) {
            if (begin_root(walk, path, size))
                return true;
        } else {
            free(walk->todo);
            walk->todo = NULL;
            return false;
        }
    }
}

bool walk_next(struct walk *walk, char **path, uint64_t *size)
{
    while (find(walk, path, size)) {
        if (strlen(*path) < PATH_MAX)
            return true;
        complain_of(*path, ENAMETOOLONG);
        free(*path);
    }
    return false;
}
