/* Bare shared memory, for those who lay something out in it. */
#ifndef KITH_SRC_MEMORY_SEGMENT_H
#define KITH_SRC_MEMORY_SEGMENT_H

#include <kith/memory.h>

/** What a new segment is to hold. */
struct segment_plan {
    size_t size; /* in bytes, 1 or more */
    /** Fills it in, before anybody else can find it. It is all zero. NULL: so it stays. */
    void (*begin)(void *memory, const void *argument);
    const void *argument;
};

/** As kith_segment_new and kith_segment_open, of segments that hold something from the start. */
int segment_new(kith_segment **segment, const struct segment_plan *plan);
int segment_open(kith_segment **segment, const char *name, kith_open how, const struct segment_plan *plan);

#endif
