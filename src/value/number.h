/* Numbers of any size, and of all kinds together. */
#ifndef KITH_SRC_VALUE_NUMBER_H
#define KITH_SRC_VALUE_NUMBER_H

#include "value/value.h"

/** Whether a value is a bool, an int or a float: what can be equal to one another. */
static inline bool number_is(const kith_value *value)
{
    return value->kind == KITH_BOOL || value->kind == KITH_INT || value->kind == KITH_FLOAT;
}

/** Whether two numbers are exactly equal. */
bool number_equal(const kith_value *one, const kith_value *other);

/** How two numbers stand to each other, exactly.
 *  @return below 0 when one is less, above 0 when it is greater; 0 when they are equal, or one is a NaN */
int number_order(const kith_value *one, const kith_value *other);

/** A float as an int64_t, where it is just that. @return whether it is; otherwise number is of no use */
bool number_float_as_int(double real, int64_t *number);

/** What became of an int as a double. */
enum number_rounding { NUMBER_EXACT, NUMBER_ROUNDED, NUMBER_BEYOND };

/** The double that is nearest to an int with VALUE_BIG, ties to even. @return whether that is the int itself, or it is
 *  beyond all doubles: then nothing is stored */
enum number_rounding number_big_as_double(const kith_value *value, double *real);

#endif
