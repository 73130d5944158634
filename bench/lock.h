/* bench/lock.h: what keeps processes out of each other's way: kith's, its peers', and a bare ceiling, behind one
 * face. Made by the parent, used by the workers that it forks. To add one: write it under locks/, and name it in
 * locks.c. */
#ifndef BENCH_LOCK_H
#define BENCH_LOCK_H

#include "transport.h"

struct lock {
    /** Makes a lock that nobody has, in the parent. @return 0; CANNOT; FAILED */
    int (*open)(void **lock);
    /** Waits until this process has it. @return 0 or FAILED */
    int (*acquire)(void *lock);
    /** Gives it back. @return 0 or FAILED */
    int (*release)(void *lock);
    /** Destroys it, in the parent, when all workers have ended. */
    void (*close)(void *lock);
};

/** A lock that bench knows of. */
struct known_lock {
    const char *name;  /**< on the command line: "kith-lock" */
    const char *title; /**< in tables */
    enum kind kind;
    const struct lock *lock;
};

/** All of them, in the order of the tables; ends with a name of NULL. */
extern const struct known_lock locks[];

/** @return the one of that name, or NULL */
const struct known_lock *lock_find(const char *name);

#endif
