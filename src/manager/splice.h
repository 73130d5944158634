/* Answers that hold what a container has. They are put together of its cells as these are; only where one refers to its
 * memo, of which an answer has but one, they are built of values that are read. */
#ifndef KITH_SRC_MANAGER_SPLICE_H
#define KITH_SRC_MANAGER_SPLICE_H

#include "manager/cells.h"
#include "manager/dictionary.h"
#include "manager/request.h"
#include "manager/slice.h"

/** Answers the cells of a slice as a list. @param slice  NULL: all. @return as request_answer_..., or a code */
int splice_list(struct request *request, const struct cells *cells, const struct slice *slice);

enum splice { SPLICE_KEYS, SPLICE_ITEMS, SPLICE_PAIRS, SPLICE_DICT, SPLICE_SET };

/** Answers what a dictionary has: as a list of keys, of items or of pairs, as a dict, or its keys as a set. */
int splice_dictionary(struct request *request, const struct dictionary *dictionary, enum splice form);

#endif
