/* The pairs of a dict, or the items of a set, as the rest of this floor searches them. */
#ifndef KITH_SRC_VALUE_TABLE_H
#define KITH_SRC_VALUE_TABLE_H

#include "value/value.h"

/** Searches for a key. @param steps  as for key_equal. @param pair  receives it, NULL when it is not there
 *  @return 0; KITH_ETYPE, KITH_ELIMIT */
int table_find(const struct table *table, const kith_value *key, uint64_t *steps, struct pair **pair);

/** Appends a pair without a look whether its key is there already. A table that takes pairs in this way is not searched
 *  before table_settle. @return 0, -ENOMEM, KITH_ELIMIT */
int table_append(struct table *table, kith_value *key, kith_value *item);

/** Hashes what has to be, after table_append. @return as value_table_put */
int table_settle(struct table *table);

#endif
