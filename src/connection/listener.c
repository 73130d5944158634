/* A listener's making and end. */
#include "connection/listener.h"

#include "base/error.h"
#include "os/events.h"
#include "os/packet.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_BACKLOG = 4096, DEFAULT_MAX_HANDSHAKES = 256, DEFAULT_MODE = 0600 };
#define DEFAULT_PATIENCE KITH_SECONDS(10)

static int no_listener(void)
{
    return error_fail(-EINVAL, "listener is NULL: make one with kith_listener_new");
}

int listener_check(const kith_listener *listener)
{
    if (!listener)
        return no_listener();
    if (listener->generation != forks_generation())
        return error_fail(KITH_ECLOSED, "listener %s belongs to the process that made it, and not to its children",
                          listener->text);
    if (!listener->open)
        return error_fail(KITH_ECLOSED, "listener %s was closed", listener->text);
    return 0;
}

/* ---- the end ---- */

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* Under forks_block, or in a child that has no other thread yet. */
static void shut(kith_listener *listener, bool ours)
{
    listener->open = false;
    if (ours)
        listener_hand_on(listener);
    listener_turn_away(listener, ours);
    if (ours) {
        os_socket_file_remove(&listener->file);
        if (listener->socket >= 0 && listener->address.given < 0)
            os_socket_hang_up(listener->socket); /* whoever else has it by a fork */
    }
    close_one(&listener->socket);
    close_one(&listener->events);
    close_one(&listener->timer);
    close_one(&listener->lobby[0]);
    close_one(&listener->lobby[1]);
    close_one(&listener->file.folder);
}

static void drop(void *owner)
{
    shut(owner, false);
}

int kith_listener_close(kith_listener *listener)
{
    if (!listener)
        return no_listener();
    if (!listener->open)
        return 0;
    forks_block();
    inherit_remove(&listener->heirloom);
    shut(listener, listener->generation == forks_generation());
    forks_allow();
    return 0;
}

void kith_listener_free(kith_listener *listener)
{
    if (!listener)
        return;
    kith_listener_close(listener);
    auth_key_free(listener->key);
    tls_setup_free(listener->tls);
    failures_free(listener->failures);
    free(listener->allowed);
    free(listener);
}

/* ---- options ---- */

static int check(const struct address *address, const kith_listener_options *options)
{
    if (options->backlog < 0)
        return error_fail(-EINVAL, "a backlog of %d: give a positive number, or 0 for %d", options->backlog,
                          DEFAULT_BACKLOG);
    if (options->mode > 0777)
        return error_fail(-EINVAL, "a mode of 0%o: permissions are 0777 at most", options->mode);
    if (options->mode && address->given >= 0)
        return error_fail(-EINVAL, "who made the socket at %s has given its file a mode: give none here",
                          address->text);
    if (options->mode && (address->is_tcp || address->is_abstract))
        return error_fail(-EINVAL, "%s has no file that could have a mode: whoever reaches it can connect",
                          address->text);
    if (options->allowed_users && address->is_tcp)
        return error_fail(-EINVAL, "TCP does not tell users, so allowed_users can't be kept: use an authkey");
    if (!options->allowed_users != !options->allowed_user_count)
        return error_fail(-EINVAL, "allowed_users is %s, but allowed_user_count is %zu",
                          options->allowed_users ? "given" : "NULL", options->allowed_user_count);
    if (options->tls && !address->is_tcp)
        return error_fail(-ENOTSUP, "TLS is for TCP: the bytes of a Unix socket never leave this machine");
    if (options->lobby && address->given < 0)
        return error_fail(-EINVAL, "a lobby is for those who share a socket: listen at fd:..., and not at %s",
                          address->text);
    if (options->lobby && options->tls)
        return error_fail(-ENOTSUP, "who has begun with TLS can't go on with another process: give no lobby");
    deadline ignored;
    return deadline_from(options->handshake_timeout, &ignored);
}

static int copy_allowed(kith_listener *listener, const kith_listener_options *options)
{
    if (!options->allowed_users)
        return 0;
    listener->allowed = calloc(options->allowed_user_count, sizeof *listener->allowed);
    if (!listener->allowed)
        return error_fail(-ENOMEM, "no memory for a list of %zu users", options->allowed_user_count);
    memcpy(listener->allowed, options->allowed_users, options->allowed_user_count * sizeof *listener->allowed);
    listener->allowed_count = options->allowed_user_count;
    return 0;
}

