#include "value/pickle_memo.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void memo_begin(struct memo *memo)
{
    memo->slots = NULL;
    memo->capacity = 0;
    memo->count = 0;
}

void memo_end(struct memo *memo)
{
    if (memo->slots != memo->own)
        free(memo->slots);
}

/** The slot of an address, or the free one where it would go. All bits of the address count in a way that is not linear
 *  (the finish of MurmurHash3, by Appleby): who makes up a pickle knows how far values are from each other, and must
 *  not be able to choose those that crowd into one corner. */
static struct memo_slot *slot_of(const struct memo *memo, const void *key)
{
    uint64_t hash = (uintptr_t)key;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
    size_t i = (size_t)(hash ^ hash >> 33) & (memo->capacity - 1);
    while (memo->slots[i].key && memo->slots[i].key != key)
        i = (i + 1) & (memo->capacity - 1);
    return &memo->slots[i];
}

size_t *memo_find(const struct memo *memo, const void *key)
{
    if (memo->count == 0)
        return NULL;
    struct memo_slot *slot = slot_of(memo, key);
    return slot->key ? &slot->number : NULL;
}

/** Makes the table twice as large. */
static int grow(struct memo *memo)
{
    struct memo before = { .slots = memo->slots, .capacity = memo->capacity };
    if (!before.slots) {
        memset(memo->own, 0, sizeof memo->own);
        memo->slots = memo->own;
        memo->capacity = MEMO_OWN_SLOTS;
        return 0;
    }
    struct memo_slot *slots = calloc(before.capacity, 2 * sizeof *slots);
    if (!slots)
        return error_fail(-ENOMEM, "no memory to remember more than %zu values", memo->count);
    memo->slots = slots;
    memo->capacity = 2 * before.capacity;
    for (size_t i = 0; i < before.capacity; i++) {
        if (before.slots[i].key)
            *slot_of(memo, before.slots[i].key) = before.slots[i];
    }
    if (before.slots != memo->own)
        free(before.slots);
    return 0;
}

int memo_put(struct memo *memo, const void *key, size_t number)
{
    if (memo->count >= memo->capacity / 2) {
        int code = grow(memo);
        if (code < 0)
            return code;
    }
    *slot_of(memo, key) = (struct memo_slot){ key, number };
    memo->count++;
    return 0;
}
