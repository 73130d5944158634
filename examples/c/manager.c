/* manager: a server of shared objects, and children that count words in one dict, under one lock. */
#include "must.h"

#include <kith/manager.h>
#include <kith/proxy.h>

#define CHILDREN 4
#define ROUNDS 250

struct shared {
    kith_proxy *counts; /* a dict */
    kith_proxy *lock;
};

/* A proxy that was made before the fork works in the child as well. */
static int count_words(void *context)
{
    static const char *const words[] = { "kith", "kin", "kindred" };
    const struct shared *shared = context;
    kith_arena *arena;
    MUST(kith_arena_new(&arena));
    for (int i = 0; i < ROUNDS; i++) {
        kith_arena_reset(arena);
        kith_value *word = kith_value_str(arena, words[i % 3]);
        kith_value *count;
        int64_t number;
        MUST(kith_proxy_acquire(shared->lock, KITH_FOREVER)); /* a dead child's lock is given back */
        MUST(kith_proxy_set_default(shared->counts, word, kith_value_int(arena, 0), arena, &count));
        MUST(kith_value_as_int(count, &number));
        MUST(kith_proxy_set_item(shared->counts, word, kith_value_int(arena, number + 1)));
        MUST(kith_proxy_release(shared->lock));
    }
    kith_arena_free(arena);
    return 0;
}

int main(void)
{
    kith_manager *manager;
    kith_process *children[CHILDREN];
    struct shared shared;
    kith_bytes text;
    MUST(kith_manager_start(&manager, NULL, NULL, NULL));
    MUST(kith_manager_create(manager, &shared.counts, "dict", KITH_NO_ARGS, NULL));
    MUST(kith_manager_create(manager, &shared.lock, "Lock", KITH_NO_ARGS, NULL));

    for (int i = 0; i < CHILDREN; i++)
        MUST(kith_process_start(&children[i], count_words, &shared, NULL));
    for (int i = 0; i < CHILDREN; i++) {
        MUST(kith_process_join(children[i], KITH_FOREVER));
        kith_process_close(children[i]);
    }

    MUST(kith_proxy_repr(shared.counts, &text));
    printf("%s\n", (const char *)text.data);
    kith_bytes_free(&text);
    kith_proxy_free(shared.lock);
    kith_proxy_free(shared.counts);
    kith_manager_free(manager); /* and its server ends */
    return 0;
}
