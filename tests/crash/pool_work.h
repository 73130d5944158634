/* The work that pools are tortured with: tasks that count how often they run, and a ledger in which each is accounted
 * for at the end.
 *
 * A task is told its number. How long it takes, and what it gives, follow from that; so whoever gets a result can tell
 * whether it is right. */
#ifndef KITH_TESTS_CRASH_POOL_WORK_H
#define KITH_TESTS_CRASH_POOL_WORK_H

#include <kith/kith.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** What the tasks of a round write down. In shared memory, which workers find as WORK_LEDGER. */
struct ledger {
    uint64_t longest;         /* a task works for less than so many nanoseconds; 0: they are trivial */
    _Atomic uint64_t begun;   /* how often a task was */
    _Atomic uint64_t strange; /* tasks that were told of fewer attempts than there have been, or were given nonsense */
    _Atomic uint32_t runs[];  /* of each task, how often it was begun */
};

#define WORK_LEDGER "ledger"

/** What is to be held true of a round's tasks. */
struct promise {
    size_t tasks;
    unsigned retries;
    bool may_be_lost;      /* workers are killed */
    bool may_time_out;     /* workers are stopped, and tasks have a time limit */
    bool may_be_cancelled; /* somebody gives tasks up */
};

/** A round's ledger, and what came of its tasks. */
struct work {
    struct promise promise;
    kith_segment *segment;
    struct ledger *ledger;
    unsigned char *ended; /* of each task, how often it was told of */
    size_t right, lost, timed_out, cancelled;
    const char *wrong; /* the first thing that was not as it must be; else NULL */
    size_t where;      /* with which task */
    kith_outcome how;  /* and its outcome, without detail */
};

/** Begins a round: nobody has run. */
void work_begin(struct work *work, const struct promise *promise, uint64_t longest);

/** Begins the next round with the same ledger. */
void work_restart(struct work *work);

/** Judges all tasks together, when all have been told of, and none can run any more. @return whether all was right */
bool work_judge(struct work *work);

void work_end(struct work *work);

/** One task has ended.
 *  @param value  its result, when code of the outcome is 0 and it was given values */
void work_see(struct work *work, size_t task, const kith_outcome *outcome, const kith_value *value);

/** The same, of a task that was given bytes. */
void work_see_bytes(struct work *work, size_t task, const kith_outcome *outcome, const kith_bytes *bytes);

/** All tasks of a map, the first of which has this number. */
void work_see_result(struct work *work, size_t first, kith_result *result, bool bytes);

/** Nobody will tell of so many tasks from this one on. */
void work_forget(struct work *work, size_t first, size_t count);

/** The task: (number). As bytes: the number as a size_t. */
int do_work(kith_call *call);

#endif
