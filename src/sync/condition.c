/* The condition: a lock, and those who wait while they have given it up (waiters.h). The lock's owner is the one who
 * joins them and who notifies them. */
#include "sync/lock.h"
#include "sync/waiters.h"

struct condition_shared {
    struct object_header header;
    struct lock_shared lock; /* this and the next are unused by one that was given a lock */
    struct lock_seekers seekers;
    struct waiters_shared waiters;
};

struct kith_condition {
    struct object object;
    struct waiters waiters;
    kith_lock own;
    kith_lock *lock; /* &own, or what it was given */
};

/* ---- handles ---- */

static void begin(void *memory, const void *argument)
{
    struct condition_shared *made = memory;
    (void)argument;
    made->lock.recursive = 1;
}

static void restart(void *memory)
{
    struct condition_shared *found = memory;
    found->lock = (struct lock_shared){ .recursive = 1 };
    waiters_restart(&found->waiters);
}

static const struct object_type type = { .kind = OBJECT_CONDITION, .layout = 1, .restart = restart };

static int get(kith_condition **condition, const struct origin *origin, kith_lock *lock)
{
    if (!condition)
        return error_fail(-EINVAL, "condition is NULL: give the address of a kith_condition pointer");
    if (!word_thread())
        return -ENOTSUP;
    int code = word_can_wait_any();
    if (code < 0)
        return code;
    void *handle;
    const struct object_plan plan = { sizeof(struct condition_shared) + WAITERS_FOOTPRINT, begin, NULL };
    code = handle_get(&handle, sizeof **condition, origin, &type, &plan);
    if (code < 0)
        return code;
    kith_condition *made = handle;
    struct condition_shared *shared = made->object.memory;
    code = waiters_open(&made->waiters, &made->object, &shared->waiters);
    if (code < 0) {
        handle_undo(&made->object, origin, &type);
        return code;
    }
    made->lock = lock ? lock : &made->own;
    if (!lock)
        lock_attach(&made->own, &shared->lock, &shared->seekers);
    *condition = made;
    return 0;
}

int kith_condition_new(kith_condition **condition, kith_lock *lock)
{
    return get(condition, FROM_NOTHING, lock);
}

int kith_condition_open(kith_condition **condition, const char *name, kith_open how)
{
    return get(condition, FROM_NAME(name, how), NULL);
}

int kith_condition_unlink(const char *name)
{
    return object_unlink(&type, name);
}

static int no_condition(void)
{
    return error_fail(-EINVAL, "condition is NULL: make one with kith_condition_new");
}

int kith_condition_share_fd(const kith_condition *condition)
{
    return condition ? condition->object.file : no_condition();
}

int kith_condition_from_fd(kith_condition **condition, int fd, kith_lock *lock)
{
    return get(condition, FROM_DESCRIPTOR(fd), lock);
}

void kith_condition_free(kith_condition *condition)
{
    if (!condition)
        return;
    if (condition->lock == &condition->own)
        lock_detach(&condition->own);
    waiters_close(&condition->waiters);
    handle_free(&condition->object);
}

/* ---- the lock ---- */

int kith_condition_acquire(kith_condition *condition, kith_timeout timeout)
{
    return condition ? kith_lock_acquire(condition->lock, timeout) : no_condition();
}

int kith_condition_release(kith_condition *condition)
{
    return condition ? kith_lock_release(condition->lock) : no_condition();
}

/* ---- waiting ---- */

/** Without the lock: waits to be notified. @return 0: notified, and still in the table. -ETIMEDOUT, -EINTR: not */
static int sleep_until_notified(struct os_thread *self, struct waiters *waiters, struct waiter *me, deadline until)
{
    int code;
    while ((code = waiters_sleep(self, waiters, me, until)) == WAITERS_LOOK)
        waiters_heal(self, waiters, true);
    /* At once, and not after the lock has come back: meanwhile it is for others to be notified. */
    return code < 0 && waiters_give_up(self, waiters, me) ? code : 0;
}

/** As the owner of the lock. */
static int wait_until(struct os_thread *self, kith_condition *condition, deadline until)
{
    kith_lock *lock = condition->lock;
    struct waiters *waiters = &condition->waiters;
    struct waiter *me;
    waiters_hold_bell(self, waiters);
    waiters_heal(self, waiters, false);
    int code = waiters_join(self, waiters, 0, &me);
    if (code == 0) {
        uint32_t again = lock_give_up(self, lock);
        waiters_hold_bell(self, waiters);
        code = sleep_until_notified(self, waiters, me, until);
        int taken = lock_take_back(self, lock, again);
        waiters_hold_bell(self, waiters);
        if (code == 0)
            waiters_leave(self, waiters, me); /* only now: had we died without the lock, it would have been passed on */
        code = taken < 0 ? taken : code;
    }
    robust_pending(self, NULL);
    return code;
}

/** What all that is done with the lock begins with. @return 0: self, who owns the lock; or a code with its detail */
static int begin_as_owner(const kith_condition *condition, struct os_thread **self)
{
    if (!condition)
        return no_condition();
    *self = word_thread();
    if (!*self)
        return -ENOTSUP;
    if (lock_is_mine(*self, condition->lock))
        return 0;
    return error_fail(-EPERM, "this thread (%u) does not own the condition's lock: acquire it first", (*self)->id);
}

int kith_condition_wait(kith_condition *condition, kith_timeout timeout)
{
    struct os_thread *self;
    deadline until = DEADLINE_PASSED;
    int code = begin_as_owner(condition, &self);
    if (code == 0)
        code = deadline_from(timeout, &until);
    return code < 0 ? code : wait_until(self, condition, until);
}

int kith_condition_wait_for(kith_condition *condition, int (*predicate)(void *argument), void *argument,
                            kith_timeout timeout)
{
    struct os_thread *self;
    deadline until = DEADLINE_PASSED;
    int code = begin_as_owner(condition, &self);
    if (code == 0 && !predicate)
        code = error_fail(-EINVAL, "predicate is NULL");
    if (code == 0)
        code = deadline_from(timeout, &until);
    while (code == 0 && !predicate(argument))
        code = wait_until(self, condition, until);
    return code == -ETIMEDOUT && predicate(argument) ? 0 : code;
}

int kith_condition_notify(kith_condition *condition, unsigned count)
{
    struct os_thread *self;
    int code = begin_as_owner(condition, &self);
    if (code < 0)
        return code;
    waiters_hold_bell(self, &condition->waiters);
    waiters_heal(self, &condition->waiters, false);
    unsigned notified = waiters_notify(&condition->waiters, count);
    robust_pending(self, NULL);
    return (int)notified;
}

int kith_condition_notify_all(kith_condition *condition)
{
    return kith_condition_notify(condition, WAITERS_MAX);
}

int kith_condition_waiting(const kith_condition *condition)
{
    return condition ? (int)waiters_waiting(&condition->waiters) : no_condition();
}
