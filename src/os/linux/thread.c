/* A thread's id, its list of robust words and its process's stamp, asked for once; forgotten in the child of a fork,
 * whose one thread has a new id. (The C library registers the list again in the child, at the same address.) */
#include "os/thread.h"

#include "os/process.h"
#include "os/robust.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct os_thread os_thread_known;

static int watching; /* the result of os_process_around_fork */

static _Atomic uint32_t stamp; /* this process's, when a thread has asked for it; else 0 */
unsigned os_thread_generation;

static void forget(void)
{
    os_thread_generation++;
    os_thread_known.id = 0;
    os_thread_known.process = 0;
    atomic_store_explicit(&stamp, 0, memory_order_relaxed);
}

__attribute__((constructor)) static void watch_forks(void)
{
    watching = os_process_around_fork(NULL, NULL, forget);
}

struct os_robust_list *os_thread_robust(void)
{
    struct os_robust_list *list = NULL;
    size_t size = 0;
    if (syscall(SYS_get_robust_list, 0, &list, &size) < 0 || !list || size != sizeof *list)
        return NULL;
    return list->offset == -(long)offsetof(struct robust_word, next) ? list : NULL;
}

int os_thread_learn(void)
{
    if (watching < 0)
        return -ENOTSUP; /* a child would take itself for its parent's thread */
    struct os_robust_list *list = os_thread_robust();
    if (!list)
        return -ENOTSUP;
    os_thread_known.robust = list;
    os_thread_known.id = (uint32_t)syscall(SYS_gettid);
    return 0;
}

int os_thread_start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = -pthread_create(thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

uint32_t os_thread_learn_process(struct os_thread *self)
{
    uint32_t known = atomic_load_explicit(&stamp, memory_order_relaxed);
    if (known == 0) {
        uint32_t asked = os_process_stamp();
        /* All threads are to have the same, also when not all of them could look. */
        if (atomic_compare_exchange_strong_explicit(&stamp, &known, asked, memory_order_relaxed, memory_order_relaxed))
            known = asked;
    }
    return self->process = known;
}

bool os_thread_is_ours(uint32_t id)
{
    return syscall(SYS_tgkill, getpid(), id, 0) == 0;
}

/* The lowest bit of an entry tells priority-inheritance mutexes of the C library from others. Before an entry's next
 * pointer lies its prev pointer; before the head, a word that the C library reserves for the same purpose. */
static void **prev_of(void *entry)
{
    return (void **)((uintptr_t)entry & ~(uintptr_t)1) - 1;
}

void os_thread_begin_robust(struct os_robust_list *list)
{
    list->first = list;
    *prev_of(list) = list;
    list->pending = NULL;
    syscall(SYS_set_robust_list, list, sizeof *list);
}

void robust_link(struct os_thread *self, struct robust_word *word)
{
    struct os_robust_list *list = self->robust;
    word->next = list->first;
    word->prev = list;
    *prev_of(list->first) = robust_entry(word);
    robust_push(self, word);
}

void robust_unlink(struct os_thread *self, struct robust_word *word)
{
    (void)self;
    *prev_of(word->next) = word->prev;
    *(void *volatile *)((uintptr_t)word->prev & ~(uintptr_t)1) = word->next;
    atomic_signal_fence(memory_order_seq_cst);
}

void os_thread_yield(void)
{
    sched_yield();
}

int os_cpu_count(void)
{
    /* The mask is as long as the machine's possible CPUs: ask with more room until it fits. */
    for (int cpus = 1024; cpus <= 1024 * 1024; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : -1;
        int reason = errno;
        CPU_FREE(set);
        if (count > 0)
            return count;
        if (reason != EINVAL)
            break;
    }
    return 1;
}
