/* kith serve: a server of managers' objects, for as long as it is wanted.
 *
 * The first thread serves. Another one waits for the signals that end it, which all others have blocked. */
#include "access.h"
#include "keyfile.h"
#include "numbers.h"
#include "offer.h"
#include "service.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "usage: kith serve [OPTION...] [ADDRESS]\n"
                           "\n"
                           "Serves shared objects at ADDRESS, as Python's multiprocessing.managers does, to\n"
                           "programs in C and in Python: prints the address that clients use, and serves until\n"
                           "it gets SIGINT or SIGTERM, or a client ends it.\n"
                           "\n"
                           "ADDRESS is unix:PATH, unix:@NAME, tcp:HOST:PORT (PORT 0 is any that is free), or fd:N\n"
                           "for a socket that listens already. Without one, it is the socket that systemd has\n"
                           "handed over.\n"
                           "\n"
                           "  --object OBJECT          publishes an object; as often as you like. OBJECT is\n"
                           "                           NAME=TYPE[(ARGUMENT,...)][,read-only][,methods=NAME:NAME...]\n"
                           "                           with an ARGUMENT of JSON, or @FILE with JSON in it, with\n"
                           "                           KEYWORD= before it or not: jobs=Queue, jobs=Queue(100),\n"
                           "                           'jobs=JoinableQueue(maxsize=100,redeliver=true)',\n"
                           "                           'limits=dict({\"hosts\": 3}),read-only', conf=dict(@FILE),\n"
                           "                           'count=Value(\"i\",0)'. TYPE is one of Queue, JoinableQueue,\n"
                           "                           list, dict, set, Namespace, Value, Array, Event, Lock,\n"
                           "                           RLock, Semaphore, BoundedSemaphore, Condition, Barrier\n"
                           "  --only-published         clients can make no objects of their own\n"
                           "  --no-shutdown            clients can't end the server\n"
                           "  --keep-locks             what a dead client held stays held, as in CPython\n"
                           "  --no-shared-memory       all calls go through the socket\n"
                           "\n"
                           "  --authkey-file FILE      the key that clients must have (without a newline at its\n"
                           "                           end). Else one is made, or found again, in PATH.key, or\n"
                           "                           in $XDG_RUNTIME_DIR/kith, and stderr tells where\n"
                           "  --tls                    TLS, with a key made of the authkey\n"
                           "  --tls-certificate FILE   TLS, with this certificate (PEM)\n"
                           "  --tls-key FILE           and its private key; if not in the same file\n"
                           "  --tls-authorities FILE   clients must have a certificate of one of these\n"
                           "  --mode MODE              permissions of the socket's file, in octal (600)\n"
                           "  --user USER              only these may connect to a Unix socket; as often as you\n"
                           "                           like\n"
                           "  --max-failures N         how many may fail in a minute who come from one address, or\n"
                           "                           are one user (30); then they are turned away\n"
                           "\n"
                           "  --max-clients N          connections at a time (16384)\n"
                           "  --max-objects N          objects at a time (1048576)\n"
                           "  --max-memory SIZE        what all objects may keep; in bytes, or with K, M, G\n"
                           "  --max-message SIZE       the longest request (256M)\n"
                           "  --workers N              threads for what waits or takes long (4)\n"
                           "\n"
                           "  --snapshot FILE          keeps what is published over a restart\n"
                           "  --snapshot-interval S    writes it every so many seconds, when something changed (60)\n"
                           "  --log LEVEL              what to tell on stderr: none, error, warning, info, debug\n"
                           "                           (warning)\n"
                           "  --help                   this\n";

static int run(int count, char **arguments);

const struct command command_serve = { "serve", "shared objects in a server process", help, run };

struct options {
    struct access access;
    const char *address;
    kith_server_options server;
    kith_log_level log;
    kith_arena *arena; /* of the arguments of offers */
    struct offer *offers;
    size_t offer_count;
    uid_t *users;
    size_t user_count;
};

/* ---- serving ---- */

