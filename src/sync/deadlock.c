#include "sync/deadlock.h"

#include "os/process.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a thread waits before its first look, in nanoseconds. */
#define PATIENCE 100000000

_Atomic int deadlock_mode = -1;

static int watching; /* the result of os_process_around_fork; if it failed, there is no list of locks */

int deadlock_ask_environment(void)
{
    const char *wish = getenv("KITH_DETECT_DEADLOCKS");
    int unknown = -1;
    atomic_compare_exchange_strong(&deadlock_mode, &unknown, watching == 0 && wish && strcmp(wish, "1") == 0);
    return atomic_load(&deadlock_mode);
}

int kith_deadlocks_detect(int on)
{
    if (on && watching < 0)
        return error_fail(watching, "deadlocks can't be found: there was no memory for watching forks");
    bool before = deadlock_detected();
    atomic_store(&deadlock_mode, on != 0);
    return before;
}

/* ---- the locks of this process ---- */

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct kith_lock *first;

static void enter(void)
{
    pthread_mutex_lock(&guard);
}

static void leave(void)
{
    pthread_mutex_unlock(&guard);
}

/* A child is to find the list whole, and the guard free. */
__attribute__((constructor)) static void watch_forks(void)
{
    watching = os_process_around_fork(enter, leave, leave);
}

void deadlock_add(struct kith_lock *lock)
{
    if (watching < 0)
        return;
    enter();
    lock->next = first;
    lock->link = &first;
    if (first)
        first->link = &lock->next;
    first = lock;
    leave();
}

void deadlock_remove(struct kith_lock *lock)
{
    if (watching < 0)
        return;
    enter();
    *lock->link = lock->next;
    if (lock->next)
        lock->next->link = lock->link;
    leave();
}

/* ---- seeking ---- */

enum { SEEKERS = sizeof(struct lock_seekers) / sizeof(struct robust_word) };

/** Says that this thread seeks the lock. @return the word that says it; NULL when too many say so already */
static struct robust_word *seek(struct os_thread *self, struct lock_seekers *seekers)
{
    for (int i = 0; i < SEEKERS; i++) {
        struct robust_word *seeker = &seekers->words[i];
        uint32_t value = atomic_load_explicit(&seeker->value, memory_order_relaxed);
        if (value & ROBUST_OWNER)
            continue;
        robust_pending(self, seeker);
        /* seq_cst: of two that close a circle at the same time, one sees the other. */
        if (!atomic_compare_exchange_strong_explicit(&seeker->value, &value, self->id, memory_order_seq_cst,
                                                     memory_order_relaxed))
            continue;
        robust_link(self, seeker);
        return seeker;
    }
    return NULL;
}

void deadlock_seek_no_more(struct os_thread *self, struct robust_word *seeker)
{
    robust_pending(self, seeker);
    robust_unlink(self, seeker);
    atomic_store_explicit(&seeker->value, 0, memory_order_release);
    robust_pending(self, NULL);
}

static bool seeks(uint32_t thread, const struct lock_seekers *seekers)
{
    for (int i = 0; i < SEEKERS; i++) {
        if ((atomic_load_explicit(&seekers->words[i].value, memory_order_seq_cst) & ROBUST_OWNER) == thread)
            return true;
    }
    return false;
}

/* ---- the circle ---- */

/** The owners of the locks, each of which seeks the next one's. */
struct chain {
    uint32_t owners[KITH_DEADLOCK_THREADS - 1];
    int length;
};

static struct lock_shared *sought_by(uint32_t thread)
{
    for (struct kith_lock *lock = first; lock; lock = lock->next) {
        if (seeks(thread, lock->seekers))
            return lock->shared;
    }
    return NULL;
}

/** @return whether it leads back to this thread */
static bool follow(struct chain *chain, uint32_t self, const struct lock_shared *sought)
{
    chain->length = 0;
    while (sought) {
        uint32_t owner = owned_by(&sought->owned);
        if (owner == self)
            return chain->length > 0;
        if (owner == 0 || chain->length == KITH_DEADLOCK_THREADS - 1)
            return false;
        chain->owners[chain->length++] = owner;
        sought = sought_by(owner);
    }
    return false;
}

static int tell(const struct chain *chain, uint32_t self)
{
    char text[256] = "";
    for (int i = 0; i < chain->length; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "waits for thread %u of process %d, which ", chain->owners[i],
                 (int)os_process_of_thread((pid_t)chain->owners[i]));
    }
    return error_fail(-EDEADLK, "deadlock: thread %u of process %d %swaits for the first", self, (int)getpid(), text);
}

/** @return 0, or -EDEADLK with the detail */
static int look(uint32_t self, const struct lock_shared *sought)
{
    struct chain chain, again;
    enter();
    /* What was seen at different instants may never have been so at one. But who is seen to seek a lock has done so for
     * long: what is the same at a second look was so all the time between the two. */
    bool closed = follow(&chain, self, sought) && follow(&again, self, sought) && chain.length == again.length &&
                  memcmp(chain.owners, again.owners, (size_t)chain.length * sizeof *chain.owners) == 0;
    leave();
    return closed ? tell(&chain, self) : 0;
}

int deadlock_acquire(struct os_thread *self, struct kith_lock *lock, deadline until, struct robust_word **seeker)
{
    struct lock_shared *shared = lock->shared;
    /* Twice as long each time: to look, a thread leaves its place among the kernel's sleepers and goes to the end. At
     * equal intervals it would never be the first of more than can have the lock in one of them. */
    for (int64_t patience = PATIENCE;; patience *= 2) {
        int64_t soon = os_clock_now() + patience;
        int code = word_acquire_slowly(self, &shared->owned.word, soon < until ? soon : until);
        if (code != -ETIMEDOUT || soon >= until)
            return code;
        /* Nobody has woken us, so we owe nobody anything: the slot is free for the seeker. */
        if (!*seeker)
            *seeker = seek(self, lock->seekers);
        robust_pending(self, &shared->owned.word);
        if (look(self->id, shared) < 0)
            return -EDEADLK;
    }
}
