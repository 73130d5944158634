/* kith_listener_accept: clients that prove themselves side by side.
 *
 * Each is a state machine that never waits (handshake.c); what waits is the one set of events. One that is ready gets
 * one turn, and then the others have theirs. No client can hold up another one, nor take more than its place among
 * max_handshakes, for its patience.
 *
 * Where several processes accept at one socket, each has taken more clients than it returns. So those that are left go
 * on in whichever process is in the call next: they wait for it in the lobby, each a packet with its socket. */
#include "base/error.h"
#include "connection/connection.h"
#include "connection/listener.h"
#include "os/events.h"
#include "os/packet.h"
#include "os/poll.h"
#include "process/forks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How many lines of one kind the log gets in a second: anybody can make them come, and the log may be a disk. */
#define LINES_MAX 10

/* How many turns a call gives when its time is over and clients still come. */
#define LAST_TURNS 64

static void count(kith_listener *listener, enum outcome outcome)
{
    atomic_fetch_add_explicit(&listener->outcomes[outcome], 1, memory_order_relaxed);
}

/* ---- the list ---- */

/* These two under forks_block, in one go with opening or closing the guest's socket. */
static void enlist(kith_listener *listener, struct guest *guest)
{
    struct guest *older = listener->newest;
    while (older && older->until > guest->until) /* guest comes from the lobby */
        older = older->older;
    guest->older = older;
    guest->newer = older ? older->newer : listener->oldest;
    *(guest->newer ? &guest->newer->older : &listener->newest) = guest;
    *(older ? &older->newer : &listener->oldest) = guest;
    atomic_fetch_add_explicit(&listener->guests, 1, memory_order_relaxed);
}

static void strike(kith_listener *listener, struct guest *guest)
{
    *(guest->older ? &guest->older->newer : &listener->oldest) = guest->newer;
    *(guest->newer ? &guest->newer->older : &listener->newest) = guest->older;
    atomic_fetch_sub_explicit(&listener->guests, 1, memory_order_relaxed);
}

/* Whoever else has the socket by a fork, the client is to see the end. */
static void hang_up(struct guest *guest)
{
    os_socket_hang_up(guest->handshake.channel.socket);
    channel_close(&guest->handshake.channel, false);
}

/* Watched no more: a child may have a copy of the socket, for which events would come after the guest is freed. */
static void unwatch(kith_listener *listener, struct guest *guest)
{
    if (guest->watched)
        os_events_forget(listener->events, guest->handshake.channel.socket);
}

void listener_turn_away(kith_listener *listener, bool ours)
{
    while (listener->oldest) {
        struct guest *guest = listener->oldest;
        strike(listener, guest);
        if (ours)
            hang_up(guest);
        else
            channel_close(&guest->handshake.channel, false);
        free(guest);
    }
}

/* ---- the lobby ---- */

void listener_hand_on(kith_listener *listener)
{
    struct guest *guest;
    while (listener->lobby[0] >= 0 && (guest = listener->newest)) {
        int socket = guest->handshake.channel.socket;
        if (os_packet_send(listener->lobby[0], guest, sizeof *guest, &socket, 1) < 0)
            break; /* it is full: the others stay */
        unwatch(listener, guest);
        strike(listener, guest);
        channel_close(&guest->handshake.channel, false);
        free(guest);
    }
}

/* What points into the process that it comes from is set anew. */
static void settle(const kith_listener *listener, struct guest *guest, int socket)
{
    struct auth *auth = &guest->handshake.auth;
    channel_open(&guest->handshake.channel, socket, &channel_bare, NULL);
    auth->key = listener->key;
    if (auth->refusal)
        auth->refusal = "the other side has not proved itself, as another process found";
    guest->watched = false;
}

/* Under forks_block.
 * @return 0; -EAGAIN when nobody is there, or the packet is none of ours; -EMFILE, and then that client is lost */
