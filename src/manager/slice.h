/* Indexes and slices of lists and arrays, as Python reckons them. */
#ifndef KITH_SRC_MANAGER_SLICE_H
#define KITH_SRC_MANAGER_SLICE_H

#include <kith/value.h>

#include <stdbool.h>
#include <stddef.h>

/** Which items of so many: count of them from start on, each step behind the one before. */
struct slice {
    int64_t start;
    int64_t step; /* not 0 */
    size_t count;
};

/** Whether a value is a slice object, which comes as the call that makes it. */
bool slice_is(const kith_value *value);

/** Reckons a slice object. @param length  of what it is of
 *  @return 0; -EINVAL when the step is 0; KITH_ETYPE; with Python's sentence */
int slice_read(struct slice *slice, const kith_value *value, size_t length);

/** An index. @param what  "list": for the sentences @return 0; KITH_ETYPE; -ERANGE when it is beyond 64 bits */
int index_read(int64_t *index, const kith_value *value, const char *what);

/** An index or None, as of slices; one that is beyond 64 bits is held within them.
 *  @param number  stays as it is for NULL and None. @return 0; KITH_ETYPE */
int index_clamp(int64_t *number, const kith_value *value, bool may_be_none);

/** Whether an int of any size is below 0. */
bool index_is_negative(const kith_value *value);

/** Counts an index below 0 from the end, and holds it within 0 and length. */
size_t index_within(int64_t index, size_t length);

/** The place of an index, below 0 from the end. @return false when there is no such place */
bool index_place(int64_t index, size_t length, size_t *place);

/** The place of an item of a slice. */
static inline size_t slice_at(const struct slice *slice, size_t number)
{
    return (size_t)(slice->start + (int64_t)number * slice->step);
}

#endif
