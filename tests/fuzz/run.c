/* A fuzzer as an ordinary program: it runs each input that is kept, once, in the order of their names.
 *
 * usage: PROGRAM FILE|FOLDER...    Output is TAP, a test for each FILE or FOLDER. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void give_up(const char *path)
{
    printf("Bail out! %s: %s\n", path, strerror(errno));
    exit(2);
}

/* The input has memory of its own size, so that a look beyond its end is seen. */
static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0)
        give_up(path);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + !size);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        give_up(path);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is who broke what is told next */
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

/* @return how many files it had; -1 when it is no folder */
static int run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return -1;
    int files = 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            run_file(name);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    return files;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        int files = run_folder(argv[i]);
        if (files < 0)
            run_file(argv[i]);
        printf("%s %d - %d inputs\n", files ? "ok" : "not ok", i, files < 0 ? 1 : files);
    }
    return 0;
}
