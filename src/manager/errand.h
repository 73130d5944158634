/* Managed pools: a pool of workers whose tasks clients ask for, and errands: what one call has asked of it, a task or a
 * map.
 *
 * All of it runs in the server's loop but for a thread of the pool's own, its steward: it makes the workers, waits for
 * their end and frees the pool, for all of that takes time. Errands that come before the workers are there wait here.
 * When an errand is over, the pool's keeper writes that down, and rings. */
#ifndef KITH_SRC_MANAGER_ERRAND_H
#define KITH_SRC_MANAGER_ERRAND_H

#include "manager/loop.h"
#include "manager/waiter.h"

#include <kith/pool.h>

#include <pthread.h>

/** A pool, and what its calls have in common. */
struct managed_pool {
    struct server *server;
    size_t holds;           /* of its object, of errands that are kept, and while the bell is answered */
    struct watch bell;      /* a flag */
    struct errand *errands; /* all that are there, the youngest first */
    struct waiters joiners;
    bool begun;              /* the steward has told how it went: errands are handed in at once */
    bool closed, terminated; /* takes no more errands */
    bool ended;              /* its workers have ended */

    pthread_t steward;
    unsigned generation; /* of the process that has the steward */
    struct pool_plan *plan;

    /* ---- the steward's and the keeper's, too, under the mutex ---- */
    pthread_mutex_t mutex;
    pthread_cond_t orders; /* the steward waits for one of these */
    bool to_join, to_leave;
    kith_pool *pool; /* NULL: not begun, or failure tells why not */
    int failure;
    kith_bytes why; /* the detail of that */
    bool told, workers_ended;
    struct errand *over; /* those whose end the loop has not looked at, the last one first */
};

/** What one call has asked for. */
struct errand {
    struct managed_pool *pool;
    struct errand *next, **link; /* in pool->errands */
    struct errand *next_over;    /* in pool->over */
    kith_result *result;         /* NULL: not handed in, or failure tells why not */
    int failure;
    kith_bytes why;         /* the detail of that */
    bool over;              /* the loop has looked at its end */
    bool told_of;           /* just now: it is freed behind that */
    bool kept;              /* errand_keep */
    struct waiters waiters; /* calls that wait for its end */

    /* ---- what errand_begin is told ---- */
    kith_entry *entry;
    const kith_value *args; /* a list: of tuples when is_star, else of the one argument of each */
    bool is_star;
    bool is_map;                                         /* its value is a list, and not the one that it would have */
    unsigned chunk;                                      /* 0: the pool chooses */
    void (*ended)(struct errand *errand, void *context); /* called in the loop when it is over; NULL: nobody is */
    void *context;
    size_t place;      /* the context's own */
    kith_arena *arena; /* of args until they are handed in; errand_begin's own */
};

/** What a pool is to be. */
struct pool_wish {
    unsigned workers, max_tasks; /* 0: as kith_pool_options has it */
    kith_entry *initializer;     /* NULL: none */
    const kith_value *initializer_args;
};

/** Makes a pool; its workers begin by and by. @param wish  what it points to is copied
 *  @return 0; -EPERM when a fresh image of this program would not get to its entry point; -EAGAIN; -EMFILE; -ENOMEM */
int managed_pool_new(struct server *server, struct managed_pool **pool, const struct pool_wish *wish);

/** Drops a hold: the one that managed_pool_new gave. The last one ends the workers, and frees the pool by and by. */
void managed_pool_drop(struct managed_pool *pool);

void managed_pool_close(struct managed_pool *pool);
void managed_pool_terminate(struct managed_pool *pool);

/** Has pool->ended become true, and joiners tried, when all is done. */
void managed_pool_join(struct managed_pool *pool);

/** Asks a pool for something. What it is given is copied, or handed in at once.
 *  @param what     see struct errand
 *  @param errand   receives it, not kept: it is freed when it is over and its waiters were tried
 *  @return 0; a code with its detail */
int errand_begin(struct managed_pool *pool, struct errand **errand, const struct errand *what);

/** Keeps it when it is over, and its pool until then. */
void errand_keep(struct errand *errand);

/** Ends that. */
void errand_let_go(struct errand *errand);

/** The one in whose list a waiter is. */
struct errand *errand_of(const struct waiter *waiter);

/** What became of one that is over. @param value  NULL: it is not wanted. @return 0; the code of its failure, with the
 *  detail */
int errand_value(const struct errand *errand, kith_arena *arena, kith_value **value);

/** Answers with it, if it is over. @return as waiter_try */
int errand_answer(const struct errand *errand, struct request *request);

#endif
