/* report: all that goes to stderr. A bar that is on the screen makes way for a complaint, and is drawn again later. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

size_t complaints;

static bool bar_shown;

static void say(const char *format, va_list arguments)
{
    progress_clear();
    fputs("digest_tree: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void remark(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    complaints++;
}

void complain_of(const char *path, int error)
{
    complain("%s: %s", path, strerror(error));
}

void *need(void *memory)
{
    if (!memory) {
        complain("out of memory");
        exit(EXIT_FAILURE);
    }
    return memory;
}

int must(int result, const char *call)
{
    if (result < 0) {
        complain("%s: %s %s", call, kith_strerror(result), kith_error_detail());
        exit(EXIT_FAILURE);
    }
    return result;
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- the bar ----------------------------------------------------------------------------------------------------- */

/* What a file costs beside its bytes (opening, closing), as so many bytes: without it, the time left would be far off
 * in a tree of small files. */
static const double file_cost = 16384;

static double work_in(struct amount amount)
{
    return (double)amount.bytes + file_cost * (double)amount.files;
}

static void draw_time_left(double elapsed, double share)
{
    long left = (long)(elapsed / share - elapsed + 0.5);
    if (left >= 3600)
        fprintf(stderr, "  %ld:%02ld:%02ld left", left / 3600, left / 60 % 60, left % 60);
    else
        fprintf(stderr, "  %ld:%02ld left", left / 60, left % 60);
}

static void draw(struct amount done, struct amount found, bool walking, double elapsed)
{
    static const char full[] = "################";
    const int width = (int)sizeof full - 1;
    double share = found.files > 0 ? work_in(done) / work_in(found) : 0;
    int filled = share < 1 ? (int)(share * width) : width;

    fprintf(stderr, "\r[%.*s%*s] %ju/%ju%s files  %.0f MB  %.0f MB/s", filled, full, width - filled, "",
            (uintmax_t)done.files, (uintmax_t)found.files, walking ? "+" : "", (double)done.bytes * 1e-6,
            elapsed > 0 ? (double)done.bytes * 1e-6 / elapsed : 0);
    if (!walking && share > 0)
        draw_time_left(elapsed, share);
    fputs("\033[K", stderr); /* wipes what the line before had more */
    fflush(stderr);
}

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO);
}

void progress_draw(struct amount done, struct amount found, bool walking)
{
    static double first, last;
    double now = seconds_now();
    if (first == 0)
        first = now;
    if (now - last < 0.1)
        return;
    last = now;
    if (!progress_wanted())
        return;
    draw(done, found, walking, now - first);
    bar_shown = true;
}

void progress_clear(void)
{
    if (!bar_shown)
        return;
    fputs("\r\033[K", stderr);
    bar_shown = false;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

void table_head(void)
{
    fprintf(stderr, "%-10s %10s %12s %10s %10s\n", "worker", "files", "MB", "seconds", "MB/s");
}

void table_row(const char *name, struct amount done, double seconds)
{
    double megabytes = (double)done.bytes * 1e-6;
    fprintf(stderr, "%-10s %10ju %12.1f %10.2f %10.1f\n", name, (uintmax_t)done.files, megabytes, seconds,
            seconds > 0 ? megabytes / seconds : 0);
}
