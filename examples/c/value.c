/* value: an order is put together, read, taken apart and shown.
 *
 * All values belong to one arena and end with it: nothing else is freed. */
#include "must.h"

#include <kith/value.h>

static void read_one_by_one(const kith_value *order)
{
    const char *customer;
    MUST(kith_value_as_str(kith_value_get(order, "customer"), &customer, NULL));
    const kith_value *items = kith_value_get(order, "items");
    printf("%s orders:\n", customer);
    for (size_t i = 0; i < kith_value_length(items); i++) {
        const char *name;
        int count;
        double price;
        MUST(kith_value_unpack(kith_value_at(items, i), "(s,i,f)", &name, &count, &price));
        printf("  %d %s, %.2f each\n", count, name, price);
    }
}

static void take_apart_at_once(const kith_value *order)
{
    int number, weeks = 2;
    const char *customer;
    kith_value *items;
    MUST(kith_value_unpack(order, "{s:i, s:s, s:v, s?:i}", "number", &number, "customer", &customer, "items", &items,
                           "weeks", &weeks));
    printf("order %d of %s, %zu items, in %d weeks\n", number, customer, kith_value_length(items), weeks);

    /* What is not as it should be is told with its place, and nothing is stored. */
    if (kith_value_unpack(order, "{s:[(s,s,_),*]}", "items", &customer, &customer) < 0)
        printf("no: %s\n", kith_error_detail());
}

int main(void)
{
    kith_arena *arena;
    MUST(kith_arena_new(&arena));
    kith_value *order = kith_value_pack(arena, "{s:i, s:s, s:[(s,i,f), (s,i,i)], s:n}", "number", 7, "customer", "孩子",
                                        "items", "milk", 2, 1.25, "bread", 1, 3, "paid");
    kith_value_set(order, "tags", kith_value_pack(arena, "[s,b,y]", "it's urgent", 1, "\x00\xff", (size_t)2));
    MUST(kith_arena_error(arena)); /* whatever failed above */

    read_one_by_one(order);
    take_apart_at_once(order);

    kith_bytes text;
    MUST(kith_value_repr(order, &text, 0));
    printf("%s\n", (char *)text.data);
    kith_bytes_free(&text);
    kith_arena_free(arena);
    return 0;
}
