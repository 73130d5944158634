/* The letters of kith_value_pack and kith_value_unpack. */
#ifndef KITH_SRC_VALUE_FORMAT_H
#define KITH_SRC_VALUE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

/** How deep brackets may nest. */
enum { FORMAT_DEPTH_MAX = 100 };

/** The next letter that means something: past spaces, commas and colons. */
static inline const char *format_skip(const char *at)
{
    while (*at == ' ' || *at == ',' || *at == ':')
        at++;
    return at;
}

/** Takes a letter where it is the next one. */
static inline bool format_take(const char **at, char letter)
{
    *at = format_skip(*at);
    if (**at != letter)
        return false;
    ++*at;
    return true;
}

/** @return what closes a bracket; 0 when it is none */
static inline char format_closing(char open)
{
    switch (open) {
    case '[':
        return ']';
    case '(':
        return ')';
    case '{':
        return '}';
    case '<':
        return '>';
    default:
        return '\0';
    }
}

#endif
