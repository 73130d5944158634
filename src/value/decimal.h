/* Numbers as Python writes them in decimal. */
#ifndef KITH_SRC_VALUE_DECIMAL_H
#define KITH_SRC_VALUE_DECIMAL_H

#include "value/value.h"

enum { DECIMAL_FLOAT_SIZE = 32, DECIMAL_BITS_MAX = 16384 };

/** Writes a double as Python's repr does, whatever the locale: the shortest digits that give it back; "inf", "nan".
 *  @param text  receives it, with a NUL byte behind. @return its length */
size_t decimal_float(double real, char text[DECIMAL_FLOAT_SIZE]);

/** Writes an int of any size: in decimal up to DECIMAL_BITS_MAX bits, since that takes the square of its length; beyond
 *  in hexadecimal, as 0x...
 *  @param text  receives it, with a NUL byte behind; free it with free. @return 0, -ENOMEM */
int decimal_int(const kith_value *value, char **text);

#endif
