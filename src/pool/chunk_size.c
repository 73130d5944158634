/* How many tasks are handed to a worker at a time.
 *
 * To hand out a chunk costs about a microsecond. A millisecond's worth of tasks makes that nothing; more would gain
 * nothing, and leave other workers without at the end. A size that is too large costs more than one that is too small:
 * so it begins with 1, grows to four times the last at most, and is no larger than the number of tasks it is judged by
 * until these are some; but it shrinks at once. */
#include "pool/chunk_size.h"

#include <kith/base.h>

enum {
    GROWTH = 4,
    SHARE = 4,         /* of what a worker gets of those that are left, or may be on their way: one part in so many */
    JUDGES = 64,       /* tasks; of twice as many the older half is forgotten */
    SIZE_LIMIT = 16384 /* a millisecond's worth of tasks of 60 ns */
};

#define WORTH ((int64_t)1000000) /* in nanoseconds */

void chunk_size_measure(size_t *measured, int64_t *took, int64_t task)
{
    if (*measured >= 2 * JUDGES) {
        *measured /= 2;
        *took /= 2;
    }
    *measured += 1;
    *took += task;
}

/* A millisecond's worth, as far as is known. */
static size_t worth(const struct chunk_outlook *outlook)
{
    if (outlook->measured == 0 || outlook->previous == 0)
        return 1;
    double each = (double)outlook->took / (double)outlook->measured;
    size_t size = each * SIZE_LIMIT > (double)WORTH ? (size_t)((double)WORTH / each) : SIZE_LIMIT;
    if (outlook->measured < JUDGES && size > outlook->measured)
        size = outlook->measured;
    if (size / GROWTH >= outlook->previous)
        size = (size_t)outlook->previous * GROWTH;
    return size > 0 ? size : 1;
}

static unsigned magnitude(size_t size)
{
    unsigned power = 0;
    while (size >> power > 0)
        power++;
    return power;
}

static void log_size(const struct chunk_outlook *outlook, size_t size, size_t share)
{
    if (outlook->asked > 0)
        kith_log(KITH_LOG_DEBUG, "chunks of %zu: as asked, of %zu tasks left", size, outlook->left);
    else if (outlook->measured == 0)
        kith_log(KITH_LOG_DEBUG, "chunks of %zu: it is not known yet what the tasks take", size);
    else if (size == share)
        kith_log(KITH_LOG_DEBUG, "chunks of %zu: a quarter of each worker's part, of %zu tasks %s %u", size,
                 outlook->left < outlook->limit ? outlook->left : outlook->limit,
                 outlook->left < outlook->limit ? "left for" : "that may be on their way to", outlook->workers);
    else
        kith_log(KITH_LOG_DEBUG, "chunks of %zu: the tasks take %.1f us on average", size,
                 (double)outlook->took / (double)outlook->measured / 1000);
}

unsigned chunk_size(const struct chunk_outlook *outlook)
{
    size_t share = (outlook->left < outlook->limit ? outlook->left : outlook->limit) / SHARE / outlook->workers;
    size_t size = outlook->asked;
    if (size == 0) {
        size = worth(outlook);
        if (share == 0)
            share = 1;
        if (size > share)
            size = share;
    }
    if (size > outlook->left)
        size = outlook->left;
    if (magnitude(size) != magnitude(outlook->previous))
        log_size(outlook, size, share);
    return (unsigned)size;
}
