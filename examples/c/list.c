/* list: makes a list that Python programs can open, and prints what it holds, as Python would.
 *
 *     $ ./list NAME &
 *     >>> from multiprocessing.shared_memory import ShareableList
 *     >>> list(ShareableList(name="NAME"))
 *
 * It ends when its input ends. */
#include "must.h"

#include <kith/list.h>

#include <inttypes.h>

static void print_item(const kith_list_item *item)
{
    switch (item->type) {
    case KITH_LIST_NONE:
        printf("None");
        break;
    case KITH_LIST_BOOL:
        printf(item->boolean ? "True" : "False");
        break;
    case KITH_LIST_INT:
        printf("%" PRId64, item->integer);
        break;
    case KITH_LIST_FLOAT:
        printf("%g", item->real);
        break;
    case KITH_LIST_STR:
        printf("'%s'", (const char *)item->data);
        break;
    case KITH_LIST_BYTES:
        printf("b'%s'", (const char *)item->data);
        break;
    }
}

int main(int count, char **arguments)
{
    const kith_list_item items[] = {
        { .type = KITH_LIST_STR, .data = "howdy", .size = 5 },
        { .type = KITH_LIST_BYTES, .data = "HoWdY", .size = 5 },
        { .type = KITH_LIST_FLOAT, .real = -273.154 },
        { .type = KITH_LIST_INT, .integer = 100 },
        { .type = KITH_LIST_NONE },
        { .type = KITH_LIST_BOOL, .boolean = 1 },
        { .type = KITH_LIST_INT, .integer = 42 },
    };
    kith_list *list;
    MUST(kith_list_open(&list, count > 1 ? arguments[1] : NULL, KITH_CREATE, items, sizeof items / sizeof *items));
    printf("ShareableList([");
    for (size_t i = 0; i < kith_list_length(list); i++) {
        kith_list_item item;
        MUST(kith_list_get(list, i, &item));
        printf(i ? ", " : "");
        print_item(&item);
        kith_list_item_free(&item);
    }
    printf("], name='%s')\n", kith_list_name(list));
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    MUST(kith_list_unlink(kith_list_name(list)));
    kith_list_free(list);
    return 0;
}
