/* kith echo: answers each message with itself.
 *
 * A thread a client; one that ends joins the one that ended before it, and the first thread the last of them. The first
 * thread takes clients in, and signals, which all others have blocked: when it is told to stop, it tells them, gives
 * who is idle the time for a goodbye, and hangs up on the rest. */
#include "access.h"
#include "numbers.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many clients are served at a time. More wait, with the listener. */
#define CLIENTS_MAX 256

/* How long who is being served has to come to an end. */
#define GRACE KITH_SECONDS(1)

static const char help[] = "usage: kith echo [OPTION...] ADDRESS\n"
                           "\n"
                           "Listens at ADDRESS, prints the address that clients use, and answers each message\n"
                           "with itself, until it gets SIGINT or SIGTERM.\n"
                           "\n"
                           "ADDRESS is unix:PATH, unix:@NAME or tcp:HOST:PORT; PORT 0 is any that is free.\n"
                           "\n"
                           "  --authkey-file FILE      clients must prove to have the key in FILE (without a\n"
                           "                           newline at its end)\n"
                           "  --tls                    TLS, with a key made of the authkey\n"
                           "  --tls-certificate FILE   TLS, with this certificate (PEM)\n"
                           "  --tls-key FILE           and its private key; if not in the same file\n"
                           "  --tls-authorities FILE   clients must have a certificate of one of these\n"
                           "  --values                 reads each message as a pickle and writes it anew,\n"
                           "                           instead of sending back the same bytes\n"
                           "  --count N                ends when N clients have come and gone\n"
                           "  --once                   --count 1\n"
                           "  --help                   this\n";

static int run(int count, char **arguments);

const struct command command_echo = { "echo", "an echo server, to try a connection with", help, run };

struct options {
    struct access access;
    const char *address;
    bool values;
    unsigned long count; /* 0: no end */
};

/* ---- a client ---- */

struct client {
    kith_connection *connection;
    kith_peer peer;
    struct client *previous, *next;
};

