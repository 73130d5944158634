/* C numbers in a row, as Python's array.array keeps them: the kind Array, and arrays that come as arguments. */
#ifndef KITH_SRC_MANAGER_ARRAY_H
#define KITH_SRC_MANAGER_ARRAY_H

#include <kith/value.h>

#include <stdbool.h>
#include <stddef.h>

struct server;

struct array {
    char typecode; /* one of "bBuhHiIlLqQfdw" */
    size_t width;  /* of an item, in bytes */
    size_t count;
    unsigned char *data; /* count * width bytes, of this machine's order */
};

/** Begins an empty array. @return 0; -EINVAL when there is no such typecode */
int array_new(struct array *array, char typecode);

/** Gives it room for just so many items: those beyond what it had are 0. The memory is counted for the server; NULL: it
 *  is not. @return 0; -ENOMEM */
int array_resize(struct server *server, struct array *array, size_t count);
void array_free(struct server *server, struct array *array);

/** Reads and sets an item. @param index  below count
 *  @return the item, NULL when there is no memory; 0, KITH_ETYPE, -EOVERFLOW with Python's sentence */
kith_value *array_get(const struct array *array, size_t index, kith_arena *arena);
int array_set(struct array *array, size_t index, const kith_value *item);

/** The same of an array that is the state of the kind: for items.h. @return 1; 0 at the end; -ENOMEM */
int array_next(const struct array *array, kith_arena *arena, size_t index, kith_value **item);

/** What Python pickles arrays as: array.array(typecode, bytes), as managers do it. */
kith_value *array_value(const struct array *array, kith_arena *arena);

/** Whether a value is an array, in any of the ways that Python pickles one. */
bool array_is(const kith_value *value);

/** Reads such a value. Its memory is not counted: array_free(NULL, ...). @return 0; KITH_ETYPE, -EINVAL, -EOVERFLOW,
 *  -ENOMEM */
int array_read(struct array *array, const kith_value *value);

/** The items of such a value as a list. @return as array_read */
int array_begin(const kith_value **list, kith_arena *arena, const kith_value *value);

#endif
