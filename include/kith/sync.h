/* kith/sync.h: locks, semaphores, conditions, events and barriers that processes share.
 *
 * Each is memory shared by all who have it. One that kith_..._new makes is anonymous: a child inherits those that its
 * parent made before it was started, and the kernel frees one when the last process that has it freed it or ended, so
 * kill -9 leaves nothing behind. Processes that are no relatives open one by its name (kith_..._open), or get it as a
 * descriptor (kith_..._share_fd, kith_..._from_fd): kith/memory.h tells of both. Each handle costs its process one
 * descriptor, closed on exec.
 *
 * They are futex words on the kernel's list of robust futexes: when a process dies, in whatever way, the kernel itself
 * marks what it owned and wakes a waiter. So nobody waits for ever for one that is dead, at whatever instruction it was
 * killed. An uncontended acquire and release are no system call.
 *
 * That is so on Linux 6.2 or newer, or an older one with its change "futex: Resend potentially swallowed owner death
 * notification": before it the kernel passes over a released word on which others sleep, and a kill in just that moment
 * leaves them asleep. And it is so for a thread that owns at most some 2,000 at a time: locks, units, locks of arrays,
 * and robust mutexes of the C library. When a thread dies, the kernel marks no more.
 *
 * Threads and processes: every handle may be used by any number of threads at the same time, but it is freed once, when
 * no other thread of the process uses it. A child made by fork has its parent's handles, and owns nothing: no lock, no
 * unit, no place among those who wait. All users of an object must be in one PID namespace.
 *
 * Codes that are the same everywhere, and are not told again below:
 *   kith_..._new      -EINVAL: an argument is NULL that must not be, or out of range. -EMFILE, -ENFILE: no descriptor.
 *                     -ENOMEM, -ENOSPC, -EFBIG: no memory. -ENOTSUP: the C library registers no robust list for this
 *                     thread; for conditions, events, barriers and semaphores whose units have owners also a kernel
 *                     without futex_waitv (Linux 5.16)
 *   kith_..._open     the same, and what kith/memory.h says about names. With KITH_OPEN, one that is stale starts anew
 *                     with what was said when it was made
 *   kith_..._unlink   takes the name away; those who have the object keep it. 0, or what kith/memory.h says
 *   kith_..._share_fd the descriptor that stands for the object, closed on exec. It is the handle's own: do not close
 *                     it. -EINVAL: the handle is NULL, or its object lies in memory of the caller's (kith_..._in)
 *   kith_..._from_fd  makes a handle of such a descriptor, which stays the caller's. As kith_..._new; -EBADF; -EINVAL
 *                     when it is something else; KITH_ELAYOUT when another version of kith made it
 *   kith_..._free     gives this process's handle back; other processes keep theirs. NULL is fine
 *   all others        -EINVAL: the handle is NULL, or the timeout negative. -ENOTSUP as above. -EINTR, where it is
 *                     named: a signal handler ran while waiting, one that was installed without SA_RESTART. With
 *                     SA_RESTART it is told only at times
 */
#ifndef KITH_SYNC_H
#define KITH_SYNC_H

#include <kith/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Has a function called when a signal handler has run while this thread waits in kith_condition_wait,
 *  kith_condition_wait_for or kith_barrier_wait, or for room in shared memory in kith_connection_send; and once a
 *  second, lest one that ran just before be missed. The thread keeps its place meanwhile: it is notified, and counts as
 *  having come, as if nothing had happened. Without this, it gives its place up, and gets -EINTR. (The other calls that
 *  wait have no place to lose: call them again.) It is for bindings of languages that run handlers of their own.
 *  @param interrupted  returns 0 to go on; another result ends the wait with -EINTR. It may call what it likes, but not
 *                      wait for the same object. NULL: none any more
 *  @param context      passed to it */
KITH_API void kith_on_interruption(int (*interrupted)(void *context), void *context);

/* ---- lock ---- */