static int take_from_lobby(kith_listener *listener, struct guest *guest)
{
    int descriptors[OS_PACKET_DESCRIPTORS];
    size_t count;
    ptrdiff_t size = os_packet_receive(listener->lobby[1], guest, sizeof *guest, descriptors, &count);
    if (size == (ptrdiff_t)sizeof *guest && count == 1) {
        settle(listener, guest, descriptors[0]);
        enlist(listener, guest);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    }
    return size < 0 && size != -EINTR ? (int)size : -EAGAIN;
}

/* ---- leaving ---- */

static void tell(kith_listener *listener, const struct guest *guest, enum outcome outcome, const char *why)
{
    static const char *const words[OUTCOMES] = {
        [OUTCOME_REFUSED] = "was refused",
        [OUTCOME_TURNED_AWAY] = "was turned away",
        [OUTCOME_TIMED_OUT] = "was dropped",
        [OUTCOME_EVICTED] = "had to make room",
        [OUTCOME_GONE] = "went",
    };
    kith_log_level level = outcome == OUTCOME_GONE ? KITH_LOG_INFO : KITH_LOG_WARNING;
    struct told *told = &listener->told[outcome];
    if (deadline_passed(told->until)) {
        if (told->lines > LINES_MAX)
            kith_log(level, "listener %s: %u more clients, each of which %s", listener->text, told->lines - LINES_MAX,
                     words[outcome]);
        told->lines = 0;
        told->until = os_clock_now() + KITH_SECONDS(1);
    }
    if (told->lines++ < LINES_MAX)
        kith_log(level, "listener %s: client %s %s: %s", listener->text, guest->name, words[outcome], why);
}

static void dismiss(kith_listener *listener, struct guest *guest, enum outcome outcome, const char *why)
{
    tell(listener, guest, outcome, why);
    count(listener, outcome);
    if (outcome == OUTCOME_REFUSED && listener->failures && guest->origin)
        failures_add(listener->failures, guest->origin);
    unwatch(listener, guest);
    forks_block();
    strike(listener, guest);
    hang_up(guest);
    forks_allow();
    free(guest);
}

static void hand_over(kith_listener *listener, struct guest *guest, kith_connection *connection)
{
    count(listener, OUTCOME_ACCEPTED);
    unwatch(listener, guest);
    forks_block();
    strike(listener, guest);
    connection_open(connection, &guest->handshake.channel, true, true);
    forks_allow();
    free(guest);
}

static void evict(kith_listener *listener, const char *why)
{
    dismiss(listener, listener->oldest, OUTCOME_EVICTED, why);
}

/* ---- time ---- */

static void start_timer(kith_listener *listener)
{
    if (listener->timer_runs || !listener->oldest)
        return;
    os_timer_set(listener->timer, listener->oldest->until);
    listener->timer_runs = true;
}

/* Whoever has come a step further has as much time for the next one: while nobody is in the call, nobody answers. */
static void be_patient(kith_listener *listener, struct guest *guest)
{
    if (guest->step == guest->handshake.auth.state)
        return;
    guest->step = guest->handshake.auth.state;
    (void)deadline_from(listener->patience, &guest->until); /* which was good for the first step */
    forks_block();
    strike(listener, guest);
    enlist(listener, guest);
    forks_allow();
}

/* ---- going on ---- */

/* @return 0, or -ENOMEM with its detail, and then the guest is gone */
static int watch(kith_listener *listener, struct guest *guest)
{
    enum os_poll_for wants = guest->handshake.wants;
    be_patient(listener, guest);
    start_timer(listener);
    if (guest->watched && guest->watched_for == wants)
        return 0;
    int code = os_events_watch(listener->events, guest->handshake.channel.socket, wants, guest);
    if (code < 0) {
        dismiss(listener, guest, OUTCOME_EVICTED, "no memory to wait for it");
        return error_fail(code, "no memory to wait for a client");
    }
    guest->watched = true;
    guest->watched_for = wants;
    return 0;
}

