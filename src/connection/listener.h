/* A listener, for its two files: listener.c makes and ends it, accept.c takes clients in. */
#ifndef KITH_SRC_CONNECTION_LISTENER_H
#define KITH_SRC_CONNECTION_LISTENER_H

#include <kith/connection.h>

#include "base/deadline.h"
#include "connection/address.h"
#include "connection/failures.h"
#include "connection/handshake.h"
#include "os/rendezvous.h"
#include "process/inherit.h"

#include <stdatomic.h>
#include <stdbool.h>

/** A client that is proving itself. */
struct guest {
    struct handshake handshake;
    bool watched;
    enum os_poll_for watched_for;
    deadline until;
    enum auth_state step; /* where it was when its time began */
    struct guest *older;  /* NULL: the oldest */
    struct guest *newer;
    uint64_t origin;                /* its network, or its user: see failures.h; 0: nobody knows */
    char name[OS_ADDRESS_TEXT_MAX]; /* for the log */
};

/** What can become of a client. */
enum outcome {
    OUTCOME_ACCEPTED,
    OUTCOME_REFUSED,
    OUTCOME_TURNED_AWAY,
    OUTCOME_TIMED_OUT,
    OUTCOME_EVICTED,
    OUTCOME_GONE,
    OUTCOMES
};

/** What the log was told of one outcome. */
struct told {
    deadline until; /* for so long, lines are counted */
    unsigned lines; /* also those that were too many */
};

struct kith_listener {
    struct heirloom heirloom; /* written down from its making to its closing */
    unsigned generation;      /* of the process that made it; no other one may use it, nor touch events */
    bool open;
    int socket; /* these are -1 when closed */
    int events; /* watches the socket, the timer and all guests; their tags are &socket, &timer, lobby, and the guest */
    int timer;
    int lobby[2];    /* -1: none; one sends into the first and receives from the second */
    bool timer_runs; /* until some guest's time was over, that may have gone meanwhile */
    struct os_socket_file file;

    /* The guests, in the order in which their time is over. */
    struct guest *oldest;
    struct guest *newest;
    _Atomic unsigned guests;
    _Atomic uint64_t outcomes[OUTCOMES]; /* any thread may look at them */
    struct told told[OUTCOMES];

    struct address address;                          /* as it was given, or as the socket that was given says */
    char text[sizeof((struct address *)NULL)->text]; /* as it was found */
    struct handshake_terms terms;
    struct auth_key *key;
    struct tls_setup *tls;
    struct failures *failures; /* NULL: they are not counted */
    uid_t *allowed;            /* NULL: whoever can connect */
    size_t allowed_count;
    kith_timeout patience;
    unsigned max_guests;
    uint64_t max_message;
};

/** @return 0; -EINVAL when listener is NULL; KITH_ECLOSED, also in another process; with the detail */
int listener_check(const kith_listener *listener);

/** Puts guests into the lobby, if there is one and as long as it has room. Under forks_block. */
void listener_hand_on(kith_listener *listener);

/** Turns all guests away. Under forks_block.
 *  @param ours  false in another process than the one that made the listener: then only descriptors are closed */
void listener_turn_away(kith_listener *listener, bool ours);

#endif
