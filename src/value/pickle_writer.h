/* What the parts of the pickle writer have in common: bytes to put, the memo, and each other. All return 0 or a
 * code. */
#ifndef KITH_SRC_VALUE_PICKLE_WRITER_H
#define KITH_SRC_VALUE_PICKLE_WRITER_H

#include "base/error.h"
#include "value/pickle.h"
#include "value/pickle_memo.h"

struct writer {
    struct pickle_out *out;
    size_t room; /* how long the pickle gets before grow has to look: the memory's size, or the limit */
    size_t limit;
    const kith_value *root;
    const kith_pickle_write_options *options;
    int protocol;
    unsigned depth;
    unsigned late; /* how many values are being written that are made of their parts, and may be among them */
    struct memo memo;
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

/** What comes is made of its parts. @return whether it is to be remembered, which writer_late_end wants to know */
bool writer_late_begin(struct writer *writer, const kith_value *value);

/** What was made of the parts is on the stack now.
 *  @param code  what writing the parts said
 *  @return 0; 1 when it had been made meanwhile, as one of its own parts, and is complete */
int writer_late_end(struct writer *writer, const kith_value *value, bool remembered, int code);

/* ---- values ---- */

int write_value(struct writer *writer, const kith_value *value);
int write_bytes(struct writer *writer, const void *data, size_t size);
int write_bytearray(struct writer *writer, const void *data, size_t size);

/** A list, dict, tuple, set, frozenset. @return 0 or, as an object, 1: it had been made meanwhile */
int write_container(struct writer *writer, const kith_value *value);
int write_object(struct writer *writer, const kith_value *value);

/** A class or function, by its name. */
int writer_put_global(struct writer *writer, const char *module, const char *name);

/** Calls what is on the stack with a tuple of the values above it. */
int writer_put_call(struct writer *writer, unsigned char tuple);

/** One entry of a list, a table, or an object's steps. @param key  receives NULL where there is none, as item */
typedef void writer_entry_at(const void *entries, size_t index, const kith_value **key, const kith_value **item);

/** Writes entries one after the other. */
int writer_put_entries(struct writer *writer, writer_entry_at *at, const void *entries, size_t first, size_t end);

/** Fills what is on the stack, batch by batch. @param one  the opcode for a single entry; 0: that for many does it */
int writer_fill(struct writer *writer, writer_entry_at *at, const void *entries, size_t count, unsigned char one,
                unsigned char many);

/** An entry of an array of values. */
void writer_item_at(const void *entries, size_t index, const kith_value **key, const kith_value **item);

#endif
