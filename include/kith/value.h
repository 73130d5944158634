/* kith/value.h: dynamic values: what programs say to each other when bytes alone do not tell enough.
 *
 * A value is none, a bool, an int of any size, a float, a str, bytes, a bytearray, a list, a tuple, a dict, a set, a
 * frozenset, or an object: something that only Python understands, kept as it came, so that it can be handed on.
 * The kinds are Python's, so that nothing is lost on the way to a Python program and back; kith/codec.h writes them
 * as pickles and as JSON.
 *
 * Ownership, in one rule: every value belongs to an arena, and lives until that arena is reset or freed. There is
 * nothing else to free, and nothing to count. A call that makes a value takes the arena that will own it. A value may
 * be put into containers of other arenas as long as its own lives longer. What kith_value_as_str and the like hand out
 * lies in the arena, too.
 *
 * Building. A call that makes a value returns it, or NULL when that failed. A NULL that is put into a container makes
 * that call fail, too, so a tree may be built without a look at each step: kith_arena_error tells at the end whether
 * all went well, and kith_value_pack builds a whole tree in one call.
 *
 * Reading. All calls that read take NULL for a value that is not there, and say so: kith_value_get(
 * kith_value_get(v, "a"), "b") needs no look in between. kith_value_unpack takes a whole tree apart in one call.
 *
 * Threads. An arena, with all its values, is used by one thread at a time; several may read at the same time as long
 * as nobody makes, changes or inserts. No call on values waits.
 */
#ifndef KITH_VALUE_H
#define KITH_VALUE_H

#include <kith/base.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arenas ---- */

/** Owns values. */
typedef struct kith_arena kith_arena;

/** Makes an empty arena. It takes memory from the heap in blocks as it needs them.
 *  @param arena  receives it; free it with kith_arena_free
 *  @return 0; -ENOMEM; -EINVAL when arena is NULL */
KITH_API KITH_MUST_USE int kith_arena_new(kith_arena **arena);

/** Ends all values of the arena, and makes it as new. Memory up to 64 KiB is kept for the next ones: a loop that resets
 *  its arena once a message soon allocates nothing any more. NULL is fine. */
KITH_API void kith_arena_reset(kith_arena *arena);

/** Ends all values of the arena, and it. NULL is fine. */
KITH_API void kith_arena_free(kith_arena *arena);

/** What failed first since the arena was made or reset.
 *  @return 0 when all values could be made; -ENOMEM; or the code of the first call on this arena or its containers that
 *          got a bad argument. -EINVAL when arena is NULL */
KITH_API int kith_arena_error(const kith_arena *arena);

/** The memory that the arena has from the heap, used or not. @return bytes; 0 when arena is NULL */
KITH_API size_t kith_arena_size(const kith_arena *arena);

/* ---- kinds ---- */

/** A value. It belongs to its arena. */
typedef struct kith_value kith_value;

typedef enum kith_kind {
    KITH_NONE = 1,
    KITH_BOOL,
    KITH_INT,       /**< of any size */
    KITH_FLOAT,     /**< a double */
    KITH_STR,       /**< text in UTF-8 */
    KITH_BYTES,     /**< immutable in Python */
    KITH_BYTEARRAY, /**< mutable in Python */
    KITH_LIST,
    KITH_TUPLE,
    KITH_DICT, /**< its pairs keep the order in which their keys came first */
    KITH_SET,
    KITH_FROZENSET,
    KITH_OBJECT /**< what only Python understands: see below */
} kith_kind;

/** @return the kind, 1 or more; 0 when value is NULL */
KITH_API int kith_value_kind(const kith_value *value);

/** @return "None", "bool", "int", "float", "str", "bytes", "bytearray", "list", "tuple", "dict", "set", "frozenset",
 *          "object"; "nothing" for 0, and for what is no kind */
KITH_API const char *kith_kind_name(int kind);

/* ---- making plain values: NULL when arena is NULL or there is no memory; more reasons are told each ---- */

KITH_API kith_value *kith_value_none(kith_arena *arena);
KITH_API kith_value *kith_value_bool(kith_arena *arena, int truth);
KITH_API kith_value *kith_value_int(kith_arena *arena, int64_t number);
KITH_API kith_value *kith_value_unsigned(kith_arena *arena, uint64_t number);

