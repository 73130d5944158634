/* kith-managed: what a managed queue and dict do in a second, by C clients; and the server of them. manager.py runs it,
 * by turns with stock Python, for which managed.py does the same.
 *
 *   kith-managed serve ADDRESS [sockets]    serves until stdin ends; prints the address
 *   kith-managed WAY ADDRESS [sockets]      reads counts, and prints seconds
 *
 * The ways: queue, a process that puts ints and another one that gets them, each with task_done; queue-many, the same
 * by many at a time; dict, a set and a get. What was got is checked. With sockets, nothing goes through shared memory.
 */
#include "turns.h"

#include <kith/manager.h>
#include <kith/proxy.h>
#include <kith/queue.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 100, KEYS = 64, PATIENCE = 10 };

static const char key[] = "bench";

/* ---- the server ---- */

static void *stop_at_end_of_input(void *argument)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    kith_server_stop(argument);
    return NULL;
}

static int publish(kith_server *server)
{
    int code = kith_server_publish(server, "get_queue", "JoinableQueue", KITH_NO_ARGS, NULL, NULL);
    return code < 0 ? code : kith_server_publish(server, "get_dict", "dict", KITH_NO_ARGS, NULL, NULL);
}

static int serve(const char *address, int sockets)
{
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = sizeof key - 1 },
                                    .no_shared_memory = sockets };
    kith_server *server;
    pthread_t watcher;
    int code = kith_server_new(&server, address, &options);
    if (code < 0)
        return code;
    code = publish(server);
    if (code == 0)
        code = -pthread_create(&watcher, NULL, stop_at_end_of_input, server);
    if (code == 0) {
        puts(kith_server_address(server));
        fflush(stdout);
        code = kith_server_run(server);
        pthread_join(watcher, NULL);
    }
    kith_server_free(server);
    return code;
}

/* ---- a client ---- */

struct client {
    const char *address;
    int sockets;
    kith_manager *manager;
    kith_proxy *object;
    kith_arena *arena;
    kith_queue *told; /* how many to put: what the producer waits for */
};

static int client_open(struct client *client, const char *name)
{
    kith_manager_options options = { .authkey = key,
                                     .authkey_size = sizeof key - 1,
                                     .no_shared_memory = client->sockets };
    int code = kith_arena_new(&client->arena);
    if (code == 0)
        code = kith_manager_connect(&client->manager, client->address, &options, KITH_SECONDS(PATIENCE));
    return code < 0 ? code : kith_manager_create(client->manager, &client->object, name, KITH_NO_ARGS, NULL);
}

static void client_close(struct client *client)
{
    kith_proxy_free(client->object);
    kith_manager_free(client->manager);
    kith_arena_free(client->arena);
    kith_queue_free(client->told);
}

/* ---- the queue: this process gets, a child puts ---- */

static int put_one(struct client *client, int64_t number, long most)
{
    (void)most;
    int code = kith_proxy_put(client->object, kith_value_int(client->arena, number), KITH_FOREVER);
    return code < 0 ? code : 1;
}

static int put_batch(struct client *client, int64_t number, long most)
{
    kith_value *items = kith_value_list(client->arena);
    int code = 0;
    for (int64_t i = 0; i < most && i < BATCH && code == 0; i++)
        code = kith_value_append(items, kith_value_int(client->arena, number + i));
    return code < 0 ? code : kith_proxy_put_many(client->object, items, KITH_FOREVER);
}

static int get_one(struct client *client, int64_t *sum)
{
    kith_value *value;
    int64_t number = 0;
    int code = kith_proxy_get(client->object, client->arena, &value, KITH_FOREVER);
    if (code == 0)
        code = kith_value_as_int(value, &number);
    if (code == 0)
        code = kith_proxy_task_done(client->object);
    *sum += number;
    return code < 0 ? code : 1;
}

static int get_batch(struct client *client, int64_t *sum)
{
    kith_value *values;
    int count = kith_proxy_get_many(client->object, client->arena, &values, BATCH, KITH_FOREVER), code = count;
    for (int i = 0; i < count && code >= 0; i++) {
        int64_t number = 0;
        code = kith_value_as_int(kith_value_at(values, (size_t)i), &number);
        if (code == 0)
            code = kith_proxy_task_done(client->object);
        *sum += number;
    }
    return code < 0 ? code : count;
}