/* @return 1 when the connection was opened; 0; -ENOMEM */
static int go_on(kith_listener *listener, struct guest *guest, kith_connection *connection)
{
    int code = handshake_step(&guest->handshake);
    switch (code) {
    case 0:
        hand_over(listener, guest, connection);
        return 1;
    case -EAGAIN:
        return watch(listener, guest);
    case KITH_EAUTH:
    case KITH_EMALFORMED:
    case KITH_ETLS:
        dismiss(listener, guest, OUTCOME_REFUSED, kith_error_detail());
        return 0;
    default:
        dismiss(listener, guest, OUTCOME_GONE, kith_error_detail());
        return 0;
    }
}

static bool has_spoken(const struct guest *guest)
{
    return os_poll(guest->handshake.channel.socket, guest->handshake.wants, DEADLINE_PASSED) == 0;
}

/* Those who have said something since are heard first: it may be that nobody was here to hear it.
 * @return as go_on */
static int drop_late_ones(kith_listener *listener, kith_connection *connection)
{
    int code = 0;
    while (code == 0 && listener->oldest && deadline_passed(listener->oldest->until)) {
        struct guest *guest = listener->oldest;
        if (has_spoken(guest))
            code = go_on(listener, guest, connection);
        if (code == 0 && listener->oldest == guest && deadline_passed(guest->until))
            dismiss(listener, guest, OUTCOME_TIMED_OUT, "it did not prove itself in time");
    }
    os_timer_set(listener->timer, OS_FOREVER);
    listener->timer_runs = false;
    start_timer(listener);
    return code;
}

/* ---- coming in ---- */

static int begin(kith_listener *listener, struct guest *guest)
{
    struct os_address from;
    int socket = os_socket_accept(listener->socket, &from);
    if (socket < 0)
        return socket;
    int code = handshake_begin(&guest->handshake, socket, &listener->terms);
    if (code < 0) {
        close(socket);
        return code;
    }
    guest->origin = os_address_network(&from);
    os_address_text(&from, guest->name);
    enlist(listener, guest);
    return 0;
}

/* @param begins  how the guest begins: at the socket, or out of the lobby
 * @return 0; -EAGAIN when nobody waits; -EMFILE, -ENFILE, -ENOMEM; another negated errno */
static int receive_guest(kith_listener *listener, struct guest **guest,
                         int (*begins)(kith_listener *listener, struct guest *guest))
{
    struct guest *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    int code = deadline_from(listener->patience, &made->until);
    if (code == 0) {
        forks_block();
        code = begins(listener, made);
        forks_allow();
    }
    if (code < 0)
        free(made);
    else
        *guest = made;
    return code;
}

static bool is_allowed(const kith_listener *listener, uid_t user)
{
    for (size_t i = 0; i < listener->allowed_count; i++) {
        if (listener->allowed[i] == user)
            return true;
    }
    return !listener->allowed;
}

/* Asks the kernel who the client is: for the log, the list of users, and the count of failures.
 * @return whether it may come in */
static bool identify(const kith_listener *listener, struct guest *guest)
{
    struct os_credentials who;
    if (listener->address.is_tcp)
        return true;
    if (os_address_credentials(guest->handshake.channel.socket, &who) < 0)
        return !listener->allowed;
    snprintf(guest->name, sizeof guest->name, "process %ld of user %lu", (long)who.pid, (unsigned long)who.uid);
    guest->origin = UINT64_C(1) << 32 | who.uid;
    return is_allowed(listener, who.uid);
}

static bool fails_too_often(const kith_listener *listener, const struct guest *guest)
{
    return listener->failures && guest->origin && failures_exceeded(listener->failures, guest->origin);
}

static bool is_shortage(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
}

