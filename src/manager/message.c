#include "manager/message.h"

#include "base/error.h"
#include "connection/frame.h"
#include "value/pickle_opcodes.h"
#include "value/pickle_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PROTOCOL = 4 };

/* ---- memory ---- */

/* @return whether there is room for size bytes more */
static bool grow(struct message *message, size_t size)
{
    enum { LEAST = 512 };
    size_t capacity = message->capacity > LEAST ? message->capacity : LEAST;
    while (capacity - message->size < size) {
        if (capacity > PTRDIFF_MAX / 2)
            return false;
        capacity *= 2;
    }
    unsigned char *data = realloc(message->lent ? NULL : message->data, capacity);
    if (!data)
        return false;
    if (message->lent && message->size)
        memcpy(data, message->data, message->size);
    message->data = data;
    message->capacity = capacity;
    message->lent = false;
    return true;
}

/* @return where size bytes more go; NULL when the frame has failed */
static unsigned char *reserve(struct message *message, size_t size)
{
    if (message->code < 0)
        return NULL;
    if (size > message->capacity - message->size && !grow(message, size)) {
        message->code = error_fail(-ENOMEM, "no memory for a message of %zu bytes", message->size - message->begun);
        return NULL;
    }
    unsigned char *at = message->data + message->size;
    message->size += size;
    return at;
}

void message_free(struct message *message)
{
    if (!message->lent)
        free(message->data);
    *message = (struct message){ 0 };
}

/* ---- pieces ---- */

void message_begin(struct message *message)
{
    message->begun = message->size;
    message->code = 0;
    unsigned char *at = reserve(message, FRAME_HEADER_MIN + 2);
    if (at) {
        at[FRAME_HEADER_MIN] = OP_PROTO;
        at[FRAME_HEADER_MIN + 1] = PROTOCOL;
    }
}

void message_put(struct message *message, const void *bytes, size_t size)
{
    unsigned char *at = reserve(message, size);
    if (at && size)
        memcpy(at, bytes, size);
}

void message_put_byte(struct message *message, unsigned char byte)
{
    unsigned char *at = reserve(message, 1);
    if (at)
        *at = byte;
}

/* An opcode and a number of width bytes, the least significant first. */
static void put_number(struct message *message, unsigned char opcode, uint64_t number, size_t width)
{
    unsigned char *at = reserve(message, 1 + width);
    if (!at)
        return;
    *at = opcode;
    for (size_t i = 0; i < width; i++)
        at[1 + i] = (unsigned char)(number >> (8 * i));
}

void message_put_str(struct message *message, const char *text)
{
    size_t size = strlen(text);
    if (size <= UINT8_MAX)
        put_number(message, OP_SHORT_BINUNICODE, size, 1);
    else
        put_number(message, OP_BINUNICODE8, size, 8);
    message_put(message, text, size);
}

void message_put_int(struct message *message, int64_t number)
{
    if (number >= 0 && number <= UINT8_MAX) {
        put_number(message, OP_BININT1, (uint64_t)number, 1);
    } else if (number >= INT32_MIN && number <= INT32_MAX) {
        put_number(message, OP_BININT, (uint64_t)number, 4);
    } else {
        message_put_byte(message, OP_LONG1);
        put_number(message, sizeof number, (uint64_t)number, sizeof number);
    }
}

void message_put_tuple(struct message *message, unsigned count)
{
    static const char opcodes[] = { OP_EMPTY_TUPLE, (char)OP_TUPLE1, (char)OP_TUPLE2, (char)OP_TUPLE3 };
    message_put_byte(message, (unsigned char)opcodes[count]);
}

/* The writer writes where the pieces are, if there is room, or else elsewhere. Its head and end are left out. */
void message_put_value(struct message *message, const kith_value *value)
{
    enum { HEAD = 2, END = 1 };
    if (message->code < 0)
        return;
    struct pickle_out out = {
        .data = message->data + message->size,
        .capacity = message->capacity - message->size,
        .lent = true,
    };
    message->code = pickle_write_to(&out, value, &(kith_pickle_write_options){ .protocol = PROTOCOL });
    if (message->code == 0 && out.lent) {
        message->size += out.size - HEAD - END;
        memmove(out.data, out.data + HEAD, out.size - HEAD - END);
    } else if (message->code == 0) {
        message_put(message, out.data + HEAD, out.size - HEAD - END);
    }
    pickle_out_free(&out);
}

/* ---- the end ---- */

void message_drop(struct message *message)
{
    message->size = message->begun;
    message->code = 0;
}

int message_end(struct message *message)
{
    message_put_byte(message, OP_STOP);
    size_t size = message->size - message->begun - FRAME_HEADER_MIN;
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_size = frame_encode(header, size);
    if (header_size > FRAME_HEADER_MIN && reserve(message, header_size - FRAME_HEADER_MIN))
        memmove(message->data + message->begun + header_size, message->data + message->begun + FRAME_HEADER_MIN, size);
    int code = message->code;
    if (code == 0)
        memcpy(message->data + message->begun, header, header_size);
    else
        message_drop(message);
    message->begun = message->size;
    return code;
}
