/* How many tasks are handed to a worker at a time. */
#ifndef KITH_SRC_POOL_CHUNK_SIZE_H
#define KITH_SRC_POOL_CHUNK_SIZE_H

#include <stddef.h>
#include <stdint.h>

/** What the next chunk is chosen by. */
struct chunk_outlook {
    unsigned asked;    /* by the caller; 0: nothing */
    size_t left;       /* tasks that have not been handed in, 1 or more; SIZE_MAX: not known */
    unsigned workers;  /* of the pool, 1 or more */
    size_t measured;   /* tasks of the same call that have run, and */
    int64_t took;      /* how long they did, all together, in nanoseconds */
    unsigned previous; /* what was chosen last; 0: this is the first */
};

/** Called under no lock, once for each chunk. @return 1 to left */
unsigned chunk_size(const struct chunk_outlook *outlook);

#endif
