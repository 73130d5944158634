/* Has the kernel refuse the nth call of one system call.
 *
 * A seccomp filter hands the calls of one thread to a second one, which counts, and answers with the error or lets the
 * call go on. Threads and processes that the first one starts have the filter, too, but are let through. The filter
 * stays, so this is for processes that end with their test: see apart.h. */
#ifndef KITH_TESTS_UNIT_NTH_H
#define KITH_TESTS_UNIT_NTH_H

#include "refuse.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
    _Atomic int listener; /* -1 until the filter is there */
    _Atomic long call;    /* which to refuse: -1 for none */
    _Atomic int error;
    _Atomic unsigned left; /* how many to let through before; counts down */
    _Atomic bool struck;
    pid_t thread;
} nth = { .listener = -1, .call = -1 };

/** Of the mappings only those that the library makes are counted, not the C library's and the sanitizers'. */
static inline bool nth_counts(const struct seccomp_data *data)
{
    return data->nr == atomic_load(&nth.call) &&
           (data->nr != SYS_mmap || data->args[3] & MAP_SHARED || data->args[2] == PROT_NONE);
}

static inline void nth_answer(struct seccomp_notif *asked)
{
    struct seccomp_notif_resp answer = { .id = asked->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    if (asked->pid == (uint32_t)nth.thread && nth_counts(&asked->data) && !atomic_load(&nth.struck) &&
        atomic_fetch_sub(&nth.left, 1) == 0) {
        atomic_store(&nth.struck, true);
        answer.flags = 0;
        answer.error = -atomic_load(&nth.error);
    }
    ioctl(atomic_load(&nth.listener), SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static inline void *nth_listen(void *nothing)
{
    while (atomic_load(&nth.listener) < 0)
        usleep(100);
    for (;;) {
        struct seccomp_notif asked = { 0 };
        if (ioctl(atomic_load(&nth.listener), SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0)
            nth_answer(&asked);
    }
    return nothing;
}

#define NTH_WATCHED(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

/** From now on this thread's calls can be refused. @return 0; -1 where that can't be had */
static inline int nth_watch(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        NTH_WATCHED(SYS_mmap),
        NTH_WATCHED(SYS_memfd_create),
        NTH_WATCHED(SYS_fallocate),
        NTH_WATCHED(SYS_futex),
        NTH_WATCHED(SYS_futex_waitv),
        NTH_WATCHED(SYS_clone),
        NTH_WATCHED(SYS_pidfd_open),
        NTH_WATCHED(SYS_eventfd2),
        NTH_WATCHED(SYS_pipe2),
        NTH_WATCHED(SYS_socketpair),
        NTH_WATCHED(SYS_sendto),
        NTH_WATCHED(SYS_recvfrom),
        NTH_WATCHED(SYS_sendmsg),
        NTH_WATCHED(SYS_recvmsg),
        NTH_WATCHED(SYS_ppoll),
        NTH_WATCHED(SYS_waitid),
        NTH_WATCHED(SYS_get_robust_list),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    pthread_t listener;
    nth.thread = (pid_t)syscall(SYS_gettid);
    if (pthread_create(&listener, NULL, nth_listen, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    long got = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    atomic_store(&nth.listener, (int)got);
    return got < 0 ? -1 : 0;
}

/** Refuses the nth call (1 is the next) from now on, once. */
static inline void nth_refuse(long call, unsigned n, int error)
{
    atomic_store(&nth.struck, false);
    atomic_store(&nth.left, n - 1);
    atomic_store(&nth.error, error);
    atomic_store(&nth.call, call);
}

/** Refuses no more. @return whether one was refused */
static inline bool nth_relent(void)
{
    atomic_store(&nth.call, -1);
    return atomic_load(&nth.struck);
}

#endif