/** A mutual exclusion lock, owned by one thread of one process. */
typedef struct kith_lock kith_lock;

/** Options of a lock; all zero is the default. */
typedef struct kith_lock_options {
    /** Its owner may acquire it again, and must release it as often. Without this, that is -EDEADLK. */
    int recursive;
    /** Any thread of any process may release it, as CPython's multiprocessing.Lock has it: so its owner is a process,
     *  not a thread, and a thread that acquires it again waits until somebody else releases it. A dead owner is found
     *  by those who wait, and those who try: a process looks for it ten times a second. (It looks in /proc, so all
     *  users must be in one time namespace, too. Without /proc, whoever has a dead owner's id is taken for the owner.)
     *  No deadlocks are found through it. Not with recursive: -EINVAL. */
    int anyone_releases;
} kith_lock_options;

/** Makes a lock that nobody owns.
 *  @param lock     receives it; free it with kith_lock_free
 *  @param options  NULL for the defaults
 *  @return 0, or a code as told at the top */
KITH_API KITH_MUST_USE int kith_lock_new(kith_lock **lock, const kith_lock_options *options);

/** Makes or opens a lock that has a name. The options are for one that is made. */
KITH_API KITH_MUST_USE int kith_lock_open(kith_lock **lock, const char *name, kith_open how,
                                          const kith_lock_options *options);

KITH_API int kith_lock_unlink(const char *name);
KITH_API int kith_lock_share_fd(const kith_lock *lock);
KITH_API KITH_MUST_USE int kith_lock_from_fd(kith_lock **lock, int fd);

/** The room that a lock takes in memory of the caller's, in bytes. */
#define KITH_LOCK_SIZE 128

/** Makes or opens a lock in shared memory of the caller's: a part of a segment, of an array, of a heap's block. It
 *  costs no descriptor, and can't be shared by one: share the memory. The memory must stay mapped as long as the handle
 *  lives, and be given back only when nobody uses the lock. No deadlocks are found through it: there is no room to say
 *  who waits.
 *  @param lock     receives it; free it with kith_lock_free
 *  @param memory   KITH_LOCK_SIZE bytes, at a multiple of 64
 *  @param how      KITH_CREATE makes one that nobody owns, whatever was there; KITH_OPEN finds one. Nobody keeps two
 *                  processes from creating at the same time, so let the one do it that made the memory
 *  @param options  for one that is made; NULL for the defaults
 *  @return 0; -EINVAL when there is no lock for KITH_OPEN, or none that was made so; KITH_ELAYOUT; or a code as told at
 *          the top */
KITH_API KITH_MUST_USE int kith_lock_in(kith_lock **lock, void *memory, kith_open how,
                                        const kith_lock_options *options);

/** Acquires the lock, waiting while another thread or process owns it.
 *
 *  KITH_EOWNERDEAD means acquired: the owner before ended without releasing, so what the lock protects may be half
 *  done. Repair it if need be, and release as always; the lock itself is whole, and the next owner gets 0. However
 *  often the dead one had acquired a recursive lock, the new owner has acquired it once.
 *
 *  @param lock     a lock
 *  @param timeout  how long to wait. KITH_AT_ONCE, too
 *  @return 0 or KITH_EOWNERDEAD: this thread owns it now. -ETIMEDOUT: another owned it all that time (with KITH_NOWAIT:
 *          now). -EAGAIN: with KITH_AT_ONCE, another owns it, who may be dead. -EDEADLK: this thread owns it already
 *          and would wait for itself; or, with kith_deadlocks_detect, it waits for its own end, and the detail says
 *          how. -EOVERFLOW: acquired 4,294,967,296 times already. -EINTR: when there is a timeout, or anyone may
 *          release it, for handlers with SA_RESTART, too */
KITH_API KITH_MUST_USE int kith_lock_acquire(kith_lock *lock, kith_timeout timeout);

