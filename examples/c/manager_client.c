/* manager_client: uses the objects of a server: manager_server's, or those of a Python program that has registered the
 * same names.
 *
 *     manager_client ADDRESS KEY
 */
#include "must.h"

#include <kith/manager.h>
#include <kith/proxy.h>

#include <string.h>

int main(int argc, char **argv)
{
    kith_manager *manager;
    kith_proxy *orders, *counter;
    kith_arena *arena; /* owns the values */
    kith_value *order, *total;
    const char *text;
    int64_t number;
    if (argc != 3) {
        fprintf(stderr, "usage: manager_client ADDRESS KEY\n");
        return 2;
    }
    kith_manager_options options = { .authkey = argv[2], .authkey_size = strlen(argv[2]) };
    MUST(kith_arena_new(&arena));
    MUST(kith_manager_connect(&manager, argv[1], &options, KITH_SECONDS(10)));

    MUST(kith_manager_create(manager, &orders, "get_orders", KITH_NO_ARGS, NULL));
    MUST(kith_proxy_put(orders, kith_value_str(arena, "a pound of nails"), KITH_FOREVER));
    MUST(kith_proxy_get(orders, arena, &order, KITH_SECONDS(10)));
    MUST(kith_proxy_task_done(orders));
    MUST(kith_value_as_str(order, &text, NULL));
    printf("%s\n", text);

    /* A type that only this server knows: its methods are called by name. */
    MUST(kith_manager_create(manager, &counter, "Counter", kith_value_pack(arena, "(i)", 5), NULL));
    MUST(kith_proxy_call(counter, "add", kith_value_pack(arena, "(i)", 2), NULL, NULL, NULL, KITH_FOREVER));
    MUST(kith_proxy_call(counter, "total", KITH_NO_ARGS, NULL, arena, &total, KITH_FOREVER));
    MUST(kith_value_as_int(total, &number));
    printf("%d\n", (int)number);

    kith_proxy_free(counter);
    kith_proxy_free(orders);
    kith_manager_free(manager);
    kith_arena_free(arena);
    return 0;
}
