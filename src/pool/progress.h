/* How far a map is: when to tell, which is the keeper's to ask. */
#ifndef KITH_SRC_POOL_PROGRESS_H
#define KITH_SRC_POOL_PROGRESS_H

#include <kith/pool.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whom to tell of one map, and what was told. Zeros but for the first two, to begin with. The keeper's alone. */
struct progress {
    kith_pool_progress *function; /* NULL: nobody */
    void *context;
    int64_t next; /* not before this instant; 0: nothing was told yet */
    size_t told;  /* done, as it was told last */
    bool over;    /* that all have ended was told */
};

/** When to tell. @param ended  whether all tasks have
 *  @return an instant; 0: now; OS_FOREVER: not until more have ended */
int64_t progress_due(const struct progress *progress, size_t done, bool ended);

/** Tells. Not with a lock held: the function is the caller's. */
void progress_tell(struct progress *progress, size_t done, size_t total, bool ended);

#endif
