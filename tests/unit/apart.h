/* Tests that need a process of their own: because they end it, change its limits, or look at what it does at exit. */
#ifndef KITH_TESTS_APART_H
#define KITH_TESTS_APART_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/** For functions that run in another process than the test, where cmocka's assertions don't work: says what is not so,
 *  and returns 1 from the function. */
#define EXPECT(condition) EXPECT_OR(condition, return 1)

/** The same, and does something else instead of returning. */
#define EXPECT_OR(condition, otherwise)                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: in process %d, this is not so: %s\n", __FILE__, __LINE__, (int)getpid(), \
                    #condition);                                                                             \
            otherwise;                                                                                       \
        }                                                                                                    \
    } while (0)

/** The one that was started last, until it was waited for; else 0. */
static pid_t apart_running;

/** Starts a process by a plain fork. It runs the function and gives what that returns to exit. */
static inline pid_t apart_start(int (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        exit(body());
    apart_running = pid;
    return pid;
}

/** Waits for such a process. @return what it gave to exit; -N when signal N ended it */
static inline int apart_wait(pid_t pid)
{
    int status;
    apart_running = 0;
    if (waitpid(pid, &status, 0) != pid)
        return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/** Both. */
static inline int apart(int (*body)(void))
{
    return apart_wait(apart_start(body));
}

/** How many descriptors this process has open. */
static inline int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    int count = -1; /* the directory's own */
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

#endif
