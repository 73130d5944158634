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
