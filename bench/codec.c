/* kith-codec: how long it takes to write and to read a pickle. codec.py runs it, by turns with CPython. */
#include "turns.h"

#include <kith/codec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 * 1024 * 1024 };

static int read_often(kith_arena *arena, const void *pickle, size_t size, long count)
{
    kith_value *value;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++) {
        kith_arena_reset(arena);
        code = kith_pickle_read(arena, &value, pickle, size, NULL);
    }
    return code;
}

static int write_often(kith_arena *arena, const void *pickle, size_t size, long count)
{
    kith_value *value;
    int code = kith_pickle_read(arena, &value, pickle, size, NULL);
    for (long i = 0; i < count && code == 0; i++) {
        kith_bytes written;
        code = kith_pickle_write(value, &written, NULL);
        if (code == 0)
            kith_bytes_free(&written);
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "read") != 0 && strcmp(argv[1], "write") != 0) || atol(argv[2]) < 1) {
        fputs("usage: kith-codec read|write COUNT    the pickle comes from stdin; prints seconds\n", stderr);
        return 2;
    }
    int (*work)(kith_arena *, const void *, size_t, long) = argv[1][0] == 'r' ? read_often : write_often;
    long count = atol(argv[2]);
    kith_arena *arena;
    int code = kith_arena_new(&arena);
    char *pickle = malloc(MOST);
    if (code < 0 || !pickle)
        return turns_fail("no memory", code);
    size_t size = fread(pickle, 1, MOST, stdin);
    code = work(arena, pickle, size, count / 10 + 1); /* to warm up */
    double start = turns_now();
    if (code == 0)
        code = work(arena, pickle, size, count);
    double seconds = turns_now() - start;
    free(pickle);
    kith_arena_free(arena);
    if (code < 0)
        return turns_fail(argv[1], code);
    printf("%.9f\n", seconds);
    return 0;
}
