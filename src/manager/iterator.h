/* Iterators over the keys of a dict or the items of a set: what their "__iter__" answers. */
#ifndef KITH_SRC_MANAGER_ITERATOR_H
#define KITH_SRC_MANAGER_ITERATOR_H

#include "manager/dictionary.h"
#include "manager/request.h"

/** Answers an iterator. It holds request->object, whose dictionary it goes through as it is then: when that changes in
 *  size meanwhile, it says so, as Python does.
 *  @param what  "dictionary", "Set": for that sentence. @return as request_answer_... */
int iterator_answer(struct request *request, const struct dictionary *dictionary, const char *what);

#endif