/** Releases the lock and lets one waiter have it; a recursive one when it has been released as often as acquired.
 *  @return 0; -EPERM when this thread does not own it: a child, too, does not own what its parent acquired before. Of
 *          one that anyone releases: when nobody owns it */
KITH_API int kith_lock_release(kith_lock *lock);

/** The thread that owns the lock at this instant, for people: as ps -L shows it. Of one that anyone releases, the
 *  process. @return its id; 0: nobody */
KITH_API int kith_lock_owner(const kith_lock *lock);

/** Whether the calling thread owns the lock; of one that anyone releases, whether its process does. @return 1 or 0 */
KITH_API int kith_lock_is_owned(const kith_lock *lock);

/** The calling thread releases the lock first when it owns it; no other thread of this process may own it or wait for
 *  it. One that anyone releases stays as it is, and nobody of this process may wait for it. */
KITH_API void kith_lock_free(kith_lock *lock);

/** The most threads in a circle that is found. */
#define KITH_DEADLOCK_THREADS 16

/** From now on, finds deadlocks of locks, or no longer. For this process and the children that it makes; the
 *  environment variable KITH_DETECT_DEADLOCKS=1 does the same from the beginning.
 *
 *  A thread that has waited for a lock for a tenth of a second looks whether the lock's owner waits for a lock whose
 *  owner waits ... for a lock that it owns itself. Then its acquire returns -EDEADLK, and the detail names the threads
 *  and processes of the circle, or of a large one the first. It is for the program to give something up; if it just
 *  tries again, nothing has changed.
 *
 *  It finds what all of the circle's processes look for, among the locks that this process has handles of, and at most
 *  48 waiting threads a lock; not through locks that anyone releases, nor those in memory of the caller's. A wait that
 *  has a timeout counts like any other. It does not see who waits for anything else: semaphores, events, queues,
 *  children, or to have a condition's lock back. While nobody waits it costs nothing. Waits then behave as ones with a
 *  timeout do about signals.
 *
 *  @param on  0 or 1
 *  @return what it was before; -ENOMEM: they can't be found, for there was no memory when the library was loaded */
KITH_API int kith_deadlocks_detect(int on);

/* ---- semaphore ---- */

/** A counting semaphore: a number of units, taken and given back by any thread of any process. */
typedef struct kith_semaphore kith_semaphore;

/** Options of a semaphore; all zero is the default. */
typedef struct kith_semaphore_options {
    /** The units have owners: the thread that acquired one has it until that thread releases it. When it ends first,
     *  the kernel gives the unit back, and who gets it is told by KITH_EOWNERDEAD. At most KITH_SEMAPHORE_OWNED_MAX
     *  units. Without this a unit is a mere number, and one that a dead process had taken is gone. */
    int owned;
    /** The most units that can be free, the value or more: a release beyond it is refused, for it shows a mistake.
     *  0: KITH_SEMAPHORE_MAX. Units that have owners can't be released too often, with or without. */
    unsigned bound;
} kith_semaphore_options;

/** The largest value of a semaphore, and of one whose units have owners. */
#define KITH_SEMAPHORE_MAX 0x7fffffff
#define KITH_SEMAPHORE_OWNED_MAX 120

/** Makes a semaphore.
 *  @param semaphore  receives it; free it with kith_semaphore_free
 *  @param value      its units at the start, 0 to KITH_SEMAPHORE_MAX; with owners, 1 to KITH_SEMAPHORE_OWNED_MAX
 *  @param options    NULL for the defaults
 *  @return 0, or a code as told at the top */
KITH_API KITH_MUST_USE int kith_semaphore_new(kith_semaphore **semaphore, unsigned value,
                                              const kith_semaphore_options *options);

/** Makes or opens a semaphore that has a name. Value and options are for one that is made. */
KITH_API KITH_MUST_USE int kith_semaphore_open(kith_semaphore **semaphore, const char *name, kith_open how,
                                               unsigned value, const kith_semaphore_options *options);

