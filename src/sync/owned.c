#include "sync/owned.h"

static int acquire_again(struct owned_word *owned, bool recursive)
{
    if (!recursive)
        return -EDEADLK;
    if (owned->depth == UINT32_MAX)
        return -EOVERFLOW;
    owned->depth++;
    return 0;
}

int owned_acquire(struct os_thread *self, struct owned_word *owned, deadline until, bool recursive)
{
    int code = 0;
    robust_pending(self, &owned->word);
    if (unlikely(!word_try_acquire(self, &owned->word)))
        code = word_acquire_slowly(self, &owned->word, until);
    if (likely(code == 0 || code == KITH_EOWNERDEAD)) {
        owned->depth = 1; /* whatever an owner left that died */
        robust_link(self, &owned->word);
    }
    robust_pending(self, NULL);
    return code == -EDEADLK ? acquire_again(owned, recursive) : code;
}

int owned_release(struct os_thread *self, struct owned_word *owned)
{
    if (unlikely(!owned_is_mine(self, owned)))
        return -EPERM;
    if (--owned->depth > 0)
        return 0;
    robust_pending(self, &owned->word);
    robust_unlink(self, &owned->word);
    if (unlikely(!word_try_release(self, &owned->word)))
        word_release_to_waiter(&owned->word);
    robust_pending(self, NULL);
    return 0;
}
