/* The C side of queues that a Python program shares with it by name (queues.py): each subcommand does one thing, and
 * says on stdout what came of it. */
#include <kith/kith.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int must(int code, const char *what)
{
    if (code >= 0)
        return code;
    printf("%s: %s %s\n", what, kith_error_name(code), kith_error_detail());
    exit(1);
}

#define MUST(call) must(call, #call)

#define PATIENCE KITH_SECONDS(60)

static kith_queue *open_queue(const char *name)
{
    kith_queue *queue = NULL;
    MUST(kith_queue_open(&queue, name, KITH_OPEN, NULL));
    return queue;
}

static kith_arena *new_arena(void)
{
    kith_arena *arena = NULL;
    MUST(kith_arena_new(&arena));
    return arena;
}

/** Gets values until None comes, and puts back for each how it looks here, and itself. */
static void echo(char **arguments)
{
    kith_queue *from = open_queue(arguments[0]), *to = open_queue(arguments[1]);
    kith_arena *arena = new_arena();
    for (;;) {
        kith_value *value;
        kith_bytes text;
        MUST(kith_queue_get_value(from, arena, &value, PATIENCE));
        if (kith_value_kind(value) == KITH_NONE)
            break;
        MUST(kith_value_repr(value, &text, 500));
        MUST(kith_queue_put_value(to, kith_value_pack(arena, "(s#v)", (const char *)text.data, text.size, value),
                                  PATIENCE));
        kith_bytes_free(&text);
        kith_arena_reset(arena);
    }
    kith_arena_free(arena);
    kith_queue_free(to);
    kith_queue_free(from);
}

/** Puts what a C program makes: values, and bytes that are none. */
static void put(char **arguments)
{
    kith_queue *queue = open_queue(arguments[0]);
    kith_arena *arena = new_arena();
    kith_value *largest = NULL, *ring = kith_value_list(arena);
    MUST(kith_value_append(ring, ring));
    largest = kith_value_pack(arena, "U", UINT64_MAX);
    MUST(kith_queue_put_value(queue,
                              kith_value_pack(arena, "{s:i, s:f, s:(b,n), s:y, s:<i>, s:v}", "int", -7, "float", 2.5,
                                              "tuple", 1, "bytes", "\0\xff", (size_t)2, "set", 3, "large", largest),
                              PATIENCE));
    MUST(kith_queue_put_value(queue, ring, PATIENCE));
    MUST(kith_queue_put_value(queue,
                              kith_value_str(arena, "Gr\xc3\xbc\xc3\x9f"
                                                    "e \xf0\x9f\x8c\x8d"),
                              PATIENCE));
    MUST(kith_queue_put(queue, "raw \0 bytes", 11, PATIENCE));
    kith_arena_free(arena);
    kith_queue_free(queue);
}

/** Adds the doubles up that lie in a buffer. */
static double sum_of(const void *data, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i + sizeof sum <= size; i += sizeof sum) {
        double one;
        memcpy(&one, (const char *)data + i, sizeof one);
        sum += one;
    }
    return sum;
}

/** Finds the first bytes in a value, or in what it is made of. @return whether there are any */
static bool find_bytes(const kith_value *value, const void **data, size_t *size)
{
    if (kith_value_as_bytes(value, data, size) == 0)
        return true;
    const kith_value *args = kith_value_kind(value) == KITH_OBJECT ? kith_object_args(value) : NULL;
    for (size_t i = 0; args && i < kith_value_length(args); i++) {
        if (find_bytes(kith_value_at(args, i), data, size))
            return true;
    }
    return false;
}

static bool lies_in(const void *message, size_t size, const void *data)
{
    return (uintptr_t)data - (uintptr_t)message < size;
}

/** Takes arrays of doubles where they lie, until the queue is shut, and prints the sum of each. */
static void sum(char **arguments)
{
    kith_queue *queue = open_queue(arguments[0]);
    kith_arena *arena = new_arena();
    const kith_pickle_read_options in_place = { .borrow = 1 };
    const void *message;
    size_t size;
    while (kith_queue_take(queue, &message, &size, PATIENCE) == 0) {
        kith_value *value;
        const void *data;
        size_t length;
        MUST(kith_message_read(arena, &value, message, size, &in_place));
        MUST(find_bytes(value, &data, &length) ? 0 : KITH_ETYPE);
        printf("%s %.1f\n", lies_in(message, size, data) ? "in place" : "copied", sum_of(data, length));
        MUST(kith_queue_finish(queue, message));
        kith_arena_reset(arena);
    }
    kith_arena_free(arena);
    kith_queue_free(queue);
}

/** Gets a message of a queue that redelivers, says so, and waits for its end: by SIGKILL. */
static void hold(char **arguments)
{
    kith_queue *queue = open_queue(arguments[0]);
    const void *message;
    size_t size;
    MUST(kith_queue_take(queue, &message, &size, PATIENCE));
    puts("held");
    fflush(stdout);
    for (;;)
        pause();
}

/** Gets a run of ints, and checks that they come in order. */
static void count(char **arguments)
{
    kith_queue *queue = open_queue(arguments[0]);
    kith_arena *arena = new_arena();
    int64_t expected = 0, number = 0;
    kith_value *value;
    while (kith_queue_get_value(queue, arena, &value, PATIENCE) == 0) {
        MUST(kith_value_as_int(value, &number));
        if (number != expected++) {
            printf("%" PRId64 " came for %" PRId64 "\n", number, expected - 1);
            exit(1);
        }
        kith_arena_reset(arena);
    }
    printf("%" PRId64 "\n", expected);
    kith_arena_free(arena);
    kith_queue_free(queue);
}

int main(int argument_count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(char **arguments);
        int arguments;
    } commands[] = {
        { "echo", echo, 2 }, { "put", put, 1 }, { "sum", sum, 1 }, { "hold", hold, 1 }, { "count", count, 1 },
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (argument_count == commands[i].arguments + 2 && strcmp(arguments[1], commands[i].name) == 0) {
            commands[i].run(arguments + 2);
            return 0;
        }
    }
    fprintf(stderr, "usage: queue_peer echo FROM TO | put|sum|hold|count QUEUE\n");
    return 2;
}