static int count_failures(kith_listener *listener, unsigned max)
{
    listener->failures = max ? failures_new(max) : NULL;
    return max && !listener->failures ? error_fail(-ENOMEM, "no memory to count failures in") : 0;
}

/* What clients are asked for. */
static int set_terms(kith_listener *listener, const kith_listener_options *options)
{
    int code = auth_key_new(&listener->key, options->authkey, options->authkey_size);
    if (code == 0 && options->tls)
        code = tls_setup_new(&listener->tls, options->tls, true, options->authkey, options->authkey_size);
    bool proved_by_tls = options->tls && options->tls->from_authkey;
    listener->terms = (struct handshake_terms){
        .listens = true,
        .refuse_md5 = options->refuse_md5,
        .key = proved_by_tls ? NULL : listener->key,
        .tls = listener->tls,
    };
    return code;
}

static int set_options(kith_listener *listener, const kith_listener_options *options)
{
    int code = check(&listener->address, options);
    if (code == 0)
        code = copy_allowed(listener, options);
    if (code == 0)
        code = set_terms(listener, options);
    if (code == 0)
        code = count_failures(listener, options->max_failures);
    listener->patience = options->handshake_timeout ? options->handshake_timeout : DEFAULT_PATIENCE;
    listener->max_guests = options->max_handshakes ? options->max_handshakes : DEFAULT_MAX_HANDSHAKES;
    listener->max_message = options->max_message;
    return code;
}

/* ---- descriptors ---- */

/* Under forks_block. */
static int open_all(kith_listener *listener)
{
    if ((listener->events = os_events_new()) < 0)
        return listener->events;
    if ((listener->timer = os_timer_new()) < 0)
        return listener->timer;
    if (listener->address.is_tcp || listener->address.is_abstract || listener->address.given >= 0)
        return 0; /* no file of ours */
    return os_socket_file_open(&listener->file, listener->address.name);
}

static int listen_at(kith_listener *listener, const struct os_address *address, const kith_listener_options *options)
{
    forks_block();
    close_one(&listener->socket);
    listener->socket = os_socket_new(address);
    forks_allow();
    if (listener->socket < 0)
        return listener->socket;
    return os_socket_listen(listener->socket, address, options->backlog ? options->backlog : DEFAULT_BACKLOG,
                            listener->file.folder >= 0 ? &listener->file : NULL,
                            options->mode ? options->mode : DEFAULT_MODE);
}

static int explain(const kith_listener *listener, int code)
{
    const char *where = listener->address.text;
    switch (code) {
    case -EADDRINUSE:
        if (listener->file.folder >= 0)
            return error_fail(code, "%s is there already: somebody listens there, or it is no socket", where);
        return error_fail(code, "somebody listens at %s already", where);
    case -ENOENT:
        return error_fail(code, "the folder of %s is not there", where);
    default:
        return error_fail(code, "can't listen at %s: %s", where, kith_strerror(code));
    }
}

/* Puts a name's addresses of IPv4 first: Python's clients know no others. */
static void prefer_ipv4(struct os_address *found, int count)
{
    int first = 0;
    for (int i = 0; i < count; i++) {
        struct os_address one = found[i];
        if (!os_address_is_ipv4(&one))
            continue;
        memmove(&found[first + 1], &found[first], (size_t)(i - first) * sizeof *found);
        found[first++] = one;
    }
}

/* Listens at the first of the addresses that can be listened at. */
static int listen_somewhere(kith_listener *listener, const kith_listener_options *options)
{
    struct os_address found[ADDRESS_TRIED_MAX];
    int count = address_find(&listener->address, found);
    if (count < 0) /* with its detail */
        return count == -EHOSTUNREACH ? -EADDRNOTAVAIL : count;
    if (*listener->address.host) /* without one, IPv6 is first, and takes both */
        prefer_ipv4(found, count);
    int code = -EADDRNOTAVAIL;
    for (int i = 0; i < count; i++) {
        code = listen_at(listener, &found[i], options);
        if (code == 0)
            return 0;
    }
    return explain(listener, code == -EAFNOSUPPORT ? -EADDRNOTAVAIL : code);
}

