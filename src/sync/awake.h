/* Waiting awake for a word to change, for as long as that has paid before: to sleep, and to be woken on a CPU that has
 * gone to sleep itself, takes longer than many an answer. */
#ifndef KITH_SRC_SYNC_AWAKE_H
#define KITH_SRC_SYNC_AWAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** A process's experience with one object; all zero at the beginning. */
struct experience {
    _Atomic int spins;
    _Atomic unsigned waits;
};

/** Looks at a word until it is another one than this. @return whether it is; false after some 30 us, or 150 us now and
 *  then, but for what those take to whom it offers the CPU meanwhile */
bool await_change(struct experience *experience, const _Atomic uint32_t *word, uint32_t value);

#endif
