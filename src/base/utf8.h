/* Text in UTF-8. */
#ifndef KITH_SRC_BASE_UTF8_H
#define KITH_SRC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whether these bytes are text, as RFC 3629 has it: the shortest form, no surrogates, nothing beyond U+10FFFF. */
bool utf8_is_text(const void *bytes, size_t size);

/** The character that begins here. @param left  how many bytes there are, 1 or more. @param surrogates  whether
 *  surrogates count as characters. @return its length in bytes; 0 when there is none */
size_t utf8_character(const void *bytes, size_t left, bool surrogates);

/** Writes a character, surrogates like others: up to 4 bytes. @return behind it */
char *utf8_put(char *out, uint32_t character);

#endif
