/* bench/lock_rate.c: how often a lock changes hands. What it guards is a counter that is not atomic: the workers
 * count it up to the wanted number together, so that all of them contend to the end, and each keeps count of its own
 * share. When the shares and the counter differ, the lock let two in at once. */
#include "measure.h"

#include "reason.h"

#include <sys/mman.h>

/* Shared by all workers. */
struct guarded {
    _Alignas(128) uint64_t counter; /* read and written by whoever has the lock */
    double ended;                   /* when it was full; written by the one who made it so */
};

struct run {
    const struct lock *lock;
    void *opened;
    uint64_t wanted;
    struct guarded *guarded;
};

/* Counts one up. Returns whether there was one left to count. The compiler may not keep the counter in a register. */
static bool count_up(const struct run *run)
{
    volatile uint64_t *counter = &run->guarded->counter;
    if (*counter == run->wanted)
        return false;
    *counter = *counter + 1;
    if (*counter == run->wanted)
        run->guarded->ended = now();
    return true;
}

static int work(struct crew *crew, unsigned index, void *argument)
{
    const struct run *run = argument;
    const struct lock *lock = run->lock;
    uint64_t share = 0;
    crew_pass_gate(crew);
    for (bool counted = true; counted; share += counted) {
        if (lock->acquire(run->opened) < 0)
            return FAILED;
        counted = count_up(run);
        if (lock->release(run->opened) < 0)
            return FAILED;
    }
    atomic_store(&crew_tally(crew, index)->count, share);
    return 0;
}

static int check_shares(struct crew *crew, const struct run *run, unsigned workers)
{
    uint64_t sum = 0;
    for (unsigned index = 0; index < workers; index++)
        sum += atomic_load(&crew_tally(crew, index)->count);
    if (sum != run->wanted || run->guarded->counter != run->wanted)
        return because(FAILED, "the lock let two in at once");
    return 0;
}

static int run_crew(struct crew *crew, struct run *run, unsigned workers, double *seconds)
{
    if (!crew)
        return because(FAILED, "no memory for the crew");
    for (unsigned index = 0; index < workers; index++)
        if (crew_add(crew, work, index, run) < 0)
            return FAILED;
    if (crew_wait_ready(crew) < 0)
        return FAILED;
    double start = crew_open_gate(crew);
    if (crew_wait_ended(crew, workers) < 0)
        return FAILED;
    *seconds = run->guarded->ended - start;
    return check_shares(crew, run, workers);
}

static int run_lock(struct run *run, unsigned workers, double limit, struct lock_rate *result)
{
    int opened = run->lock->open(&run->opened);
    if (opened < 0)
        return opened;
    struct crew *crew = crew_new(limit);
    int done = run_crew(crew, run, workers, &result->seconds);
    crew_end(crew, &result->cost);
    run->lock->close(run->opened);
    return done;
}

int measure_lock(const struct lock *lock, unsigned workers, uint64_t acquisitions, double limit,
                 struct lock_rate *result)
{
    struct run run = { .lock = lock, .wanted = acquisitions };
    result->acquisitions = acquisitions;
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    run.guarded = mmap(NULL, sizeof *run.guarded, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (run.guarded == MAP_FAILED)
        return because_errno("mmap");
    int done = run_lock(&run, workers, limit, result);
    munmap(run.guarded, sizeof *run.guarded);
    return done;
}