/* @return as go_on */
static int let_in(kith_listener *listener, struct guest *guest, kith_connection *connection)
{
    bool is_oldest = listener->oldest == guest; /* and out of the lobby, unless it is alone */
    if (is_oldest)
        listener->timer_runs = false; /* for its time */
    if (atomic_load_explicit(&listener->guests, memory_order_relaxed) > listener->max_guests) {
        evict(listener, "too many clients prove themselves at a time");
        if (is_oldest)
            return 0;
    }
    return go_on(listener, guest, connection);
}

/* @return as go_on; -EMFILE, -ENFILE or -ENOMEM when there is no room for a client that waits; all with the detail */
static int admit(kith_listener *listener, kith_connection *connection)
{
    struct guest *guest;
    int code;
    while (is_shortage(code = receive_guest(listener, &guest, begin)) && listener->oldest)
        evict(listener, kith_strerror(code));
    if (code == -EAGAIN)
        return 0;
    if (code < 0)
        return error_fail(code, "a client waits at %s, and can't be let in: %s", listener->text, kith_strerror(code));
    if (!identify(listener, guest)) {
        dismiss(listener, guest, OUTCOME_REFUSED, "this user is not among the allowed ones");
        return 0;
    }
    if (fails_too_often(listener, guest)) {
        dismiss(listener, guest, OUTCOME_TURNED_AWAY, "others from there, or itself, have failed too often of late");
        return 0;
    }
    return let_in(listener, guest, connection);
}

/* Somebody who has begun with a process that does not accept just now.
 * @return as admit */
static int readmit(kith_listener *listener, kith_connection *connection)
{
    struct guest *guest;
    int code = receive_guest(listener, &guest, take_from_lobby);
    if (code == -EAGAIN)
        return 0;
    if (code < 0)
        return error_fail(code, "a client waits at %s, and can't go on: %s", listener->text, kith_strerror(code));
    return let_in(listener, guest, connection);
}

/* ---- the call ---- */

/* @param tag  of what is ready
 *  @return as admit */
static int attend(kith_listener *listener, void *tag, kith_connection *connection)
{
    if (tag == &listener->socket)
        return admit(listener, connection);
    if (tag == listener->lobby)
        return readmit(listener, connection);
    if (tag == &listener->timer)
        return drop_late_ones(listener, connection);
    return go_on(listener, tag, connection);
}

/* @return 1 when the connection was opened; a negative code */
static int serve(kith_listener *listener, kith_connection *connection, deadline until)
{
    for (unsigned turns = 0;; turns++) {
        void *tag;
        int code = 0;
        if (os_events_take(listener->events, &tag) == 1)
            code = turns >= LAST_TURNS && deadline_passed(until) ? -ETIMEDOUT : attend(listener, tag, connection);
        else
            code = deadline_passed(until) ? -ETIMEDOUT : os_poll(listener->events, OS_POLL_READ, until);
        if (code != 0)
            return code;
    }
}

static int explain(const kith_listener *listener, int code)
{
    switch (code) {
    case -ETIMEDOUT:
        return error_fail(code, "no client had proved itself at %s in the time given", listener->text);
    case -EINTR:
        return error_fail(code, "a signal handler ran while waiting for a client at %s", listener->text);
    default:
        return code;
    }
}

int kith_listener_accept(kith_listener *listener, kith_connection **connection, kith_timeout timeout)
{
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = listener_check(listener);
    if (code < 0)
        return code;
    if (!connection)
        return error_fail(-EINVAL, "connection is NULL: give the address of a kith_connection pointer");
    kith_connection *made = connection_new();
    if (!made)
        return error_fail(-ENOMEM, "no memory for a connection");
    connection_read_ahead(made, false);
    code = serve(listener, made, until);
    if (code == 1 || timeout != KITH_NOWAIT) { /* who only looks would be told at once to look again */
        forks_block();
        listener_hand_on(listener);
        forks_allow();
    }
    if (code == 1 && listener->max_message)
        code = kith_connection_set_max_message(made, listener->max_message);
    if (code < 0) {
        kith_connection_free(made);
        return explain(listener, code);
    }
    *connection = made;
    return 0;
}
