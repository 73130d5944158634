/* The note beside a queue that a server shares with its clients: what they must know of the server when they use the
 * queue themselves. docs/design/near.md has the whole of it. The server writes it; clients map it to read. */
#ifndef KITH_SRC_MANAGER_NOTE_H
#define KITH_SRC_MANAGER_NOTE_H

#include "os/robust.h"

#include <stdbool.h>

/** What waits at the server, for which a client that changes the queue has to tell it (kith_changed). */
enum {
    NOTE_GETTERS = 1,  /* for a message */
    NOTE_PUTTERS = 2,  /* for room */
    NOTE_JOINERS = 4,  /* for all to be done */
    NOTE_RETURNED = 8, /* a message that was got, and returned: it is the next one, and to be got from the server */
};

struct note {
    /* The server's thread owns it while it serves; the kernel releases it at its death. Read by clients. */
    struct robust_word server;
    _Alignas(64) _Atomic uint32_t waiting; /* NOTE_... Written by the server, read by clients */
};

/** Whether the server is there. acquire: pairs with the stores of its beginning. */
static inline bool note_has_server(const struct note *note)
{
    return atomic_load_explicit(&note->server.value, memory_order_acquire) & ROBUST_OWNER;
}

/** Which of these wait. Behind a change of the queue: either this sees who has said before that he waits, or his look
 *  at the queue, after he has said so, sees the change. Pairs with note_wait. */
static inline bool note_has(const struct note *note, uint32_t whom)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(&note->waiting, memory_order_relaxed) & whom;
}

/** Whether a message is to be got from the server. */
static inline bool note_has_returned(const struct note *note)
{
    return atomic_load_explicit(&note->waiting, memory_order_acquire) & NOTE_RETURNED;
}

/** Says that somebody waits, before another look at the queue. Pairs with note_has. */
static inline void note_wait(struct note *note, uint32_t whom)
{
    atomic_fetch_or_explicit(&note->waiting, whom, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

static inline void note_clear(struct note *note, uint32_t whom)
{
    atomic_fetch_and_explicit(&note->waiting, ~whom, memory_order_release);
}

#endif
