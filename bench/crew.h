/* bench/crew.h: the worker processes of one run: forked, held at a gate until all are ready, let go at one instant,
 * watched, and ended whatever happens. Workers die with their parent. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "transport.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKERS_MAX 64

/** What a worker tells its parent while it runs. On a cache line of its own (two: processors fetch pairs), so that
 *  telling disturbs nobody; the worker writes it, the parent now and then reads it. */
struct tally {
    _Alignas(128) _Atomic uint64_t count; /**< messages got */
    _Atomic uint64_t sum;                 /**< of what message_check returned for each */
};

/** What the run cost, all workers together. */
struct cost {
    double user;    /**< seconds of CPU */
    double system;  /**< seconds of CPU */
    long waits;     /**< context switches because a worker had to wait */
    long preempted; /**< context switches because another process got the CPU */
};

struct crew;

/** What a worker runs. It makes its preparations, calls crew_pass_gate, and works. @return 0 or FAILED */
typedef int (*crew_work)(struct crew *crew, unsigned index, void *argument);

/** @param seconds  how long the whole run may take before it counts as hung
 *  @return NULL when there is no memory or no descriptor */
struct crew *crew_new(double seconds);

/** Forks one more worker that runs work(crew, index, argument). @return 0 or FAILED */
int crew_add(struct crew *crew, crew_work work, unsigned index, void *argument);

/** Waits until all workers added so far stand at the gate. @return 0 or FAILED */
int crew_wait_ready(struct crew *crew);

/** Opens the gate. @return the time of it, as now() */
double crew_open_gate(struct crew *crew);

/** For workers: waits until the gate opens. */
void crew_pass_gate(struct crew *crew);

/** For workers that put: waits to be killed, when all is done. What a worker put may be lost if it ended before: a
 *  ZeroMQ receiver that is behind drops what it has not read yet when the sender closes. */
_Noreturn void crew_linger(void);

/** Waits until at least the number of workers given has ended well. @return 0 or FAILED */
int crew_wait_ended(struct crew *crew, unsigned count);

/** Reaps what has ended.
 *  @return how many workers have ended well; FAILED when one did not, the time is over, or bench was told to stop */
int crew_look(struct crew *crew);

/** The tally of the worker that was added as the nth, from 0. */
struct tally *crew_tally(struct crew *crew, unsigned nth);

/** Kills and reaps those that still run, frees the crew, and tells what all of them cost. NULL is fine. */
void crew_end(struct crew *crew, struct cost *cost);

/** Makes SIGINT and SIGTERM end the run in good order rather than at once. */
void crew_catch_signals(void);

/** Seconds on the monotonic clock, which is the same for all processes. */
double now(void);

/** The same in nanoseconds. */
uint64_t now_ns(void);

/** Sleeps for so many seconds, or until a signal. */
void nap(double seconds);

#endif
