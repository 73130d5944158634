/* A robust word that stays its owner's for as long as the owner likes: a lock inside something else. An owner may
 * acquire it again, when its user lets it, and then releases it as often. */
#ifndef KITH_SRC_SYNC_OWNED_H
#define KITH_SRC_SYNC_OWNED_H

#include "sync/word.h"

/** Shared between processes; all zero is free. */
struct owned_word {
    struct robust_word word;
    uint32_t depth; /* how often the owner has acquired it; read and written by the owner alone */
};

/** Acquires it, waiting while another thread or process owns it.
 *  @param recursive  whether the owner may acquire it once more
 *  @return 0; KITH_EOWNERDEAD, which means acquired; -ETIMEDOUT, -EINTR; -EDEADLK when this thread owns it already and
 *          it is not recursive; -EOVERFLOW when it has acquired it 4,294,967,295 times. No detail is set */
int owned_acquire(struct os_thread *self, struct owned_word *owned, deadline until, bool recursive);

/** Releases it once. @return 0; -EPERM, without a detail, when this thread does not own it */
int owned_release(struct os_thread *self, struct owned_word *owned);

/** Whether this thread owns it. */
static inline bool owned_is_mine(const struct os_thread *self, const struct owned_word *owned)
{
    return (atomic_load_explicit(&owned->word.value, memory_order_relaxed) & ROBUST_OWNER) == self->id;
}

#endif
