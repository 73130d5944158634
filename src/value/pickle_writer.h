/* What the parts of the pickle writer have in common: bytes to put, the memo, and each other. All return 0 or a
 * code. */
#ifndef KITH_SRC_VALUE_PICKLE_WRITER_H
#define KITH_SRC_VALUE_PICKLE_WRITER_H

#include "base/error.h"
#include "value/pickle.h"
#include "value/pickle_memo.h"

/** A container or object whose parts are being written. */
struct level {
    const kith_value *value;
    size_t next; /* the part that comes next, as value_part counts them */
    size_t stop; /* where the batch ends: then its opcode is due */
    unsigned char due;
    bool unpacked;   /* a tuple of which no tuple is made */
    bool remembered; /* it is made of its parts, and remembered when they are written: writer_late_end */
};

enum { WRITER_OWN_LEVELS = 16 }; /* before they take memory from the heap */

struct writer {
    struct pickle_out *out;
    size_t room; /* how long the pickle gets before grow has to look: the memory's size, or the limit */
    size_t limit;
    const kith_value *root;
    const kith_pickle_write_options *options;
    int protocol;
    struct level *levels; /* the inmost last */
    size_t depth, level_capacity;
    unsigned late;    /* how many values are being written that are made of their parts, and may be among them */
    unsigned objects; /* how many of these are objects */
    size_t again;     /* how many parts of these were written once more */
    size_t places;    /* how many of the pickle's memo are used */
    struct memo memo;
    struct level own[WRITER_OWN_LEVELS];
};

/* ---- bytes ---- */

static inline void writer_set_room(struct writer *writer)
{
    writer->room = writer->out->capacity < writer->limit ? writer->out->capacity : writer->limit;
}

/** Makes room for size bytes more. */
int writer_grow(struct writer *writer, size_t size) __attribute__((cold));

static inline int writer_reserve(struct writer *writer, size_t size)
{
    return size <= writer->room - writer->out->size ? 0 : writer_grow(writer, size);
}

static inline int writer_put_byte(struct writer *writer, unsigned char byte)
{
    int code = writer_reserve(writer, 1);
    if (code == 0)
        writer->out->data[writer->out->size++] = byte;
    return code;
}

static inline int writer_put_bytes(struct writer *writer, const void *bytes, size_t size)
{
    int code = writer_reserve(writer, size);
    if (code < 0)
        return code;
    if (size)
        memcpy(writer->out->data + writer->out->size, bytes, size);
    writer->out->size += size;
    return 0;
}

/** An opcode and a number of so many bytes, the least significant first. */
static inline int writer_put_number(struct writer *writer, unsigned char opcode, uint64_t number, size_t width)
{
    int code = writer_reserve(writer, 1 + width);
    if (code < 0)
        return code;
    unsigned char *at = writer->out->data + writer->out->size;
    *at = opcode;
    for (size_t i = 0; i < width; i++)
        at[1 + i] = (unsigned char)(number >> (8 * i));
    writer->out->size += 1 + width;
    return 0;
}

/** The opcodes for the same thing, by how many bytes tell its length. 0: the protocol has none. */
struct opcodes {
    unsigned char one, four, eight;
};

/** An opcode, a length, and so many bytes. */
static inline int writer_put_counted(struct writer *writer, struct opcodes opcodes, const void *bytes, size_t size)
{
    int code;
    if (size <= UINT8_MAX && opcodes.one)
        code = writer_put_number(writer, opcodes.one, size, 1);
    else if (size <= UINT32_MAX && opcodes.four)
        code = writer_put_number(writer, opcodes.four, size, 4);
    else if (opcodes.eight)
        code = writer_put_number(writer, opcodes.eight, size, 8);
    else
        code = error_fail(KITH_ELIMIT, "protocol %d has no word for %zu bytes", writer->protocol, size);
    return code < 0 ? code : writer_put_bytes(writer, bytes, size);
}

