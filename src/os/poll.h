/* Waiting for a descriptor. */
#ifndef KITH_SRC_OS_POLL_H
#define KITH_SRC_OS_POLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum os_poll_for { OS_POLL_READ, OS_POLL_WRITE };

/** Waits until a descriptor can be read or written without waiting; the end of a stream and a failure count as that.
 *  @return 0 when it is ready; -ETIMEDOUT; -EINTR when a signal handler ran, whatever its SA_RESTART says; -ENOMEM */
int os_poll(int descriptor, enum os_poll_for what, int64_t deadline);

/** One of many. */
struct os_poll_one {
    int descriptor; /* -1: none to be asked */
    enum os_poll_for what;
    bool ready; /* set by os_poll_many, where it is not already */
    bool none;  /* set by os_poll_many: no such descriptor is open */
};

/** Waits until at least one is ready.
 *  @return how many have become so; 0 when none was in time; -EINTR; -ENOMEM; -EINVAL when they are more than this
 *          process may have open */
int os_poll_many(struct os_poll_one *ones, size_t count, int64_t deadline);

#endif
