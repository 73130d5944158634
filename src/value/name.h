/* What Python calls the type of a value, for sentences as Python has them. */
#ifndef KITH_SRC_VALUE_NAME_H
#define KITH_SRC_VALUE_NAME_H

#include <kith/value.h>

/** @return "NoneType", "int", "str", ...; of an object the name of its class, "object" where that is not known. It
 *          lives as long as the value */
const char *value_type_name(const kith_value *value);

#endif
