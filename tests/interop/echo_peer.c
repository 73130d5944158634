/* The C side of the tests of listener and client against stock Python (connections.py, silent.py).
 *
 *     echo_peer serve [OPTION...] ADDRESS
 *         listens, prints "listening ADDRESS", and sends back what each connection sends: messages, values,
 *         descriptors. Prints how a connection ended, unless it was a plain end. The line "stats" on stdin has it print
 *         the listener's statistics; the end of stdin ends it.
 *     echo_peer connect [OPTION...] ADDRESS ACTION [ARGUMENT...]
 *         connects, and does one of the actions that are told below. When a call fails it prints the code and its
 *         detail, and ends with status 1.
 *
 * Options: --key TEXT, --strict (refuse the bare MD5), --values (the server takes messages for values), --max BYTES
 * (the longest message), --reconnect (the client), --handshakes COUNT (of the listener), --patience MILLISECONDS (for a
 * handshake, on either side). */
#include <kith/kith.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nothing here takes so long; it is there so that nothing waits for ever. */
#define PATIENCE KITH_SECONDS(100)

static struct {
    const char *address;
    const char *key;
    int strict;
    int values;
    int reconnect;
    uint64_t max_message;
    unsigned max_handshakes;
    kith_timeout handshake_timeout;
    kith_timeout timeout; /* of a client that connects */
} settings = { .timeout = PATIENCE };

static int must(int code, const char *what)
{
    if (code >= 0)
        return code;
    printf("%.*s: %s %s\n", (int)strcspn(what, "("), what, kith_error_name(code), kith_error_detail());
    fflush(stdout);
    _exit(1); /* what is still held is no leak */
}

#define MUST(call) must(call, #call)

static void *allocate(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    must(memory ? 0 : -ENOMEM, "malloc");
    return memory;
}

/* ---- the server ---- */

/* A message that asks for an answer that is cut short. */
static const char cut[] = "cut the answer short";

/* Sends a part of a message: nobody reads the rest in time. */
static int send_cut(kith_connection *connection)
{
    enum { LONG = 64 << 20 };
    void *zeros = calloc(LONG, 1);
    int code = zeros ? kith_connection_send(connection, zeros, LONG, KITH_MS(20)) : -ENOMEM;
    free(zeros);
    return code;
}

static int echo_descriptor(kith_connection *connection)
{
    int fd;
    int code = kith_connection_recv_fd(connection, &fd, KITH_FOREVER);
    if (code < 0)
        return code;
    code = kith_connection_send_fd(connection, fd, KITH_FOREVER);
    close(fd);
    return code;
}

static int echo_message(kith_connection *connection)
{
    kith_bytes message;
    int code = kith_connection_recv(connection, &message, KITH_FOREVER);
    if (code == -ENOMSG)
        return echo_descriptor(connection);
    if (code < 0)
        return code;
    if (message.size == strlen(cut) && memcmp(message.data, cut, message.size) == 0)
        code = send_cut(connection);
    else
        code = kith_connection_send(connection, message.data, message.size, KITH_FOREVER);
    kith_bytes_free(&message);
    return code;
}

static int echo_value(kith_connection *connection)
{
    kith_arena *arena;
    kith_value *value;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    code = kith_connection_recv_value(connection, arena, &value, KITH_FOREVER);
    if (code == 0)
        code = kith_connection_send_value(connection, value, KITH_FOREVER);
    kith_arena_free(arena);
    return code;
}

/* By one write: what stdio has written when exit interrupts it may be written again. */
static void print_line(const char *text)
{
    char line[64];
    int size = snprintf(line, sizeof line, "%s\n", text);
    must((int)write(STDOUT_FILENO, line, (size_t)size), "write");
}

static void *serve_one(void *argument)
{
    kith_connection *connection = argument;
    int code;
    do
        code = settings.values ? echo_value(connection) : echo_message(connection);
    while (code == 0);
    kith_connection_free(connection);
    if (code != KITH_EEOF)
        print_line(kith_error_name(code));
    return NULL;
}

static void accept_one(kith_listener *listener)
{
    kith_connection *connection;
    pthread_t thread;
    int code = kith_listener_accept(listener, &connection, KITH_NOWAIT);
    if (code == -ETIMEDOUT)
        return;
    must(code, "kith_listener_accept");
    must(-pthread_create(&thread, NULL, serve_one, connection), "pthread_create");
    pthread_detach(thread);
}

static void print_stats(const kith_listener *listener)
{
    kith_listener_stats stats;
    MUST(kith_listener_get_stats(listener, &stats));
    printf("{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"timed_out\": %" PRIu64 ", \"evicted\": %" PRIu64
           ", \"gone\": %" PRIu64 ", \"handshakes\": %u}\n",
           stats.accepted, stats.refused, stats.timed_out, stats.evicted, stats.gone, stats.handshakes);
}

