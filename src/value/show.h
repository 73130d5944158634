/* Values as Python's repr shows them, for who knows better how some objects look. */
#ifndef KITH_SRC_VALUE_SHOW_H
#define KITH_SRC_VALUE_SHOW_H

#include <kith/value.h>

#include <stdbool.h>

enum { VALUE_SHOWN_SIZE = 512 };

/** Shows an object. @param text  receives UTF-8 with a NUL byte behind it. @return false: it looks as ever */
typedef bool value_show_function(void *context, const kith_value *object, char text[VALUE_SHOWN_SIZE]);

/** As kith_value_repr, but that function is asked first for each object. */
KITH_MUST_USE int value_show(const kith_value *value, kith_bytes *text, size_t max, value_show_function *show,
                             void *context);

#endif