static int publish(kith_server *server, const struct offer *offers, size_t count)
{
    for (const struct offer *offer = offers; offer < offers + count; offer++) {
        int code = kith_server_publish(server, offer->name, offer->type, offer->args, offer->kwargs, &offer->access);
        if (code == -ENOENT && offer->access.method_count == 0) /* else it may be a method that is not there */
            return command_fail(&command_serve,
                                "--object %s=%s: there is no such type: there are Queue, JoinableQueue, list, dict, "
                                "set, Namespace, Value, Array, Event, Lock, RLock, Semaphore, BoundedSemaphore, "
                                "Condition, Barrier",
                                offer->name, offer->type);
        if (code < 0)
            return command_fail(&command_serve, "--object %s=%s: %s", offer->name, offer->type, kith_error_detail());
    }
    return STATUS_GOOD;
}

static void fill_ending(sigset_t *ending)
{
    sigemptyset(ending);
    sigaddset(ending, SIGINT);
    sigaddset(ending, SIGTERM);
}

/* The first signal has the server come to an end, the second one is the end. */
static void *heed_signals(void *server)
{
    sigset_t ending;
    int number;
    fill_ending(&ending);
    sigwait(&ending, &number);
    service_tell("STOPPING=1");
    kith_server_stop(server);
    sigwait(&ending, &number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
    raise(number);
    return NULL;
}

static int serve_signalled(kith_server *server)
{
    pthread_t heeding;
    int code = pthread_create(&heeding, NULL, heed_signals, server);
    if (code != 0)
        return command_fail(&command_serve, "no thread for signals: %s", strerror(code));
    printf("%s\n", kith_server_address(server));
    int status = command_flush(&command_serve, STATUS_GOOD);
    if (status == STATUS_GOOD) {
        service_tell("READY=1");
        code = kith_server_run(server);
        if (code < 0)
            status = command_fail_code(&command_serve, code);
    }
    pthread_cancel(heeding);
    pthread_join(heeding, NULL);
    return status;
}

static int serve(const struct options *options)
{
    kith_server *server;
    sigset_t ending;
    fill_ending(&ending);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a snapshot that is too long for the shell's limit is no reason to end */
    pthread_sigmask(SIG_BLOCK, &ending, NULL); /* the server's threads are made with it */
    int code = kith_server_new(&server, options->address, &options->server);
    if (code < 0)
        return command_fail_code(&command_serve, code);
    int status = publish(server, options->offers, options->offer_count);
    if (status == STATUS_GOOD && (code = kith_server_load(server)) < 0)
        status = command_fail_code(&command_serve, code);
    if (status == STATUS_GOOD)
        status = serve_signalled(server);
    kith_server_free(server);
    return status;
}

/* ---- arguments ---- */

enum {
    OBJECT = ACCESS_LAST + 1,
    ONLY_PUBLISHED,
    NO_SHUTDOWN,
    KEEP_LOCKS,
    NO_SHARED_MEMORY,
    MODE,
    USER,
    MAX_FAILURES,
    MAX_CLIENTS,
    MAX_OBJECTS,
    MAX_MEMORY,
    MAX_MESSAGE,
    WORKERS,
    SNAPSHOT,
    SNAPSHOT_INTERVAL,
    LOG,
    HELP
};

static const struct option table[] = {
    ACCESS_OPTIONS,
    { "object", required_argument, NULL, OBJECT },
    { "only-published", no_argument, NULL, ONLY_PUBLISHED },
    { "no-shutdown", no_argument, NULL, NO_SHUTDOWN },
    { "keep-locks", no_argument, NULL, KEEP_LOCKS },
    { "no-shared-memory", no_argument, NULL, NO_SHARED_MEMORY },
    { "mode", required_argument, NULL, MODE },
    { "user", required_argument, NULL, USER },
    { "max-failures", required_argument, NULL, MAX_FAILURES },
    { "max-clients", required_argument, NULL, MAX_CLIENTS },
    { "max-objects", required_argument, NULL, MAX_OBJECTS },
    { "max-memory", required_argument, NULL, MAX_MEMORY },
    { "max-message", required_argument, NULL, MAX_MESSAGE },
    { "workers", required_argument, NULL, WORKERS },
    { "snapshot", required_argument, NULL, SNAPSHOT },
    { "snapshot-interval", required_argument, NULL, SNAPSHOT_INTERVAL },
    { "log", required_argument, NULL, LOG },
    { "help", no_argument, NULL, HELP },
    { 0 },
};

static int take_count(unsigned *number, const char *option)
{
    unsigned long read;
    if (!read_count(optarg, UINT_MAX, &read))
        return command_misused(&command_serve, "--%s takes a number, 1 or more, not '%s'", option, optarg);
    *number = (unsigned)read;
    return STATUS_GOOD;
}

static int take_size(uint64_t *size, const char *option)
{
    if (read_size(optarg, size))
        return STATUS_GOOD;
    return command_misused(&command_serve, "--%s takes a size in bytes, as 1000, 64K, 16M, or 2G, not '%s'", option,
                           optarg);
}

static int take_mode(struct options *options)
{
    char *end;
    unsigned long mode = strtoul(optarg, &end, 8);
    if (!isdigit((unsigned char)*optarg) || *end || mode == 0 || mode > 0777)
        return command_misused(&command_serve, "--mode takes permissions in octal, as 660, not '%s'", optarg);
    options->server.listener.mode = (unsigned)mode;
    return STATUS_GOOD;
}

static int take_user(struct options *options)
{
    unsigned long number;
    const struct passwd *known = getpwnam(optarg);
    uid_t *users = realloc(options->users, (options->user_count + 1) * sizeof *users);
    if (!users)
        return command_fail(&command_serve, "%s", strerror(ENOMEM));
    options->users = users;
    if (known)
        users[options->user_count++] = known->pw_uid;
    else if (strcmp(optarg, "0") == 0 || read_count(optarg, UINT_MAX - 1, &number))
        users[options->user_count++] = *optarg == '0' ? 0 : (uid_t)number;
    else
        return command_misused(&command_serve, "--user: there is no user '%s'", optarg);
    return STATUS_GOOD;
}

static int take_log(struct options *options)
{
    static const char *const names[] = { "none", "error", "warning", "info", "debug" };
    for (int level = KITH_LOG_NONE; level <= KITH_LOG_DEBUG; level++) {
        if (strcmp(optarg, names[level]) == 0) {
            options->log = (kith_log_level)level;
            return STATUS_GOOD;
        }
    }
    return command_misused(&command_serve, "--log takes none, error, warning, info, or debug, not '%s'", optarg);
}

static int take_object(struct options *options)
{
    struct offer *offers = realloc(options->offers, (options->offer_count + 1) * sizeof *offers);
    if (!offers)
        return command_fail(&command_serve, "%s", strerror(ENOMEM));
    options->offers = offers;
    int status = offer_read(&offers[options->offer_count], options->arena, &command_serve, optarg);
    options->offer_count += status == STATUS_GOOD;
    return status;
}

/* @param what  which of the table's long options it is
 *  @return STATUS_GOOD to go on */
static int take_option(struct options *options, int option, const char *what)
{
    kith_server_options *server = &options->server;
    switch (option) {
    case OBJECT:
        return take_object(options);
    case ONLY_PUBLISHED:
        server->only_published = 1;
        return STATUS_GOOD;
    case NO_SHUTDOWN:
        server->no_shutdown = 1;
        return STATUS_GOOD;
    case KEEP_LOCKS:
        server->keep_locks = 1;
        return STATUS_GOOD;
    case NO_SHARED_MEMORY:
        server->no_shared_memory = 1;
        return STATUS_GOOD;
    case MODE:
        return take_mode(options);
    case USER:
        return take_user(options);
    case MAX_FAILURES:
        return take_count(&server->listener.max_failures, what);
    case MAX_CLIENTS:
        return take_count(&server->max_clients, what);
    case MAX_OBJECTS:
        return take_count(&server->max_objects, what);
    case MAX_MEMORY:
        return take_size(&server->max_memory, what);
    case MAX_MESSAGE:
        return take_size(&server->listener.max_message, what);
    case WORKERS:
        return take_count(&server->workers, what);
    case SNAPSHOT:
        if (!*optarg)
            return command_misused(&command_serve, "--snapshot takes the name of a file, not ''");
        server->snapshot = optarg;
        return STATUS_GOOD;
    case SNAPSHOT_INTERVAL:
        if (read_seconds(optarg, &server->snapshot_interval))
            return STATUS_GOOD;
        return command_misused(&command_serve, "--%s takes a number of seconds above 0, not '%s'", what, optarg);
    case LOG:
        return take_log(options);
    default:
        return access_take(&options->access, option, optarg) ? STATUS_GOOD : command_misused(&command_serve, NULL);
    }
}

/* Where to listen. */
static int take_address(struct options *options, char **rest, int count)
{
    static char given[16];
    int sockets = service_sockets();
    if (count > 1)
        return command_misused(&command_serve, "one address, please");
    if (count == 0 && sockets == 0)
        return command_misused(&command_serve, "at which address?");
    if (count == 0 && sockets > 1)
        return command_misused(&command_serve, "the service manager has handed over %d sockets, and a server has one",
                               sockets);
    snprintf(given, sizeof given, "fd:%d", SERVICE_FIRST_SOCKET);
    options->address = count == 1 ? rest[0] : given;
    return STATUS_GOOD;
}

/* Whoever can connect can try keys, if slowly; and what a client has seen of a handshake it can try at leisure. */
static void warn_of_short_key(const struct access *access)
{
    enum { SHORT = 16 };
    if (access->authkey_size < SHORT && !access->from_authkey) /* TLS refuses it */
        command_warn(&command_serve,
                     "the authkey in %s has %zu bytes, and could be guessed: 'openssl rand -hex 32' "
                     "makes a better one",
                     access->authkey_file, access->authkey_size);
}

/* All options but the key were taken. */
static int begin(struct options *options)
{
    char *path = NULL;
    kith_log_to_stderr(options->log);
    int status = access_check(&options->access, &command_serve);
    if (status == STATUS_GOOD && !options->access.authkey_file) {
        status = keyfile_find(&command_serve, options->address, &path);
        options->access.authkey_file = path;
        options->access.made_here = true;
    }
    if (status == STATUS_GOOD)
        status = access_finish(&options->access, &command_serve);
    if (status == STATUS_GOOD && path)
        command_say(&command_serve, "the authkey is in %s", path);
    if (status == STATUS_GOOD) {
        warn_of_short_key(&options->access);
        kith_listener_options *listener = &options->server.listener;
        listener->authkey = options->access.authkey;
        listener->authkey_size = options->access.authkey_size;
        listener->tls = access_tls(&options->access);
        listener->allowed_users = options->users;
        listener->allowed_user_count = options->user_count;
        status = serve(options);
    }
    free(path);
    return status;
}

static int take_arguments(struct options *options, int count, char **arguments)
{
    int option, which = 0;
    while ((option = getopt_long(count, arguments, "", table, &which)) != -1) {
        int status = option == HELP ? command_help(&command_serve) : take_option(options, option, table[which].name);
        if (status != STATUS_GOOD || option == HELP)
            return status;
    }
    int status = take_address(options, arguments + optind, count - optind);
    return status == STATUS_GOOD ? begin(options) : status;
}

static int run(int count, char **arguments)
{
    struct options options = { .log = KITH_LOG_WARNING };
    arguments[0] = (char[]){ "kith serve" }; /* what getopt_long begins its messages with */
    int code = kith_arena_new(&options.arena);
    int status = code < 0 ? command_fail_code(&command_serve, code) : take_arguments(&options, count, arguments);
    access_end(&options.access);
    for (size_t i = 0; i < options.offer_count; i++)
        offer_end(&options.offers[i]);
    free(options.offers);
    free(options.users);
    kith_arena_free(options.arena);
    return status;
}
