/* Waiting for many descriptors, by one that stands for them all: it can be read when one of them is ready, and so may
 * be watched itself, by poll and its kin. */
#ifndef KITH_SRC_OS_EVENTS_H
#define KITH_SRC_OS_EVENTS_H

#include "os/poll.h"

#include <stddef.h>
#include <stdint.h>

/** Closed on exec. @return a descriptor, or -EMFILE, -ENFILE, -ENOMEM */
int os_events_new(void);

/** Watches a descriptor, from now on or for something else than before.
 *  @param tag  what os_events_take gives when it is ready
 *  @return 0, or -ENOMEM */
int os_events_watch(int events, int descriptor, enum os_poll_for what, void *tag);

/** Watches a socket for nothing but that the other side goes, or ends sending. @return 0, or -ENOMEM */
int os_events_watch_end(int events, int descriptor, void *tag);

/** Watches it no more. To be called before it is closed: a child may have a copy, which would be watched still. */
void os_events_forget(int events, int descriptor);

/** Takes one that is ready; one that stays ready comes again when the others had their turn.
 *  @return 1 and its tag; 0 when none is ready */
int os_events_take(int events, void **tag);

/** Waits until one is ready at least, and takes as many as there is room for; those that stay ready come again.
 *  @return how many; 0 when none was ready in time, or a signal handler ran; another negated errno */
int os_events_wait(int events, void **tags, size_t room, int64_t deadline);

/** A descriptor that can be read from an instant on. Closed on exec. @return it, or -EMFILE, -ENFILE, -ENOMEM */
int os_timer_new(void);

/** Sets the instant anew; until then it can't be read. @param deadline  OS_FOREVER: never */
void os_timer_set(int timer, int64_t deadline);

#endif
