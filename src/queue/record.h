/* Positions and records: how far a queue has come, and how a message lies in its memory.
 *
 * A position is one 64-bit word that holds how many messages and how many units of 8 bytes have gone past since the
 * queue was made, both modulo. There are two: the tail, stored by putters, and the head, stored by getters. Storing one
 * is the commit of a put or a get: what was copied before becomes a message, or room. All else is derived, so an owner
 * that dies leaves nothing to repair.
 *
 * A record is a header of one unit, and the message, rounded up to whole units.
 */
#ifndef KITH_SRC_QUEUE_RECORD_H
#define KITH_SRC_QUEUE_RECORD_H

#include <kith/queue.h>

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define UNIT 8u

typedef uint64_t position; /* messages in the upper 30 bits, units in the lower 34 */

#define POSITION_UNITS_BITS 34
#define POSITION_UNITS_MASK (((uint64_t)1 << POSITION_UNITS_BITS) - 1)
#define POSITION_ITEMS_MASK KITH_QUEUE_ITEMS_MAX

/** Every queue begins shortly before both numbers overflow, so that no test can miss it. */
#define POSITION_START ((POSITION_ITEMS_MASK - 100) << POSITION_UNITS_BITS | (POSITION_UNITS_MASK - 2000))

/** The most units between head and tail: half of what a position can tell apart. 64 GiB. */
#define QUEUE_UNITS_MAX (((uint64_t)1 << (POSITION_UNITS_BITS - 1)))

static inline uint64_t position_units(position at)
{
    return at & POSITION_UNITS_MASK;
}

static inline uint64_t position_items(position at)
{
    return at >> POSITION_UNITS_BITS;
}

static inline uint64_t units_between(uint64_t from, uint64_t to)
{
    return (to - from) & POSITION_UNITS_MASK;
}

static inline uint64_t items_between(position from, position to)
{
    return (position_items(to) - position_items(from)) & POSITION_ITEMS_MASK;
}

/** The position behind one more message of so many units. */
static inline position position_after(position at, uint64_t units)
{
    uint64_t items = position_items(at) + 1; /* the shift back drops what overflows */
    return items << POSITION_UNITS_BITS | ((at + units) & POSITION_UNITS_MASK);
}

/** The half of a position that changes with every message, for os/futex.h. (It comes to be the same again after 32 GiB
 *  of messages: longer than anybody takes from a look at it to falling asleep.) */
static inline _Atomic uint32_t *position_half(_Atomic position *at)
{
    return (_Atomic uint32_t *)(void *)at + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 1 : 0);
}

/** How many units a message of size bytes takes, its header included. */
static inline uint64_t record_units(uint64_t size)
{
    return 1 + (size + UNIT - 1) / UNIT;
}

/* The header: the message's size in bytes. In a queue that redelivers, getters also keep in it who has the message: one
 * store takes it, or marks it done. */
#define RECORD_SIZE_BITS 35
#define RECORD_SIZE_MASK (((uint64_t)1 << RECORD_SIZE_BITS) - 1)
#define RECORD_DELIVERIES_SHIFT 35 /* 8 bits: how often it has been delivered */
#define RECORD_TAKER_SHIFT 43      /* 8 bits: 0: nobody, RECORD_DONE, or who has it: its seat, from 1 */
#define RECORD_TURN_SHIFT 51       /* 13 bits: how many it had taken before, modulo */
#define RECORD_TURN_MASK 0x1fffu
#define RECORD_DONE 0xffu

_Static_assert(KITH_QUEUE_MESSAGE_MAX <= RECORD_SIZE_MASK, "a size fits its bits");
_Static_assert(KITH_QUEUE_GETTERS_MAX < RECORD_DONE && KITH_QUEUE_DELIVERIES_MAX < 0xff, "so do seats and deliveries");

static inline void record_begin(char *record, uint64_t size)
{
    memcpy(record, &size, sizeof size);
}

static inline void record_write(char *record, const void *data, size_t size)
{
    record_begin(record, size);
    if (size > 0)
        memcpy(record + UNIT, data, size);
}

static inline uint64_t record_size(const char *record)
{
    uint64_t header;
    memcpy(&header, record, sizeof header);
    return header & RECORD_SIZE_MASK;
}

static inline char *record_data(char *record)
{
    return record + UNIT;
}

#endif