/** An int of any size.
 *  @param bytes  size bytes: two's complement, the least significant first, as Python's int.to_bytes(size, "little",
 *                signed=True) gives. Copied. May be NULL when size is 0, which is the int 0 */
KITH_API kith_value *kith_value_int_from_bytes(kith_arena *arena, const void *bytes, size_t size);

KITH_API kith_value *kith_value_float(kith_arena *arena, double number);

/** A text. @param text  ends with a NUL byte; copied. NULL also when it is NULL or not UTF-8 */
KITH_API kith_value *kith_value_str(kith_arena *arena, const char *text);

/** A text that may hold NUL bytes. @param size  in bytes. NULL also when text is NULL and size is not 0, or it is not
 *  UTF-8. Lone surrogates, which Python's str may hold, are taken, each as its three bytes ("surrogatepass") */
KITH_API kith_value *kith_value_str_sized(kith_arena *arena, const char *text, size_t size);

/** @param data  size bytes; copied. May be NULL when size is 0 */
KITH_API kith_value *kith_value_bytes(kith_arena *arena, const void *data, size_t size);
KITH_API kith_value *kith_value_bytearray(kith_arena *arena, const void *data, size_t size);

/** As kith_value_bytes, without a copy: data must live, and stay as it is, as long as the value does. */
KITH_API kith_value *kith_value_bytes_borrowed(kith_arena *arena, const void *data, size_t size);

/* ---- making containers ---- */

/** An empty list. It grows as items are appended. */
KITH_API kith_value *kith_value_list(kith_arena *arena);

/** Appends an item to a list.
 *  @return 0; -EINVAL when list or item is NULL; KITH_ETYPE when list is none; -ENOMEM */
KITH_API int kith_value_append(kith_value *list, kith_value *item);

/** A tuple. @param items  count of them; the array is copied, and may be NULL when count is 0. NULL also when one of
 *  them is NULL */
KITH_API kith_value *kith_value_tuple(kith_arena *arena, kith_value *const *items, size_t count);

/** The empty tuple, to be given where nothing is to be: KITH_NO_ARGS are the arguments of an entry point that has none.
 *  It belongs to no arena, lives as long as the program, and any thread may read it; it is not for being put into
 *  another value. @return it, never NULL */
KITH_API const kith_value *kith_value_no_args(void);
#define KITH_NO_ARGS kith_value_no_args()

/** An empty dict. */
KITH_API kith_value *kith_value_dict(kith_arena *arena);

/** Sets the value of a key: an equal key that is there keeps its place, and gets the new value. Keys are equal as in
 *  Python (1, 1.0 and True are one key); objects are equal to themselves only.
 *  @return 0; -EINVAL when one is NULL; KITH_ETYPE when dict is none, or key is or holds a list, a dict, a set or a
 *          bytearray, which can change and so are no keys; -ENOMEM; KITH_ELIMIT when key nests tuples and
 *          frozensets deeper than KITH_KEY_DEPTH_MAX, or to compare it with the keys that are there does not end within
 *          100 million steps */
KITH_API int kith_value_set_item(kith_value *dict, kith_value *key, kith_value *item);

/** How deep a key may nest tuples and frozensets. */
#define KITH_KEY_DEPTH_MAX 100

/** As kith_value_set_item, the key being a text. @param key  copied */
KITH_API int kith_value_set(kith_value *dict, const char *key, kith_value *item);

/** An empty set. Add to it with kith_value_add. */
KITH_API kith_value *kith_value_new_set(kith_arena *arena);

/** A frozenset of the items given. @param items  count of them; equal ones count once. NULL also when one is NULL or
 *  no key, as kith_value_set_item says */
KITH_API kith_value *kith_value_frozenset(kith_arena *arena, kith_value *const *items, size_t count);

/** Adds an item to a set, unless an equal one is in it. @return as kith_value_set_item */
KITH_API int kith_value_add(kith_value *set, kith_value *item);

/* ---- reading plain values ---- */

/** @param truth  receives 0 or 1. @return 0; KITH_ETYPE when value is no bool (or NULL); -EINVAL when truth is NULL */
KITH_API int kith_value_as_bool(const kith_value *value, int *truth);

/** @param number  receives it. @return 0; -ERANGE when it does not fit; KITH_ETYPE when value is neither an int nor a
 *  bool; -EINVAL when number is NULL */
