/* What containers have, as values and as texts: replies that hold many cells are built of values that are read, since
 * each cell has a memo of its own. */
#ifndef KITH_SRC_MANAGER_CONTENTS_H
#define KITH_SRC_MANAGER_CONTENTS_H

#include "manager/cells.h"
#include "manager/dictionary.h"
#include "manager/request.h"
#include "manager/slice.h"

/** Looks whether what holds one cell again and again, as [text] * n does, can be put together, so many times over.
 *  @param slice  NULL: all. @return 0; -ENOMEM when that is far more than is kept */
int contents_check(const struct cells *cells, const struct slice *slice, size_t times);

/** The cells of a slice as a list. @param slice  NULL: all
 *  @return 0; a code */
int contents_list(kith_arena *arena, const struct cells *cells, const struct slice *slice, kith_value **list);

/** What a dictionary has, in order: as a list of keys, of items or of pairs, as a dict, or its keys as a set. */
enum contents { CONTENTS_KEYS, CONTENTS_ITEMS, CONTENTS_PAIRS, CONTENTS_DICT, CONTENTS_SET };
int contents_of_dictionary(kith_arena *arena, const struct dictionary *dictionary, enum contents form,
                           kith_value **value);

/** Answers how Python shows a value, in which proxies look like Python's. */
int contents_show(struct request *request, const kith_value *value);

/** The longest texts: of what is shown for its own sake, a small value may hold one list so often that its text has no
 *  end; and of what is in an error's text. */
enum { CONTENTS_TEXT_MAX = 8 << 20, CONTENTS_ERROR_MAX = 1 << 16 };

/** A text of what Python shows of a value. @param text  receives it; free it with kith_bytes_free */
int contents_text(const kith_value *value, size_t max, kith_bytes *text);

/** What Python calls the type of a value: of a proxy, its class. @return it; it lives as long as the value */
const char *contents_type_name(const kith_value *value);

/** Answers what was made, or fails with the code of its making. */
static inline int contents_answer(struct request *request, int code, const kith_value *value)
{
    return code < 0 ? code : request_answer_value(request, value);
}

/** Raises an exception whose argument is a cell's value: KeyError. */
int contents_raise(struct request *request, const char *exception, const struct cell *cell);

#endif
