/* digest_tree: the SHA-256 digests of all files below some directories, computed by several processes.
 *
 *     digest_tree DIR... [-j WORKERS] [--pool]
 *
 * The parent walks the directories (walk.c) and hands what it finds to its workers while it still walks: to a crew that
 * is made by hand, of processes and queues (crew.c, work.c), or to a pool (pool_crew.c). In the end it prints the lines
 * that sha256sum would print, in the order of the bytes of the paths (files.c). Complaints, a progress bar and a table
 * of the workers go to stderr (report.c). */
#include "crew.h"
#include "files.h"
#include "pool_crew.h"
#include "report.h"
#include "walk.h"
#include "work.h"

#include <kith/process.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned workers_max = 1024;

static const char usage[] = "usage: digest_tree DIR... [-j WORKERS] [--pool]\n";

static const char help[] =
    "\n"
    "Prints the SHA-256 digest of every regular file below the directories, as sha256sum does, sorted by path.\n"
    "Symbolic links are not followed, but for a DIR that is one itself.\n"
    "\n"
    "  -j, --jobs WORKERS   worker processes, 1 to 1024; by default one for each usable CPU\n"
    "  -p, --pool           by a pool, instead of workers and queues made by hand\n"
    "  -h, --help           this text\n"
    "\n"
    "Exit status: 0 when all was read; 1 when something could not be; 2 when the options are wrong.\n";

static _Noreturn void fail_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static unsigned parse_workers(const char *text)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < 1 || number > workers_max) {
        fprintf(stderr, "digest_tree: -j %s: not a number from 1 to %u\n", text, workers_max);
        fail_usage();
    }
    return (unsigned)number;
}

struct options {
    unsigned workers;
    bool pool;
};

/* Leaves the directories at arguments[optind], ended by NULL. */
static struct options parse_options(int count, char **arguments)
{
    static const struct option known[] = {
        { "jobs", required_argument, NULL, 'j' },
        { "pool", no_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .workers = (unsigned)kith_cpu_count() };
    int option;
    while ((option = getopt_long(count, arguments, "j:ph", known, NULL)) != -1) {
        if (option == 'j') {
            options.workers = parse_workers(optarg);
        } else if (option == 'p') {
            options.pool = true;
        } else if (option == 'h') {
            fputs(usage, stdout);
            fputs(help, stdout);
            exit(0);
        } else {
            fail_usage();
        }
    }
    if (optind == count) {
        fputs("digest_tree: which directory?\n", stderr);
        fail_usage();
    }
    return options;
}

/* Walks until there is a batch more, or no file is left. @return false when none is left */
static bool find_batch(struct walk *walk, struct files *files, struct amount *found, struct crew *crew)
{
    size_t first = files->count;
    char *path;
    uint64_t size;
    bool more = true;
    while (files->count - first < BATCH_FILES && (more = walk_next(walk, &path, &size))) {
        files_add(files, path);
        found->files++;
        found->bytes += size;
    }
    if (files->count > first)
        crew_add(crew, first, files->count - first);
    return more;
}

static void crew_digest(char **roots, struct files *files, unsigned workers)
{
    double start = seconds_now();
    struct crew *crew = crew_start(workers, files);
    struct walk walk;
    walk_begin(&walk, roots, progress_wanted());
    struct amount found = { 0, 0 };
    bool walking = true, alive = true;
    while (walking || (alive && !crew_idle(crew))) {
        if (walking)
            walking = find_batch(&walk, files, &found, crew);
        if (alive)
            alive = crew_drive(crew, !walking);
        progress_draw(crew_done(crew), found, walking);
    }
    progress_clear();
    if (!crew_idle(crew))
        complain("no worker is left; %ju files have no digest", (uintmax_t)(found.files - crew_done(crew).files));
    crew_finish(crew, seconds_now() - start);
}

int main(int count, char **arguments)
{
    struct options options = parse_options(count, arguments);
    struct files files = { NULL, 0, 0 };
    if (options.pool)
        pool_digest(arguments + optind, &files, options.workers);
    else
        crew_digest(arguments + optind, &files, options.workers);

    files_sort(&files);
    int error = files_print(&files);
    if (error != 0)
        complain("can't write the digests: %s", strerror(error));
    files_free(&files);
    return complaints > 0 ? 1 : 0;
}
