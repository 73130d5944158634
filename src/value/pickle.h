/* Pickles inside: what the parts of the reader and the writer have of each other. */
#ifndef KITH_SRC_VALUE_PICKLE_H
#define KITH_SRC_VALUE_PICKLE_H

#include <kith/codec.h>

#include "value/few.h"
#include "value/pickle_opcodes.h"
#include "value/pickle_out.h"
#include "value/value.h"

enum {
    PICKLE_PROTOCOL_MAX = 5,
    PICKLE_PROTOCOL_DEFAULT = 4,
    PICKLE_BATCH = 1000,       /* how many items one APPENDS, SETITEMS or ADDITEMS takes, as CPython has it */
    PICKLE_NAME_MAX = 1000,    /* bytes of a module's or class's name, which may be looked at again and again */
    PICKLE_NAME_DOTS = 100,    /* in such a name. Python does not compile what is indented deeper; and older protocols
                                  say getattr for each */
    PICKLE_DIGITS_MAX = 20000, /* of an int written in decimal: to read it takes their square */
};

enum pickle_opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_FLOAT = 'F',
    OP_INT = 'I',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_LONG = 'L',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_PERSID = 'P',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_STRING = 'S',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_UNICODE = 'V',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_APPENDS = 'e',
    OP_GET = 'g',
    OP_BINGET = 'h',
    OP_INST = 'i',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_OBJ = 'o',
    OP_PUT = 'p',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_SETITEMS = 'u',
    OP_BINFLOAT = 'G',
    /* protocol 2 */
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_EXT1 = 0x82,
    OP_EXT2 = 0x83,
    OP_EXT4 = 0x84,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    /* protocol 3 */
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    /* protocol 4 */
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_NEWOBJ_EX = 0x92,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    /* protocol 5 */
    OP_BYTEARRAY8 = 0x96,
    OP_NEXT_BUFFER = 0x97,
    OP_READONLY_BUFFER = 0x98,
};

/* ---- writing into memory that the caller keeps ---- */

/** Where pickles are written, one after the other: what the longest one needed stays for the next. All zero is
 *  empty. */
struct pickle_out {
    unsigned char *data; /* the pickle */
    size_t size;         /* its length in bytes */
    size_t capacity;     /* of the memory at data */
    bool lent;           /* the memory is the caller's, not from malloc: it is left when it gets too small */
};

/** As kith_pickle_write, but for where the pickle goes: it replaces what is in out. After a failure out is still good
 *  for the next pickle, and what it holds is nothing. */
KITH_MUST_USE int pickle_write_to(struct pickle_out *out, const kith_value *value,
                                  const kith_pickle_write_options *options);

/** A piece of a pickle: opcodes, and behind them some values. */
struct pickle_piece {
    const void *opcodes; /* which do not use the memo */
    size_t size;
    const kith_value *const *values;
    size_t count;
};

/** As pickle_write_to, for a pickle of pieces that make one value together. So somebody else's values are parts of a
 *  pickle and of no container, which would change their marks. */
KITH_MUST_USE int pickle_write_pieces(struct pickle_out *out, const struct pickle_piece *pieces, size_t count,
                                      const kith_pickle_write_options *options);

/** Frees its memory, unless it is lent, and empties it. */
void pickle_out_free(struct pickle_out *out);

/* ---- reading memory that may be kept ---- */

/** Reads a pickle that lies in memory from malloc. A long one becomes the arena's, and its long bytes are not copied:
 *  then pickle->data is NULL afterwards. @return as kith_pickle_read */
KITH_MUST_USE int pickle_read_message(kith_arena *arena, kith_value **value, kith_bytes *pickle);

/* ---- parts of the reader ----
 *
 * They return 0 and a value; KITH_EMALFORMED and in fault what is wrong, for the reader to tell with its place; or what
 * arena_take has to say. */

/** What an INT, a LONG, a FLOAT, a STRING or a UNICODE says: a line of text, without its end (which is there). */
int pickle_text_int(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);
int pickle_text_long(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);
int pickle_text_float(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);
int pickle_text_string(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);
int pickle_text_unicode(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault);

/** A str of Python 2: a str when it is ASCII, else bytes. */
kith_value *pickle_old_string(kith_arena *arena, const void *data, size_t size);

/** What a call makes that stands for a plain value, because the protocol has no other word for it: set([1, 2]).
 *  @return 1 and the value; 0 when it is no such call; a code as said above */
int pickle_builtin(kith_arena *arena, const kith_value *callable, const kith_value *args, kith_value **value,
                   const char **fault);

/** Looks how deep a value nests. @return 0; KITH_ELIMIT when deeper than that; -ENOMEM */
KITH_MUST_USE int pickle_check_depth(const kith_value *value, size_t max_depth);

/* ---- names ---- */

/** Puts the names of a global as Python 2 has them in the place of Python 3's, or the other way, where they differ.
 *  What it stores lives for ever. */
void pickle_names_to_2(const char **module, const char **name);
void pickle_names_to_3(const char **module, const char **name);

#endif
