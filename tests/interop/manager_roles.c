/* The C side of the tests of managers against stock Python: each subcommand is one of the four programs that share a
 * queue, or a server for more than that.
 *
 *     manager_roles serve KEY ADDRESS [keep-locks]
 *         serves until a client says shutdown, or stdin ends; prints its address when it answers. Clients find the
 *         queue as get_queue, and the types of a program's own that CPython's tests use: Foo, Bar, baz.
 *     manager_roles produce KEY ADDRESS COUNT
 *         puts the numbers from 0 on.
 *     manager_roles consume KEY ADDRESS
 *         gets numbers, which must come in order, until it gets None; prints how many they were.
 *     manager_roles terminate KEY ADDRESS
 *         puts None, and waits until all is done with.
 *
 * KEY is the authkey, in hexadecimal digits. When a call fails, its code and detail are printed, and the status is 1.
 * manager_roles.py has the same in Python. */
#include <kith/kith.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing here takes so long; it is there so that nothing waits for ever. */
#define PATIENCE KITH_SECONDS(100)

#define KEY_MAX 64

static unsigned char key[KEY_MAX];
static size_t key_size;

static int must(int code, const char *what)
{
    if (code >= 0)
        return code;
    printf("%.*s: %s %s\n", (int)strcspn(what, "("), what, kith_error_name(code), kith_error_detail());
    fflush(stdout);
    _exit(1); /* what is still held is no leak */
}

#define MUST(call) must(call, #call)

static void read_key(const char *digits)
{
    unsigned byte;
    for (key_size = 0; key_size < KEY_MAX && sscanf(digits, "%2x", &byte) == 1; digits += 2)
        key[key_size++] = (unsigned char)byte;
    if (*digits)
        must(-EINVAL, "the key");
}

/* ---- tasks for its pools ---- */

KITH_ENTRY(square)
{
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

/* Of two numbers, or two texts. */
KITH_ENTRY(add)
{
    int64_t one, other;
    const char *head, *tail;
    char text[100];
    if (kith_value_unpack(kith_call_args(call), "(II)", &one, &other) == 0)
        return kith_call_return(call, kith_value_int(kith_call_arena(call), one + other));
    int code = kith_value_unpack(kith_call_args(call), "(ss)", &head, &tail);
    if (code < 0)
        return code;
    snprintf(text, sizeof text, "%s%s", head, tail);
    return kith_call_return(call, kith_value_str(kith_call_arena(call), text));
}

KITH_ENTRY(fail_with_key)
{
    const char *name;
    int code = kith_value_unpack(kith_call_args(call), "(s)", &name);
    return code < 0 ? code : kith_fail(-ENOENT, "%s", name);
}

KITH_ENTRY(wait_for_end)
{
    for (;;)
        pause();
}

static int initialized;

KITH_ENTRY(initialize)
{
    return kith_value_unpack(kith_call_args(call), "(i)", &initialized);
}

KITH_ENTRY(tell_initialized)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), initialized));
}

/* ---- types of a program's own: those of class FooBar and of baz() in CPython's tests ---- */

static int say_f(void *object, kith_call *call)
{
    (void)object;
    return kith_call_return(call, kith_value_str(kith_call_arena(call), "f()"));
}

static int raise_g(void *object, kith_call *call)
{
    (void)object;
    return kith_call_raise(call, "ValueError", KITH_NO_ARGS);
}

static int say_h(void *object, kith_call *call)
{
    (void)object;
    return kith_call_return(call, kith_value_str(kith_call_arena(call), "_h()"));
}

static int make_squares(void *object, kith_call *call)
{
    (void)object;
    int64_t *next = calloc(1, sizeof *next);
    int code = next ? kith_call_return_object(call, next) : -ENOMEM;
    if (code < 0)
        free(next);
    return code;
}

static int next_square(void *object, kith_call *call)
{
    int64_t *next = object;
    if (*next == 10)
        return kith_call_raise(call, "StopIteration", KITH_NO_ARGS);
    int code = kith_call_return(call, kith_value_int(kith_call_arena(call), *next * *next));
    if (code == 0)
        ++*next;
    return code;
}

static int make_nothing(void *object, kith_call *call)
{
    static char nothing;
    (void)object;
    return kith_call_return_object(call, &nothing);
}

