/* How many tasks are handed to a worker at a time. */
#ifndef KITH_SRC_POOL_CHUNK_SIZE_H
#define KITH_SRC_POOL_CHUNK_SIZE_H

#include <stddef.h>
#include <stdint.h>

/** What the next chunk is chosen by. */
struct chunk_outlook {
    unsigned asked;    /* by the caller; 0: nothing */
    size_t left;       /* tasks that have not been handed in, 1 or more; imap: the most that may be */
    size_t limit;      /* how many tasks of the pool may be on their way at a time */
    unsigned workers;  /* of the pool, 1 or more */
    size_t measured;   /* chunk_size_measure: tasks of the same call that have run, and */
    int64_t took;      /* how long they did, all together, in nanoseconds */
    unsigned previous; /* what was chosen last; 0: this is the first */
};

/** Called under no lock, once for each chunk; logs what is chosen and why, when it is of another magnitude than the
 *  last. @return 1 to left */
unsigned chunk_size(const struct chunk_outlook *outlook);

/** A chunk that was not asked for by its size takes no more items when it has so many bytes: copying these costs more
 *  than handing it out. */
#define CHUNK_BYTES_ENOUGH ((size_t)64 * 1024)

/** Adds a task to what was measured. Both are halved now and then, so that what is older counts less: the size follows
 *  tasks that change. */
void chunk_size_measure(size_t *measured, int64_t *took, int64_t task);

#endif
