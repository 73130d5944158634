/* Values inside: what a node looks like, and the quick ways of the readers and writers of this floor.
 *
 * A node is 24 bytes; what does not fit lies beside it in the arena. A node's marks tell a writer what it need not
 * remember: a value that nothing refers to twice is written without a place in the pickle's memo. Each time a value is
 * put into a container it gets a mark: VALUE_INSERTED the first time, VALUE_SHARED from the second on. So every value
 * that a walk from some root meets twice is SHARED, or it is that root, and INSERTED. (A walk that meets the same tuple
 * or object twice, because it is a part of itself, meets its parts twice, too, whatever their marks say.)
 *
 * A list, dict or set that something is put into when a container holds it already, or that is put into itself, is
 * VALUE_GREW. What is not was whole before anything held it, as a tuple always is; so there is one that GREW, or an
 * object's step, on each way that leads from a value back to it.
 */
#ifndef KITH_SRC_VALUE_VALUE_H
#define KITH_SRC_VALUE_VALUE_H

#include <kith/value.h>

#include "value/arena.h"

#include <stdbool.h>

enum { VALUE_INSERTED = 1, VALUE_SHARED = 2, VALUE_BIG = 4 /* an int that is kept as bytes */, VALUE_GREW = 8 };

struct kith_value {
    uint8_t kind; /* kith_kind */
    uint8_t marks;
    uint16_t height; /* of a tuple or frozenset whose hash is known: how deep it nests, 1 or more */
    uint32_t hash;   /* 0 as long as nobody needed it. hash.c has the rest */
    union {
        bool truth;
        int64_t integer; /* of KITH_INT without VALUE_BIG */
        double real;
        struct {
            const char *data; /* of a str with a NUL byte behind it. Of a big int: two's complement, little end first,
                                 no byte more than it needs, and more than 8 of them */
            size_t size;
        } bytes;                   /* of KITH_STR, KITH_BYTES, KITH_BYTEARRAY, and VALUE_BIG */
        struct sequence *sequence; /* of KITH_LIST, KITH_TUPLE */
        struct table *table;       /* of KITH_DICT, KITH_SET, KITH_FROZENSET */
        struct object *object;     /* of KITH_OBJECT */
    };
};

/** The items of a list or a tuple. */
struct sequence {
    kith_value **items;
    size_t count;
    size_t capacity;
    kith_arena *arena;
};

/** The pairs of a dict, or the items of a set, in the order of their coming. Few are searched one by one, many have an
 *  index. table.c has the rest. */
struct pair {
    kith_value *key;
    kith_value *item; /* NULL in a set */
};

struct table {
    struct pair *pairs;
    size_t count;
    size_t capacity;
    kith_arena *arena;
    uint32_t *index; /* NULL while there is none; table.c tells its form */
    size_t slots;
};

/** One step of an object's making. */
struct step {
    kith_object_step kind;
    kith_value *key;
    kith_value *item;
};

struct object {
    kith_object_form form;
    const char *module; /* of KITH_OBJECT_GLOBAL */
    const char *name;
    kith_value *callable;
    kith_value *args; /* as kith_object_args says */
    kith_value *kwargs;
    struct step *steps;
    size_t count;
    size_t capacity;
    kith_arena *arena;
    const void *data; /* of KITH_OBJECT_BUFFER: its bytes, where they came with it; else NULL */
    size_t size;
    bool read_only; /* of KITH_OBJECT_BUFFER */
};

/** A node without content. @return NULL as arena_take */
static inline kith_value *value_new(kith_arena *arena, kith_kind kind)
{
    kith_value *value = arena_take(arena, sizeof *value);
    if (value) {
        value->kind = (uint8_t)kind;
        value->marks = 0;
        value->height = 0;
        value->hash = 0;
    }
    return value;
}

static inline bool value_is_table(const kith_value *value)
{
    return value->kind == KITH_DICT || value->kind == KITH_SET || value->kind == KITH_FROZENSET;
}

/** Notes that a container holds it. */
static inline void value_insert(kith_value *value)
{
    value->marks = (uint8_t)(value->marks | (value->marks & VALUE_INSERTED ? VALUE_SHARED : VALUE_INSERTED));
}

/** Notes that something was put into a list, dict or set. */
static inline void value_grow(kith_value *container)
{
    container->marks = (uint8_t)(container->marks | (container->marks & VALUE_INSERTED ? VALUE_GREW : 0));
}

/** The arena of a container or an object. @return NULL when value is neither, or NULL */
kith_arena *value_arena(const kith_value *value);

/** Refuses a part of a value that is not there: the call that should have made it failed. What that call said stays the
 *  detail. @return -EINVAL */
int value_refuse_nothing(kith_arena *arena, const char *what);

/** Says that a value is of another kind. @return KITH_ETYPE */
int value_is_no(const kith_value *value, const char *wanted) __attribute__((cold));

/* The makers that readers use; they check nothing that their callers know. NULL as arena_take. */

static inline kith_value *value_int(kith_arena *arena, int64_t number)
{
    kith_value *value = value_new(arena, KITH_INT);
    if (value)
        value->integer = number;
    return value;
}

static inline kith_value *value_float(kith_arena *arena, double number)
{
    kith_value *value = value_new(arena, KITH_FLOAT);
    if (value)
        value->real = number;
    return value;
}

/** A str whose bytes are text already checked (utf8_is_text, or with surrogates). Copied. */
kith_value *value_str(kith_arena *arena, const char *text, size_t size);

/** Bytes that are not copied. @param kind  KITH_BYTES or KITH_BYTEARRAY */
kith_value *value_borrow(kith_arena *arena, kith_kind kind, const void *data, size_t size);

/** An empty list, a tuple of so many items that are not there yet (sequence->items, count of them, to be written, each
 *  with value_insert, before anybody else sees the tuple). */
kith_value *value_list(kith_arena *arena, size_t capacity);
kith_value *value_tuple(kith_arena *arena, size_t count);

/** Appends count items at once. @return 0, -ENOMEM, KITH_ELIMIT */
int value_extend(kith_value *list, kith_value *const *items, size_t count);

/** An empty dict, set or frozenset with room for capacity entries. */
kith_value *value_table(kith_arena *arena, kith_kind kind, size_t capacity);

/** Sets a pair, or adds an item (item NULL), as kith_value_set_item; also to a frozenset that nobody else has seen yet.
 *  @return 0, KITH_ETYPE, KITH_ELIMIT, -ENOMEM */
int value_table_put(kith_value *table, kith_value *key, kith_value *item);

/** An object with nothing in it but its form. */
kith_value *value_object(kith_arena *arena, kith_object_form form);

/** Adds a step, as kith_object_add_step, which checks what it is given. @return 0, -ENOMEM, KITH_ELIMIT */
int value_add_step(kith_value *object, kith_object_step step, kith_value *key, kith_value *item);

/** Whether these bytes are UTF-8, or would be if lone surrogates counted as characters (Python's "surrogatepass"). */
bool value_is_text(const void *bytes, size_t size);

#endif
