/* The lock: a robust word that stays its owner's (owned.h), as an object; and those who find its deadlocks. */
#include "sync/lock.h"

#include "sync/deadlock.h"

struct lock_object {
    struct object_header header;
    struct lock_shared lock;
};

/* ---- handles ---- */

static void begin(void *memory, const void *argument)
{
    struct lock_object *made = memory;
    const kith_lock_options *options = argument;
    made->lock.recursive = options && options->recursive;
}

static void restart(void *memory)
{
    struct lock_object *found = memory;
    found->lock = (struct lock_shared){ .recursive = found->lock.recursive };
}

static const struct object_type type = { .kind = OBJECT_LOCK, .layout = 1, .restart = restart };

void lock_attach(struct kith_lock *lock, struct lock_shared *shared)
{
    lock->shared = shared;
    deadlock_add(lock);
}

void lock_detach(struct kith_lock *lock)
{
    struct os_thread *self = os_thread_self();
    if (self && owned_is_mine(self, &lock->shared->owned))
        lock_give_up(self, lock->shared);
    deadlock_remove(lock);
}

static int get(kith_lock **lock, const struct origin *origin, const kith_lock_options *options)
{
    if (!lock)
        return error_fail(-EINVAL, "lock is NULL: give the address of a kith_lock pointer");
    if (!word_thread())
        return -ENOTSUP;
    void *handle;
    const struct object_plan plan = { sizeof(struct lock_object), begin, options };
    int code = handle_get(&handle, sizeof **lock, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_lock *made = handle;
    lock_attach(made, &((struct lock_object *)made->object.memory)->lock);
    *lock = made;
    return 0;
}

int kith_lock_new(kith_lock **lock, const kith_lock_options *options)
{
    return get(lock, FROM_NOTHING, options);
}

int kith_lock_open(kith_lock **lock, const char *name, kith_open how, const kith_lock_options *options)
{
    return get(lock, FROM_NAME(name, how), options);
}

int kith_lock_unlink(const char *name)
{
    return object_unlink(&type, name);
}

static int no_lock(void)
{
    return error_fail(-EINVAL, "lock is NULL: make one with kith_lock_new");
}

int kith_lock_share_fd(const kith_lock *lock)
{
    return lock ? lock->object.file : no_lock();
}

int kith_lock_from_fd(kith_lock **lock, int fd)
{
    return get(lock, FROM_DESCRIPTOR(fd), NULL);
}

void kith_lock_free(kith_lock *lock)
{
    if (!lock)
        return;
    lock_detach(lock);
    handle_free(&lock->object);
}

/* ---- owning ---- */

static int acquire_again(struct lock_shared *shared)
{
    int code = owned_acquire_again(&shared->owned, shared->recursive);
    if (code == -EDEADLK)
        return error_fail(code, "this thread owns the lock already: release it first, or make it recursive");
    return code < 0 ? error_fail(code, "this thread has acquired the lock too many times") : 0;
}

static int acquire_slowly(struct os_thread *self, struct lock_shared *shared, deadline until)
{
    struct robust_word *seeker = NULL;
    int code = deadlock_detected() ? deadlock_acquire(self, shared, until, &seeker)
                                   : word_acquire_slowly(self, &shared->owned.word, until);
    owned_settle(self, &shared->owned, code);
    if (seeker)
        deadlock_seek_no_more(self, seeker);
    return code == -EDEADLK && owned_is_mine(self, &shared->owned) ? acquire_again(shared) : code;
}

int kith_lock_acquire(kith_lock *lock, kith_timeout timeout)
{
    if (unlikely(!lock))
        return no_lock();
    deadline until;
    int code = deadline_from(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct lock_shared *shared = lock->shared;
    robust_pending(self, &shared->owned.word);
    if (unlikely(!word_try_acquire(self, &shared->owned.word)))
        return acquire_slowly(self, shared, until);
    return owned_settle(self, &shared->owned, 0);
}

int kith_lock_release(kith_lock *lock)
{
    if (unlikely(!lock))
        return no_lock();
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct owned_word *owned = &lock->shared->owned;
    if (unlikely(owned_release(self, owned) < 0))
        return error_fail(-EPERM, "this thread (%u) does not own the lock: %s", self->id,
                          owned_by(owned) ? "another one does" : "nobody does");
    return 0;
}

uint32_t lock_give_up(struct os_thread *self, struct lock_shared *shared)
{
    uint32_t again = shared->owned.again;
    shared->owned.again = 0;
    owned_let_go(self, &shared->owned);
    return again;
}

int lock_take_back(struct os_thread *self, struct lock_shared *shared, uint32_t again)
{
    int code;
    do {
        code = owned_acquire(self, &shared->owned, OS_FOREVER, false);
    } while (code == -EINTR);
    shared->owned.again = again;
    return code;
}

int kith_lock_owner(const kith_lock *lock)
{
    return lock ? (int)owned_by(&lock->shared->owned) : no_lock();
}

int kith_lock_is_owned(const kith_lock *lock)
{
    if (!lock)
        return no_lock();
    struct os_thread *self = word_thread();
    return self ? owned_is_mine(self, &lock->shared->owned) : -ENOTSUP;
}
