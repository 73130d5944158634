/* A client's side: what a manager and a proxy are.
 *
 * References. Who has a proxy has a reference to its object at the server. It is taken for this process: so after a
 * fork, and where a kith server has taken the place of another one, with the same objects, each proxy takes one again
 * before it is used. `life` counts these: a proxy's reference is of the life in which it was taken. */
#ifndef KITH_SRC_MANAGER_CLIENT_H
#define KITH_SRC_MANAGER_CLIENT_H

#include <kith/manager.h>

#include "base/deadline.h"
#include "manager/near_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct thread_line;

struct kith_manager {
    char *address;
    kith_client_options client; /* how to connect; what it points to is the manager's */
    kith_tls_options tls;
    kith_timeout patience; /* how long a connection may take to be made */
    bool is_kith;
    bool is_tcp;
    bool no_shared_memory;
    struct kith_process *server; /* that kith_manager_start has started; NULL */
    uint64_t serial;             /* no other manager of this process has it, or had it */
    _Atomic unsigned life;       /* see above. Written by who finds another server, or the fork */
    _Atomic int64_t known;       /* the kith server that it is of, by the serial that it tells; 0: none yet */

    _Atomic unsigned generation; /* of the process that the rest is of. Written last, release, by who makes it this
                                    process's; who reads it with acquire may use the rest */
    struct thread_line *lines;   /* of all threads; under forks_block */

    /* At a kith server by TCP, references belong to the connection that took them. So all are taken on this one, which
     * is no thread's. NULL: not made, or not needed */
    pthread_mutex_t keeping;
    struct thread_line *keeper;
};

struct kith_proxy {
    kith_manager *manager;
    kith_arena *arena; /* owns the rest; nothing is made in it later, so any thread may read */
    const char *type;
    const char *id;
    kith_value *value;       /* the proxy as Python pickles it */
    _Atomic unsigned taken;  /* the life in which the reference was taken; 0: there is none. Changed by exchange: who
                               takes it asks the server, once */
    struct near_client near; /* a queue that is in this process, too */
};

/** Refuses what must not be NULL. @return 0; -EINVAL with the detail */
int client_check(const void *pointer, const char *what);

/** When a call that begins now is to end; its exception is none so far. @return 0; -EINVAL with the detail */
int client_deadline(kith_timeout timeout, deadline *until);

/** How long a deadline is away. */
kith_timeout client_timeout(deadline until);

/** When a connection that is begun now must be made, by somebody who waits until then at most. */
deadline client_patience(const kith_manager *manager, deadline until);

/** Connects to the manager's server; no signal interrupts it.
 *  @return 0; KITH_ECLOSED when nobody listens; else as kith_connect */
int client_connect(const kith_manager *manager, kith_connection **connection, deadline until);

#endif
