/* opcodes.h: the words of pickles that the extension writes and reads itself (Lib/pickletools.py describes all). */
#ifndef KITH_PYTHON_OPCODES_H
#define KITH_PYTHON_OPCODES_H

enum opcode {
    OP_PROTO = 0x80,
    OP_FRAME = 0x95,
    OP_STOP = '.',
    OP_MEMOIZE = 0x94,
    OP_NONE = 'N',
    OP_TRUE = 0x88,
    OP_FALSE = 0x89,
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_BININT = 'J',
    OP_LONG1 = 0x8a,
    OP_BINFLOAT = 'G',
    OP_SHORT_BINBYTES = 'C',
    OP_BINBYTES = 'B',
    OP_BINBYTES8 = 0x8e,
    OP_BYTEARRAY8 = 0x96,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE = 'X',
    OP_BINUNICODE8 = 0x8d,
    OP_MARK = '(',
    OP_EMPTY_LIST = ']',
    OP_APPEND = 'a',
    OP_APPENDS = 'e',
    OP_EMPTY_TUPLE = ')',
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_TUPLE = 't',
    OP_EMPTY_DICT = '}',
    OP_SETITEM = 's',
    OP_SETITEMS = 'u'
};

/* What a message with buffers beside its pickle begins with (kith/codec.h): these four bytes, the number of buffers in
 * 32 bits, the length of the pickle in 64, and of each buffer its length in 64, the highest of which says that it is
 * read-only. */
#define BESIDE_MAGIC "\0KB1"
#define BESIDE_HEAD 16
#define BESIDE_READONLY ((uint64_t)1 << 63)
#define BESIDE_ALIGN 8

#endif
