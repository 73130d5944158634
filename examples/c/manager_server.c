/* manager_server: objects for programs that are no relatives, in C or Python: a queue, and counters, a type of its own.
 *
 *     manager_server ADDRESS KEY
 *
 * A Python program uses them like this:
 *
 *     class Shop(BaseManager): pass
 *     Shop.register("get_orders")
 *     Shop.register("Counter")
 *     shop = Shop(address, authkey)   # "/run/shop" for unix:/run/shop
 *     shop.connect()
 *     shop.get_orders().put("a pound of nails")
 *     counter = shop.Counter(5)
 *     counter.add(2)
 *     print(counter.total())          # 7
 */
#include "must.h"

#include <kith/manager.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- the type: a constructor, two methods, an end ---- */

struct counter {
    int64_t total;
};

static int counter_make(void *object, kith_call *call)
{
    (void)object;
    int64_t start = 0;
    if (kith_value_length(kith_call_args(call)) > 0) {
        int code = kith_value_unpack(kith_call_args(call), "(I)", &start);
        if (code < 0)
            return code; /* the client gets a TypeError that says what was expected */
    }
    struct counter *counter = malloc(sizeof *counter);
    if (!counter)
        return kith_fail(-ENOMEM, "no memory for a counter");
    counter->total = start;
    return kith_call_return_object(call, counter);
}

static int counter_add(void *object, kith_call *call)
{
    struct counter *counter = object;
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    if (code < 0)
        return code;
    if (number < 0)
        return kith_fail(-EINVAL, "a counter only goes up"); /* a ValueError there */
    counter->total += number;
    return 0;
}

static int counter_total(void *object, kith_call *call)
{
    const struct counter *counter = object;
    return kith_call_return(call, kith_value_int(kith_call_arena(call), counter->total));
}

static const kith_method counter_methods[] = {
    { .name = "add", .function = counter_add },
    { .name = "total", .function = counter_total, .reads = 1 },
    { .name = NULL },
};

static const kith_type counter_type = {
    .name = "Counter",
    .methods = counter_methods,
    .make = counter_make,
    .end = free,
};

/* ---- the server ---- */

static kith_server *server;

static void stop(int number)
{
    (void)number;
    kith_server_stop(server);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: manager_server ADDRESS KEY\n");
        return 2;
    }
    kith_server_options options = { .listener = { .authkey = argv[2], .authkey_size = strlen(argv[2]) } };
    MUST(kith_server_new(&server, argv[1], &options));
    MUST(kith_server_register(server, &counter_type));
    MUST(kith_server_publish(server, "get_orders", "JoinableQueue", KITH_NO_ARGS, NULL, NULL));
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    printf("%s\n", kith_server_address(server));
    fflush(stdout);
    MUST(kith_server_run(server));
    kith_server_free(server);
    return 0;
}
