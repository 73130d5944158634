/* Text in UTF-8. */
#ifndef KITH_SRC_BASE_UTF8_H
#define KITH_SRC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Whether these bytes are text, as RFC 3629 has it: the shortest form, no surrogates, nothing beyond U+10FFFF. */
bool utf8_is_text(const void *bytes, size_t size);

#endif