static inline int writer_put_text(struct writer *writer, const char *text, size_t size)
{
    if (size <= UINT8_MAX && writer->protocol >= 4) { /* nearly all */
        int code = writer_reserve(writer, 2 + size);
        if (code < 0)
            return code;
        unsigned char *at = writer->out->data + writer->out->size;
        at[0] = OP_SHORT_BINUNICODE;
        at[1] = (unsigned char)size;
        few_copy(at + 2, text, size);
        writer->out->size += 2 + size;
        return 0;
    }
    static const struct opcodes before_4 = { .four = OP_BINUNICODE },
                                since_4 = { OP_SHORT_BINUNICODE, OP_BINUNICODE, OP_BINUNICODE8 };
    return writer_put_counted(writer, writer->protocol < 4 ? before_4 : since_4, text, size);
}

/* ---- memo ---- */

/** Whether the pickle may refer to this value once more. */
static inline bool writer_remembers(const struct writer *writer, const kith_value *value)
{
    return value->marks & VALUE_SHARED || writer->late || (value == writer->root && value->marks & VALUE_INSERTED);
}

/** Puts what was written last into the memo. */
int writer_remember(struct writer *writer, const kith_value *value);

static inline int writer_remember_if_needed(struct writer *writer, const kith_value *value)
{
    return writer_remembers(writer, value) ? writer_remember(writer, value) : 0;
}

/** Fetches what is in a place of the memo. */
int writer_fetch(struct writer *writer, size_t place);

/** Where a value is in the pickle's memo. @return NULL when it is not there, or not yet */
const size_t *writer_place_of(const struct writer *writer, const kith_value *value);

/** What was made of the parts is on the stack now.
 *  @param code  what writing that said
 *  @return 0; 1 when it had been made meanwhile, as one of its own parts, and is complete */
int writer_late_end(struct writer *writer, const struct level *level, int code);

/* ---- levels ---- */

/** Goes into a value. @param level  receives where the writer is now; good until another one is entered
 *  @return 0, KITH_ELIMIT, -ENOMEM */
int writer_enter(struct writer *writer, const kith_value *value, struct level **level);

/** Goes into a value that is made of its parts. @return as writer_enter */
int writer_enter_late(struct writer *writer, const kith_value *value, struct level **level);

/** Makes more room for levels. */
int writer_grow_levels(struct writer *writer) __attribute__((cold));

/** Begins a batch: up to count entries of so many parts, fewer where no more are left. @param left  how many entries
 *  are left. @param one  the opcode for a single entry; 0: that for many does it */
int writer_begin_batch(struct writer *writer, struct level *level, size_t left, size_t parts, unsigned char one,
                       unsigned char many);

/* ---- values ---- */

/** Writes a plain value, or what a container or object begins with, and goes into it. */
int write_value(struct writer *writer, const kith_value *value);
int write_bytes(struct writer *writer, const void *data, size_t size);
int write_bytearray(struct writer *writer, const void *data, size_t size);

/** Writes what it begins with: a list, dict, tuple, set, frozenset; an object. */
int begin_container(struct writer *writer, const kith_value *value);
int begin_object(struct writer *writer, const kith_value *value);

/** Whether a part of an object is a tuple that is written as its items only. */
static inline bool is_unpacked(const struct object *object, const kith_value *part)
{
    return object->form == KITH_OBJECT_INSTANCE && object->args == part;
}

/** Writes the items of a tuple. */
int begin_unpacked(struct writer *writer, const kith_value *tuple);

/** Begins the next batch of a level, or ends the value: what it is for. @return 0; 1 at the end */
int turn_container(struct writer *writer, struct level *level);
int turn_object(struct writer *writer, struct level *level);

/** A class or function, by its name. */
int writer_put_global(struct writer *writer, const char *module, const char *name);

/** Calls what is on the stack with a tuple of the values above it. */
int writer_put_call(struct writer *writer, unsigned char tuple);

#endif
