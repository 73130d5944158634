/* fork(2), clone(2), pidfd_open(2), waitid(2), prctl(2). The sentinels are pidfds. */
#include "os/process.h"

#include "os/stream.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t os_process_fork(void)
{
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}

/* What the C library calls around fork, and os_process_fork_sibling around clone. */
static struct around {
    void (*before)(void);
    void (*in_parent)(void);
    void (*in_child)(void);
} arounds[8];
static int around_count;

int os_process_around_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    if (around_count == sizeof arounds / sizeof *arounds)
        return -ENOMEM;
    int code = -pthread_atfork(before, in_parent, in_child);
    if (code == 0)
        arounds[around_count++] = (struct around){ before, in_parent, in_child };
    return code;
}

static void call(void (*function)(void))
{
    if (function)
        function();
}

static pid_t clone_sibling(pid_t *id, void *thread_id)
{
    unsigned long flags = CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    /* The fifth argument is the word for the id on some machines and the fourth on others; what then is the other one,
     * the thread's own memory, matters only with CLONE_SETTLS. */
#if defined(__s390__)
    return (pid_t)syscall(SYS_clone, NULL, flags, id, thread_id, thread_id);
#else
    return (pid_t)syscall(SYS_clone, flags, NULL, id, thread_id, thread_id);
#endif
}

pid_t os_process_fork_sibling(pid_t *id)
{
    /* What the C library's fork does for the thread that goes on in the child: its id is written where the library
     * keeps it, and the kernel, which forgets the list of robust words in a child, is told of it again. */
    void *thread_id = NULL;
    struct os_robust_list *robust = os_thread_robust();
    if (!robust || prctl(PR_GET_TID_ADDRESS, &thread_id) < 0 || !thread_id)
        return -ENOTSUP;
    for (int i = around_count; i > 0; i--)
        call(arounds[i - 1].before);
    pid_t pid = clone_sibling(id, thread_id);
    int reason = errno;
    if (pid == 0)
        os_thread_begin_robust(robust);
    for (int i = 0; i < around_count; i++)
        call(pid == 0 ? arounds[i].in_child : arounds[i].in_parent);
    return pid < 0 ? -reason : pid;
}

int os_process_threads(void)
{
    struct stat tasks;
    /* Beside its threads, the directory is linked from itself and its parent. */
    return stat("/proc/self/task", &tasks) == 0 ? (int)tasks.st_nlink - 2 : -errno;
}

int os_process_open(pid_t pid)
{
    /* The kernel opens all pidfds with close-on-exec. */
    return os_stream_clear((int)syscall(SYS_pidfd_open, pid, 0));
}

int os_process_signal(int sentinel, int number)
{
    if (syscall(SYS_pidfd_send_signal, sentinel, number, NULL, 0) == 0 || errno == ESRCH)
        return 0;
    return -errno;
}

bool os_process_is_stopped(int sentinel)
{
    siginfo_t status = { 0 };
    return waitid(P_PIDFD, (id_t)sentinel, &status, WSTOPPED | WNOHANG | WNOWAIT) == 0 && status.si_pid != 0;
}

int os_process_reap(int sentinel, int *exit_code)
{
    siginfo_t status = { 0 };
    while (waitid(P_PIDFD, (id_t)sentinel, &status, WEXITED | WNOHANG) < 0) {
        if (errno != EINTR)
            return -ECHILD;
    }
    /* Of a child that this process debugs, the kernel tells also that it has stopped. */
    if (status.si_pid == 0 || status.si_code == CLD_TRAPPED)
        return 0;
    *exit_code = status.si_code == CLD_EXITED ? status.si_status : -status.si_status;
    return 1;
}

void os_process_discard(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void os_process_set_title(const char *title)
{
    prctl(PR_SET_NAME, title);
}

pid_t os_process_of_thread(pid_t thread)
{
    char path[40], line[128];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "Tgid: %d", &pid) != 1)
        continue;
    fclose(file);
    return pid;
}

enum { STAMP_SHIFT = 22 };

/** What /proc tells of a process. */
struct facts {
    int id;
    char state;
    int threads;
    unsigned long long begun; /* in ticks since the system's start */
};

/** @param which  its id, or "self" */
static bool look_at(const char *which, struct facts *facts)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", which);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    /* "id (name) state ..." as proc(5) has it; the name may hold anything, also a parenthesis. */
    const char *rest = strrchr(text, ')');
    return rest && sscanf(text, "%d", &facts->id) == 1 &&
           sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %llu",
                  &facts->state, &facts->threads, &facts->begun) == 3;
}

/** The 9 bits. 0 is none of them. */
static uint32_t drawn_from(unsigned long long begun)
{
    return 1 + (uint32_t)((begun * 0x9e3779b97f4a7c15u >> 32) % 511);
}

uint32_t os_process_stamp(void)
{
    struct facts facts;
    uint32_t id = (uint32_t)getpid();
    /* A /proc of another namespace than ours shows other processes under our ids. */
    bool known = look_at("self", &facts) && facts.id == (int)id;
    return known ? drawn_from(facts.begun) << STAMP_SHIFT | id : id;
}

bool os_process_lives(uint32_t stamp, uint32_t own)
{
    struct facts facts;
    char which[16];
    pid_t id = (pid_t)(stamp & OS_PROCESS_ID);
    if (kill(id, 0) < 0 && errno == ESRCH)
        return false;
    snprintf(which, sizeof which, "%d", (int)id);
    if (stamp >> STAMP_SHIFT == 0 || own >> STAMP_SHIFT == 0 || !look_at(which, &facts))
        return true;
    /* A process may go on without its first thread, which then looks like a zombie. */
    bool ended = (facts.state == 'Z' || facts.state == 'X') && facts.threads <= 1;
    return !ended && drawn_from(facts.begun) == stamp >> STAMP_SHIFT;
}

bool os_process_in_first_thread(void)
{
    return syscall(SYS_gettid) == getpid();
}
