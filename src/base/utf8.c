#include "base/utf8.h"

size_t utf8_character(const void *bytes, size_t left, bool surrogates)
{
    const unsigned char *at = bytes;
    unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    switch (first) {
    case 0xe0: /* would fit into two */
        return at[1] >= 0xa0 ? length : 0;
    case 0xed: /* surrogates */
        return surrogates || at[1] < 0xa0 ? length : 0;
    case 0xf0: /* would fit into three */
        return at[1] >= 0x90 ? length : 0;
    case 0xf4: /* beyond U+10FFFF */
        return at[1] < 0x90 ? length : 0;
    default:
        return length;
    }
}

bool utf8_is_text(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    while (size > 0) {
        size_t length = utf8_character(at, size, false);
        if (length == 0)
            return false;
        at += length;
        size -= length;
    }
    return true;
}

char *utf8_put(char *out, uint32_t character)
{
    if (character < 0x80) {
        *out++ = (char)character;
        return out;
    }
    int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = { 0, 0xc0, 0xe0, 0xf0 };
    *out++ = (char)(first[more] | character >> (6 * more));
    while (more-- > 0)
        *out++ = (char)(0x80 | (character >> (6 * more) & 0x3f));
    return out;
}
