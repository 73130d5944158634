/* heap: three children build one list in shared memory, each a node of it, and their parent walks over it. */
#include "must.h"

#include <kith/heap.h>
#include <kith/process.h>

#include <string.h>

struct node {
    kith_relative next; /* holds good wherever the heap lies */
    char text[24];
};

static kith_heap *heap;

static int add_node(void *text)
{
    uint64_t offset = kith_heap_allocate(heap, sizeof(struct node));
    if (!offset) {
        fprintf(stderr, "kith_heap_allocate: %s\n", kith_error_detail());
        return 1;
    }
    struct node *node = kith_heap_at(heap, offset);
    strncpy(node->text, text, sizeof node->text - 1);
    node->text[sizeof node->text - 1] = '\0';

    /* Puts it before the first one; again, when another process was quicker. */
    uint64_t first;
    do {
        first = kith_heap_root(heap);
        kith_relative_set(&node->next, kith_heap_at(heap, first));
    } while (kith_heap_set_root(heap, first, offset) < 0);
    return 0;
}

int main(void)
{
    static char texts[3][8] = { "one", "two", "three" };
    MUST(kith_heap_new(&heap, 1 << 16));
    for (int i = 0; i < 3; i++) {
        kith_process *child;
        MUST(kith_process_start(&child, add_node, texts[i], NULL));
        MUST(kith_process_join(child, KITH_FOREVER)); /* so that their order is known */
        MUST(kith_process_close(child));
    }
    const struct node *node = kith_heap_at(heap, kith_heap_root(heap));
    for (; node; node = kith_relative_get(&node->next))
        puts(node->text);
    kith_heap_free(heap);
    return 0;
}
