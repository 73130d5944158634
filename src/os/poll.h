/* Waiting for a descriptor. */
#ifndef KITH_SRC_OS_POLL_H
#define KITH_SRC_OS_POLL_H

#include <stdint.h>

enum os_poll_for { OS_POLL_READ, OS_POLL_WRITE };

/** Waits until a descriptor can be read or written without waiting; the end of a stream and a failure count as that.
 *  @return 0 when it is ready; -ETIMEDOUT; -EINTR when a signal handler ran, whatever its SA_RESTART says; -ENOMEM */
int os_poll(int descriptor, enum os_poll_for what, int64_t deadline);

#endif
