/* What a thread knows of itself. */
#ifndef KITH_SRC_OS_THREAD_H
#define KITH_SRC_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The head of a thread's list of robust words: struct robust_list_head of <linux/futex.h>. See os/robust.h. */
struct os_robust_list {
    void *first; /* an entry, or this head when the list is empty */
    long offset; /* from an entry to its word; the same for all */
    void *pending;
};

struct os_thread {
    struct os_robust_list *robust; /* the C library's, registered with the kernel */
    uint32_t id;                   /* as the kernel knows it and robust words carry it; 0: not known yet */
    uint32_t process;              /* its process's stamp (os/process.h); 0: not asked for yet */
};

/* initial-exec: one load instead of a call, on a path where that counts. */
extern _Thread_local struct os_thread os_thread_known __attribute__((tls_model("initial-exec")));

/** How many forks lie between the first process and this one: what carries another number is an ancestor's. */
extern unsigned os_thread_generation;

/** Fills os_thread_known. @return 0, or -ENOTSUP when this thread has no list of robust words of the known shape, or
 *  forks can't be watched */
int os_thread_learn(void);

/** This thread. @return NULL when os_thread_learn fails */
static inline struct os_thread *os_thread_self(void)
{
    if (__builtin_expect(os_thread_known.id == 0, 0) && os_thread_learn() < 0)
        return NULL;
    return &os_thread_known;
}

/** Fills in the process's stamp. @return it */
uint32_t os_thread_learn_process(struct os_thread *self);

/** The stamp of this thread's process. */
static inline uint32_t os_thread_process(struct os_thread *self)
{
    return __builtin_expect(self->process == 0, 0) ? os_thread_learn_process(self) : self->process;
}

/** This thread's list of robust words. @return NULL when it has none of the known shape */
struct os_robust_list *os_thread_robust(void);

/** In the child of a clone of which the C library knows nothing: empties its thread's list, and tells the kernel where
 *  it is. */
void os_thread_begin_robust(struct os_robust_list *list);

/** Starts a thread that gets no signals: the program's handlers are not for it. @return 0; -EAGAIN */
int os_thread_start(pthread_t *thread, void *(*body)(void *), void *argument);

/** Whether a living thread of this process has that id. */
bool os_thread_is_ours(uint32_t id);

/** The CPUs this process may use, 1 or more. */
int os_cpu_count(void);

/** Tells the CPU that we wait in a loop. */
static inline void os_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/** Lets another thread run. */
void os_thread_yield(void);

#endif
