/* Whether another process sleeps: a state to wait for, where no call tells it. */
#ifndef KITH_TESTS_ASLEEP_H
#define KITH_TESTS_ASLEEP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/** Whether the process sleeps in futex or futex_waitv: not on its way there, and not woken already. */
static inline bool in_futex(pid_t pid)
{
    char path[40], text[40] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, sizeof text - 1); /* "running", or the number of the system call it blocks in */
    close(file);
    long number;
    if (length <= 0 || sscanf(text, "%ld", &number) != 1)
        return false;
#ifdef SYS_futex_waitv
    if (number == SYS_futex_waitv)
        return true;
#endif
    return number == SYS_futex;
}

#endif