static const kith_type types[] = {
    { .name = "Foo",
      .methods =
          (const kith_method[]){ { .name = "f", .function = say_f }, { .name = "g", .function = raise_g }, { 0 } },
      .make = make_nothing },
    { .name = "Bar",
      .methods =
          (const kith_method[]){ { .name = "f", .function = say_f }, { .name = "_h", .function = say_h }, { 0 } },
      .make = make_nothing },
    { .name = "baz",
      .methods = (const kith_method[]){ { .name = "__next__", .function = next_square }, { 0 } },
      .make = make_squares,
      .end = free },
};

/* ---- the four programs ---- */

static void *stop_with_stdin(void *server)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    kith_server_stop(server);
    return NULL;
}

static void serve(char **arguments)
{
    kith_server *server;
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = key_size } };
    pthread_t watcher;
    options.keep_locks = arguments[1] && strcmp(arguments[1], "keep-locks") == 0;
    MUST(kith_server_new(&server, arguments[0], &options));
    MUST(kith_server_publish(server, "get_queue", "JoinableQueue", KITH_NO_ARGS, NULL, NULL));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        MUST(kith_server_register(server, &types[i]));
    must(-pthread_create(&watcher, NULL, stop_with_stdin, server), "pthread_create");
    printf("%s\n", kith_server_address(server));
    fflush(stdout);
    MUST(kith_server_run(server));
    pthread_cancel(watcher);
    pthread_join(watcher, NULL);
    kith_server_free(server);
}

static void open_queue(const char *address, kith_manager **manager, kith_proxy **queue)
{
    kith_manager_options options = { .authkey = key, .authkey_size = key_size };
    MUST(kith_manager_connect(manager, address, &options, PATIENCE));
    MUST(kith_manager_create(*manager, queue, "get_queue", KITH_NO_ARGS, NULL));
}

static void close_queue(kith_manager *manager, kith_proxy *queue)
{
    kith_proxy_free(queue);
    kith_manager_free(manager);
}

static void produce(char **arguments)
{
    kith_manager *manager;
    kith_proxy *queue;
    kith_arena *arena;
    int64_t count = strtoll(arguments[1], NULL, 10);
    MUST(kith_arena_new(&arena));
    open_queue(arguments[0], &manager, &queue);
    for (int64_t i = 0; i < count; i++) {
        MUST(kith_proxy_put(queue, kith_value_int(arena, i), KITH_FOREVER));
        kith_arena_reset(arena);
    }
    close_queue(manager, queue);
    kith_arena_free(arena);
}

static void consume(char **arguments)
{
    kith_manager *manager;
    kith_proxy *queue;
    kith_arena *arena;
    kith_value *value;
    int64_t count = 0, number;
    MUST(kith_arena_new(&arena));
    open_queue(arguments[0], &manager, &queue);
    for (;; count++) {
        MUST(kith_proxy_get(queue, arena, &value, KITH_FOREVER));
        MUST(kith_proxy_task_done(queue));
        if (kith_value_kind(value) == KITH_NONE)
            break;
        MUST(kith_value_as_int(value, &number));
        if (number != count)
            printf("%" PRId64 " came as number %" PRId64 "\n", number, count);
        kith_arena_reset(arena);
    }
    MUST(kith_proxy_flush(queue));
    printf("consumed %" PRId64 "\n", count);
    close_queue(manager, queue);
    kith_arena_free(arena);
}

static void terminate(char **arguments)
{
    kith_manager *manager;
    kith_proxy *queue;
    kith_arena *arena;
    MUST(kith_arena_new(&arena));
    open_queue(arguments[0], &manager, &queue);
    MUST(kith_proxy_put(queue, kith_value_none(arena), KITH_FOREVER));
    MUST(kith_proxy_join(queue, PATIENCE));
    close_queue(manager, queue);
    kith_arena_free(arena);
}

static const struct {
    const char *name;
    int arguments; /* after the key, at least */
    void (*run)(char **arguments);
} commands[] = {
    { "serve", 1, serve },
    { "produce", 2, produce },
    { "consume", 1, consume },
    { "terminate", 1, terminate },
};

int main(int count, char **arguments)
{
    MUST(kith_begin(count, arguments)); /* for workers of managed pools */
    for (size_t i = 0; count > 2 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(arguments[1], commands[i].name) == 0 && count - 3 >= commands[i].arguments) {
            read_key(arguments[2]);
            commands[i].run(arguments + 3);
            return 0;
        }
    }
    fprintf(stderr, "usage: manager_roles serve|produce|consume|terminate KEY ADDRESS [keep-locks|COUNT]\n");
    return 2;
}
