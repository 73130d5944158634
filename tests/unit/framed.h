/* Messages that have buffers beside their pickle (kith/codec.h, "queues"), put together by hand. */
#ifndef KITH_TESTS_UNIT_FRAMED_H
#define KITH_TESTS_UNIT_FRAMED_H

#include <kith/codec.h>

#include <string.h>

static inline size_t framed_number(unsigned char *message, size_t at, uint64_t number, size_t width)
{
    uint32_t narrow = (uint32_t)number;
    memcpy(message + at, width == sizeof narrow ? (const void *)&narrow : (const void *)&number, width);
    return at + width;
}

static inline size_t framed_part(unsigned char *message, size_t at, const void *data, size_t size)
{
    for (; at % 8 != 0; at++)
        message[at] = 0xee; /* padding, which nobody looks at */
    if (size > 0)
        memcpy(message + at, data, size);
    return at + size;
}

/** @param message  room for all of it, and 8 bytes more for each part. @return its length */
static inline size_t framed(unsigned char *message, const void *pickle, size_t size, const kith_buffer *buffers,
                            uint32_t count)
{
    memcpy(message, "\0KB1", 4);
    size_t at = framed_number(message, 4, count, sizeof(uint32_t));
    at = framed_number(message, at, size, sizeof(uint64_t));
    for (uint32_t i = 0; i < count; i++) /* every second one is read-only */
        at = framed_number(message, at, buffers[i].size | (uint64_t)(i % 2) << 63, sizeof(uint64_t));
    at = framed_part(message, at, pickle, size);
    for (uint32_t i = 0; i < count; i++)
        at = framed_part(message, at, buffers[i].data, buffers[i].size);
    return at;
}

#endif
