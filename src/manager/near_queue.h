/* A proxy's queue in this process: one that the server shares with its clients (note.h). It is asked for by itself,
 * after some dozens of calls in a short time; then put, get and task_done are no calls any more. docs/design/near.md
 * has all of it. */
#ifndef KITH_SRC_MANAGER_NEAR_QUEUE_H
#define KITH_SRC_MANAGER_NEAR_QUEUE_H

#include <kith/value.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct kith_proxy;
struct near_queue;

/** A proxy's. All zero is one that has none. */
struct near_client {
    struct near_queue *_Atomic now; /* NULL: none. Exchanged by threads that find it or miss it */
    struct near_queue *_Atomic old; /* a list of those that are of no use any more: others may still be in a call */
    _Atomic unsigned calls;         /* without one */
    _Atomic int64_t since;
    _Atomic bool refused; /* there will be none */
};

/** What these give when the call is the server's: nothing has happened. */
enum { NEAR_NOT = 1 };

/** As kith_proxy_put, kith_proxy_get and kith_proxy_task_done. Who would have to wait for long is the server's.
 *  @return as these; NEAR_NOT */
int near_queue_put(struct kith_proxy *proxy, const kith_value *value, kith_timeout timeout);
int near_queue_get(struct kith_proxy *proxy, kith_arena *arena, kith_value **value, kith_timeout timeout);
int near_queue_task_done(struct kith_proxy *proxy);

/** The proxy ends. */
void near_client_end(struct near_client *client);

#endif