KITH_API int kith_semaphore_unlink(const char *name);
KITH_API int kith_semaphore_share_fd(const kith_semaphore *semaphore);
KITH_API KITH_MUST_USE int kith_semaphore_from_fd(kith_semaphore **semaphore, int fd);

/** The room that a semaphore takes in memory of the caller's, in bytes. */
#define KITH_SEMAPHORE_SIZE 128

/** Makes or opens a semaphore whose units have no owners in shared memory of the caller's: KITH_SEMAPHORE_SIZE bytes at
 *  a multiple of 64; all else as kith_lock_in says. @return -EINVAL, too, when the units are to have owners */
KITH_API KITH_MUST_USE int kith_semaphore_in(kith_semaphore **semaphore, void *memory, kith_open how, unsigned value,
                                             const kith_semaphore_options *options);

/** Takes one unit, waiting while there is none.
 *
 *  A process that dies while it waits takes nothing with it. A process that dies after this returned 0 keeps the unit
 *  for ever, unless the units have owners: then the next one to acquire it gets KITH_EOWNERDEAD, which means acquired.
 *
 *  @param timeout  how long to wait. KITH_AT_ONCE, too
 *  @return 0 or KITH_EOWNERDEAD: a unit was taken. -ETIMEDOUT: there was none in time. -EBUSY: the time is over, and
 *          what came of it can't be known, because a process was stopped in the middle of a call. -EAGAIN: with
 *          KITH_AT_ONCE, somebody is in the middle of a call. -EINTR */
KITH_API KITH_MUST_USE int kith_semaphore_acquire(kith_semaphore *semaphore, kith_timeout timeout);

/** Gives one unit back, and wakes one waiter.
 *  @return 0; -EOVERFLOW when it would pass the bound; -EPERM when the units have owners and this thread has none */
KITH_API int kith_semaphore_release(kith_semaphore *semaphore);

/** The units free at this instant; another process may change that at once. @return the number */
KITH_API int kith_semaphore_value(const kith_semaphore *semaphore);

/** The calling thread releases the units that it owns first; no other thread of this process may own any or wait for
 *  one. */
KITH_API void kith_semaphore_free(kith_semaphore *semaphore);

/* ---- condition ---- */

/** A condition: threads give up its lock and wait until another one, having changed what the lock protects, notifies
 *  them. At most 4,096 wait at a time. */
typedef struct kith_condition kith_condition;

/** Makes a condition.
 *  @param condition  receives it; free it with kith_condition_free
 *  @param lock       its lock, which several conditions may share; it stays the caller's, and must outlive the
 *                    condition's handle. NULL: a recursive lock of its own
 *  @return 0, or a code as told at the top */
KITH_API KITH_MUST_USE int kith_condition_new(kith_condition **condition, kith_lock *lock);

/** Makes or opens a condition that has a name, and a lock of its own. */
KITH_API KITH_MUST_USE int kith_condition_open(kith_condition **condition, const char *name, kith_open how);

KITH_API int kith_condition_unlink(const char *name);

/** A lock that the condition was given does not go with the descriptor: share it, too. */
KITH_API int kith_condition_share_fd(const kith_condition *condition);

/** @param lock  this process's handle of the lock that the condition was given when it was made, which must outlive the
 *               condition's handle; NULL when it has one of its own */
KITH_API KITH_MUST_USE int kith_condition_from_fd(kith_condition **condition, int fd, kith_lock *lock);

/** Acquires and releases the condition's lock, as kith_lock_acquire and kith_lock_release. */
KITH_API KITH_MUST_USE int kith_condition_acquire(kith_condition *condition, kith_timeout timeout);
KITH_API int kith_condition_release(kith_condition *condition);

