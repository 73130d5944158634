/* bench/locks/kith.c: kith's lock, and its semaphore of one unit, without and with an owner. */
#include "lock.h"
#include "reason.h"

#include <kith/sync.h>

static int because_kith(const char *what, int code)
{
    return because(FAILED, "%s: %s %s", what, kith_strerror(code), kith_error_detail());
}

static int plain_open(void **lock)
{
    int code = kith_lock_new((kith_lock **)lock);
    return code < 0 ? because_kith("kith_lock_new", code) : 0;
}

static int plain_acquire(void *lock)
{
    int code = kith_lock_acquire(lock, KITH_FOREVER);
    return code < 0 ? because_kith("kith_lock_acquire", code) : 0;
}

static int plain_release(void *lock)
{
    int code = kith_lock_release(lock);
    return code < 0 ? because_kith("kith_lock_release", code) : 0;
}

static void plain_close(void *lock)
{
    kith_lock_free(lock);
}

static int open_semaphore(void **lock, const kith_semaphore_options *options)
{
    int code = kith_semaphore_new((kith_semaphore **)lock, 1, options);
    return code < 0 ? because_kith("kith_semaphore_new", code) : 0;
}

static int semaphore_open(void **lock)
{
    return open_semaphore(lock, NULL);
}

static int owned_open(void **lock)
{
    return open_semaphore(lock, &(kith_semaphore_options){ .owned = 1 });
}

static int semaphore_acquire(void *lock)
{
    int code = kith_semaphore_acquire(lock, KITH_FOREVER);
    return code < 0 ? because_kith("kith_semaphore_acquire", code) : 0;
}

static int semaphore_release(void *lock)
{
    int code = kith_semaphore_release(lock);
    return code < 0 ? because_kith("kith_semaphore_release", code) : 0;
}

static void semaphore_close(void *lock)
{
    kith_semaphore_free(lock);
}

const struct lock kith_plain_lock = { plain_open, plain_acquire, plain_release, plain_close };
const struct lock kith_semaphore_lock = { semaphore_open, semaphore_acquire, semaphore_release, semaphore_close };
const struct lock kith_owned_lock = { owned_open, semaphore_acquire, semaphore_release, semaphore_close };
