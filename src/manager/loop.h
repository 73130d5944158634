/* The server's loop: descriptors that are watched, and instants that are waited for. All that is called from it runs on
 * its one thread; nothing waits but the loop itself. */
#ifndef KITH_SRC_MANAGER_LOOP_H
#define KITH_SRC_MANAGER_LOOP_H

#include "os/clock.h"
#include "os/poll.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

/** A descriptor that the loop watches, a part of what it belongs to. */
struct watch {
    int descriptor;
    /** It is ready for what it is watched for, or at its end. May forget any watch, and free what it is in. */
    void (*ready)(struct server *server, struct watch *watch);
};

/** Watches it, from now on or for something else than before. @return 0; -ENOMEM */
int loop_watch(struct server *server, struct watch *watch, enum os_poll_for what);

/** Watches it for nothing but that the other side goes. @return 0; -ENOMEM */
int loop_watch_end(struct server *server, struct watch *watch);

/** Watches it no more, before its descriptor is closed; ready is not called any more, also when it was about to be. */
void loop_forget(struct server *server, struct watch *watch);

/** Something that is to be done at an instant, a part of what it belongs to. All zero but for due is one not set. */
struct timer {
    void (*due)(struct server *server, struct timer *timer);
    int64_t until;
    size_t place; /* in the heap, from 1; 0: not set */
};

struct timers {
    struct timer **heap; /* the earliest first */
    size_t count, capacity;
};

/** Sets its instant, anew if it was set; OS_FOREVER: never. It is called once.
 *  @return 0; -ENOMEM, only for one that was not set, which it is still not */
int timer_set(struct server *server, struct timer *timer, int64_t until);

/** Has it not be called. */
void timer_clear(struct server *server, struct timer *timer);

/** Runs until the server is to stop. @return 0; a negative code when it can't wait */
int loop_run(struct server *server);

/** Ends the lines: those in the middle of a call when they have its answer, for which there are some seconds; those
 *  that wait at once. @return as loop_run */
int loop_drain(struct server *server);

#endif