static int adopt(kith_listener *listener)
{
    forks_block();
    listener->socket = os_socket_adopt(listener->address.given);
    forks_allow();
    if (listener->socket == -EINVAL)
        return error_fail(-EINVAL, "descriptor %d is no stream socket that listens: it has the address %s",
                          listener->address.given, listener->address.text);
    return listener->socket < 0 ? explain(listener, listener->socket) : 0;
}

static int open_lobby(kith_listener *listener, const int ends[2])
{
    for (int i = 0; i < 2; i++) {
        forks_block();
        int own = listener->lobby[i] = os_packet_adopt(ends[i]);
        forks_allow();
        if (own < 0)
            return error_fail(own, "descriptor %d is no end of a lobby: %s", ends[i], kith_strerror(own));
    }
    int code = os_events_watch(listener->events, listener->lobby[1], OS_POLL_READ, listener->lobby);
    return code < 0 ? explain(listener, code) : 0;
}

/* Writes down where it listens, and warns when everybody on the way can listen, too. */
static int find_text(kith_listener *listener)
{
    struct os_address own;
    if (!listener->address.is_tcp)
        return 0;
    int code = os_address_own(listener->socket, &own);
    if (code < 0)
        return explain(listener, code);
    os_address_text(&own, listener->text);
    if (!listener->tls)
        address_warn_of_others(&own, "listener");
    return 0;
}

static int begin(kith_listener *listener, const kith_listener_options *options)
{
    listener->heirloom = (struct heirloom){ .owner = listener, .drop = drop };
    forks_block();
    inherit_add(&listener->heirloom);
    listener->open = true;
    int code = open_all(listener);
    forks_allow();
    if (code < 0)
        return explain(listener, code);
    code = listener->address.given >= 0 ? adopt(listener) : listen_somewhere(listener, options);
    if (code == 0)
        code = find_text(listener);
    if (code < 0)
        return code;
    code = os_events_watch(listener->events, listener->socket, OS_POLL_READ, &listener->socket);
    if (code == 0)
        code = os_events_watch(listener->events, listener->timer, OS_POLL_READ, &listener->timer);
    if (code < 0)
        return explain(listener, code);
    return options->lobby ? open_lobby(listener, options->lobby) : 0;
}

int kith_listener_new(kith_listener **listener, const char *address, const kith_listener_options *options)
{
    static const kith_listener_options defaults;
    if (!options)
        options = &defaults;
    if (!listener)
        return error_fail(-EINVAL, "listener is NULL: give the address of a kith_listener pointer");
    kith_listener *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a listener");
    made->generation = forks_generation();
    made->socket = made->events = made->timer = made->file.folder = made->lobby[0] = made->lobby[1] = -1;
    int code = address_parse(&made->address, address, true);
    if (code == 0) {
        memcpy(made->text, made->address.text, sizeof made->text);
        code = set_options(made, options);
    }
    if (code == 0)
        code = begin(made, options);
    if (code < 0)
        kith_listener_free(made);
    else
        *listener = made;
    return code;
}

/* ---- what it tells ---- */

const char *kith_listener_address(const kith_listener *listener)
{
    return listener ? listener->text : "";
}

int kith_listener_fd(const kith_listener *listener)
{
    int code = listener_check(listener);
    return code < 0 ? code : listener->events;
}

static uint64_t outcome(const kith_listener *listener, enum outcome which)
{
    return atomic_load_explicit(&listener->outcomes[which], memory_order_relaxed);
}

int kith_listener_get_stats(const kith_listener *listener, kith_listener_stats *stats)
{
    if (!listener)
        return no_listener();
    if (!stats)
        return error_fail(-EINVAL, "stats is NULL: give the address of a kith_listener_stats");
    *stats = (kith_listener_stats){
        .accepted = outcome(listener, OUTCOME_ACCEPTED),
        .refused = outcome(listener, OUTCOME_REFUSED),
        .turned_away = outcome(listener, OUTCOME_TURNED_AWAY),
        .timed_out = outcome(listener, OUTCOME_TIMED_OUT),
        .evicted = outcome(listener, OUTCOME_EVICTED),
        .gone = outcome(listener, OUTCOME_GONE),
        .handshakes = atomic_load_explicit(&listener->guests, memory_order_relaxed),
    };
    return 0;
}