static int serve(char **arguments)
{
    (void)arguments;
    kith_listener *listener;
    char line[16];
    MUST(kith_listener_new(&listener, settings.address,
                           &(kith_listener_options){ .authkey = settings.key,
                                                     .authkey_size = settings.key ? strlen(settings.key) : 0,
                                                     .refuse_md5 = settings.strict,
                                                     .max_message = settings.max_message,
                                                     .max_handshakes = settings.max_handshakes,
                                                     .handshake_timeout = settings.handshake_timeout }));
    printf("listening %s\n", kith_listener_address(listener));
    for (;;) {
        kith_waitable items[] = { { .listener = listener }, { .fd = STDIN_FILENO } };
        MUST(kith_wait(items, 2, KITH_FOREVER));
        if (items[0].ready)
            accept_one(listener);
        if (items[1].ready && !fgets(line, sizeof line, stdin))
            break;
        if (items[1].ready)
            print_stats(listener);
    }
    kith_listener_free(listener);
    return 0;
}

/* ---- the client ---- */

static kith_connection *dial(void)
{
    kith_connection *connection;
    must(kith_connect(&connection, settings.address,
                      &(kith_client_options){ .authkey = settings.key,
                                              .authkey_size = settings.key ? strlen(settings.key) : 0,
                                              .refuse_md5 = settings.strict,
                                              .reconnect = settings.reconnect,
                                              .max_message = settings.max_message },
                      settings.timeout),
         "kith_connect");
    return connection;
}

/* No two parts of it are alike, however long it is. */
static void *make_message(size_t size)
{
    size_t words = size / sizeof(uint64_t) + 1;
    uint64_t *message = allocate(words * sizeof(uint64_t));
    for (size_t i = 0; i < words; i++)
        message[i] = (i + size) * 0x9e3779b97f4a7c15U;
    return message;
}

static void echo_size(kith_connection *connection, size_t size)
{
    void *message = make_message(size);
    kith_bytes answer;
    MUST(kith_connection_send(connection, message, size, PATIENCE));
    MUST(kith_connection_recv(connection, &answer, PATIENCE));
    if (answer.size == size && memcmp(answer.data, message, size) == 0)
        printf("%zu bytes are back\n", size);
    else
        printf("of %zu bytes, %zu others are back\n", size, answer.size);
    kith_bytes_free(&answer);
    free(message);
}

/* SIZE...: a message of each size, and its echo. */
static int echo(char **sizes)
{
    kith_connection *connection = dial();
    for (; *sizes; sizes++)
        echo_size(connection, strtoul(*sizes, NULL, 10));
    kith_connection_free(connection);
    return 0;
}

/* Receives one message, and prints how long it is. */
static int receive(char **arguments)
{
    (void)arguments;
    kith_connection *connection = dial();
    kith_bytes message;
    MUST(kith_connection_recv(connection, &message, PATIENCE));
    printf("%zu bytes came\n", message.size);
    kith_bytes_free(&message);
    kith_connection_free(connection);
    return 0;
}

/* SIZE...: as echo, where the server ends the connection after each message. */
static int again(char **sizes)
{
    kith_connection *connection = dial();
    kith_bytes message;
    for (; *sizes; sizes++) {
        echo_size(connection, strtoul(*sizes, NULL, 10));
        printf("%s\n", kith_error_name(kith_connection_recv(connection, &message, PATIENCE)));
    }
    kith_connection_free(connection);
    return 0;
}

/* SIZE: sends a message of this size to one who does not receive it, until it is killed. */
static int flood(char **arguments)
{
    size_t size = strtoul(arguments[0], NULL, 10);
    void *message = make_message(size);
    MUST(kith_connection_send(dial(), message, size, PATIENCE));
    return 0;
}

