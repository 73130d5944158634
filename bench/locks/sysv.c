/* bench/locks/sysv.c: a System V semaphore, without and with SEM_UNDO, by which the kernel gives back what a dead
 * process had. */
#include "lock.h"
#include "reason.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>

struct semaphore {
    int set;
    short flags; /* of each operation */
};

static int open_semaphore(void **lock, short flags)
{
    struct semaphore *semaphore = calloc(1, sizeof *semaphore);
    if (!semaphore)
        return because(FAILED, "no memory");
    semaphore->flags = flags;
    semaphore->set = semget(IPC_PRIVATE, 1, 0600);
    if (semaphore->set < 0) {
        int code = errno == ENOSYS ? because(CANNOT, "this kernel has none") : because_errno("semget");
        free(semaphore);
        return code;
    }
    *lock = semaphore;
    if (semctl(semaphore->set, 0, SETVAL, 1) == 0)
        return 0;
    because_errno("semctl");
    semctl(semaphore->set, 0, IPC_RMID);
    free(semaphore);
    return FAILED;
}

static int plain_open(void **lock)
{
    return open_semaphore(lock, 0);
}

static int undo_open(void **lock)
{
    return open_semaphore(lock, SEM_UNDO);
}

static int operate(const struct semaphore *semaphore, short change)
{
    struct sembuf operation = { .sem_op = change, .sem_flg = semaphore->flags };
    return semop(semaphore->set, &operation, 1) < 0 ? because_errno("semop") : 0;
}

static int sysv_acquire(void *lock)
{
    return operate(lock, -1);
}

static int sysv_release(void *lock)
{
    return operate(lock, 1);
}

static void sysv_close(void *lock)
{
    struct semaphore *semaphore = lock;
    semctl(semaphore->set, 0, IPC_RMID);
    free(semaphore);
}

const struct lock sysv_plain_lock = { plain_open, sysv_acquire, sysv_release, sysv_close };
const struct lock sysv_undo_lock = { undo_open, sysv_acquire, sysv_release, sysv_close };
