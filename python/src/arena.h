/* arena.h: where locks, semaphores and events live: pieces of shared segments, hundreds to a descriptor.
 *
 * A child made by fork has all segments of its parent mapped, and nobody knows what it still uses. So a piece that was
 * given back is handed out again only in the process that made the segment, and only if that has neither forked nor
 * passed the piece on since it was handed out. A segment goes, here, with the last object that lies in it. */
#ifndef KITH_PYTHON_ARENA_H
#define KITH_PYTHON_ARENA_H

#include "module.h"

/* Every piece is as long, at a multiple of it: what a lock, a semaphore and an event take, whichever takes most. */
enum { PIECE_SIZE = 128 };
_Static_assert(KITH_LOCK_SIZE <= PIECE_SIZE && KITH_SEMAPHORE_SIZE <= PIECE_SIZE && KITH_EVENT_SIZE <= PIECE_SIZE,
               "each kind of object fits into a piece");

struct piece {
    PyObject *segment; /* a Segment that it keeps alive; NULL: there is no piece */
    unsigned number;
    unsigned forks; /* of this process, when it was handed out */
    char shared;    /* others got it by its descriptor */
};

/* Hands out a piece. Returns 0, or -1 with an exception. */
int piece_new(struct state *state, struct piece *piece);

/* Where it is in this process. */
void *piece_memory(const struct piece *piece);

/* Gives it back: nothing of this process uses it any more. One that is no piece is fine. */
void piece_free(struct state *state, struct piece *piece);

/* What to send so that another process finds it: (segment, number). NULL with an exception. */
PyObject *piece_share(struct piece *piece);

/* Takes a piece as piece_share told it, in another process or in this one. Returns 0, or -1 with an exception. */
int piece_attach(struct state *state, struct piece *piece, PyObject *segment, unsigned number);

/* How many forks lie between this process and the one that loaded the module: another number in a child. */
unsigned fork_depth(void);

#endif
