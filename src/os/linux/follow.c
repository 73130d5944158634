/* Ending with another process: by the kernel (prctl(2), PR_SET_PDEATHSIG), or by a thread that polls its sentinel. */
#include "os/clock.h"
#include "os/poll.h"
#include "os/process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/** What the thread watches. It is freed by the later of its two users: the thread, and who takes another. */
struct watch {
    struct os_process_other other;
    _Atomic int number; /* the signal; 0: none; or one of these */
};
enum { OVER = -1, LEFT = -2 }; /* the thread has ended; nobody but the thread has it */

static struct watch *current;

/* Its children are given to another process before a parent of several threads counts as ended: the one that has a new
 * parent by then gets no signal. (0: the parent is in another namespace, and has no id here.) */
static bool has_ended(const struct os_process_other *other)
{
    pid_t now = getppid();
    return os_poll(other->sentinel, OS_POLL_READ, 0) == 0 || (other->is_parent && now != 0 && now != other->id);
}

static void close_passed(const struct os_process_other *other)
{
    if (other->passes_over)
        close(other->sentinel);
}

static void free_watch(struct watch *watch)
{
    close_passed(&watch->other);
    free(watch);
}

/* ---- the thread ---- */

static void *outlive_nobody(void *argument)
{
    struct watch *watch = argument;
    struct pollfd one = { .fd = watch->other.sentinel, .events = POLLIN };
    /* A process that may have no descriptor (RLIMIT_NOFILE) may not poll one either. */
    while (poll(&one, 1, -1) < 0 && !has_ended(&watch->other))
        os_clock_nap(100000000);
    /* A program that closes all its descriptors, as some do to become a service, has cut itself loose. */
    bool loose = one.revents & POLLNVAL;
    int number = atomic_exchange_explicit(&watch->number, OVER, memory_order_acq_rel);
    if (number == LEFT)
        free_watch(watch);
    else if (number > 0 && !loose)
        kill(getpid(), number);
    return NULL;
}

static int start_thread(struct watch *watch)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return -EAGAIN;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* The program's signal handlers are not to run in a thread that it does not know of. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int code = -pthread_create(&thread, &attributes, outlive_nobody, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return code;
}

/** Has the thread that there is send another signal. @return false when there is none, or it has ended */
static bool change_number(int number)
{
    int before = current ? atomic_load_explicit(&current->number, memory_order_relaxed) : OVER;
    while (before != OVER) {
        if (atomic_compare_exchange_weak_explicit(&current->number, &before, number, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

static void leave_current(void)
{
    if (current && atomic_exchange_explicit(&current->number, LEFT, memory_order_acq_rel) == OVER)
        free_watch(current);
    current = NULL;
}

static int signal_by_thread(const struct os_process_other *other, int number)
{
    if (current && current->other.id == other->id && change_number(number)) {
        close_passed(other);
        return 0;
    }
    struct watch *watch = malloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    watch->other = *other;
    atomic_init(&watch->number, number);
    int code = start_thread(watch);
    if (code < 0) {
        free(watch);
        return code;
    }
    leave_current();
    current = watch;
    return 0;
}

/* ---- all of it ---- */

bool os_process_signal_needs_thread(bool by_first_thread)
{
    /* The kernel's signal comes when the thread that forked us ends: the first one does so with its process, as a
     * rule; of others one can't say. */
    return !by_first_thread;
}

int os_process_signal_with(const struct os_process_other *other, bool by_first_thread, int number)
{
    if (os_process_signal_needs_thread(by_first_thread)) {
        /* The thread sees also a process that has ended before. */
        int code = signal_by_thread(other, number);
        if (code == 0)
            prctl(PR_SET_PDEATHSIG, 0);
        return code;
    }
    change_number(0);
    prctl(PR_SET_PDEATHSIG, number);
    if (has_ended(other))
        kill(getpid(), number);
    close_passed(other);
    return 0;
}

void os_process_signal_no_more(void)
{
    prctl(PR_SET_PDEATHSIG, 0);
    change_number(0);
}

void os_process_signal_forget(void)
{
    if (current)
        free_watch(current);
    current = NULL;
}