/** Gives the lock up, waits to be notified, and takes the lock back: as many times as this thread had acquired it.
 *
 *  Who waits has been notified, or not; nobody wakes up for nothing, and nobody who comes later takes a notification
 *  away. But before this thread has the lock back, another may change what it protects: so wait in a loop, or by
 *  kith_condition_wait_for.
 *
 *  Whatever it returns, but for the codes that tell of no wait, this thread owns the lock again. To take it back may
 *  take as long as others own it, also when the timeout is over.
 *
 *  @param timeout  how long to wait to be notified
 *  @return 0: notified. -ETIMEDOUT: not. KITH_EOWNERDEAD: notified or not, and the lock's owner before ended without
 *          releasing: see kith_lock_acquire. -EINTR. No wait: -EPERM when this thread does not
 *          own the lock; -EAGAIN when 4,096 wait; -ENOMEM, -ENOSPC, -EFBIG */
KITH_API KITH_MUST_USE int kith_condition_wait(kith_condition *condition, kith_timeout timeout);

/** Waits until something is so.
 *  @param predicate  called as the lock's owner, before the first wait and after each; returns whether it is so
 *  @param argument   passed to it
 *  @param timeout    how long to wait altogether
 *  @return 0: it is so. -ETIMEDOUT: it was not so in time. Others as kith_condition_wait: then it may be so or not */
KITH_API KITH_MUST_USE int kith_condition_wait_for(kith_condition *condition, int (*predicate)(void *argument),
                                                   void *argument, kith_timeout timeout);

/** Notifies those who have waited longest. They go on when they have the lock, which this thread still owns.
 *
 *  Who died waiting does not count. One that dies after it was notified, before its wait has returned, passes the
 *  notification on to the next: at once while it sleeps, within a second while it takes the lock back. A notifier that
 *  is killed in the middle has notified some of them, or none.
 *
 *  @param count  how many, at most
 *  @return how many were notified; -EPERM when this thread does not own the lock */
KITH_API int kith_condition_notify(kith_condition *condition, unsigned count);

/** Notifies all who wait. @return as kith_condition_notify */
KITH_API int kith_condition_notify_all(kith_condition *condition);

/** @return how many wait at this instant, and have not been notified */
KITH_API int kith_condition_waiting(const kith_condition *condition);

/** The calling thread releases the condition's own lock first when it owns it; no other thread of this process may own
 *  it or wait. A lock that the condition was given stays as it is. */
KITH_API void kith_condition_free(kith_condition *condition);

/* ---- event ---- */

/** An event: it is set or it is not, and threads wait until it is. */
typedef struct kith_event kith_event;

/** Makes an event that is not set. @param event receives it; free it with kith_event_free */
KITH_API KITH_MUST_USE int kith_event_new(kith_event **event);

/** Makes or opens an event that has a name. */
KITH_API KITH_MUST_USE int kith_event_open(kith_event **event, const char *name, kith_open how);

KITH_API int kith_event_unlink(const char *name);
KITH_API int kith_event_share_fd(const kith_event *event);
KITH_API KITH_MUST_USE int kith_event_from_fd(kith_event **event, int fd);

/** The room that an event takes in memory of the caller's, in bytes. */
#define KITH_EVENT_SIZE 128

/** Makes or opens an event in shared memory of the caller's: KITH_EVENT_SIZE bytes at a multiple of 64; all else as
 *  kith_lock_in says. */
KITH_API KITH_MUST_USE int kith_event_in(kith_event **event, void *memory, kith_open how);

/** Sets the event, and releases all who wait: also when it is cleared the next moment, before they have woken up. One
 *  that is killed in the middle has set it or has not; if it has, all wake up. @return 0 */
KITH_API int kith_event_set(kith_event *event);

/** Clears the event: who comes from now on waits. @return 0 */
KITH_API int kith_event_clear(kith_event *event);

/** @return 1 when the event is set at this instant, else 0 */
KITH_API int kith_event_is_set(const kith_event *event);

/** Waits until the event is set.
 *  @return 0: it is, or has been while this thread waited. -ETIMEDOUT: not in time. -EINTR */
