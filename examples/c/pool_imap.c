/* pool_imap: a walk over a tree of any size, of which only a few files are on their way at a time.
 *
 *     pool_imap DIR
 *
 * The pool asks for the next file when it has room for one, and has room when results are taken. So who takes them
 * slowly, as here, slows down the walk, and nothing piles up in between. */
#include "must.h"

#include <kith/pool.h>

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <time.h>

enum { AHEAD = 16 };

static const char *kind_of(const char *head, size_t length)
{
    if (length == 0)
        return "empty";
    if (length >= 4 && memcmp(head, "\177ELF", 4) == 0)
        return "a program";
    if (length >= 2 && memcmp(head, "#!", 2) == 0)
        return "a script";
    return "something else";
}

/* The task: tells what a file is, by its first bytes. */
KITH_ENTRY(kind_of_file)
{
    size_t size;
    const void *path;
    char head[4];
    int code = kith_value_unpack(kith_call_args(call), "(y)", &path, &size);
    if (code < 0)
        return code;
    FILE *file = fopen(path, "r");
    if (!file)
        return -errno;
    size_t length = fread(head, 1, sizeof head, file);
    code = ferror(file) ? -errno : 0;
    fclose(file);
    if (code < 0)
        return code;
    return kith_call_return(call, kith_value_str(kith_call_arena(call), kind_of(head, length)));
}

struct walk {
    FTS *tree;
    unsigned found, taken, farthest;
};

/* Gives the next file below the directory, as the arguments of the next task. */
static int next_file(void *context, kith_arena *arena, kith_value **args)
{
    struct walk *walk = context;
    FTSENT *entry;
    while ((entry = fts_read(walk->tree))) {
        if (entry->fts_info != FTS_F)
            continue;
        walk->found++;
        if (walk->found - walk->taken > walk->farthest)
            walk->farthest = walk->found - walk->taken;
        *args = kith_value_pack(arena, "(y)", entry->fts_path, strlen(entry->fts_path) + 1);
        return *args ? 1 : kith_arena_error(arena);
    }
    return 0;
}

/* Takes one result, and tells it. A task that failed has an outcome, too; without one, it is the walk that failed.
 * @return 0 when there are no more */
static int take(kith_imap *kinds, kith_arena *arena)
{
    kith_value *kind;
    kith_outcome outcome;
    const char *text;
    int code = kith_imap_next(kinds, arena, &kind, KITH_FOREVER);
    if (code == KITH_EEMPTY)
        return 0;
    if (code == 0)
        MUST(kith_value_as_str(kind, &text, NULL));
    else if (kith_imap_outcome(kinds, &outcome) == 0)
        text = kith_strerror(outcome.code);
    else
        must(code, "kith_imap_next");
    printf("%s\n", text);
    kith_arena_reset(arena);
    return 1;
}

int main(int argc, char **argv)
{
    struct walk walk = { .tree = argc == 2 ? fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL };
    if (!walk.tree) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 2;
    }
    kith_arena *arena;
    kith_pool *pool;
    kith_imap *kinds;
    MUST(kith_arena_new(&arena));
    MUST(kith_pool_new(&pool, NULL));
    MUST(kith_pool_imap(pool, &kinds, kind_of_file, next_file, &walk, &(kith_task_options){ .ahead = AHEAD }));

    for (; take(kinds, arena); walk.taken++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 }, NULL); /* whatever takes time */
    printf("files: %u; on their way: never more than %u\n", walk.found, walk.farthest);
    kith_imap_free(kinds);
    kith_pool_free(pool);
    kith_arena_free(arena);
    fts_close(walk.tree);
    return 0;
}
