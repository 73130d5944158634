/* walk.h: finds the regular files below some directories, one at a time. */
#ifndef DIGEST_TREE_WALK_H
#define DIGEST_TREE_WALK_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk {
    bool sizes;   /* are asked for */
    char **roots; /* those not begun; the array ends with NULL */
    char **todo;  /* a stack of directories found and not yet read */
    size_t todo_count, todo_capacity;
    DIR *open;  /* the one being read, or NULL */
    char *path; /* its path */
};

/** Begins.
 *  @param roots  paths, ended by NULL, that outlive the walk. One that is a symbolic link to a directory is followed
 *  @param sizes  whether the sizes of the files are wanted: a system call more for each */
void walk_begin(struct walk *walk, char **roots, bool sizes);

/** Finds the next file. What can't be read is complained of (report.h), and the walk goes on; so are paths that no
 *  system call would take (PATH_MAX).
 *  @param path  receives its path; the caller frees it
 *  @param size  receives its size in bytes, or 0 when sizes are not wanted
 *  @return false when there are no more: then all memory is given back */
bool walk_next(struct walk *walk, char **path, uint64_t *size);

#endif
