/* What a method was given to be iterated over: a list or tuple, a set, a dict's keys, a text's characters, bytes; what
 * Python pickles as a call but is as plain (range, deque, views of dicts, arrays); and proxies of this server's lists,
 * dicts, sets and arrays, which stand for what they have. */
#ifndef KITH_SRC_MANAGER_ITEMS_H
#define KITH_SRC_MANAGER_ITEMS_H

#include "manager/cells.h"
#include "manager/request.h"

struct items {
    struct request *request;
    const kith_value *source; /* NULL: an object of this server */
    struct object *object;    /* that */
    size_t next;              /* which item comes next, as the source counts */
    int64_t first, step;      /* of a range */
    size_t count;             /* of a range */
};

/** Begins. @return 0; KITH_ETYPE, in Python's words, when it can't be iterated over */
int items_begin(struct items *items, struct request *request, const kith_value *value);

/** @param item  receives the next one, which lives as long as the request. @return 1; 0 at the end; a code */
int items_next(struct items *items, kith_value **item);

/** The same as a cell, which is held for the caller. @param key  made by cell_new_key */
int items_next_cell(struct items *items, bool key, struct cell **cell);

/** Appends all items of a value to a row. @return 0; a code, and then the row is as it may be */
int items_gather(struct request *request, const kith_value *value, bool keys, struct cells *cells);

/** Whether a value has pairs rather than items: a dict, an object that is one, a proxy of a dict. */
bool items_are_pairs(struct request *request, const kith_value *value);

/** What is set in such a value. @param number  from 0; it counts on. Both are held for the caller
 *  @return 1; 0 at the end; a code */
int items_next_pair(struct items *items, struct cell **key, struct cell **item);

#endif
