/* Values as keys of dicts and items of sets: which can be one, their hashes, and when two are the same. */
#ifndef KITH_SRC_VALUE_KEY_H
#define KITH_SRC_VALUE_KEY_H

#include "value/equal.h"
#include "value/value.h"

/** Takes steps from what may still be taken. @return false when nothing is left */
static inline bool steps_take(uint64_t *steps, uint64_t count)
{
    if (*steps < count)
        return false;
    *steps -= count;
    return true;
}

/** Steps that comparing or hashing so many bytes costs. */
static inline uint64_t steps_of(size_t size)
{
    return 1 + size / 64;
}

/** Says that a comparison takes too long. @return KITH_ELIMIT */
int steps_exceeded(void) __attribute__((cold));

/** The hash of a text, as key_hash has it. Never 0. */
uint32_t text_hash(const char *text, size_t size);

/** A hash of an address, for who looks values up by what they are and not by what they say. */
uint32_t address_hash(const void *address);

/** The slow way of key_hash. */
int key_hash_slowly(const kith_value *key, uint32_t *hash);

/** The hash of a key: never 0; equal keys have equal ones. It is kept in the value, so that to ask again costs nothing,
 *  and a tuple that is many times in itself is looked at once.
 *  @return 0; KITH_ETYPE when it is or holds what can change; KITH_ELIMIT when it nests deeper than
 *          KITH_KEY_DEPTH_MAX */
static inline int key_hash(const kith_value *key, uint32_t *hash)
{
    *hash = __atomic_load_n(&key->hash, __ATOMIC_ACQUIRE); /* pairs with the release in keep */
    return *hash ? 0 : key_hash_slowly(key, hash);
}

/** The hash of a key that has been hashed. Another thread may be keeping the same one again at this moment. */
static inline uint32_t key_kept_hash(const kith_value *key)
{
    return __atomic_load_n(&key->hash, __ATOMIC_RELAXED);
}

/** Whether two keys are the same one. Both have been hashed, if they are tuples or frozensets.
 *  @param steps  how many this may take; counted down. @return 1 or 0; KITH_ELIMIT */
int key_equal(const kith_value *one, const kith_value *other, uint64_t *steps);

#endif
