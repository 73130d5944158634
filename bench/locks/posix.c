/* bench/locks/posix.c: the C library's mutex, plain and robust, and its semaphore, in memory that processes share. */
#include "lock.h"
#include "reason.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

static int map_shared(void **memory, size_t size)
{
    *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *memory == MAP_FAILED ? because_errno("mmap") : 0;
}

/* For calls that return what others keep in errno. */
static int check(int code, const char *what)
{
    errno = code;
    return code ? because_errno(what) : 0;
}

static int open_mutex(void **lock, int robustness)
{
    pthread_mutexattr_t attributes;
    if (map_shared(lock, sizeof(pthread_mutex_t)) < 0)
        return FAILED;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, robustness);
    int code = pthread_mutex_init(*lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (code)
        munmap(*lock, sizeof(pthread_mutex_t));
    return check(code, "pthread_mutex_init");
}

static int plain_open(void **lock)
{
    return open_mutex(lock, PTHREAD_MUTEX_STALLED);
}

static int robust_open(void **lock)
{
    return open_mutex(lock, PTHREAD_MUTEX_ROBUST);
}

static int mutex_acquire(void *lock)
{
    return check(pthread_mutex_lock(lock), "pthread_mutex_lock");
}

static int mutex_release(void *lock)
{
    return check(pthread_mutex_unlock(lock), "pthread_mutex_unlock");
}

static void mutex_close(void *lock)
{
    munmap(lock, sizeof(pthread_mutex_t));
}

static int semaphore_open(void **lock)
{
    if (map_shared(lock, sizeof(sem_t)) < 0)
        return FAILED;
    if (sem_init(*lock, 1, 1) == 0)
        return 0;
    because_errno("sem_init");
    munmap(*lock, sizeof(sem_t));
    return FAILED;
}

static int semaphore_acquire(void *lock)
{
    return sem_wait(lock) < 0 ? because_errno("sem_wait") : 0;
}

static int semaphore_release(void *lock)
{
    return sem_post(lock) < 0 ? because_errno("sem_post") : 0;
}

static void semaphore_close(void *lock)
{
    munmap(lock, sizeof(sem_t));
}

const struct lock pthread_plain_lock = { plain_open, mutex_acquire, mutex_release, mutex_close };
const struct lock pthread_robust_lock = { robust_open, mutex_acquire, mutex_release, mutex_close };
const struct lock posix_semaphore_lock = { semaphore_open, semaphore_acquire, semaphore_release, semaphore_close };
