/* files: the list of files, sorted and printed as sha256sum prints. */
#include "files.h"

#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void files_add(struct files *files, char *path)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? 2 * files->capacity : 1024;
        files->at = need(realloc(files->at, files->capacity * sizeof *files->at));
    }
    files->at[files->count++] = (struct file){ .path = path, .error = NOT_DONE };
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

void files_sort(struct files *files)
{
    if (files->count > 0)
        qsort(files->at, files->count, sizeof *files->at, by_path);
}

/* A name that would break the line is escaped, and the line says so by the backslash at its beginning. */
static void print_path_escaped(const char *path)
{
    for (; *path; path++) {
        if (*path == '\\')
            fputs("\\\\", stdout);
        else if (*path == '\n')
            fputs("\\n", stdout);
        else if (*path == '\r')
            fputs("\\r", stdout);
        else
            putchar(*path);
    }
}

static void print_line(const struct file *file)
{
    char hex[2 * DIGEST_SIZE + 2];
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        hex[2 * i] = "0123456789abcdef"[file->digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[file->digest[i] & 15];
    }
    hex[2 * DIGEST_SIZE] = hex[2 * DIGEST_SIZE + 1] = ' ';

    int escaped = strpbrk(file->path, "\\\n\r") != NULL;
    if (escaped)
        putchar('\\');
    fwrite(hex, 1, sizeof hex, stdout);
    if (escaped)
        print_path_escaped(file->path);
    else
        fputs(file->path, stdout);
    putchar('\n');
}

int files_print(const struct files *files)
{
    static char buffer[256 * 1024];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (size_t i = 0; i < files->count; i++)
        if (files->at[i].error == 0)
            print_line(&files->at[i]);
    return fflush(stdout) || ferror(stdout) ? errno : 0;
}

void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->at[i].path);
    free(files->at);
}
