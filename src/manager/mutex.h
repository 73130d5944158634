/* What Lock, RLock and Condition have in common: a lock that a line owns, and the calls that wait for it. A struct
 * mutex is the first part of their states; a condition that was given a lock uses that one's instead of its own. */
#ifndef KITH_SRC_MANAGER_MUTEX_H
#define KITH_SRC_MANAGER_MUTEX_H

#include "manager/kind.h"
#include "manager/waiter.h"

struct mutex {
    bool recursive;         /* an RLock: its owner may acquire it again, and nobody else may release it */
    struct object *other;   /* whose mutex is used, held; NULL: this one */
    uint64_t owner;         /* the number of the line that acquired it; says nothing while count is 0 */
    int64_t count;          /* how often it is acquired */
    struct waiters waiters; /* for it to be free; so there are none while it is */
};

/** The mutex that an object uses, and the object that this is in: on that one it is held (request.h). */
struct object *mutex_object(struct object *object);
struct mutex *mutex_of(struct object *object);

/** Whether a call may do what only the owner may. Whose a Lock is nobody asks: it is enough that somebody has it. */
bool mutex_is_owned(const struct request *request);

/** Acquires a free mutex for a line, so many times. @return 0; -ENOMEM */
int mutex_take(struct server *server, struct line *line, struct object *object, int64_t count);

/** Releases an owned mutex as often as it was acquired; who waits for it gets it. */
void mutex_release_all(struct request *request);

/** A line is gone: releases the mutex in this very object if the line owned it. @return whether it did */
bool mutex_owner_gone(struct server *server, struct object *object, const struct line *line);

/* ---- methods of all three ---- */

int mutex_run_acquire(struct request *request);
int mutex_run_release(struct request *request);
int mutex_run_locked(struct request *request);

#endif
