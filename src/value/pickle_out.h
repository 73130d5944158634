/* Writing pickles into memory that the caller keeps. */
#ifndef KITH_SRC_VALUE_PICKLE_OUT_H
#define KITH_SRC_VALUE_PICKLE_OUT_H

#include <kith/codec.h>

#include <stdbool.h>

/** Where pickles are written, one after the other: what the longest one needed stays for the next. All zero is
 *  empty. */
struct pickle_out {
    unsigned char *data; /* the pickle */
    size_t size;         /* its length in bytes */
    size_t capacity;     /* of the memory at data */
    size_t fetched;      /* how often it refers to what is in its memo */
    bool lent;           /* the memory is the caller's, not from malloc: it is left when it gets too small */
};

/** As kith_pickle_write, but for where the pickle goes: it replaces what is in out. After a failure out is still good
 *  for the next pickle, and what it holds is nothing. */
KITH_MUST_USE int pickle_write_to(struct pickle_out *out, const kith_value *value,
                                  const kith_pickle_write_options *options);

/** Frees its memory, unless it is lent, and empties it. */
void pickle_out_free(struct pickle_out *out);

#endif
