#include "connection/outlook.h"

#include "connection/frame.h"
#include "os/memory.h"

/* One counter to a cache line, for connections that are used by different threads. */
enum { COUNTERS = 1023 };

struct counters {
    _Alignas(64) _Atomic uint64_t given; /* how many were given away; written by all who make connections */
    struct {
        _Alignas(64) _Atomic uint64_t turns;
    } each[COUNTERS];
};

static struct counters *counters; /* made under forks_block, and never unmapped: children count on it */

void outlook_begin(struct outlook *outlook)
{
    void *memory;
    *outlook = (struct outlook){ .far = true };
    if (!counters && os_memory_share(&memory, sizeof *counters) == 0)
        counters = memory;
    if (counters) {
        uint64_t number = atomic_fetch_add_explicit(&counters->given, 1, memory_order_relaxed);
        outlook->turns = &counters->each[number % COUNTERS].turns;
    }
}

/* Whether a frame with the short header begins here. */
static bool short_frame(const unsigned char *bytes, size_t size, size_t *length)
{
    return frame_decode(bytes, size < FRAME_HEADER_MIN ? size : FRAME_HEADER_MIN, length) == 0;
}

void outlook_see(struct outlook *outlook, const unsigned char *bytes, size_t size)
{
    outlook->next = 0;
    outlook->count = 0;
    if (!outlook->turns)
        return;
    outlook->turn = atomic_load_explicit(outlook->turns, memory_order_acquire); /* as in outlook_next */
    size_t at = 0, length;
    while (outlook->count < OUTLOOK_FRAMES && short_frame(bytes + at, size - at, &length) &&
           length <= OUTLOOK_FRAME_MAX - FRAME_HEADER_MIN && FRAME_HEADER_MIN + length <= size - at) {
        outlook->sizes[outlook->count++] = (uint16_t)(FRAME_HEADER_MIN + length);
        at += FRAME_HEADER_MIN + length;
    }
}
