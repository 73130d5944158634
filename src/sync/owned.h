/* A robust word that stays its owner's for as long as the owner likes: a lock, or a lock inside something else. An
 * owner may acquire it again, when its user lets it, and then releases it as often. */
#ifndef KITH_SRC_SYNC_OWNED_H
#define KITH_SRC_SYNC_OWNED_H

#include "sync/word.h"

/** Shared between processes; all zero is free. */
struct owned_word {
    struct robust_word word;
    uint32_t again; /* how often the owner has acquired it once more; its alone, and 0 when there is none */
};

/** Acquires it, waiting while another thread or process owns it.
 *  @param recursive  whether the owner may acquire it once more
 *  @return 0; KITH_EOWNERDEAD, which means acquired; -ETIMEDOUT, -EINTR; -EDEADLK when this thread owns it already and
 *          it is not recursive; -EOVERFLOW when it has acquired it 4,294,967,296 times. No detail is set */
int owned_acquire(struct os_thread *self, struct owned_word *owned, deadline until, bool recursive);

/** Releases it once. @return 0; -EPERM, without a detail, when this thread does not own it */
static inline int owned_release(struct os_thread *self, struct owned_word *owned);

/** The thread that owns it, or 0. */
static inline uint32_t owned_by(const struct owned_word *owned)
{
    return atomic_load_explicit(&owned->word.value, memory_order_relaxed) & ROBUST_OWNER;
}

/** Whether this thread owns it. */
static inline bool owned_is_mine(const struct os_thread *self, const struct owned_word *owned)
{
    return owned_by(owned) == self->id;
}

/* ---- the steps, for those who wait for the word in their own way ---- */

/** After an attempt to acquire the word: on the list, when it is ours, and the slot is empty. @return the code */
static inline int owned_settle(struct os_thread *self, struct owned_word *owned, int code)
{
    if (likely(code == 0 || code == KITH_EOWNERDEAD)) {
        robust_link(self, &owned->word);
        if (unlikely(code == KITH_EOWNERDEAD))
            owned->again = 0; /* whatever the dead one has left */
    }
    robust_pending(self, NULL);
    return code;
}

/** The owner acquires it once more. @return as owned_acquire */
int owned_acquire_again(struct owned_word *owned, bool recursive);

/** The owner releases it, however often it has acquired it. */
static inline void owned_let_go(struct os_thread *self, struct owned_word *owned)
{
    robust_pending(self, &owned->word);
    robust_unlink(self, &owned->word);
    if (unlikely(!word_try_release(self, &owned->word)))
        word_release_to_waiter(&owned->word);
    robust_pending(self, NULL);
}

static inline int owned_release(struct os_thread *self, struct owned_word *owned)
{
    if (unlikely(!owned_is_mine(self, owned)))
        return -EPERM;
    if (unlikely(owned->again > 0))
        owned->again--;
    else
        owned_let_go(self, owned);
    return 0;
}

#endif
