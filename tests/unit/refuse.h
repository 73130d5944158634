/* Has the kernel refuse a system call, as it does when it runs out of something.
 *
 * By a seccomp filter: it can't be taken back, and holds for the calling thread and all processes and threads that this
 * one starts from then on. So it is for processes that end with their test: see apart.h.
 */
#ifndef KITH_TESTS_REFUSE_H
#define KITH_TESTS_REFUSE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static inline int refuse_install(struct sock_filter *filter, size_t length)
{
    struct sock_fprog program = { .len = (unsigned short)length, .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/** From now on the system call of this number (SYS_clone) fails with this errno when the low half of its argument (0 is
 *  the first) has this value. May be called several times.
 *  @return 0; -1 where the kernel has no such filters, or a sanitizer or valgrind is in the way */
static inline int refuse_when(long number, unsigned argument, unsigned value, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args) + 8 * argument),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return refuse_install(filter, sizeof filter / sizeof *filter);
}

/** The same, whatever the arguments. */
static inline int refuse(long number, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return refuse_install(filter, sizeof filter / sizeof *filter);
}

#endif
