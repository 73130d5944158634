/* A thread that kills and stops processes of this one while it goes on, and the watchdog: when nothing moves for long,
 * it tells how things stand, and ends the test. */
#ifndef KITH_TESTS_CRASH_TORMENTOR_H
#define KITH_TESTS_CRASH_TORMENTOR_H

#include <kith/pool.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** What is done to whom. */
enum weapon {
    KILL_WORKERS, /* SIGKILL */
    STOP_WORKERS, /* SIGSTOP; now and then one is continued */
    KILL_KIN,     /* SIGKILL to any child of this process: workers that begin, the forkserver */
    ALL_WEAPONS
};

/** Strikes once: one worker of a pool, or one child, at random. @return whether somebody was there */
bool strike(const kith_pool *pool, enum weapon weapon, uint64_t *random);

/** Starts it.
 *  @param seed   chooses whom, what and when
 *  @param pause  between two strikes, in nanoseconds, on the average. The next one also waits until `moves` changes */
void torment_begin(uint64_t seed, enum weapon weapon, uint64_t pause);

/** What the test is at, from now on.
 *  @param pool   whose workers are struck; NULL: nobody is struck
 *  @param moves  a number that changes as long as nothing hangs; NULL: this step must not take long itself
 *  @param step   says what it is. NULL: nothing that could hang */
void torment(kith_pool *pool, const _Atomic uint64_t *moves, const char *step);

/** Ends it. @return how often it has struck */
uint64_t torment_end(void);

/** Lets all workers that are stopped go on. */
void let_go_on(kith_pool *pool);

#endif
