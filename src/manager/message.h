/* Frames with pickles in them, built piece by piece: values are written, and what is a pickle already is spliced in.
 * The bytes are those of connection/frame.h and of pickles of protocol 4.
 *
 * A failure is kept until message_end, which tells of it; so the pieces need no look each. Pieces here use no memo; at
 * most one piece of a frame may: a value, or a cell. */
#ifndef KITH_SRC_MANAGER_MESSAGE_H
#define KITH_SRC_MANAGER_MESSAGE_H

#include <kith/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
    unsigned char *data; /* whole frames, one behind the other, and the one that is being built */
    size_t size;
    size_t capacity;
    size_t begun; /* where the frame that is being built begins */
    int code;     /* what failed first in it */
    bool lent;    /* the memory is the caller's, not from malloc: it is left when it gets too small */
};

/** An empty one that uses room first, as an array on the stack. */
#define MESSAGE_IN(room) ((struct message){ .data = (room), .capacity = sizeof(room), .lent = true })

/** Begins a frame. */
void message_begin(struct message *message);

/** Raw bytes; opcodes. */
void message_put(struct message *message, const void *bytes, size_t size);
void message_put_byte(struct message *message, unsigned char byte);

void message_put_str(struct message *message, const char *text);
void message_put_int(struct message *message, int64_t number);

/** A value. What can't be written is kept as the failure, with its detail. */
void message_put_value(struct message *message, const kith_value *value);

/** Makes a tuple of the last pieces. @param count  0 to 3 */
void message_put_tuple(struct message *message, unsigned count);

/** Ends the frame. @return 0; the failure, and then nothing of the frame is left */
int message_end(struct message *message);

/** Drops the frame that is being built. */
void message_drop(struct message *message);

/** Frees the memory, unless it is lent. */
void message_free(struct message *message);

#endif
