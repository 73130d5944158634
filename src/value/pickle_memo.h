/* A number for an address: which place in a pickle's memo a value has; how deep it nests.
 *
 * Open addressing. It begins with slots of its own, which most messages never exceed, and which nobody touches unless
 * something is put in. */
#ifndef KITH_SRC_VALUE_PICKLE_MEMO_H
#define KITH_SRC_VALUE_PICKLE_MEMO_H

#include <kith/base.h>

struct memo_slot {
    const void *key; /* NULL: free */
    size_t number;
};

enum { MEMO_OWN_SLOTS = 64 };

struct memo {
    struct memo_slot *slots; /* NULL until something is put in */
    size_t capacity;         /* a power of two */
    size_t count;
    struct memo_slot own[MEMO_OWN_SLOTS];
};

void memo_begin(struct memo *memo);
void memo_end(struct memo *memo);

/** @return where its number is; NULL when it has none. Good until the next memo_put */
size_t *memo_find(const struct memo *memo, const void *key);

/** Gives a number to an address that has none. @return 0, -ENOMEM */
KITH_MUST_USE int memo_put(struct memo *memo, const void *key, size_t number);

#endif