KITH_API KITH_MUST_USE int kith_event_wait(kith_event *event, kith_timeout timeout);

/** No thread of this process may wait for it. */
KITH_API void kith_event_free(kith_event *event);

/* ---- barrier ---- */

/** A barrier: a number of threads wait for each other, and go on when all have come; then it starts over. */
typedef struct kith_barrier kith_barrier;

/** The most parties of a barrier. */
#define KITH_BARRIER_PARTIES_MAX 4096

/** Options of a barrier; all zero is the default. They are this process's own. */
typedef struct kith_barrier_options {
    /** What the last to come does, if it comes in this process, before all go on; it returns 0 when that went well. It
     *  may call what it likes, but not wait for this barrier. */
    int (*action)(void *context);
    void *context; /**< passed to it */
} kith_barrier_options;

/** Makes a barrier.
 *  @param barrier  receives it; free it with kith_barrier_free
 *  @param parties  how many wait for each other, 1 to KITH_BARRIER_PARTIES_MAX
 *  @param options  NULL for the defaults
 *  @return 0, or a code as told at the top */
KITH_API KITH_MUST_USE int kith_barrier_new(kith_barrier **barrier, unsigned parties,
                                            const kith_barrier_options *options);

/** Makes or opens a barrier that has a name. The parties are for one that is made. */
KITH_API KITH_MUST_USE int kith_barrier_open(kith_barrier **barrier, const char *name, kith_open how, unsigned parties,
                                             const kith_barrier_options *options);

KITH_API int kith_barrier_unlink(const char *name);
KITH_API int kith_barrier_share_fd(const kith_barrier *barrier);
KITH_API KITH_MUST_USE int kith_barrier_from_fd(kith_barrier **barrier, int fd, const kith_barrier_options *options);

/** Waits until all parties have come.
 *
 *  A barrier in which one gives up is broken: those who wait are told at once, and those who come later, until it is
 *  reset. It breaks when one of them is out of time or interrupted, when one of them dies (that is told at once while
 *  it sleeps, else within a second), and when the action fails or the one who runs it dies. While the action runs the
 *  others still wait, and their time runs, too; who comes then waits for the next round.
 *
 *  @param timeout  how long to wait
 *  @return 0 to parties - 1: all have come, and each has another number, unless one gave up with -EBUSY; the last to
 *          come, who ran the action, has 0. KITH_EBROKEN: the barrier is broken, was reset while this thread waited, or
 *          the action failed. -ETIMEDOUT, -EINTR: this thread waits no more, and now it is broken, unless it came while
 *          an action ran. -EBUSY: another process was stopped in the middle of a call for a second, and what came of it
 *          can't be known. -EAGAIN: 4,096 wait already. -ENOMEM, -ENOSPC, -EFBIG: no memory for one more. With the last
 *          three, this thread does not count as having come */
KITH_API KITH_MUST_USE int kith_barrier_wait(kith_barrier *barrier, kith_timeout timeout);

/** Breaks the barrier. @return 0; -EBUSY as for kith_barrier_wait */
KITH_API int kith_barrier_abort(kith_barrier *barrier);

/** Makes a broken barrier whole. Those who wait get KITH_EBROKEN. @return 0; -EBUSY as for kith_barrier_wait */
KITH_API int kith_barrier_reset(kith_barrier *barrier);

/** @return how many parties the barrier has */
KITH_API int kith_barrier_parties(const kith_barrier *barrier);

/** @return how many of them wait at this instant; -EBUSY as for kith_barrier_wait */
KITH_API int kith_barrier_waiting(kith_barrier *barrier);

/** @return 1 when the barrier is broken at this instant, else 0; -EBUSY as for kith_barrier_wait */
KITH_API int kith_barrier_broken(kith_barrier *barrier);

/** No thread of this process may wait for it. */
KITH_API void kith_barrier_free(kith_barrier *barrier);

#ifdef __cplusplus
}
#endif

#endif
