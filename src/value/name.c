#include "value/name.h"

const char *value_type_name(const kith_value *value)
{
    const char *name;
    int kind = kith_value_kind(value);
    if (kind == KITH_NONE)
        return "NoneType";
    return kind == KITH_OBJECT && kith_object_name(value, NULL, &name) == 0 ? name : kith_kind_name(kind);
}