/* What the values are in Python: `from_kith` in connections.py. */
static kith_value *make_values(kith_arena *arena)
{
    static const unsigned char date[] = { 0x07, 0xe6, 0x01, 0x02 }, big[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    kith_value *args = kith_value_pack(arena, "(y)", date, sizeof date);
    return kith_value_pack(arena, "[[siy] {s:s, s:[ifb], i:n} (I U v) {s:{s:{s:(<ii>)}}} v a]", "Hello World", 100,
                           "\xe4\xbd\xa0\xe5\xa5\xbd", (size_t)6, "name", "\xe4\xbd\xa0\xe5\xa5\xbd", "numbers", -1,
                           2.5, 1, 7, INT64_MIN, UINT64_MAX, kith_value_int_from_bytes(arena, big, sizeof big), "a",
                           "b", "c", 1, 2, kith_object_call(arena, kith_object_global(arena, "datetime", "date"), args),
                           "bytearray", (size_t)9);
}

/* Sends values and compares what comes back. */
static int values(char **arguments)
{
    (void)arguments;
    kith_connection *connection = dial();
    kith_arena *arena;
    kith_value *answer;
    kith_bytes text;
    MUST(kith_arena_new(&arena));
    kith_value *value = make_values(arena);
    MUST(kith_arena_error(arena));
    MUST(kith_connection_send_value(connection, value, PATIENCE));
    MUST(kith_connection_recv_value(connection, arena, &answer, PATIENCE));
    MUST(kith_value_repr(answer, &text, 0));
    printf("%s %s\n", MUST(kith_value_equal(value, answer)) ? "equal" : "not equal", (const char *)text.data);
    kith_bytes_free(&text);
    kith_arena_free(arena);
    kith_connection_free(connection);
    return 0;
}

/* Sends the writing end of a system's pipe, gets it back, and writes to what it got. */
static int descriptor(char **arguments)
{
    (void)arguments;
    kith_connection *connection = dial();
    int ends[2], fd;
    char text[32] = "";
    must(pipe(ends), "pipe");
    MUST(kith_connection_send_fd(connection, ends[1], PATIENCE));
    close(ends[1]);
    MUST(kith_connection_recv_fd(connection, &fd, PATIENCE));
    must((int)write(fd, "through both", 12), "write");
    close(fd);
    must((int)read(ends[0], text, sizeof text - 1), "read");
    printf("%s\n", text);
    close(ends[0]);
    kith_connection_free(connection);
    return 0;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Connects, has a message sent back, and goes. @return how long that took, in nanoseconds */
static int64_t visit(void)
{
    int64_t start = now();
    kith_connection *connection = dial();
    kith_bytes answer;
    MUST(kith_connection_send(connection, &start, sizeof start, PATIENCE));
    MUST(kith_connection_recv(connection, &answer, PATIENCE));
    if (answer.size != sizeof start || memcmp(answer.data, &start, sizeof start) != 0)
        printf("something else is back\n");
    kith_bytes_free(&answer);
    kith_connection_free(connection);
    return now() - start;
}

/* COUNT: so many visits, one after the other. */
static int many(char **arguments)
{
    int count = atoi(arguments[0]);
    int64_t slowest = 0;
    for (int i = 0; i < count; i++) {
        int64_t took = visit();
        slowest = took > slowest ? took : slowest;
    }
    printf("%d visits, the slowest took %.1f ms\n", count, (double)slowest / 1e6);
    return 0;
}

static pthread_barrier_t all_are_connected;

static void *visit_with_others(void *argument)
{
    (void)argument;
    kith_connection *connection = dial();
    pthread_barrier_wait(&all_are_connected);
    for (size_t size = 100; size <= 100000; size *= 10)
        echo_size(connection, size);
    kith_connection_free(connection);
    return NULL;
}

/* COUNT: so many visits at the same time. */
static int parallel(char **arguments)
{
    int count = atoi(arguments[0]);
    pthread_t *threads = allocate((size_t)count * sizeof *threads);
    must(-pthread_barrier_init(&all_are_connected, NULL, (unsigned)count), "pthread_barrier_init");
    for (int i = 0; i < count; i++)
        must(-pthread_create(&threads[i], NULL, visit_with_others, NULL), "pthread_create");
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return 0;
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    int arguments; /* at least */
    int (*run)(char **arguments);
} actions[] = {
    { "echo", 1, echo },     { "again", 1, again },           { "receive", 0, receive }, { "flood", 1, flood },
    { "values", 0, values }, { "descriptor", 0, descriptor }, { "many", 1, many },       { "parallel", 1, parallel },
};

static int usage(void)
{
    fprintf(stderr, "usage: echo_peer serve [OPTION...] ADDRESS | connect [OPTION...] ADDRESS ACTION [ARGUMENT...]\n");
    return 2;
}

/* Takes one option with its value. @return how many arguments it took; 0 when it is none */
static int take_option(char **arguments)
{
    const char *name = arguments[0], *value = arguments[1];
    static const struct {
        const char *name;
        int *set;
    } flags[] = {
        { "--strict", &settings.strict },
        { "--values", &settings.values },
        { "--reconnect", &settings.reconnect },
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].set = 1;
            return 1;
        }
    }
    if (!value)
        return 0;
    if (strcmp(name, "--key") == 0)
        settings.key = value;
    else if (strcmp(name, "--max") == 0)
        settings.max_message = strtoull(value, NULL, 10);
    else if (strcmp(name, "--handshakes") == 0)
        settings.max_handshakes = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "--patience") == 0)
        settings.timeout = settings.handshake_timeout = KITH_MS(atoi(value));
    else
        return 0;
    return 2;
}

static int count_of(char **arguments)
{
    int count = 0;
    while (arguments[count])
        count++;
    return count;
}

int main(int count, char **arguments)
{
    (void)count;
    char **rest = arguments + 1;
    const char *command = *rest ? *rest++ : "";
    int took;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    while (*rest && (took = take_option(rest)) > 0)
        rest += took;
    settings.address = *rest ? *rest++ : NULL;
    if (settings.address && strcmp(command, "serve") == 0)
        return serve(rest);
    if (settings.address && strcmp(command, "connect") == 0 && *rest) {
        for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
            if (strcmp(*rest, actions[i].name) == 0 && count_of(rest + 1) >= actions[i].arguments)
                return actions[i].run(rest + 1);
        }
    }
    return usage();
}
