/* fork under AddressSanitizer: a child may allocate, whatever the parent's other threads did while it was made.
 *
 * The C library sees to that for its own allocator. The one of gcc 12's AddressSanitizer has locks that a thread may
 * hold at the moment at which another one forks: the child finds them held by nobody that lives, and waits for ever at
 * its first malloc. (LLVM's was mended in release 18.) The shared form of that run-time library does not export the
 * functions that lock all of it. So tools/check links one of its own, from the static form and this file. */
#include <pthread.h>

/* From LLVM's compiler-rt, lsan/lsan_common.h and sanitizer_common/sanitizer_stackdepot.h: names of C++. */
extern void lock_allocator(void) __asm__("_ZN6__lsan13LockAllocatorEv");
extern void unlock_allocator(void) __asm__("_ZN6__lsan15UnlockAllocatorEv");
extern void lock_stacks(void) __asm__("_ZN11__sanitizer17StackDepotLockAllEv");
extern void unlock_stacks(void) __asm__("_ZN11__sanitizer19StackDepotUnlockAllEv");

static void lock(void)
{
    lock_allocator();
    lock_stacks();
}

static void unlock(void)
{
    unlock_stacks();
    unlock_allocator();
}

/* Before libraries that need this one register what they do at forks: so the locks are taken after that, and given back
 * before it. */
__attribute__((constructor)) static void lock_at_forks(void)
{
    pthread_atfork(lock, unlock, unlock);
}
