/* The standard streams of a child, between its parent and it.
 *
 * In the parent they are opened when the child is written down, under forks_block, and belong to its record, so that no
 * other child has them. What becomes of them in the child is an array of STREAMS numbers, each a descriptor, or one of
 * the two below.
 */
#ifndef KITH_SRC_PROCESS_STREAMS_H
#define KITH_SRC_PROCESS_STREAMS_H

#include <kith/process.h>

#include <stdbool.h>

/** stdin, stdout, stderr. */
#define STREAMS 3

#define STREAM_STAYS (-1)     /* as it is */
#define STREAM_AS_STDOUT (-2) /* stderr only: where stdout goes then */

struct streams {
    int child[STREAMS];  /* what becomes of each in the child: a descriptor, STREAM_STAYS, STREAM_AS_STDOUT */
    int parent[STREAMS]; /* the parent's ends of pipes; -1: none */
    bool ours[STREAMS];  /* whether child[i] is to be closed by us, and not the caller's */
};

/** None is changed. */
#define STREAMS_NONE \
    ((struct streams){ { STREAM_STAYS, STREAM_STAYS, STREAM_STAYS }, { -1, -1, -1 }, { false, false, false } })

/** Opens what the options ask for: pipes, /dev/null; all closed on exec, and none is 0, 1 or 2. Under forks_block.
 *  @param stdio  STREAMS of them, or NULL
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM, or what the system says of /dev/null; without a detail */
int streams_open(struct streams *streams, const kith_stdio *stdio);

/** Closes the child's ends: in the parent when the child has them, in the child when they are in their places. */
void streams_close_childs(struct streams *streams);

/** Gives the parent's ends to the caller of the start, which has succeeded. */
void streams_hand_out(struct streams *streams, kith_stdio *stdio);

/** Closes all of it. */
void streams_close(struct streams *streams);

#endif
