/* bench/locks/spin.c: a ceiling, not a peer: test-and-set on one word. Who waits yields its processor and never
 * sleeps; one that dies with the lock stops all others. */
#include "lock.h"
#include "reason.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

static int spin_open(void **lock)
{
    *lock = mmap(NULL, sizeof(atomic_flag), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *lock == MAP_FAILED ? because_errno("mmap") : 0;
}

static int spin_acquire(void *lock)
{
    while (atomic_flag_test_and_set_explicit((atomic_flag *)lock, memory_order_acquire))
        sched_yield();
    return 0;
}

static int spin_release(void *lock)
{
    atomic_flag_clear_explicit((atomic_flag *)lock, memory_order_release);
    return 0;
}

static void spin_close(void *lock)
{
    munmap(lock, sizeof(atomic_flag));
}

const struct lock spin_lock = { spin_open, spin_acquire, spin_release, spin_close };