KITH_API int kith_value_as_int(const kith_value *value, int64_t *number);
KITH_API int kith_value_as_unsigned(const kith_value *value, uint64_t *number);

/** The bytes of an int of any size, as kith_value_int_from_bytes takes them, and no more than it needs (0 has none).
 *  @param buffer    receives them; may be NULL when capacity is 0
 *  @param size      receives their number; also with -EMSGSIZE, where it tells what is needed
 *  @return 0; -EMSGSIZE when capacity is too small; KITH_ETYPE when value is no int; -EINVAL when size is NULL */
KITH_API int kith_value_as_int_bytes(const kith_value *value, void *buffer, size_t capacity, size_t *size);

/** @param number  receives it; an int is converted. @return 0; -ERANGE when an int is beyond all doubles; KITH_ETYPE
 *  when value is neither a float nor an int nor a bool; -EINVAL when number is NULL */
KITH_API int kith_value_as_float(const kith_value *value, double *number);

/** @param text  receives the text, which ends with a NUL byte, and lives as long as the value
 *  @param size  receives its length in bytes without that; NULL: the text must not hold NUL bytes
 *  @return 0; -EILSEQ when it holds NUL bytes and size is NULL; KITH_ETYPE when value is no str; -EINVAL when text is
 *          NULL */
KITH_API int kith_value_as_str(const kith_value *value, const char **text, size_t *size);

/** Of bytes, a bytearray, or a buffer that came with its data (KITH_OBJECT_BUFFER).
 *  @param data  receives where they lie, size bytes; they live as long as the value
 *  @return 0; KITH_ETYPE when value is nothing of these; -EINVAL when data or size is NULL */
KITH_API int kith_value_as_bytes(const kith_value *value, const void **data, size_t *size);

/* ---- reading containers ---- */

/** @return how many items a list, tuple, set or frozenset has, how many pairs a dict; how many bytes a str, bytes or
 *          bytearray; 0 for all else */
KITH_API size_t kith_value_length(const kith_value *value);

/** An item of a list or tuple, or of a set or frozenset, whose items have some order.
 *  @param index  from 0. @return the item; NULL when there is none, or value is nothing of these */
KITH_API kith_value *kith_value_at(const kith_value *value, size_t index);

/** A pair of a dict. @param key  receives it; may be NULL, as item. @return 1; 0 when there is none, or value is no
 *  dict */
KITH_API int kith_value_pair_at(const kith_value *value, size_t index, kith_value **key, kith_value **item);

/** What a dict has for a text. @return it; NULL when there is nothing, value is no dict, or key is NULL */
KITH_API kith_value *kith_value_get(const kith_value *dict, const char *key);

/** What a dict has for a key; or the item of a set or frozenset that equals key.
 *  @return it; NULL when there is nothing, value is nothing of these, or key can't be one */
KITH_API kith_value *kith_value_find(const kith_value *value, const kith_value *key);

/* ---- comparing, copying, showing ---- */

/** The deepest nesting that kith_value_equal, kith_value_copy, kith_value_repr and the writers of kith/codec.h take:
 *  beyond it they say KITH_ELIMIT. Making and reading have no such bound. */
#define KITH_VALUE_DEPTH_MAX 5000

/** Whether two values are equal, as Python's == has it: 1 == 1.0 == True; bytes and a bytearray of the same bytes are
 *  equal; so are a set and a frozenset of equal items; lists are no tuples. Objects are equal when their parts are; but
 *  as keys and as items of sets they are equal to themselves only, since only Python knows their hashes. A value equals
 *  itself, also where it holds itself.
 *  @return 1 or 0; -EINVAL when one is NULL; KITH_ELIMIT when they are nested too deep (or hold themselves), or the
 *          comparison does not end within 100 million steps; -ENOMEM */
KITH_API int kith_value_equal(const kith_value *one, const kith_value *other);

/** How two values stand to each other, as Python's < has it: numbers by their exact values, texts by code points, bytes
 *  and bytearrays by bytes, lists and tuples by their first items that are not equal, else the shorter one is less; a
 *  set is less than those that have all of its items and more.
 *  @param order  receives -1 when one < other, 1 when other < one, 0 when neither: they are equal, or have no order,
 *                as a NaN or sets have none
 *  @return 0; KITH_ETYPE when Python has no < for the two, with its sentence in the detail; KITH_ELIMIT when the
 *          comparison does not end within 100 million steps, or what is compared nests too deep; -EINVAL when something
 *          is NULL; -ENOMEM */
