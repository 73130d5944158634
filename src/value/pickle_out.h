/* Writing pickles into memory that the caller keeps, and reading those that lie in memory which may be kept. */
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

/** A piece of a pickle: opcodes, and behind them some values. */
struct pickle_piece {
    const void *opcodes; /* which do not use the memo */
    size_t size;
    const kith_value *const *values;
    size_t count;
};

/** As pickle_write_to, for a pickle of pieces that make one value together. So somebody else's values are parts of a
 *  pickle and of no container, which would change their marks. */
KITH_MUST_USE int pickle_write_pieces(struct pickle_out *out, const struct pickle_piece *pieces, size_t count,
                                      const kith_pickle_write_options *options);

/** Frees its memory, unless it is lent, and empties it. */
void pickle_out_free(struct pickle_out *out);

/** Reads a pickle that lies in memory from malloc. A long one becomes the arena's, and its long bytes are not copied:
 *  then pickle->data is NULL afterwards. @return as kith_pickle_read */
KITH_MUST_USE int pickle_read_message(kith_arena *arena, kith_value **value, kith_bytes *pickle);

#endif
