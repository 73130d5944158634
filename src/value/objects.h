/* The objects in a value. */
#ifndef KITH_SRC_VALUE_OBJECTS_H
#define KITH_SRC_VALUE_OBJECTS_H

#include <kith/value.h>

/** Told of an object. @return 0; a negative code ends the search */
typedef int value_object_function(void *context, const kith_value *object);

/** Tells of each object that a value is or holds, once, in no order, also of those in other objects.
 *  @return 0; what the function returned; -ENOMEM */
KITH_MUST_USE int value_each_object(const kith_value *value, value_object_function *tell, void *context);

#endif
