/* A bundle: the items of a chunk that is being made, in memory of this process's own, as they will lie in the store. */
#ifndef KITH_SRC_POOL_BUNDLE_H
#define KITH_SRC_POOL_BUNDLE_H

#include <kith/value.h>

#include <stddef.h>
#include <stdint.h>

/** Empty when all is zero. It keeps its memory for the next items. */
struct bundle {
    unsigned char *data; /* a struct item and its bytes, one behind the other */
    size_t size;         /* in bytes */
    size_t capacity;
    uint32_t count; /* items */
};

/** Adds an item: the arguments of a call. @param args  a tuple; NULL: an empty one
 *  @return 0; KITH_ELIMIT, -ENOTSUP, -ENOMEM with the detail: nothing was added */
int bundle_add_args(struct bundle *bundle, const kith_value *args);

/** Adds an item: a call whose one argument is this value. @return as bundle_add_args */
int bundle_add_argument(struct bundle *bundle, const kith_value *value);

/** Adds an item of bytes. @return 0 or -ENOMEM with the detail */
int bundle_add_bytes(struct bundle *bundle, const void *data, size_t size);

/** Takes all items out. */
void bundle_clear(struct bundle *bundle);

/** Frees its memory. */
void bundle_free(struct bundle *bundle);

#endif