struct queue_way {
    struct client client;
    int (*put)(struct client *client, int64_t number, long most); /**< from number on; returns how many */
    int (*get)(struct client *client, int64_t *sum);              /**< adds what it got; returns how many */
};

static int put_all(struct queue_way *way, long count)
{
    int code = 0;
    for (long put = 0; put < count && code >= 0; put += code) {
        code = way->put(&way->client, put, count - put);
        kith_arena_reset(way->client.arena);
    }
    return code < 0 ? code : 0;
}

static int produce(void *context)
{
    struct queue_way *way = context;
    long count;
    size_t size;
    int code = client_open(&way->client, "get_queue");
    while (code == 0) {
        code = kith_queue_get(way->client.told, &count, sizeof count, &size, KITH_FOREVER);
        if (code == 0)
            code = put_all(way, count);
    }
    return turns_fail("put", code);
}

static int consume(void *context, long count)
{
    struct queue_way *way = context;
    int64_t sum = 0;
    int code = kith_queue_put(way->client.told, &count, sizeof count, KITH_FOREVER);
    for (long got = 0; got < count && code >= 0; got += code) {
        code = way->get(&way->client, &sum);
        kith_arena_reset(way->client.arena);
    }
    if (code >= 0)
        code = kith_proxy_join(way->client.object, KITH_SECONDS(PATIENCE));
    return code < 0 ? code : sum == (int64_t)count * (count - 1) / 2 ? 0 : -EILSEQ;
}

static int measure_queue(struct queue_way *way)
{
    int code = kith_queue_new(&way->client.told, NULL);
    if (code == 0) /* before there is a connection */
        code = kith_process_start(NULL, produce, way, &(kith_process_options){ .daemon = 1 });
    if (code == 0)
        code = client_open(&way->client, "get_queue");
    if (code == 0)
        code = turns_take(consume, way);
    client_close(&way->client);
    return code;
}

/* ---- the dict ---- */

static int set_and_get(struct client *client, long number)
{
    char name[32];
    int64_t got = -1;
    kith_value *item;
    snprintf(name, sizeof name, "key %ld", number % KEYS);
    kith_value *where = kith_value_str(client->arena, name);
    int code = kith_proxy_set_item(client->object, where, kith_value_int(client->arena, number));
    if (code == 0)
        code = kith_proxy_get_item(client->object, where, client->arena, &item);
    if (code == 0)
        code = kith_value_as_int(item, &got);
    return code < 0 ? code : got == number ? 0 : -EILSEQ;
}

static int use_dict(void *context, long count)
{
    struct client *client = context;
    int code = 0;
    for (long i = 0; i < count && code == 0; i++) {
        code = set_and_get(client, i);
        kith_arena_reset(client->arena);
    }
    return code;
}

static int measure_dict(struct client *client)
{
    int code = client_open(client, "get_dict");
    if (code == 0)
        code = turns_take(use_dict, client);
    client_close(client);
    return code;
}

/* ---- which of them ---- */

int main(int argc, char **argv)
{
    int sockets = argc == 4 && strcmp(argv[3], "sockets") == 0;
    const char *what = argc == 3 || sockets ? argv[1] : "";
    struct client client = { .address = argc > 2 ? argv[2] : "", .sockets = sockets };
    int code;
    if (strcmp(what, "serve") == 0) {
        code = serve(client.address, sockets);
    } else if (strcmp(what, "queue") == 0) {
        code = measure_queue(&(struct queue_way){ client, put_one, get_one });
    } else if (strcmp(what, "queue-many") == 0) {
        code = measure_queue(&(struct queue_way){ client, put_batch, get_batch });
    } else if (strcmp(what, "dict") == 0) {
        code = measure_dict(&client);
    } else {
        fputs("usage: kith-managed serve|queue|queue-many|dict ADDRESS [sockets]    manager.py runs it\n", stderr);
        return 2;
    }
    return code < 0 ? turns_fail(what, code) : 0;
}
