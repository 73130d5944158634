/* The lock: one robust word on a page of its own, that stays on its owner's list for as long as it is owned. */
#include <kith/sync.h>

#include "os/memory.h"
#include "sync/word.h"

struct kith_lock {
    struct robust_word word;
};

int kith_lock_new(kith_lock **lock)
{
    if (!lock)
        return error_fail(-EINVAL, "lock is NULL: give the address of a kith_lock pointer");
    if (!word_thread())
        return -ENOTSUP;
    void *page;
    int code = os_memory_share(&page, sizeof **lock);
    if (code < 0)
        return error_fail(code, "no shared memory for a lock: %s", kith_strerror(code));
    *lock = page;
    return 0;
}

int kith_lock_acquire(kith_lock *lock, kith_timeout timeout)
{
    if (unlikely(!lock))
        return error_fail(-EINVAL, "lock is NULL: make one with kith_lock_new");
    deadline until;
    int code = deadline_from(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    robust_pending(self, &lock->word);
    if (unlikely(!word_try_acquire(self, &lock->word)))
        code = word_acquire_slowly(self, &lock->word, until);
    if (likely(code == 0 || code == KITH_EOWNERDEAD))
        robust_link(self, &lock->word);
    robust_pending(self, NULL);
    if (unlikely(code == -EDEADLK))
        error_fail(code, "this thread owns the lock already: release it first");
    return code;
}

int kith_lock_release(kith_lock *lock)
{
    if (unlikely(!lock))
        return error_fail(-EINVAL, "lock is NULL: make one with kith_lock_new");
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    uint32_t owner = atomic_load_explicit(&lock->word.value, memory_order_relaxed) & ROBUST_OWNER;
    if (unlikely(owner != self->id))
        return error_fail(-EPERM, "this thread (%u) does not own the lock: %s", self->id,
                          owner ? "another one does" : "nobody does");
    robust_pending(self, &lock->word);
    robust_unlink(self, &lock->word);
    if (unlikely(!word_try_release(self, &lock->word)))
        word_release_to_waiter(&lock->word);
    robust_pending(self, NULL);
    return 0;
}

void kith_lock_free(kith_lock *lock)
{
    if (!lock)
        return;
    struct os_thread *self = os_thread_self();
    if (self && (atomic_load_explicit(&lock->word.value, memory_order_relaxed) & ROBUST_OWNER) == self->id)
        kith_lock_release(lock);
    os_memory_unmap(lock, sizeof *lock);
}
