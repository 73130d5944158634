/* Maps: tasks that are handed in by and by, as far as there is room; first by the thread that calls, then by the
 * keeper. */
#include "pool/map.h"

#include "pool/bundle.h"
#include "pool/chunk_size.h"
#include "pool/pool.h"

#include <stdlib.h>

enum {
    RUN_CHUNKS = 32,        /* so many chunks, */
    RUN_BYTES = 256 * 1024, /* or so many bytes, are made before they are handed in under the mutex */
};

/** What a map is given. */
struct items {
    const kith_value *values; /* list, tuple, set; NULL: messages */
    const kith_message *messages;
    size_t count;
    bool are_args; /* each value is the tuple of arguments */
};

struct feed {
    struct items items;
    kith_arena *arena; /* owns a copy of the values; NULL: there is none */
    void *copies;      /* of the messages, from malloc; NULL: none */
    size_t next;       /* the item that is handed in next */
    unsigned size;     /* of the last chunk */
    bool busy;         /* a thread hands in. Under the pool's mutex */
};

/* ---- a run: chunks that are made, and then handed in together ---- */

struct run {
    struct bundle bundle;
    struct load loads[RUN_CHUNKS];
    unsigned count;
    size_t first, next; /* the items: from, and up to */
    int code;           /* why the item behind them can't be handed in; 0: it can */
    char *detail;
};

static int add(struct bundle *bundle, const struct items *items, size_t index)
{
    if (!items->values)
        return bundle_add_bytes(bundle, items->messages[index].data, items->messages[index].size);
    const kith_value *value = kith_value_at(items->values, index);
    return items->are_args ? bundle_add_args(bundle, value) : bundle_add_argument(bundle, value);
}

/** Adds a chunk of up to so many items. @return whether all could be added */
static bool run_add_chunk(struct run *run, const struct items *items, unsigned size)
{
    size_t before = run->bundle.size;
    unsigned made = 0;
    while (made < size && run->code == 0) {
        run->code = add(&run->bundle, items, run->next);
        if (run->code == 0) {
            made++;
            run->next++;
        }
    }
    if (made > 0)
        run->loads[run->count++] = (struct load){ .size = run->bundle.size - before, .count = made };
    return run->code == 0;
}

/** Makes chunks of the next items. @param room  how many at most */
static void run_make(struct run *run, const struct kith_result *result, struct feed *feed,
                     struct chunk_outlook outlook, size_t room)
{
    bundle_clear(&run->bundle);
    run->count = 0;
    run->code = 0;
    run->first = run->next = feed->next;
    bool more = true;
    while (more && room > 0 && run->next < feed->items.count && run->count < RUN_CHUNKS &&
           run->bundle.size < RUN_BYTES) {
        outlook.left = feed->items.count - run->next;
        outlook.previous = feed->size;
        feed->size = chunk_size(&outlook);
        unsigned size = feed->size < room ? feed->size : (unsigned)room;
        more = run_add_chunk(run, &feed->items, size);
        room -= size;
    }
    run->detail = more ? NULL : strdup(kith_error_detail());
    const unsigned char *data = run->bundle.data;
    for (unsigned i = 0; i < run->count; i++) {
        run->loads[i].data = data;
        data += run->loads[i].size;
    }
    (void)result;
}

/** The item that could not be handed in ends with the reason. Under the mutex. */
static void end_next(struct kith_result *result, struct feed *feed, int code, const char *detail)
{
    result->pool->stats.done++;
    result_end(result, feed->next++, &(struct ending){ .code = code, .detail = detail });
}

/** Hands in what was made. Under the mutex.
 *  @return false: there is no memory for more now; when others end, there may be */
static bool run_hand_in(const struct run *run, struct kith_result *result, struct feed *feed)
{
    struct kith_pool *pool = result->pool;
    for (unsigned i = 0; i < run->count; i++) {
        int code = ledger_enter(pool, result, feed->next, &run->loads[i]);
        if (code < 0 && pool->ledger.used > 0)
            return false;
        for (uint32_t item = 0; item < run->loads[i].count && code < 0; item++)
            end_next(result, feed, code, kith_error_detail());
        if (code == 0)
            feed->next += run->loads[i].count;
    }
    result->count = feed->next;
    if (run->code < 0)
        end_next(result, feed, run->code, run->detail);
    return true;
}

/* ---- feeding ---- */

static void feed_free(struct feed *feed)
{
    kith_arena_free(feed->arena);
    free(feed->copies);
    free(feed);
}
