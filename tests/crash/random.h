/* Random numbers that a seed replays: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators). */
#ifndef KITH_TESTS_CRASH_RANDOM_H
#define KITH_TESTS_CRASH_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/** A number from 0 to below - 1. */
static inline uint64_t random_below(uint64_t *state, uint64_t below)
{
    return random_next(state) % below;
}

#endif
