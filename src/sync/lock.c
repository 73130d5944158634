/* The lock: a robust word that stays its owner's (owned.h), or one that anybody releases (lent.h), as an object; and
 * those who find its deadlocks. */
#include "sync/lock.h"

#include "sync/deadlock.h"

/** A lock in memory of the caller's ends before the seekers. */
struct lock_object {
    struct object_header header;
    struct lock_shared lock;
    struct lock_seekers seekers;
};
_Static_assert(offsetof(struct lock_object, seekers) <= KITH_LOCK_SIZE, "what the header says");

/* ---- handles ---- */

static void begin(void *memory, const void *argument)
{
    struct lock_object *made = memory;
    const kith_lock_options *options = argument;
    made->lock.recursive = options && options->recursive;
    made->lock.anyone_releases = options && options->anyone_releases;
}

static void restart(void *memory)
{
    struct lock_object *found = memory;
    found->lock = (struct lock_shared){
        .recursive = found->lock.recursive,
        .anyone_releases = found->lock.anyone_releases,
    };
}

static const struct object_type type = { .kind = OBJECT_LOCK, .layout = 2, .restart = restart };

void lock_attach(struct kith_lock *lock, struct lock_shared *shared, struct lock_seekers *seekers)
{
    lock->shared = shared;
    lock->seekers = seekers;
    if (seekers)
        deadlock_add(lock);
}

void lock_detach(struct kith_lock *lock)
{
    struct os_thread *self = os_thread_self();
    /* Whether it is this thread that has one that anyone releases, only the program knows. */
    if (self && !lock->shared->anyone_releases && lock_is_mine(self, lock))
        lock_give_up(self, lock);
    if (lock->seekers)
        deadlock_remove(lock);
}

static int get(kith_lock **lock, const struct origin *origin, const kith_lock_options *options)
{
    if (!lock)
        return error_fail(-EINVAL, "lock is NULL: give the address of a kith_lock pointer");
    if (options && options->recursive && options->anyone_releases)
        return error_fail(-EINVAL, "a lock that anyone releases can't be recursive: take one of the options");
    if (!word_thread())
        return -ENOTSUP;
    void *handle;
    const struct object_plan plan = { origin->way == ORIGIN_MEMORY ? KITH_LOCK_SIZE : sizeof(struct lock_object), begin,
                                      options };
    int code = handle_get(&handle, sizeof **lock, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_lock *made = handle;
    struct lock_object *object = made->object.memory;
    bool seeks = object->header.size >= sizeof *object && !object->lock.anyone_releases;
    lock_attach(made, &object->lock, seeks ? &object->seekers : NULL);
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
    return lock ? object_share_fd(&lock->object) : no_lock();
}

int kith_lock_from_fd(kith_lock **lock, int fd)
{
    return get(lock, FROM_DESCRIPTOR(fd), NULL);
}

int kith_lock_in(kith_lock **lock, void *memory, kith_open how, const kith_lock_options *options)
{
    return get(lock, FROM_MEMORY(memory, how), options);
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

static int acquire_slowly(struct os_thread *self, struct kith_lock *lock, deadline until)
{
    struct lock_shared *shared = lock->shared;
    struct robust_word *seeker = NULL;
    int code;
    if (until == DEADLINE_AT_ONCE)
        code = word_acquire_soon(self, &shared->owned.word);
    else if (lock->seekers && deadlock_detected())
        code = deadlock_acquire(self, lock, until, &seeker);
    else
        code = word_acquire_slowly(self, &shared->owned.word, until);
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
    int code = deadline_from_or_at_once(timeout, &until);
    if (unlikely(code < 0))
        return code;
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    struct lock_shared *shared = lock->shared;
    if (shared->anyone_releases)
        return lent_acquire(self, &shared->owned.word.value, &lock->look, until);
    robust_pending(self, &shared->owned.word);
    if (unlikely(!word_try_acquire(self, &shared->owned.word)))
        return acquire_slowly(self, lock, until);
    return owned_settle(self, &shared->owned, 0);
}

int kith_lock_release(kith_lock *lock)
{
    if (unlikely(!lock))
        return no_lock();
    struct owned_word *owned = &lock->shared->owned;
    if (lock->shared->anyone_releases)
        return likely(lent_release(&owned->word.value) == 0) ? 0 : error_fail(-EPERM, "nobody owns the lock");
    struct os_thread *self = word_thread();
    if (unlikely(!self))
        return -ENOTSUP;
    if (unlikely(owned_release(self, owned) < 0))
        return error_fail(-EPERM, "this thread (%u) does not own the lock: %s", self->id,
                          owned_by(owned) ? "another one does" : "nobody does");
    return 0;
}

bool lock_is_mine(struct os_thread *self, const struct kith_lock *lock)
{
    const struct lock_shared *shared = lock->shared;
    return shared->anyone_releases ? lent_to_us(self, &shared->owned.word.value) : owned_is_mine(self, &shared->owned);
}

uint32_t lock_give_up(struct os_thread *self, struct kith_lock *lock)
{
    struct owned_word *owned = &lock->shared->owned;
    if (lock->shared->anyone_releases) {
        lent_release(&owned->word.value);
        return 0;
    }
    uint32_t again = owned->again;
    owned->again = 0;
    owned_let_go(self, owned);
    return again;
}

int lock_take_back(struct os_thread *self, struct kith_lock *lock, uint32_t again)
{
    struct owned_word *owned = &lock->shared->owned;
    bool lent = lock->shared->anyone_releases;
    int code;
    do {
        code = lent ? lent_acquire(self, &owned->word.value, &lock->look, OS_FOREVER)
                    : owned_acquire(self, owned, OS_FOREVER, false);
    } while (code == -EINTR);
    if (!lent)
        owned->again = again;
    return code;
}

int kith_lock_owner(const kith_lock *lock)
{
    if (!lock)
        return no_lock();
    const struct lock_shared *shared = lock->shared;
    return (int)(shared->anyone_releases ? lent_to(&shared->owned.word.value) : owned_by(&shared->owned));
}

int kith_lock_is_owned(const kith_lock *lock)
{
    if (!lock)
        return no_lock();
    struct os_thread *self = word_thread();
    return self ? lock_is_mine(self, lock) : -ENOTSUP;
}
