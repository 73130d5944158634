/* files.h: the list of the files found, and of what became of each. */
#ifndef DIGEST_TREE_FILES_H
#define DIGEST_TREE_FILES_H

#include "digest.h"

enum { NOT_DONE = -1 };

struct file {
    char *path;
    int error; /* 0: digest is good; an errno: why it could not be read; NOT_DONE */
    unsigned char digest[DIGEST_SIZE];
};

struct files {
    struct file *at;
    size_t count;
    size_t capacity;
};

/** Appends a file. @param path  becomes the list's */
void files_add(struct files *files, char *path);

/** Puts the list in the order of the bytes of the paths. */
void files_sort(struct files *files);

/** Writes the lines that sha256sum would write, for the files that have a digest. @return 0, or an errno */
int files_print(const struct files *files);

void files_free(struct files *files);

#endif
