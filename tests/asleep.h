/* Whether another process sleeps: a state to wait for, where no call tells it. */
#ifndef KITH_TESTS_ASLEEP_H
#define KITH_TESTS_ASLEEP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/** The system call that the process sleeps in: not on its way there, and not woken already. @return -1 for none */
static inline long sleeps_in(pid_t pid)
{
    char path[40], text[40] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t length = read(file, text, sizeof text - 1); /* "running", or the number of the system call it blocks in */
    close(file);
    long number;
    return length > 0 && sscanf(text, "%ld", &number) == 1 ? number : -1;
}

/** Whether the process sleeps in futex or futex_waitv. */
static inline bool in_futex(pid_t pid)
{
    long number = sleeps_in(pid);
#ifdef SYS_futex_waitv
    if (number == SYS_futex_waitv)
        return true;
#endif
    return number == SYS_futex;
}

/** Whether it sleeps in one of these, or in ppoll. */
static inline bool in_futex_or_poll(pid_t pid)
{
    return in_futex(pid) || sleeps_in(pid) == SYS_ppoll;
}

/** Waits until a process, or thread, sleeps. */
static inline void wait_until_asleep(pid_t pid)
{
    while (!in_futex(pid))
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

#endif
