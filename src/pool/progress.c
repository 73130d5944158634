/* How far a map is: when that is told, and the line that shows it.
 *
 * Where a terminal is too narrow, numbers are left out, the least important first, and the label takes what they leave;
 * the last column stays empty, for some terminals go to the next line there. Where writing would have to wait (^S on
 * the terminal, a pipe that nobody reads), the line is left out: the keeper must not wait. */
#include "pool/progress.h"

#include "base/utf8.h"
#include "os/poll.h"
#include "os/terminal.h"
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL ((int64_t)50000000) /* 20 times a second, in nanoseconds */

int64_t progress_due(const struct kith_result *result, bool ended)
{
    if (!result->progress)
        return OS_FOREVER;
    if (result->told_at == 0 || ended)
        return 0;
    return atomic_load_explicit(&result->done, memory_order_relaxed) > result->told ? result->told_at + INTERVAL
                                                                                    : OS_FOREVER;
}

static void begin_telling(struct kith_pool *pool)
{
    pthread_mutex_lock(&pool->telling);
    atomic_store_explicit(&pool->teller, (uintptr_t)pthread_self(), memory_order_relaxed);
}

static void end_telling(struct kith_pool *pool)
{
    atomic_store_explicit(&pool->teller, 0, memory_order_relaxed);
    pthread_mutex_unlock(&pool->telling);
}

/* Between these two. The function may silence it. */
static void tell(const struct kith_result *result, size_t done, size_t total, bool ended)
{
    bool first = result->told_at == 0;
    if (!result->silent && first)
        result->progress(result->context, 0, total);
    if (!result->silent && (!first || ended))
        result->progress(result->context, done, total);
}

void progress_tell(struct kith_result *result, size_t done, size_t total, bool ended)
{
    begin_telling(result->pool);
    tell(result, done, total, ended);
    result->told = result->told_at == 0 && !ended ? 0 : done;
    result->told_at = os_clock_now();
    result->silent |= ended;
    end_telling(result->pool);
}

void progress_end(struct kith_result *result, size_t total)
{
    if (!result->progress || pool_in_callback(result->pool)) /* the keeper is about to */
        return;
    begin_telling(result->pool);
    tell(result, total, total, true);
    result->silent = true;
    end_telling(result->pool);
}

void progress_silence(struct kith_result *result)
{
    bool telling = pool_in_callback(result->pool);
    if (!telling)
        pthread_mutex_lock(&result->pool->telling);
    result->silent = true;
    if (!telling)
        pthread_mutex_unlock(&result->pool->telling);
}

/* ---- the line ---- */

enum { SHARE, COUNT, RATE, TIME, PARTS };
enum { PART_MAX = 64, COLUMNS_MAX = 400 };

/* A character that shows as itself and nowhere else: no control character. */
static bool shows(const char *character, size_t size)
{
    unsigned char first = (unsigned char)character[0];
    if (size == 1)
        return first >= ' ' && first != 0x7F;
    return size == 2 && first == 0xC2 ? (unsigned char)character[1] >= 0xA0 : size > 0;
}

/* Writes as much of a label as fits; what would not show becomes a question mark. @param room  in columns; what is
 * beyond Latin, Greek and its like counts as two, which some of it takes. @return how many it took */
static size_t put_label(char *out, size_t room, const char *label)
{
    size_t used = 0;
    for (size_t left = strlen(label); left > 0;) {
        size_t size = utf8_character(label, left, false);
        bool shown = shows(label, size);
        size_t width = shown && size > 2 ? 2 : 1;
        if (used + width > room)
            break;
        if (size == 0)
            size = 1;
        if (shown) {
            memcpy(out, label, size);
            out += size;
        } else {
            *out++ = '?';
        }
        used += width;
        label += size;
        left -= size;
    }
    *out = 0;
    return used;
}

static void put_duration(char *out, const char *format, double seconds)
{
    char text[PART_MAX / 2];
    unsigned whole = seconds < UINT_MAX ? (unsigned)seconds : UINT_MAX;
    if (whole >= 100 * 3600)
        snprintf(text, sizeof text, "%u days", whole / 86400);
    else if (whole >= 3600)
        snprintf(text, sizeof text, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, sizeof text, "%u:%02u", whole / 60, whole % 60);
    snprintf(out, PART_MAX, format, text);
}

