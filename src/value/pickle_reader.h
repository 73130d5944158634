/* The machine that reads pickles, inside: what stands in the pickle, the stack, and what the opcodes do. */
#ifndef KITH_SRC_VALUE_PICKLE_READER_H
#define KITH_SRC_VALUE_PICKLE_READER_H

#include "base/error.h"
#include "value/pickle.h"

enum { READER_OWN_ROOM = 64 }; /* of the stack and of the memo, before they take memory from the heap */

struct reader {
    const unsigned char *start, *end;
    const unsigned char *at;     /* what comes next */
    const unsigned char *opcode; /* the one that is being done */
    kith_arena *arena;
    kith_value **stack; /* a mark is NULL, and one is at the bottom, below which nothing is taken */
    size_t height, stack_capacity;
    kith_value **memo; /* NULL where nothing was put; from memo_end on nothing was, and it is not written yet */
    size_t memo_end, memo_capacity;
    size_t memo_count;
    size_t values, max_values;
    size_t names_left; /* how many bytes of names of classes and functions there may be still */
    size_t containers; /* no value nests deeper than there are containers */
    const kith_pickle_read_options *options;
    size_t buffers_wanted;
    int protocol;
};

/** Says what is wrong, and where. @return KITH_EMALFORMED */
int reader_fail(const struct reader *reader, const char *format, ...) KITH_PRINTF(2, 3) __attribute__((cold));

/* ---- what stands in the pickle ---- */

/** The next bytes. @return NULL when there are not so many: that is told */
static inline const unsigned char *reader_take(struct reader *reader, size_t size)
{
    if (size > (size_t)(reader->end - reader->at)) {
        reader_fail(reader, "the pickle ends in the middle");
        return NULL;
    }
    const unsigned char *bytes = reader->at;
    reader->at += size;
    return bytes;
}

/** A number of so many bytes, the least significant first. @return 0, KITH_EMALFORMED */
static inline int reader_take_number(struct reader *reader, size_t width, uint64_t *number)
{
    const unsigned char *bytes = reader_take(reader, width);
    if (!bytes)
        return KITH_EMALFORMED;
    uint64_t sum = bytes[width - 1]; /* most are one byte */
    for (size_t i = width - 1; i > 0; i--)
        sum = sum << 8 | bytes[i - 1];
    *number = sum;
    return 0;
}

/** Bytes behind their number. */
static inline const unsigned char *reader_take_counted(struct reader *reader, size_t width, size_t *size)
{
    uint64_t count;
    if (reader_take_number(reader, width, &count) < 0)
        return NULL;
    *size = (size_t)count;
    return reader_take(reader, *size);
}

/** A line, without its end. @return NULL when there is none: that is told */
const char *reader_take_line(struct reader *reader, size_t *size);

/* ---- the stack ---- */

/** Makes the stack higher. */
int reader_grow_stack(struct reader *reader) __attribute__((cold));

static inline int reader_push(struct reader *reader, kith_value *value)
{
    if (reader->height == reader->stack_capacity) {
        int code = reader_grow_stack(reader);
        if (code < 0)
            return code;
    }
    reader->stack[reader->height++] = value;
    return 0;
}

/** Pushes a value that was just made. @param value  NULL: that failed, and the arena knows why */
static inline int reader_push_made(struct reader *reader, kith_value *value)
{
    if (!value)
        return reader->arena->last;
    if (reader->values++ == reader->max_values)
        return error_fail(KITH_ELIMIT, "the pickle has more values than the %zu that are allowed", reader->max_values);
    return reader_push(reader, value);
}

static inline int reader_push_container(struct reader *reader, kith_value *value)
{
    reader->containers++;
    return reader_push_made(reader, value);
}

/** @return NULL when a mark is on top, or nothing */
static inline kith_value *reader_top(const struct reader *reader)
{
    return reader->stack[reader->height - 1];
}

static inline kith_value *reader_pop(struct reader *reader)
{
    kith_value *value = reader_top(reader);
    if (value)
        reader->height--;
    return value;
}

/** Says that the opcode needs a value that is not there. @return KITH_EMALFORMED */
int reader_lacks_value(const struct reader *reader) __attribute__((cold));

/** Takes the last mark, and what is above it, off the stack.
 *  @return what was above it, count of them, good until the next push; NULL when there is no mark: that is told */
kith_value **reader_pop_mark(struct reader *reader, size_t *count);

/** Makes a tuple of values. */
int reader_push_tuple(struct reader *reader, kith_value *const *items, size_t count);

/* ---- opcodes ----
 *
 * Each does what Lib/pickletools.py says of it. Where there are several of a kind, width is how many bytes tell a
 * length or a number. They return 0; KITH_EMALFORMED, KITH_ELIMIT, -ENOMEM. */

/* Plain values. */
int read_small_int(struct reader *reader, size_t width);
int read_binint(struct reader *reader);
int read_long(struct reader *reader, size_t width);
int read_binfloat(struct reader *reader);
int read_str(struct reader *reader, size_t width);
int read_bytes(struct reader *reader, kith_kind kind, size_t width);
int read_old_string(struct reader *reader, size_t width);
typedef int read_text(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);
int read_line(struct reader *reader, read_text *read);

/* The memo. The place stands in so many bytes; 0: in a line, in decimal. */
int read_put(struct reader *reader, size_t width);
int read_get(struct reader *reader, size_t width);
int read_memoize(struct reader *reader);

/* Containers. */
int read_short_tuple(struct reader *reader, size_t count);
int read_tuple(struct reader *reader);
int read_frozenset(struct reader *reader);
int read_list(struct reader *reader);
int read_dict(struct reader *reader);
int read_append(struct reader *reader);
int read_appends(struct reader *reader);
int read_setitem(struct reader *reader);
int read_setitems(struct reader *reader);
int read_additems(struct reader *reader);

/** Whether a value takes steps (kith_object_step). */
static inline bool reader_takes_steps(const kith_value *value)
{
    return value && value->kind == KITH_OBJECT && value->object->form != KITH_OBJECT_BUFFER;
}

/** Refuses to put something into a value that does not take it, or is not there. @param what  "items" */
int reader_takes_no(const struct reader *reader, const kith_value *container, const char *what);

/* Objects. */
int read_global(struct reader *reader);
int read_stack_global(struct reader *reader);
int read_reduce(struct reader *reader);
int read_newobj(struct reader *reader, bool with_kwargs);
int read_obj(struct reader *reader);
int read_inst(struct reader *reader);
int read_persid(struct reader *reader);
int read_binpersid(struct reader *reader);
int read_extension(struct reader *reader, size_t width);
int read_next_buffer(struct reader *reader);
int read_readonly_buffer(struct reader *reader);
int read_build(struct reader *reader);
int read_pop(struct reader *reader);

#endif
