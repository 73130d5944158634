/* The bytes of a line: its buffers, frames, sending and receiving. */
#ifndef KITH_SRC_MANAGER_LINE_STREAM_H
#define KITH_SRC_MANAGER_LINE_STREAM_H

#include "manager/line.h"

/** Bytes of requests that are read while one is being carried out. */
enum { LINE_AHEAD_MAX = 65536 };

/* ---- buffers, which have memory only while something is in them ---- */

static inline size_t line_buffered(const struct line_buffer *buffer)
{
    return buffer->have - buffer->at;
}

void line_buffer_free(struct line_buffer *buffer);

/** Makes room for size bytes more behind what is there. @return 0; -ENOMEM */
int line_buffer_reserve(struct line_buffer *buffer, size_t size);
int line_buffer_add(struct line_buffer *buffer, const void *bytes, size_t size);
void line_buffer_take(struct line_buffer *buffer, size_t size);

/* ---- sending ---- */

/** Sends a reply, as far as there is room; the rest waits. @param more  another one follows soon: it may go along */
void line_send(struct line *line, const struct message *reply, bool more);

/** Sends what waits, as far as there is room. */
void line_flush(struct line *line);

/** Nothing can be sent any more: replies are dropped from now on. */
void line_go_mute(struct line *line);

/* ---- frames ---- */

/** The frame that bytes begin with. @return 1 when it is whole; 0; -EBADMSG, KITH_ELIMIT */
int line_frame(const struct line *line, const unsigned char *bytes, size_t have, size_t *header, size_t *size);

/** Whether something can be done with what its buffer begins with. */
bool line_has_request(const struct line *line);

/* ---- receiving ---- */

/** How much to read straight into the line's buffer: of a long message, whose memory grows as it comes. 0: nothing */
size_t line_rest_of_long(const struct line *line);

bool line_may_read(const struct line *line);

/** Receives, or notes that the other side is at its end. @return how many bytes came; 0 when none did */
size_t line_receive(struct line *line, unsigned char *bytes, size_t size);

#endif
