#include "connection/frame.h"

#include <errno.h>
#include <stdint.h>

static void put(unsigned char *bytes, size_t count, uint64_t number)
{
    for (size_t i = count; i-- > 0; number >>= 8)
        bytes[i] = (unsigned char)number;
}

static uint64_t get(const unsigned char *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

size_t frame_encode(unsigned char header[FRAME_HEADER_MAX], size_t size)
{
    if (size <= INT32_MAX) {
        put(header, FRAME_HEADER_MIN, size);
        return FRAME_HEADER_MIN;
    }
    put(header, FRAME_HEADER_MIN, UINT32_MAX);
    put(header + FRAME_HEADER_MIN, FRAME_HEADER_MAX - FRAME_HEADER_MIN, size);
    return FRAME_HEADER_MAX;
}

int frame_decode(const unsigned char *header, size_t have, size_t *size)
{
    if (have < FRAME_HEADER_MIN)
        return (int)(FRAME_HEADER_MIN - have);
    uint64_t length = get(header, FRAME_HEADER_MIN);
    if (length == UINT32_MAX) {
        if (have < FRAME_HEADER_MAX)
            return (int)(FRAME_HEADER_MAX - have);
        length = get(header + FRAME_HEADER_MIN, FRAME_HEADER_MAX - FRAME_HEADER_MIN);
        if (length > PTRDIFF_MAX)
            return -EBADMSG;
    } else if (length > INT32_MAX) {
        return -EBADMSG;
    }
    *size = (size_t)length;
    return 0;
}