static struct {
    bool values;
    int stop;             /* an eventfd, readable for ever once all are to end */
    int ended;            /* an eventfd: how many threads have ended */
    pthread_mutex_t lock; /* protects the list, and the two below */
    struct client *clients;
    bool any_last;  /* whether nobody has joined the thread that ended last */
    pthread_t last; /* that one */
} server = { .stop = -1, .ended = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static void enlist(struct client *client)
{
    pthread_mutex_lock(&server.lock);
    client->next = server.clients;
    if (client->next)
        client->next->previous = client;
    server.clients = client;
    pthread_mutex_unlock(&server.lock);
}

static void strike(struct client *client)
{
    pthread_mutex_lock(&server.lock);
    *(client->previous ? &client->previous->next : &server.clients) = client->next;
    if (client->next)
        client->next->previous = client->previous;
    pthread_mutex_unlock(&server.lock);
}

/* Their calls end now. */
static void hang_up_all(void)
{
    pthread_mutex_lock(&server.lock);
    for (struct client *client = server.clients; client; client = client->next)
        shutdown(kith_connection_fd(client->connection), SHUT_RDWR);
    pthread_mutex_unlock(&server.lock);
}

/* Names the client as the listener's log does. */
static void warn_dropped(const kith_peer *peer, const char *why)
{
    if (peer->pid > 0)
        command_warn(&command_echo, "client process %ld of user %lu was dropped: %s", (long)peer->pid,
                     (unsigned long)peer->uid, why);
    else
        command_warn(&command_echo, "client %s was dropped: %s", *peer->address ? peer->address : "without an address",
                     why);
}

static int echo_bytes(kith_connection *connection)
{
    kith_bytes message;
    int code = kith_connection_recv(connection, &message, KITH_FOREVER);
    if (code < 0)
        return code;
    code = kith_connection_send(connection, message.data, message.size, KITH_FOREVER);
    kith_bytes_free(&message);
    return code;
}

static int echo_value(kith_connection *connection, kith_arena *arena)
{
    kith_value *value;
    int code = kith_connection_recv_value(connection, arena, &value, KITH_FOREVER);
    if (code == 0)
        code = kith_connection_send_value(connection, value, KITH_FOREVER);
    kith_arena_reset(arena);
    return code;
}

/* Until the client goes, or all are to end. */
static int serve(kith_connection *connection, kith_arena *arena)
{
    for (;;) {
        kith_waitable wanted[] = { { .connection = connection }, { .fd = server.stop } };
        int code = kith_wait(wanted, 2, KITH_FOREVER);
        if (code < 0 || wanted[1].ready)
            return code < 0 ? code : 0;
        code = server.values ? echo_value(connection, arena) : echo_bytes(connection);
        if (code < 0)
            return code;
    }
}

/* Joins the thread that ended last, if nobody has: only then has it given back what OpenSSL keeps for each thread.
 * @param next  the caller, which ends now; NULL for the first thread */
static void join_last(const pthread_t *next)
{
    pthread_mutex_lock(&server.lock);
    const bool any = server.any_last;
    const pthread_t last = server.last;
    server.any_last = next != NULL;
    if (next)
        server.last = *next;
    pthread_mutex_unlock(&server.lock);
    if (any)
        pthread_join(last, NULL);
}

static void *serve_client(void *argument)
{
    struct client *client = argument;
    const pthread_t self = pthread_self();
    kith_arena *arena;
    const uint64_t one = 1;
    int code = kith_arena_new(&arena);
    if (code == 0) {
        code = serve(client->connection, arena);
        kith_arena_free(arena);
    }
    if (code < 0 && code != KITH_EEOF)
        warn_dropped(&client->peer, kith_error_detail());
    strike(client);
    kith_connection_free(client->connection);
    free(client);
    join_last(&self);
    return write(server.ended, &one, sizeof one) == sizeof one ? NULL : argument;
}

/* @return whether the client is being served; else it is closed */
static bool start(kith_connection *connection)
{
    struct client *client = calloc(1, sizeof *client);
    pthread_t thread;
    int code = client ? 0 : ENOMEM;
    if (code == 0) {
        client->connection = connection;
        kith_connection_peer(connection, &client->peer);
        enlist(client);
        code = pthread_create(&thread, NULL, serve_client, client);
        if (code == 0)
            return true;
        strike(client);
    }
    command_warn(&command_echo, "a client is dropped: no thread for it: %s", strerror(code));
    kith_connection_free(connection);
    free(client);
    return false;
}

/* ---- all clients ---- */

/* What the first thread waits for, and in this order. */
enum { SIGNALS, ENDED, LISTENER, WAITABLES };

struct house {
    kith_listener *listener;
    int signals;      /* a signalfd */
    unsigned told;    /* how many signals told to stop */
    uint64_t running; /* threads */
    bool crowded;     /* there was no room for one more, until one goes */
};

/* Waits, and counts signals and threads that have ended.
 * @param listening  whether to wait for clients, too
 * @return 1 when there is one; 0 when there is not; -ETIMEDOUT; another code */
static int wait_for_news(struct house *house, bool listening, kith_timeout timeout)
{
    kith_waitable items[WAITABLES] = {
        [SIGNALS] = { .fd = house->signals },
        [ENDED] = { .fd = server.ended },
        [LISTENER] = { .listener = house->listener },
    };
    struct signalfd_siginfo signal;
    uint64_t ended;
    int code = kith_wait(items, listening ? WAITABLES : LISTENER, timeout);
    if (code <= 0)
        return code == 0 ? -ETIMEDOUT : code;
    if (items[SIGNALS].ready && read(house->signals, &signal, sizeof signal) == sizeof signal)
        house->told++;
    if (items[ENDED].ready && read(server.ended, &ended, sizeof ended) == sizeof ended) {
        house->running -= ended;
        house->crowded = false;
    }
    return items[LISTENER].ready;
}

/* @return 1 when a client was taken in; 0 when none was; or a code */
static int take_in(struct house *house)
{
    kith_connection *connection;
    int code = kith_listener_accept(house->listener, &connection, KITH_NOWAIT);
    switch (code) {
    case 0:
        house->running += start(connection);
        return 1;
    case -ETIMEDOUT:
    case -EINTR:
        return 0;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        house->crowded = true;
        return house->running > 0 ? 0 : code; /* one that goes will make room */
    default:
        return code;
    }
}

/* Takes clients in until a signal comes, or enough of them. @return 0 or a code */
static int receive_clients(struct house *house, unsigned long enough)
{
    unsigned long came = 0;
    while (house->told == 0 && (enough == 0 || came < enough)) {
        int code = wait_for_news(house, house->running < CLIENTS_MAX && !house->crowded, KITH_FOREVER);
        if (code > 0) {
            code = take_in(house);
            came += code > 0;
        }
        if (code < 0 && code != -EINTR)
            return code;
    }
    return 0;
}

/* Waits until the last client has gone, another signal comes, or for so long nothing happens. */
static void see_off(struct house *house, kith_timeout timeout)
{
    unsigned before = house->told;
    int code = 0;
    while (house->running > 0 && house->told == before && (code >= 0 || code == -EINTR))
        code = wait_for_news(house, false, timeout);
}

static void send_away(struct house *house)
{
    const uint64_t one = 1;
    if (write(server.stop, &one, sizeof one) == sizeof one)
        see_off(house, GRACE);
    hang_up_all();
    see_off(house, KITH_FOREVER);
    join_last(NULL);
}

static int keep_house(struct house *house, const struct options *options)
{
    printf("%s\n", kith_listener_address(house->listener));
    int status = command_flush(&command_echo, STATUS_GOOD);
    if (status != STATUS_GOOD)
        return status;
    int code = receive_clients(house, options->count);
    if (code < 0)
        status = command_fail_code(&command_echo, code);
    kith_listener_close(house->listener);
    if (code == 0 && house->told == 0)
        see_off(house, KITH_FOREVER);
    send_away(house);
    return status;
}

/* ---- beginning ---- */

/* No thread but the first hears of them. @return a signalfd, or -1 */
static int catch_signals(void)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    return pthread_sigmask(SIG_BLOCK, &ending, NULL) == 0 ? signalfd(-1, &ending, SFD_CLOEXEC) : -1;
}

