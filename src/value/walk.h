/* Walks over values without recursion: what a value consists of, part by part, and a stack of those that the walk is
 * in. */
#ifndef KITH_SRC_VALUE_WALK_H
#define KITH_SRC_VALUE_WALK_H

#include "value/value.h"

/** How many parts a value has: the items of a list, tuple or set; keys and items in turn of a dict; of an object what
 *  is called, args, kwargs, and key and item of each step. 0 for plain values. */
size_t value_part_count(const kith_value *value);

/** Where a part is kept. @param index  below value_part_count */
kith_value **value_part_place(const kith_value *value, size_t index);

/** @return the part; NULL where an object has none */
static inline kith_value *value_part(const kith_value *value, size_t index)
{
    return *value_part_place(value, index);
}

/** A value that the walk is in, and what goes beside it. */
struct frame {
    const kith_value *value;
    const kith_value *beside;
    size_t next; /* the part that comes next */
};

enum { WALK_FIRST = 16 };

struct walk {
    struct frame *frames;
    size_t count;
    size_t capacity;
    struct frame first[WALK_FIRST]; /* enough for most values: no memory from the heap */
};

void walk_begin(struct walk *walk);
void walk_end(struct walk *walk);

/** Goes into a value. @return 0; KITH_ELIMIT when that is deeper than KITH_VALUE_DEPTH_MAX; -ENOMEM */
int walk_enter(struct walk *walk, const kith_value *value, const kith_value *beside);

/** @return the value that the walk is in; NULL at its end */
static inline struct frame *walk_top(struct walk *walk)
{
    return walk->count ? &walk->frames[walk->count - 1] : NULL;
}

static inline void walk_leave(struct walk *walk)
{
    walk->count--;
}

#endif