KITH_API KITH_MUST_USE int kith_value_compare(const kith_value *one, const kith_value *other, int *order);

/** Copies a value with all that it holds. What was shared, or held itself, is shared or holds itself in the copy.
 *  @param arena  owns the copy. @return the copy; NULL when value is NULL or nested too deep, or there is no memory */
KITH_API kith_value *kith_value_copy(kith_arena *arena, const kith_value *value);

/** Writes a value as Python's repr does: {'name': 'kith', 'sizes': [1, 2.5, None]}. An object looks like
 *  datetime.date(b'\x07\xe6\x01\x02'), with its steps behind: collections.deque().append(1); what holds itself shows
 *  [...] there. An int of more than 16,384 bits is in hexadecimal.
 *  @param text  receives UTF-8 with a NUL byte behind it, which size does not count; free it with kith_bytes_free
 *  @param max   the longest text in bytes; a longer one is cut and ends with "...". 0: no bound, which is not for what
 *               others sent: a small pickle may hold one list so often that its text is longer than any memory
 *  @return 0; -ENOMEM; KITH_ELIMIT when it is nested too deep; -EINVAL when value or text is NULL */
KITH_API KITH_MUST_USE int kith_value_repr(const kith_value *value, kith_bytes *text, size_t max);

/* ---- a whole tree in one call ---- */

/** Builds a value from a format and arguments.
 *
 *      n        None                                     no argument
 *      b        bool                                     int
 *      i, I     int                                      int; int64_t
 *      U        int                                      uint64_t
 *      f        float                                    double
 *      s        str                                      const char *
 *      s#       str                                      const char *, size_t: its length in bytes
 *      y, a     bytes; bytearray                         const void *, size_t
 *      v        a value, as it is                        kith_value *
 *      [...]    list of what is between
 *      (...)    tuple
 *      {...}    dict: key, value, key, value, ...
 *      <...>    set
 *
 *  Brackets may nest 100 deep. Spaces, commas and colons may stand anywhere, and mean nothing:
 *      kith_value_pack(arena, "{s:s, s:[i,i]}", "name", "kith", "size", 3, 4)
 *
 *  @return the value; NULL when the format is wrong (kith_error_detail says where), an argument could not be made a
 *          value, or there is no memory; kith_arena_error has the code */
KITH_API kith_value *kith_value_pack(kith_arena *arena, const char *format, ...);
KITH_API kith_value *kith_value_vpack(kith_arena *arena, const char *format, va_list arguments);

/** Takes a value apart, and checks that it looks as the format says. The letters are those of kith_value_pack; the
 *  arguments are where to store what is found, NULL for nowhere:
 *
 *      n        must be None; no argument                b, i     int *
 *      I        int64_t *                                U        uint64_t *
 *      f        double *; takes an int, too              s        const char **, of a str without NUL bytes
 *      s#       const char **, size_t *                  y, a     const void **, size_t *; either takes both kinds
 *      v        kith_value **: anything                  _        anything, stored nowhere
 *      [...]    a list of just so many items             (...)    a tuple of just so many
 *      {...}    a dict: the key is an argument, const char *, written as s; then what its value must be. Other keys
 *               may be there. "s?" instead of "s": the key may be missing, and then nothing is stored for its value
 *
 *  "*" as the last in [] or (): more items may follow. A "?" behind any other letter: None is taken, too, and then
 *  nothing is stored. Nothing is stored unless all fits. What is stored belongs to the value's arena.
 *      kith_value_unpack(v, "{s:s, s?:[i,i]}", "name", &name, "size", &width, &height)
 *
 *  @return 0; KITH_ETYPE when the value looks otherwise: kith_error_detail says where and how; -ERANGE when an int does
 *          not fit; -EILSEQ for a str with NUL bytes where "s" has no "#"; -EINVAL when value or format is NULL or the
 *          format is wrong; -ENOMEM */
KITH_API KITH_MUST_USE int kith_value_unpack(const kith_value *value, const char *format, ...);

/* ---- objects: what only Python understands ----
 *
 * A pickle does not hold an object but tells how to make it: a callable and its arguments, then a state to set, items
 * to append. Nothing of that is ever run here. An object value keeps those parts; the writer writes them back, and
 * Python makes an equal object of them. Which parts there are is Python's pickle protocol (Lib/pickle.py and
 * Lib/pickletools.py; docs.python.org/3/library/pickle.html, object.__reduce_ex__). */

