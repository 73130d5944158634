/* The lock: one robust word, that stays on its owner's list for as long as it is owned. */
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
    if (self && lock_owner(lock->shared) == self->id)
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

/** The owner acquires it once more. */
static int acquire_again(struct lock_shared *shared)
{
    if (!shared->recursive)
        return error_fail(-EDEADLK, "this thread owns the lock already: release it first, or make it recursive");
    if (shared->again == UINT32_MAX)
        return error_fail(-EOVERFLOW, "this thread has acquired the lock %u times, and once more", shared->again);
    shared->again++;
    return 0;
}

static inline int settle(struct os_thread *self, struct lock_shared *shared, int code)
{
    if (likely(code == 0 || code == KITH_EOWNERDEAD)) {
        robust_link(self, &shared->word);
        if (unlikely(code == KITH_EOWNERDEAD))
            shared->again = 0; /* whatever the dead one has left */
    }
    robust_pending(self, NULL);
    return code;
}

static int acquire_slowly(struct os_thread *self, struct lock_shared *shared, deadline until)
{
    struct robust_word *seeker = NULL;
    int code = deadlock_detected() ? deadlock_acquire(self, shared, until, &seeker)
                                   : word_acquire_slowly(self, &shared->word, until);
    settle(self, shared, code);
    if (seeker)
        deadlock_seek_no_more(self, seeker);
    return code == -EDEADLK && lock_owner(shared) == self->id ? acquire_again(shared) : code;
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
    robust_pending(self, &shared->word);
    if (unlikely(!word_try_acquire(self, &shared->word)))
        return acquire_slowly(self, shared, until);
    return settle(self, shared, 0);
}

static void let_go(struct os_thread *self, struct lock_shared *shared)
{
    robust_pending(self, &shared->word);
    robust_unlink(self, &shared->word);
    if (unlikely(!word_try_release(self, &shared->word)))
        word_release_to_waiter(&shared->word);
    robust_pending(self, NULL);
}

int kith_lock_release(kith_lock *lock)
{
    if (unlikely(!lock))
        return no_lock();
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct lock_shared *shared = lock->shared;
    uint32_t owner = lock_owner(shared);
    if (unlikely(owner != self->id))
        return error_fail(-EPERM, "this thread (%u) does not own the lock: %s", self->id,
                          owner ? "another one does" : "nobody does");
    if (unlikely(shared->again > 0))
        shared->again--;
    else
        let_go(self, shared);
    return 0;
}

uint32_t lock_give_up(struct os_thread *self, struct lock_shared *shared)
{
    uint32_t again = shared->again;
    shared->again = 0;
    let_go(self, shared);
    return again;
}

int lock_take_back(struct os_thread *self, struct lock_shared *shared, uint32_t again)
{
    int code;
    robust_pending(self, &shared->word);
    do {
        code = word_acquire_slowly(self, &shared->word, OS_FOREVER);
    } while (code == -EINTR);
    settle(self, shared, code);
    shared->again = again;
    return code;
}

int kith_lock_owner(const kith_lock *lock)
{
    return lock ? (int)lock_owner(lock->shared) : no_lock();
}

int kith_lock_is_owned(const kith_lock *lock)
{
    if (!lock)
        return no_lock();
    struct os_thread *self = word_thread();
    return self ? lock_owner(lock->shared) == self->id : -ENOTSUP;
}
