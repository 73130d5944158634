/* Answers that hold what a container has. They are put together of its cells as these are; only where one refers to its
 * memo, of which an answer has but one, they are built of values that are read. */
#ifndef KITH_SRC_MANAGER_SPLICE_H
#define KITH_SRC_MANAGER_SPLICE_H

#include "manager/contents.h"

/** Answers the cells of a slice as a list. @param slice  NULL: all. @return as request_answer_..., or a code */
int splice_list(struct request *request, const struct cells *cells, const struct slice *slice);

/** Answers what a dictionary has. */
int splice_dictionary(struct request *request, const struct dictionary *dictionary, enum contents form);

#endif