typedef enum kith_object_form {
    KITH_OBJECT_GLOBAL = 1, /**< a class or function, by its name: module and qualified name */
    KITH_OBJECT_CALL,       /**< callable(*args) */
    KITH_OBJECT_NEW,        /**< class.__new__(class, *args, **kwargs) */
    KITH_OBJECT_INSTANCE,   /**< class(*args) as protocols 0 and 1 write it for old instances */
    KITH_OBJECT_PERSISTENT, /**< what the pickler's persistent_id gave: args is that id */
    KITH_OBJECT_EXTENSION,  /**< a number of Python's copyreg extension registry */
    KITH_OBJECT_BUFFER      /**< a buffer that was left out of the pickle (protocol 5) */
} kith_object_form;

/** @return the form, 1 or more; 0 when value is no object */
KITH_API int kith_object_get_form(const kith_value *value);

/** A class or function of Python's. @param module  as "datetime". @param name  as "date" or "Outer.Inner"
 *  @return it; NULL when one of the names is NULL or no UTF-8, or there is no memory */
KITH_API kith_value *kith_object_global(kith_arena *arena, const char *module, const char *name);

/** What callable(*args) makes. @param callable  as a rule a global. @param args  a tuple
 *  @return it; NULL when one is NULL, args is no tuple, or there is no memory */
KITH_API kith_value *kith_object_call(kith_arena *arena, kith_value *callable, kith_value *args);

/** What type.__new__(type, *args, **kwargs) makes, without calling its __init__.
 *  @param kwargs  a dict, or NULL for none. @return as kith_object_call */
KITH_API kith_value *kith_object_new(kith_arena *arena, kith_value *type, kith_value *args, kith_value *kwargs);

/** What happens to an object after it was made, in order. */
typedef enum kith_object_step {
    KITH_STEP_STATE = 1, /**< its __setstate__ or __dict__ gets a state */
    KITH_STEP_APPEND,    /**< an item is appended */
    KITH_STEP_SET_ITEM,  /**< object[key] = item */
    KITH_STEP_ADD,       /**< an item is added */
    KITH_STEP_CALL       /**< a call changes the object: the item is the call, an object whose first argument is this
                            one. So a class's "state_setter" is told */
} kith_object_step;

/** Adds a step to an object. @param key  for KITH_STEP_SET_ITEM, else NULL
 *  @return 0; KITH_ETYPE when object is none that can have steps; -EINVAL for NULL or a wrong step; -ENOMEM */
KITH_API int kith_object_add_step(kith_value *object, kith_object_step step, kith_value *key, kith_value *item);

/** The names of a global, or of the class or callable that an object is made by.
 *  @param module  receives it; may be NULL, as name. Both live as long as the value
 *  @return 0; KITH_ETYPE when value is no object, or what makes it has no such name */
KITH_API int kith_object_name(const kith_value *value, const char **module, const char **name);

/** Whether an object is made by this class or callable, or is that itself. @return 1 or 0 */
KITH_API int kith_object_is(const kith_value *value, const char *module, const char *name);

/** @return what is called, or the class; NULL for other forms */
KITH_API kith_value *kith_object_callable(const kith_value *value);

/** @return the tuple of arguments, or an object of which Python makes one; for KITH_OBJECT_PERSISTENT the id, for
 *          KITH_OBJECT_EXTENSION and KITH_OBJECT_BUFFER an int: the number, or which buffer, from 0; NULL for other
 *          forms */
KITH_API kith_value *kith_object_args(const kith_value *value);

/** @return the dict of keyword arguments; NULL when there are none */
KITH_API kith_value *kith_object_kwargs(const kith_value *value);

/** @return the last state that the object gets; NULL when there is none */
KITH_API kith_value *kith_object_state(const kith_value *value);

/** @return how many steps there are; 0 when value is no object */
KITH_API size_t kith_object_step_count(const kith_value *value);

/** One step. @param key, item  receive its parts, key NULL where the step has none; both may be NULL
 *  @return a kith_object_step; 0 when there is none at index */
KITH_API int kith_object_step_at(const kith_value *value, size_t index, kith_value **key, kith_value **item);

#ifdef __cplusplus
}
#endif

#endif
