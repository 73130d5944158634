/* The workers of a pool, as their parent has them. */
#ifndef KITH_SRC_POOL_CREW_H
#define KITH_SRC_POOL_CREW_H

#include <kith/pool.h>

#include <stdbool.h>
#include <stdint.h>

struct kith_pool;

/** One worker, at one desk. The keeper's; process, pid and busy words are read by others under the mutex, and changed
 *  by the keeper under it. */
struct worker {
    kith_process *process; /* NULL: nobody sits there */
    kith_queue *outbox;
    pid_t pid;
    bool ready; /* it has begun to claim */
};

struct crew {
    struct worker *workers; /* one for each desk */
    unsigned count;         /* desks */
    unsigned running;       /* workers that have been started and not been buried */
};

#endif
