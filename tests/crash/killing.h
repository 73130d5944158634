/* What the tests that kill processes at random have in common. */
#ifndef KITH_TESTS_CRASH_KILLING_H
#define KITH_TESTS_CRASH_KILLING_H

#include "random.h"

#include <kith/kith.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static inline void must(int code, const char *what)
{
    if (code < 0) {
        fprintf(stderr, "%s: %s: %s\n", what, kith_strerror(code), kith_error_detail());
        _exit(2);
    }
}

/** Zeroed memory for this process and those that it starts. */
static inline void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        must(-ENOMEM, "mmap");
    return memory;
}

static inline void pause_for(uint64_t nanoseconds)
{
    nanosleep(
        &(struct timespec){ .tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000) },
        NULL);
}

/** Waits until the workers get on, so that each kill meets live traffic. @return false when they do not: wedged */
static inline bool gets_on(const _Atomic uint64_t *progress, int seconds)
{
    uint64_t since = atomic_load(progress);
    for (int i = 0; i < seconds * 10000; i++) {
        if (atomic_load(progress) > since)
            return true;
        pause_for(100000);
    }
    return false;
}

static inline void kill_and_close(kith_process *process)
{
    must(kith_process_kill(process), "kill");
    must(kith_process_join(process, KITH_FOREVER), "join");
    must(kith_process_close(process), "close");
}

static inline int end_at_once(void *argument)
{
    return argument != NULL;
}

/** Starts a first child, so that what the library keeps is there before anything is counted. */
static inline void start_first(void)
{
    kith_process *first;
    must(kith_process_start(&first, end_at_once, NULL, NULL), "start");
    kill_and_close(first);
}

/** Tells in TAP how a test went. @return 1 when it failed, else 0 */
static inline int verdict(int test, bool good, const char *what)
{
    printf("%sok %d - %s\n", good ? "" : "not ", test, what);
    return !good;
}

/** The argument of this index as a number, or what to take if it is not there. */
static inline uint64_t number_of(int count, char **arguments, int index, uint64_t otherwise)
{
    return count > index ? strtoull(arguments[index], NULL, 0) : otherwise;
}

#endif