static int open_house(struct house *house, const struct options *options)
{
    server.values = options->values;
    server.stop = eventfd(0, EFD_CLOEXEC);
    server.ended = eventfd(0, EFD_CLOEXEC);
    house->signals = catch_signals();
    if (server.stop < 0 || server.ended < 0 || house->signals < 0)
        return command_fail(&command_echo, "no descriptors for it: %s", strerror(errno));
    const kith_listener_options how = {
        .authkey = options->access.authkey,
        .authkey_size = options->access.authkey_size,
        .tls = access_tls(&options->access),
    };
    int code = kith_listener_new(&house->listener, options->address, &how);
    return code < 0 ? command_fail_code(&command_echo, code) : STATUS_GOOD;
}

static int echo(const struct options *options)
{
    struct house house = { .signals = -1 };
    int status = open_house(&house, options);
    if (status == STATUS_GOOD)
        status = keep_house(&house, options);
    kith_listener_free(house.listener);
    return status;
}

/* ---- arguments ---- */

enum { VALUES = ACCESS_LAST + 1, COUNT, ONCE, HELP };

static const struct option table[] = {
    ACCESS_OPTIONS,
    { "values", no_argument, NULL, VALUES },
    { "count", required_argument, NULL, COUNT },
    { "once", no_argument, NULL, ONCE },
    { "help", no_argument, NULL, HELP },
    { 0 },
};

/* @return STATUS_GOOD to go on; another status, or with HELP taken, to end */
static int take_option(struct options *options, int option)
{
    switch (option) {
    case VALUES:
        options->values = true;
        return STATUS_GOOD;
    case ONCE:
        options->count = 1;
        return STATUS_GOOD;
    case COUNT:
        if (read_count(optarg, ULONG_MAX, &options->count))
            return STATUS_GOOD;
        return command_misused(&command_echo, "--count takes a number of clients, 1 or more, not '%s'", optarg);
    default:
        return access_take(&options->access, option, optarg) ? STATUS_GOOD : command_misused(&command_echo, NULL);
    }
}

static int run(int count, char **arguments)
{
    struct options options = { 0 };
    int option;
    int status = STATUS_GOOD;
    arguments[0] = (char[]){ "kith echo" }; /* what getopt_long begins its messages with */
    while ((option = getopt_long(count, arguments, "", table, NULL)) != -1) {
        if (option == HELP)
            return command_help(&command_echo);
        status = take_option(&options, option);
        if (status != STATUS_GOOD)
            return status;
    }
    if (count - optind != 1)
        return command_misused(&command_echo, count == optind ? "at which address?" : "one address, please");
    options.address = arguments[optind];
    kith_log_to_stderr(KITH_LOG_WARNING);
    status = access_finish(&options.access, &command_echo);
    if (status == STATUS_GOOD)
        status = echo(&options);
    access_end(&options.access);
    return status;
}
