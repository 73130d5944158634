/* The keeper: a thread that takes in what workers report, and looks after them. */
#ifndef KITH_SRC_POOL_KEEPER_H
#define KITH_SRC_POOL_KEEPER_H

#include "base/deadline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_pool;
struct worker;

/* What its thread is told. */
enum keeper_word { KEEPER_WAITS, KEEPER_BEGINS, KEEPER_LEAVES };

struct keeper {
    pthread_t thread;
    _Atomic uint32_t word; /* a keeper_word; the thread sleeps on it until it is another one than KEEPER_WAITS */
    bool runs;             /* the thread was started, and not joined */
    bool gone;             /* it does not go round any more: nobody is told of anything. Under the mutex */
    bool deep;  /* it sleeps, and does not look at the ring now and then: who hands in a task has to wake it. Under the
                  mutex */
    bool news;  /* tasks were handed in since it lay down last. Under the mutex */
    int wake;   /* an os_flag: look around */
    int events; /* an os_events: of the wake flag, the bell, and the workers' sentinels */
    void *buffer;
    size_t *sizes;
    deadline look_at_ring;   /* when to wake sleepers, should chunks be waiting; OS_FOREVER: none did */
    deadline look_at_limits; /* when a time limit may be over, or is to be looked for */
};

/** Makes what it needs. @return 0; -EMFILE, -ENFILE, -ENOMEM with the detail */
int keeper_new(struct kith_pool *pool);

/** Starts the thread, which does nothing yet, and has no lock: workers may be forked meanwhile.
 *  @return 0; -EAGAIN with the detail */
int keeper_start(struct kith_pool *pool);

/** Has the thread begin its work. */
void keeper_begin(struct kith_pool *pool);

/** Ends the thread, if there is one, of a pool that could not be finished. */
void keeper_undo(struct kith_pool *pool);

/** Waits for the end of its thread, if that was not done. */
void keeper_join(struct kith_pool *pool);

/** Frees what it has, its thread having been joined, or being another process's. */
void keeper_free(struct kith_pool *pool);

/** Has it look around. From any thread. */
void keeper_wake(struct kith_pool *pool);

/** A chunk was handed in: wakes it if it would not look by itself. Under the mutex. */
void keeper_note_task(struct kith_pool *pool);

/** Watches a worker's sentinel, and no more. @return 0; -ENOMEM with the detail */
int keeper_watch(struct kith_pool *pool, struct worker *worker);
void keeper_forget(struct kith_pool *pool, struct worker *worker);

/** Takes in all that a worker has reported. By the keeper; not under the mutex. @return how many reports there were */
size_t keeper_empty(struct kith_pool *pool, struct worker *worker);

#endif
