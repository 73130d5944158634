/* Hashes of what values say, for who keeps keys beyond the life of an arena: where kith_value_set_item takes each
 * object for another, these are equal for objects that are written alike. */
#ifndef KITH_SRC_VALUE_CONTENT_H
#define KITH_SRC_VALUE_CONTENT_H

#include <kith/value.h>

/** The hash of a key. Values that are equal (kith_value_equal) have equal ones. It is good in this process. NaNs, which
 *  nothing equals, have another one each time.
 *  @param hash  receives it, never 0
 *  @return 0; KITH_ETYPE when the value is or holds what can change, with Python's sentence ("unhashable type:
 *          'list'"); KITH_ELIMIT when it nests deeper than KITH_KEY_DEPTH_MAX, or is too much to look at */
int value_content_hash(const kith_value *key, uint32_t *hash);

#endif
