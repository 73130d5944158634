/* What lies in a bare socket, ahead of the reader.
 *
 * A reader must know how long a message is before it takes it, for it must take no more. To look at the header is a
 * system call, and on a Unix socket a slow one: the kernel walks over all that lies there, however little is asked for
 * (MSG_PEEK; unix_stream_read_generic in net/unix/af_unix.c). So one look finds the lengths of all short messages that
 * have come, and each is then taken by one call. They stay in the socket until then: poll tells the truth, and whoever
 * else has this end finds them there.
 *
 * Processes may receive by turns on an end that they have inherited. What one has seen is void when another has taken
 * something since. A counter in memory that is shared by all descendants of the process that first made a connection
 * tells of that; who takes something counts before, for he may be killed in the middle. Connections share the counters,
 * too, when there are many: then somebody looks once more than he need have.
 *
 * An end that one process alone receives from may do more: take all that it has seen, at once, and hand out one after
 * the other. Whole frames only, and no descriptor: so what lies in the socket still begins with a frame.
 */
#ifndef KITH_SRC_CONNECTION_OUTLOOK_H
#define KITH_SRC_CONNECTION_OUTLOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How far a look goes, and the longest frame that it remembers, in bytes; and how many it remembers. */
enum { OUTLOOK_BYTES = 16384, OUTLOOK_FRAME_MAX = 8192, OUTLOOK_FRAMES = 256 };

struct outlook {
    uint16_t sizes[OUTLOOK_FRAMES]; /* of the frames that come next, with their headers */
    unsigned next;
    unsigned count;
    bool far;                /* the last message was short: it pays to look at many */
    uint64_t turn;           /* what *turns was when the rest of sizes was true */
    _Atomic uint64_t *turns; /* written by who is to take bytes, read by all who have this end; NULL: no memory */
};

/** What was taken ahead of the reader: whole frames. */
struct ahead {
    unsigned char *bytes; /* OUTLOOK_BYTES; NULL until the first time */
    size_t at;
    size_t have; /* those from at on were not handed out yet */
};

/** Finds a counter. Under forks_block. */
void outlook_begin(struct outlook *outlook);

/** Remembers the short frames that lie whole at the beginning of these bytes, which were looked at. */
void outlook_see(struct outlook *outlook, const unsigned char *bytes, size_t size);

/** The length of the frame that comes next, with its header; 0 when that is not known. */
static inline size_t outlook_next(const struct outlook *outlook)
{
    /* acquire: pairs with the release of whoever takes bytes; it is for their own lock to say who comes first. */
    bool known =
        outlook->next < outlook->count && atomic_load_explicit(outlook->turns, memory_order_acquire) == outlook->turn;
    return known ? outlook->sizes[outlook->next] : 0;
}

/** Notes that just the next frame will be taken; outlook_forget, when it was not. */
static inline void outlook_step(struct outlook *outlook)
{
    outlook->next++;
    outlook->turn = atomic_fetch_add_explicit(outlook->turns, 1, memory_order_acq_rel) + 1;
}

/** How many frames are known to come. */
static inline unsigned outlook_count(const struct outlook *outlook)
{
    return outlook_next(outlook) ? outlook->count - outlook->next : 0;
}

/** Notes that other bytes will be taken. */
static inline void outlook_forget(struct outlook *outlook)
{
    outlook->count = 0;
    if (outlook->turns)
        atomic_fetch_add_explicit(outlook->turns, 1, memory_order_acq_rel);
}

#endif
