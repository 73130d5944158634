/* Few bytes: most texts are keys and words. A call of memcpy takes longer than to copy them, and to put a few bytes
 * into a word by way of the stack longer still. So each is read as two pieces, which may overlap, of half its length or
 * more. */
#ifndef KITH_SRC_VALUE_FEW_H
#define KITH_SRC_VALUE_FEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Copies bytes, of which there are mostly few. */
static inline void few_copy(void *to, const void *from, size_t size)
{
    char *out = to;
    const char *in = from;
    if (size > 2 * sizeof(uint64_t)) {
        memcpy(out, in, size);
    } else if (size >= sizeof(uint64_t)) {
        uint64_t first, last;
        memcpy(&first, in, sizeof first);
        memcpy(&last, in + size - sizeof last, sizeof last);
        memcpy(out, &first, sizeof first);
        memcpy(out + size - sizeof last, &last, sizeof last);
    } else if (size >= sizeof(uint32_t)) {
        uint32_t first, last;
        memcpy(&first, in, sizeof first);
        memcpy(&last, in + size - sizeof last, sizeof last);
        memcpy(out, &first, sizeof first);
        memcpy(out + size - sizeof last, &last, sizeof last);
    } else if (size > 0) {
        out[0] = in[0];
        out[size / 2] = in[size / 2];
        out[size - 1] = in[size - 1];
    }
}

/** Whether all is ASCII, as most texts are. */
static inline bool few_are_ascii(const void *text, size_t size)
{
    const char *at = text;
    if (size >= sizeof(uint64_t)) {
        uint64_t word;
        for (size_t left = size; left > sizeof word; left -= sizeof word, at += sizeof word) {
            memcpy(&word, at, sizeof word);
            if (word & 0x8080808080808080)
                return false;
        }
        memcpy(&word, (const char *)text + size - sizeof word, sizeof word); /* some of it once more */
        return !(word & 0x8080808080808080);
    }
    if (size >= sizeof(uint32_t)) {
        uint32_t first, last;
        memcpy(&first, at, sizeof first);
        memcpy(&last, at + size - sizeof last, sizeof last);
        return !((first | last) & 0x80808080);
    }
    return size == 0 || !((at[0] | at[size / 2] | at[size - 1]) & 0x80);
}

#endif