/* Writes what is known. @param seconds  since it began. @param ended  whether all is done */
static void put_parts(char parts[PARTS][PART_MAX], size_t done, size_t total, double seconds, bool ended)
{
    double rate = seconds > 0 ? (double)done / seconds : 0;
    if (total > 0) {
        double share = ended ? 100 : 100.0 * (double)done / (double)total;
        snprintf(parts[SHARE], PART_MAX, "%u %%", !ended && share > 99 ? 99 : (unsigned)share);
        snprintf(parts[COUNT], PART_MAX, "%zu/%zu", done, total);
    } else {
        snprintf(parts[COUNT], PART_MAX, "%zu", done);
    }
    if (rate > 0)
        snprintf(parts[RATE], PART_MAX, rate < 9.95 ? "%.2g/s" : "%.0f/s", rate);
    if (ended)
        put_duration(parts[TIME], "in %s", seconds);
    else if (rate > 0 && total > 0)
        put_duration(parts[TIME], "%s left", (double)(total - done) / rate + 1); /* 0:00 is never left */
}

/* @return the length in bytes, which is that in columns */
static size_t join(char *out, char parts[PARTS][PART_MAX])
{
    int size = 0;
    *out = 0;
    for (int i = 0; i < PARTS; i++) {
        if (parts[i][0])
            size += sprintf(out + size, "%s%s", size > 0 ? "  " : "", parts[i]);
    }
    return (size_t)size;
}

/* @param room  in columns. @return how many the line takes */
static size_t put_line(char *out, size_t room, const char *label, char parts[PARTS][PART_MAX])
{
    static const int least_first[] = { RATE, TIME, COUNT, SHARE };
    char numbers[PARTS * PART_MAX];
    size_t width = join(numbers, parts);
    for (const int *least = least_first; width > room; least++) {
        parts[*least][0] = 0;
        width = join(numbers, parts);
    }
    if (label && width > 0 && room > width + 2) {
        size_t used = put_label(out, room - width - 2, label);
        out += strlen(out);
        if (used > 0)
            out += sprintf(out, "  ");
        width += used > 0 ? used + 2 : 0;
    }
    strcpy(out, numbers);
    return width;
}

/* Writes the line; on a terminal over the one before, of which reserved[0] tells how many columns it took.
 * @param columns  the terminal's; 0: it is none */
static void show(kith_progress_line *line, int fd, size_t columns, char parts[PARTS][PART_MAX], bool ended)
{
    char text[4 * COLUMNS_MAX] = "\r";
    char *begin = text + 1;
    size_t room = columns > 0 && columns <= COLUMNS_MAX ? columns - 1 : COLUMNS_MAX;
    size_t width = put_line(begin, room, line->label, parts);
    char *end = begin + strlen(begin);
    if (columns > 0) {
        begin = text;
        for (size_t before = (size_t)line->reserved[0], at = width; at < before && at < room; at++)
            *end++ = ' ';
    }
    if (ended)
        *end++ = '\n';
    ssize_t written;
    do {
        written = write(fd, begin, (size_t)(end - begin));
    } while (written < 0 && errno == EINTR);
    line->reserved[0] = (int64_t)width;
}

void kith_progress_show(void *context, size_t done, size_t total)
{
    kith_progress_line *line = context;
    if (!line)
        return;
    int64_t now = os_clock_now();
    bool first = line->began == 0;
    if (first)
        line->began = now;
    bool ended = total > 0 ? done >= total : done == 0 && !first; /* of nothing, the second call tells the end */
    int fd = line->fd == 0 ? STDERR_FILENO : line->fd;
    size_t columns = (size_t)os_terminal_width(fd);
    if ((columns > 0 || ended) && os_poll(fd, OS_POLL_WRITE, DEADLINE_PASSED) == 0) {
        char parts[PARTS][PART_MAX] = { 0 };
        put_parts(parts, done, total, (double)(now - line->began) / 1e9, ended);
        show(line, fd, columns, parts, ended);
    }
    if (ended)
        *line = (kith_progress_line){ .label = line->label, .fd = line->fd }; /* it may serve another map */
}
