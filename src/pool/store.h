/* The store: where chunks lie. It is a part of the board's file, and the parent's alone to allocate from: workers read
 * what lies there in place. So its bookkeeping is in the parent's own memory, and no death of a worker touches it.
 *
 * It is cut into blocks. A block takes chunks one behind the other until it is full, and is free again when all of them
 * are; a large chunk has a run of blocks to itself. A few free blocks keep their memory; the others give it back.
 */
#ifndef KITH_SRC_POOL_STORE_H
#define KITH_SRC_POOL_STORE_H

#include "pool/board.h"

#define STORE_BLOCK ((size_t)256 * 1024) /* in bytes */

struct store;

/** @param board  must outlive the store
 *  @return 0 or -ENOMEM with the detail */
int store_new(struct store **store, const struct board *board);

/** NULL is fine. What the file has stays there, until it is closed. */
void store_free(struct store *store);

/** Allocates; one thread at a time. What lies there is anything.
 *  @param size   in bytes, at least 1
 *  @param place  receives the place, never 0; its address is a multiple of BOARD_LINE
 *  @return 0; -EMSGSIZE: more than the store can ever hold; -ENOSPC: it is full; -ENOMEM; -EFBIG; with the detail */
int store_allocate(struct store *store, size_t size, uint64_t *place);

/** Frees; one thread at a time. */
void store_release(struct store *store, uint64_t place);

/** @return the memory that the board has from the system, in bytes */
uint64_t store_memory(const struct store *store);

#endif
