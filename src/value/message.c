/* Messages of queues that are values: a pickle, or a pickle with buffers beside it, whose form kith/codec.h tells. */
#include <kith/codec.h>

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a message with buffers begins with: the mark, how many buffers there are, how long the pickle is; and the length
 * of each buffer. */
enum { COUNT_AT = 4, PICKLE_SIZE_AT = 8, HEAD = 16, LENGTH = sizeof(uint64_t), ALIGNMENT = 8 };

static const char mark[COUNT_AT] = { 0, 'K', 'B', '1' };

#define READ_ONLY ((uint64_t)1 << 63)

/* A message that is taken apart from its beginning. */
struct parts {
    const char *message;
    size_t size;
    size_t at; /* at most size, but for the padding behind the last part */
};

static uint64_t number_at(const char *message, size_t at, size_t width)
{
    uint32_t narrow;
    uint64_t wide;
    if (width == sizeof narrow) {
        memcpy(&narrow, message + at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, message + at, sizeof wide);
    return wide;
}

/** Takes the next part. @return false when the message ends before it does */
static bool take_part(struct parts *parts, uint64_t size, kith_buffer *part)
{
    parts->at = (parts->at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > 0 && (parts->at > parts->size || size > parts->size - parts->at))
        return false;
    *part = (kith_buffer){ size > 0 ? parts->message + parts->at : NULL, (size_t)size };
    parts->at += (size_t)size;
    return true;
}

static int too_short(const struct parts *parts, const char *what)
{
    return error_fail(KITH_EMALFORMED, "a message of %zu bytes ends before %s does", parts->size, what);
}

/** @param buffers  room for as many as there are */
static int read_parts(kith_arena *arena, kith_value **value, struct parts *parts, kith_buffer *buffers, size_t count,
                      const kith_pickle_read_options *options)
{
    kith_buffer pickle;
    if (!take_part(parts, number_at(parts->message, PICKLE_SIZE_AT, LENGTH), &pickle))
        return too_short(parts, "its pickle");
    for (size_t i = 0; i < count; i++) {
        uint64_t length = number_at(parts->message, HEAD + i * LENGTH, LENGTH) & ~READ_ONLY;
        if (!take_part(parts, length, &buffers[i]))
            return too_short(parts, "a buffer");
    }
    kith_pickle_read_options with_buffers = *options;
    with_buffers.buffers = buffers;
    with_buffers.buffer_count = count;
    return kith_pickle_read(arena, value, pickle.data, pickle.size, &with_buffers);
}

static int read_framed(kith_arena *arena, kith_value **value, struct parts *parts,
                       const kith_pickle_read_options *options)
{
    enum { FEW = 16 };
    kith_buffer few[FEW];
    kith_buffer *buffers = few;
    if (parts->size < HEAD)
        return too_short(parts, "its head");
    size_t count = (size_t)number_at(parts->message, COUNT_AT, sizeof(uint32_t));
    if (count > (parts->size - HEAD) / LENGTH)
        return too_short(parts, "the list of its buffers");
    parts->at = HEAD + count * LENGTH;
    if (count > FEW)
        buffers = malloc(count * sizeof *buffers);
    if (!buffers)
        return error_fail(-ENOMEM, "no memory for the places of %zu buffers", count);
    int code = read_parts(arena, value, parts, buffers, count, options);
    if (buffers != few)
        free(buffers);
    return code;
}

int kith_message_read(kith_arena *arena, kith_value **value, const void *data, size_t size,
                      const kith_pickle_read_options *options)
{
    static const kith_pickle_read_options defaults;
    if (!options)
        options = &defaults;
    if (!arena || !value || (!data && size > 0))
        return error_fail(-EINVAL, "%s is NULL", !arena ? "arena" : !value ? "value" : "data");
    if (options->buffers || options->buffer_count > 0)
        return error_fail(-EINVAL, "buffers are given, and those of a message are in it");
    if (size < sizeof mark || memcmp(data, mark, sizeof mark) != 0)
        return kith_pickle_read(arena, value, data, size, options);
    struct parts parts = { .message = data, .size = size };
    return read_framed(arena, value, &parts, options);
}
