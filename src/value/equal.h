/* Equality, for who compares more than once within the same bound. */
#ifndef KITH_SRC_VALUE_EQUAL_H
#define KITH_SRC_VALUE_EQUAL_H

#include <kith/value.h>

/** The most steps that one comparison takes. */
#define COMPARE_STEPS_MAX 100000000u

/** Whether two items of containers are equal: as kith_value_equal, but a value always equals itself.
 *  @param steps  how many this may take; counted down. @return 1 or 0; KITH_ELIMIT, -ENOMEM */
int value_equal_within(const kith_value *one, const kith_value *other, uint64_t *steps);

#endif
