/* bench/locks.c: every lock that bench knows of. */
#include "lock.h"

#include <string.h>

extern const struct lock kith_plain_lock, kith_semaphore_lock, kith_owned_lock, pthread_plain_lock, pthread_robust_lock,
    posix_semaphore_lock, sysv_plain_lock, sysv_undo_lock, spin_lock;

const struct known_lock locks[] = {
    { "kith-lock", "kith lock", KIND_KITH, &kith_plain_lock },
    { "kith-semaphore", "kith semaphore", KIND_KITH, &kith_semaphore_lock },
    { "kith-owned", "kith semaphore, owned", KIND_KITH, &kith_owned_lock },
    { "pthread", "pthread mutex", KIND_PEER, &pthread_plain_lock },
    { "pthread-robust", "pthread mutex, robust", KIND_PEER, &pthread_robust_lock },
    { "posix-semaphore", "POSIX semaphore", KIND_PEER, &posix_semaphore_lock },
    { "sysv", "System V semaphore", KIND_PEER, &sysv_plain_lock },
    { "sysv-undo", "System V, SEM_UNDO", KIND_PEER, &sysv_undo_lock },
    { "spin", "bare test-and-set", KIND_CEILING, &spin_lock },
    { NULL, NULL, KIND_PEER, NULL },
};

const struct known_lock *lock_find(const char *name)
{
    for (const struct known_lock *known = locks; known->name; known++)
        if (strcmp(known->name, name) == 0)
            return known;
    return NULL;
}
